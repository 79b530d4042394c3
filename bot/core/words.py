"""A line of text as words: split as a POSIX shell does, forgiving what phones, word processors and Slack make of quotes, dashes and names.

Slack sends `<@U123|name>`, `<#C123|name>`, `<https://x|label>` and `&amp; &lt; &gt;` (docs.slack.dev, "Formatting message text"); people come as `@U123`,
because names are not unique, everything else as it was typed.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.core.errors import UsageError
from bot.core.suggest import quoted

_ENTITY = re.compile(
    r"<@(?P<user>[A-Z0-9]+)(?:\|[^<>]*)?>"
    r"|<#(?P<channel>[A-Z0-9]+)(?:\|(?P<name>[^<>]*))?>"
    r"|<!(?P<special>[a-z]+)(?:\^[^<>|]*)?(?:\|(?P<handle>[^<>]*))?>"
    r"|<(?P<url>[a-z]+:[^<>|\s]*)(?:\|(?P<label>[^<>]*))?>"
    r"|&(?P<reference>amp|lt|gt);"
)
_REFERENCES = {"amp": "&", "lt": "<", "gt": ">"}
_PLAIN = re.compile(r"[\w $./:=,+@#%*-]*", re.ASCII)
"""What nobody's keyboard changes and nothing is quoted in, as in most of what is typed."""
_WORD = re.compile(r" *([^ ]+)")
_DASHES = re.compile(r"^(?=-*[–—―−])[-–—―−]+(?=[A-Za-z])")

_DOUBLE, _SINGLE = frozenset('"“”„'), frozenset("'‘’")
_OPENING = _DOUBLE | {"'", "‘"}
_ESCAPED = _DOUBLE | {"\\"}
_PARTNER = {'"': '"', "“": "”", "”": "”", "„": "“", "'": "'", "‘": "’"}
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Word:
    """One word. `raw` is what was typed for it, with its quotes and the space before it. `quoted`: it begins with a quote, so that it is never an option.
    `hidden`: the invisible characters that stood inside it and were left out, such as `U+202E`."""

    text: str
    raw: str = ""
    quoted: bool = False
    hidden: tuple[str, ...] = ()


def words(text: str) -> list[Word]:
    """Returns the words of a line. Raises UsageError for a quote that is never closed, and says where it opens."""
    if _PLAIN.fullmatch(text):
        return [Word(word[1], word[0]) for word in _WORD.finditer(text)]
    marks = list(_marks(text))
    found = []
    start = 0
    while start < len(marks):
        word, start = _word(marks, start)
        if word is not None:
            found.append(word)
    return found


def typed(text: str) -> str:
    """Returns what somebody typed whose message Slack has marked up: links and names as he sees them, invisible characters left out."""
    return "".join(mark.shown for mark in _marks(text))


def hidden(found: Sequence[Word]) -> str:
    """Returns what was left out of the first word that had invisible characters inside, half a sentence; empty when there was none."""
    word = next((word for word in found if word.hidden), None)
    return f"left out of *{quoted(word.text)}*: the invisible {', '.join(word.hidden[:3])}" if word else ""


@dataclass(frozen=True)
class _Mark:
    """A character, or a whole entity. `plain`: it may be a quote, a backslash or a space; otherwise it stands for itself."""

    shown: str
    plain: bool = True
    hidden: str = ""


def _marks(text: str) -> Iterator[_Mark]:
    at = 0
    while at < len(text):
        entity = _ENTITY.match(text, at) if text[at] in "<&" else None
        if entity:
            yield _Mark(_typed(entity), plain=False)
            at = entity.end()
            continue
        yield _Mark("", hidden=f"U+{ord(text[at]):04X}") if _invisible(text, at) else _Mark(text[at])
        at += 1


def _typed(entity: re.Match[str]) -> str:
    if entity["user"]:
        return f"@{entity['user']}"
    if entity["channel"]:
        return f"#{entity['name'] or entity['channel']}"
    if entity["special"]:
        handle = entity["handle"] or entity["special"]
        return handle if handle.startswith("@") else f"@{handle}"
    if entity["url"]:
        return entity["label"] or entity["url"]
    return _REFERENCES[entity["reference"]]


def _invisible(text: str, at: int) -> bool:
    """Controls, marks of direction and zero-width characters; those that join letters of other scripts, or emoji, are part of what is seen."""
    character = text[at]
    if " " <= character <= "~":
        return False
    if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return False
    return character not in _JOINERS or text[at - 1 : at].isascii() or text[at + 1 : at + 2].isascii()


def _word(marks: list[_Mark], start: int) -> tuple[Word | None, int]:
    """Reads the space at `start` and the word after it; returns None instead of a word when nothing is left."""
    at = start
    while at < len(marks) and (marks[at].hidden or (marks[at].plain and marks[at].shown.isspace())):
        at += 1
    pieces: list[str] = []
    left_out: list[str] = []
    first = at
    while at < len(marks):
        mark = marks[at]
        if mark.plain and mark.shown.isspace():
            break
        if mark.plain and mark.shown in _OPENING and not _apostrophe(marks, at):
            inner, at = _quotation(marks, at, left_out)
            pieces.append(inner)
            continue
        if mark.plain and mark.shown == "\\" and at + 1 < len(marks):
            at += 1
        pieces.append(marks[at].shown)
        left_out += [marks[at].hidden] if marks[at].hidden else []
        at += 1
    if first == at:
        return None, at
    inside = at - 1
    while marks[inside].hidden:
        inside, left_out = inside - 1, left_out[:-1]
    opened = marks[first].plain and marks[first].shown in _OPENING
    text = "".join(pieces) if opened else _DASHES.sub("--", "".join(pieces))
    return Word(text, "".join(mark.shown for mark in marks[start:at]), opened, tuple(left_out)), at


def _apostrophe(marks: list[_Mark], at: int) -> bool:
    """The ' of `don't`: between two letters, where nobody opens a quotation."""
    if marks[at].shown not in _SINGLE or not 0 < at < len(marks) - 1:
        return False
    return marks[at - 1].shown[-1:].isalnum() and marks[at + 1].shown[:1].isalnum()


def _quotation(marks: list[_Mark], start: int, left_out: list[str]) -> tuple[str, int]:
    """Reads from an opening quote through its closing one; returns what is between them and where it goes on."""
    family = _DOUBLE if marks[start].shown in _DOUBLE else _SINGLE
    partner = _PARTNER[marks[start].shown]
    # A keyboard that turns only one of two quotes into a typographic one still means a pair.
    closing = {partner} if any(marks[index].plain and marks[index].shown == partner for index in range(start + 1, len(marks))) else family
    pieces: list[str] = []
    at = start + 1
    while at < len(marks):
        mark = marks[at]
        if mark.plain and mark.shown in closing and not (mark.shown == "’" and _apostrophe(marks, at)):
            return "".join(pieces), at + 1
        if family == _DOUBLE and mark.plain and mark.shown == "\\" and at + 1 < len(marks) and marks[at + 1].shown in _ESCAPED:
            at += 1
        pieces.append(marks[at].shown)
        left_out += [marks[at].hidden] if marks[at].hidden else []
        at += 1
    opening = marks[start].shown
    before = f"before *{quoted(''.join(pieces))}*" if pieces else "at the end"
    raise UsageError(f"The quote {opening} {before} (character {start + 1}) is never closed.", f"Close it, or write \\{opening} for the sign itself.")
