"""The settings of a step as they stand in a list: `**Check**: …`, `**On failure**: go to [Roll back](#roll-back)`. Each says what it expects when it gets
something else (ValueError). Pure."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from bot.core import durations
from bot.core.suggest import quoted
from bot.core.text import cut
from runbooks.model import END, ESCALATE, STOP, Check, Choice

LONGEST_LABEL = 75
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_MUST = {"shows": "show", "does not show": "not show", "is below": "be below", "is above": "be above", "below": "be below", "above": "be above"}
_PIECE = re.compile(r"(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)|\*\*(?P<strong>[^*]+)\*\*|\[(?P<link>[^\[\]]+)\]\((?P<to>[^()\s]*)\)", re.S)
"""What matters inside a line: code, a bold word, a link."""


class Part(NamedTuple):
    """A piece of a line: text, a bold word, code, or a link to `to`."""

    kind: str
    text: str
    to: str = ""


def parts(content: str) -> tuple[Part, ...]:
    """Returns the pieces of an item's line."""
    found, end = list[Part](), 0
    for one in _PIECE.finditer(content):
        found += [Part(kind="text", text=content[end : one.start()])] if one.start() > end else []
        kind = next(kind for kind in ("code", "strong", "link") if one[kind] is not None)
        found.append(Part(kind=kind, text=one[kind].strip() if kind == "code" else one[kind], to=one["to"] or ""))
        end = one.end()
    return (*found, *([Part(kind="text", text=content[end:])] if content[end:] else []))


def choice_of(found: tuple[Part, ...], line: int) -> Choice | None:
    """Returns the choice that an item is: it begins with a link to a heading. What follows the link explains it, and is for readers."""
    if not found or found[0].kind != "link" or not found[0].to.startswith("#"):
        return None
    return Choice(label=cut(found[0].text, LONGEST_LABEL), to=found[0].to[1:], line=line)


def setting_of(found: tuple[Part, ...]) -> tuple[str, tuple[Part, ...]] | None:
    """Returns a setting's name and what it is given, or None where the item is prose."""
    if not found or found[0].kind != "strong":
        return None
    name, rest = found[0].text.strip(), found[1:]
    if name.endswith(":"):
        return name[:-1].strip(), rest
    if rest and rest[0].kind == "text" and rest[0].text.lstrip().startswith(":"):
        return name, (rest[0]._replace(text=rest[0].text.lstrip()[1:]), *rest[1:])
    return None


def check(given: tuple[Part, ...], line: int) -> dict[str, Any]:
    """`/aiec status prod` shows `5 of 5`, or a PromQL expression is below 0.1."""
    wanted = 'a check is written "`/aiec pods prod gateway` shows `5 of 5`", or "`a PromQL expression` is below 0.1"'
    shown = [part for part in given if part.text.strip()]
    if len(shown) < 2 or shown[0].kind != "code":
        raise ValueError(wanted)
    found = re.fullmatch(r"([a-z ]+?)(?: +([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?))?\.?", shown[1].text.strip())
    must = _MUST.get(found[1]) if found else None
    value = shown[2].text if len(shown) > 2 and shown[2].kind == "code" else (found[2] or "") if found else ""
    if must is None or not value:
        raise ValueError(wanted)
    if must.startswith("be") and not _number(value):
        raise ValueError(f"*{quoted(value)}* is not a number")
    ask = shown[0].text.strip()
    return {"check": Check(line=line, ask=ask if must.startswith("be") else ask.removeprefix("/aiec").strip(), must=must, value=value)}


def approval(given: tuple[Part, ...], line: int) -> dict[str, Any]:
    """One person, 2 people."""
    text = _text(given)
    word = text.split()[0].casefold() if text else ""
    count = _NUMBERS.get(word) or (int(word) if word.isdigit() and word.isascii() else 0)
    if not 1 <= count <= len(_NUMBERS):
        raise ValueError(
            f"expected how many other people must agree, such as `one person`, found *{quoted(text)}*: a runbook may add approvals, never waive one"
        )
    return {"approval": count, "approval_line": line}


def timeout(given: tuple[Part, ...], line: int) -> dict[str, Any]:
    return {"timeout": _duration(_text(given))}


def due(given: tuple[Part, ...], line: int) -> dict[str, Any]:
    """72h after the incident began."""
    return {"due": _duration(_text(given).partition(" ")[0])}


def then(given: tuple[Part, ...], line: int) -> dict[str, Any]:
    return _leads(given, line, "then", {"end": END, "stop": STOP})


def on_failure(given: tuple[Part, ...], line: int) -> dict[str, Any]:
    return _leads(given, line, "on_failure", {"stop": STOP, "escalate": ESCALATE})


def _leads(given: tuple[Part, ...], line: int, field: str, words: dict[str, str]) -> dict[str, Any]:
    link = next((part for part in given if part.kind == "link" and part.to.startswith("#")), None)
    if link is not None and _text(given).startswith("go to"):
        return {field: link.to[1:], f"{field}_line": line}
    word = _text(given).rstrip(".").casefold()
    if word not in words:
        raise ValueError(f"expected `go to [a heading](#a-heading)`, {' or '.join(f'`{one}`' for one in words)}, found *{quoted(_text(given))}*")
    return {field: words[word], f"{field}_line": line}


def _text(given: tuple[Part, ...]) -> str:
    return "".join(part.text for part in given).strip()


def _duration(text: str) -> timedelta:
    try:
        found = durations.parse(text.rstrip("."))
    except ValueError as error:
        raise ValueError(f"expected {error}, found *{quoted(text)}*") from None
    if not found:
        raise ValueError(f"expected {durations.FORM}, longer than 0s")
    return found


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


Reader = Callable[[tuple[Part, ...], int], dict[str, Any]]
"""Returns the fields of a Step that a setting gives, of what stands behind its name and of the line that it stands in."""

SETTINGS: dict[str, Reader] = {"check": check, "approval": approval, "timeout": timeout, "on failure": on_failure, "then": then, "due": due}
