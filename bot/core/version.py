"""What a version is called: `v1.2.0`, `v1.2.0-rc.1` (semver.org, with a `v`, and without build metadata, which an image's tag cannot hold)."""

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bot.core.suggest import quoted

_NUMBER = r"(0|[1-9][0-9]*)"
_VERSION = re.compile(rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")
_LOOKALIKE = str.maketrans({"o": "0", "l": "1", "i": "1", ",": "."})


def meant(text: str) -> str | None:
    """Returns the version that a misspelt one probably is: without its `v`, with letters for digits, or without its last number."""
    core, dash, suffix = text.strip().partition("-")
    numbers = core.lower().removeprefix("v").translate(_LOOKALIKE).split(".")
    if len(numbers) == 2:
        numbers.append("0")
    candidate = "v" + ".".join(number.lstrip("0") or "0" for number in numbers) + dash + suffix
    return candidate if _VERSION.fullmatch(candidate) else None


def checked(text: str) -> str:
    """Returns the version as it is. Raises PydanticCustomError, which says of anything else what was probably meant."""
    if _VERSION.fullmatch(text) and len(text) <= 128:
        return text
    probable = meant(text) if len(text) <= 128 else None
    advice = f"; did you mean `{probable}`?" if probable else "; it is written `v1.2.0` or `v1.2.0-rc.1`"
    raise PydanticCustomError("sentence", "{text}", {"text": f"*{quoted(text)}* is not a version{advice}"})


Version = Annotated[str, AfterValidator(checked)]
"""A field that holds a version, and says of anything else what was probably meant."""
