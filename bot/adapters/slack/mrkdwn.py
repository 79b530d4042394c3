"""Spans as Slack's mrkdwn. Nothing that a person typed or a program printed can become a mention, a link or a date.

Source: "Formatting message text" and "Text object" of Slack's documentation.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC

from bot.core.card import Bold, Channel, Code, Line, Link, Person, Ref, Span, Time
from bot.core.text import moment, printable, words

Mention = Callable[[str], str | None]
"""Takes a person's name, returns his Slack id, or None when he has none."""

_BACKTICK = "ˋ"  # looks like one, and ends no code
_USER_ID = re.compile(r"[UW][A-Z0-9]{5,}")
_CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{5,}")
_URL = re.compile(r"(https?://|mailto:)\S+")
_FORMATS = {"clock": "{time}", "date": "{date_short_pretty} {time}", "ago": "{time} ({ago})"}


def escape(text: str) -> str:
    """Returns printable text with `&`, `<` and `>` as the entities that Slack knows."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def prose(text: str) -> str:
    """Returns escaped text that keeps its pairs of backticks as code; an odd one, or several in a row, would swallow what follows."""
    return _paired(escape(text))


def rendered(line: Line, mention: Mention, limit: int) -> str:
    """Returns the line as mrkdwn of at most `limit` characters; cut between or inside its spans, never inside an entity, and ended by `…`."""
    pieces: list[str] = []
    room = limit
    for span in line:
        piece = _span(span, mention)
        if len(piece) > room - 1:
            return "".join(pieces) + _paired(_whole(escape(words((span,)))[: room - 1])) + "…"
        pieces.append(piece)
        room -= len(piece)
    return "".join(pieces)


def fenced(text: str, limit: int) -> list[str]:
    """Returns preformatted text as one or more code blocks of at most `limit` characters each, split at line ends (inside a line only when it is longer)."""
    chunks: list[str] = []
    current = ""
    for line in _short_lines(text.replace("```", _BACKTICK * 3), limit - 8):
        if current and len(current) + 1 + len(line) > limit - 8:
            chunks.append(current)
            current = line
        else:
            current = f"{current}\n{line}" if current else line
    return [f"```\n{chunk}\n```" for chunk in (*chunks, current)]


def _short_lines(text: str, limit: int) -> Iterable[str]:
    """Escaped lines; one that is longer than `limit` becomes several."""
    for line in escape(text).rstrip("\n").split("\n"):
        rest = line
        while len(rest) > limit:
            part = _whole(rest[:limit])
            yield part
            rest = rest[len(part) :]
        yield rest


def _paired(text: str) -> str:
    text = re.sub("``+", lambda run: _BACKTICK * len(run[0]), text)
    if text.count("`") % 2:
        before, _, after = text.rpartition("`")
        return before + _BACKTICK + after
    return text


def _whole(escaped: str) -> str:
    """Escaped text without the broken entity that cutting may have left at its end."""
    return re.sub(r"&[a-z]*$", "", escaped)


def _span(span: Span, mention: Mention) -> str:
    match span:
        case str():
            return prose(span)
        case Bold():
            # An asterisk or a line break inside ends bold text, and a space at its edge prevents it.
            text = prose(span.text)
            return f"*{text}*" if text and text == text.strip() and "*" not in text and "\n" not in text else text
        case Code():
            text = " ".join(escape(span.text.replace("`", _BACKTICK)).split("\n"))
            return f"`{text}`" if text.strip() else text
        case Person():
            return _person(span, mention)
        case Time():
            return f"<!date^{int(span.at.timestamp())}^{_FORMATS[span.style]}|{moment(span, UTC)}>"
        case Link():
            return _link(span)
        case Ref():
            return prose(span.text)
        case Channel():
            id = span.id or span.name
            return f"<#{id}>" if _CHANNEL_ID.fullmatch(id) else "#" + prose(span.name.removeprefix("#"))


def _person(span: Person, mention: Mention) -> str:
    user = mention(span.name) or (span.name if _USER_ID.fullmatch(span.name) else None)
    return f"<@{user}>" if span.notify and user else "@" + prose(span.name)


def _link(span: Link) -> str:
    text = " ".join(prose(span.text or span.url).split("\n"))
    if not _URL.fullmatch(span.url):
        return f"{text} ({prose(span.url)})"
    return f"<{escape(span.url).replace('|', '%7C').replace('`', '%60')}|{text}>"
