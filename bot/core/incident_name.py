"""How incidents are called: `#42`, `42`, `inc-42`, or as the channel of one, `#inc-42-gateway-error-rate`; and by what keys their messages are known."""

import re

_NAME = re.compile(r"#?inc[- ]?(?P<said>[1-9][0-9]{0,8})(?:-[\w-]*)?|#(?P<hash>[1-9][0-9]{0,8})|(?P<bare>[1-9][0-9]{0,8})", re.IGNORECASE | re.ASCII)


def incident_number(text: str, *, bare: bool = True) -> int | None:
    """Returns the number that a text names an incident by, or None. Without `bare` a number alone is no name: it may as well begin a sentence."""
    found = _NAME.fullmatch(text.strip())
    if found is None or (found["bare"] and not bare):
        return None
    return int(found["said"] or found["hash"] or found["bare"])


def incident_key(incident: int) -> str:
    """Returns the key of an incident's message in #incidents; those of its other messages begin with it."""
    return f"incident-{incident}"


def summary_key(incident: int) -> str:
    """Returns the key of the first message in an incident's own channel."""
    return f"{incident_key(incident)}/summary"
