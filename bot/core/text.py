"""A card as text: the lines of a terminal, and the one-line fallback of a chat message.

What others typed, and what programs logged, is printed without its control characters: it can neither drive the reader's terminal nor reorder a line.
"""

import re
import shlex
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from bot.core.card import Bold, Card, Channel, CheckResult, Code, Evidence, Line, Link, Person, Ref, Row, Span, State, Time, Verdict
from bot.core.chart import Chart, in_words

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
# Everything but a newline that moves a cursor, ends a line or changes the direction of writing.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_SLASH = re.compile(r"`/aiec((?: [^`]*)?)`")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_BOLD, _CYAN = "1", "36"
_STATE_COLOURS = {
    State.RUNNING: "1;34",
    State.DONE: "1;32",
    State.FAILED: "1;31",
    State.NEEDS_YOU: "1;33",
    State.WAITING: "1;33",
    State.ROLLED_BACK: "1;35",
    State.LOCKED: "1;31",
}


def printable(text: str) -> str:
    """Returns the text without terminal sequences, control characters and marks that change the direction of writing; newlines stay, tabs become spaces."""
    return _CONTROL.sub("", _ANSI.sub("", text).expandtabs(4))


def cut(text: str, limit: int) -> str:
    """Returns the text in at most `limit` characters, the last one `…` when something was left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def duration(length: timedelta) -> str:
    """Returns a length of time as people say it, in its two largest units: `42 s`, `1 min 12 s`, `2 h`, `3 d 4 h`. A negative one counts as positive."""
    rest = abs(int(length.total_seconds()))
    units = [(name, size) for name, size in _UNITS if size <= max(rest, 1)][:2]
    parts: list[str] = []
    for name, size in units:
        count, rest = divmod(rest, size)
        if count or not parts:
            parts.append(f"{count} {name}")
    return " ".join(parts)


def moment(time: Time, zone: tzinfo, now: datetime | None = None) -> str:
    """Returns a moment on the clock of that zone; UTC is named, a person's own zone is not. With `now`, the style `ago` adds how far away it is."""
    at = time.at.astimezone(zone)
    text = f"{at:%a %d %b %H:%M}" if time.style == "date" else f"{at:%H:%M}"
    if zone is UTC:
        text += " UTC"
    if time.style == "ago" and now is not None:
        distance = duration(time.at - now)
        text += f" (in {distance})" if time.at > now else f" ({distance} ago)"
    return text


def words(line: Line, zone: tzinfo = UTC, now: datetime | None = None) -> str:
    """Returns a line as plain text."""
    return "".join(_said(span, zone, now, colour=False) for span in line)


def headline(card: Card) -> Line:
    """Returns the card's first line: the mark and the word of its state, and its headline."""
    return card.headline if card.state is None else (f"{card.state.mark} {card.state.value} · ", *card.headline)


def summary(card: Card) -> str:
    """Returns the card in one line of at most 300 characters: what a phone's lock screen or a screen reader says. Times are UTC."""
    return cut(" ".join(words(headline(card)).split()), 300)


def check_lines(checks: Sequence[CheckResult]) -> list[str]:
    """Returns what the checks say: one line for each that comes with an advice, then the others joined."""
    advised = [f"{_check(check)} → {printable(check.hint)}" for check in checks if check.hint]
    others = [_check(check) for check in checks if not check.hint]
    return [*advised, *([" · ".join(others)] if others else [])]


def table(rows: Sequence[Row], width: int, zone: tzinfo = UTC, now: datetime | None = None) -> list[str]:
    """Returns the rows in fixed width: name, progress bar, text. What does not fit beside the name continues below, indented."""
    name_width = min(max((columns(printable(row.name)) for row in rows), default=0), width // 2 - 2)
    room = max(width - name_width - 2, 10)
    lines: list[str] = []
    for row, text in zip(rows, _with_bars(rows, room, zone, now), strict=True):
        name = _fit(" ".join(printable(row.name).split()), name_width)
        first, *rest = wrap(text, room)
        lines.append(f"{name}{' ' * (name_width - columns(name))}  {first}".rstrip())
        lines += [" " * (name_width + 2) + line for line in rest]
    return lines


def plain(card: Card, width: int, zone: tzinfo, colour: bool, now: datetime | None = None) -> list[str]:
    """Returns the card as lines of at most `width` columns (evidence is never wrapped), times in `zone`, relative ones against `now`,
    and commands as they are typed there.

    `colour`: with ANSI colours; every line stands on its own. Buttons are left out, as a terminal has none: a card's lines say what can be typed.
    """
    state = () if card.state is None else (_paint(f"{card.state.mark} {card.state.value}", _STATE_COLOURS[card.state], colour) + " · ",)
    first = "".join((*state, *(_said(span, zone, now, colour) for span in _typed(card.headline))))
    lines = wrap(first, width, indent="  ")
    for line in card.lines:
        lines += wrap("".join(_said(span, zone, now, colour) for span in _typed(line)), width, indent="  ")
    lines += table([row.model_copy(update={"text": _typed(row.text)}) for row in card.rows], width, zone, now)
    for text in check_lines(card.checks):
        lines += wrap(_SLASH.sub(_as_typed, text), width, indent="  ")
    for evidence in card.evidence:
        lines += _evidence(evidence, colour)
    if card.chart is not None:
        lines += _evidence(chart_words(card.chart), colour)
    if card.file is not None:
        lines += _evidence(Evidence(title=card.file.name, text=card.file.text), colour)
    return lines


def typed_in_terminal(request: str) -> str:
    """Returns the line of a shell that makes a request: `aiec exec "deploy prod v1.2.0"`, or `aiec exec` alone for the overview."""
    quoted = f'"{request}"' if not re.search(r'["$`\\!]', request) else shlex.quote(request)
    return f"aiec exec {quoted}" if request else "aiec exec"


def _as_typed(found: re.Match[str]) -> str:
    return f"`{typed_in_terminal((found[1] or '').strip())}`"


def _typed(line: Line) -> Line:
    """Returns the line with Slack's commands as a terminal wants them: what is offered to be run can be run where it is read."""
    return tuple(_typed_span(span) for span in line)


def _typed_span(span: Span) -> Span:
    if isinstance(span, str):
        return _SLASH.sub(_as_typed, span)
    if isinstance(span, Code) and _SLASH.fullmatch(f"`{span.text}`"):
        return Code(text=typed_in_terminal(span.text.removeprefix("/aiec").strip()))
    return span


def chart_words(chart: Chart) -> Evidence:
    """Returns a chart as text, for where no picture can be."""
    return Evidence(title=chart.title, text="\n".join(in_words(chart)))


def content(card: Card) -> dict[str, Any]:
    """Returns what the card says as JSON for scripts: text without marks, times in UTC. Buttons are left out, and checks, which `verdicts` are."""
    figures = [] if card.chart is None else [chart_words(card.chart)]
    return {
        "state": card.state.value if card.state else None,
        "headline": words(card.headline),
        "lines": [words(line) for line in card.lines],
        "rows": [{"name": printable(row.name), "text": words(row.text), "progress": row.progress} for row in card.rows],
        "evidence": [{"title": printable(one.title), "text": printable(one.text)} for one in (*card.evidence, *figures)],
        "file": {"name": card.file.name, "text": printable(card.file.text)} if card.file else None,
    }


def columns(text: str) -> int:
    """Returns how many terminal columns the text takes: wide characters two, combining marks and colours none."""
    shown = _ANSI.sub("", text)
    return len(shown) if shown.isascii() else sum(map(_columns, shown))


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Returns the text in lines of at most `width` columns, broken at spaces (inside a word only when it is longer than a line); at least one line.

    `indent` stands before every line but the first of a paragraph.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        current = ""
        for word in _pieces(paragraph, max(width - len(indent), 1)):
            if current and columns(current) + 1 + columns(word) > width:
                lines.append(current.rstrip())
                current = indent + word
            else:
                current = f"{current} {word}" if current else word
        lines.append(current.rstrip())
    return lines


def _pieces(paragraph: str, width: int) -> list[str]:
    """The words of a paragraph, those longer than a line cut into pieces."""
    pieces: list[str] = []
    for word in paragraph.split(" "):
        if columns(word) <= width or "\x1b" in word:
            pieces.append(word)
            continue
        piece, room = "", width
        for character in word:
            if piece and _columns(character) > room:
                pieces.append(piece)
                piece, room = "", width
            piece += character
            room -= _columns(character)
        pieces.append(piece)
    return pieces


def _fit(text: str, width: int) -> str:
    """The text in at most `width` columns, its end replaced by `…` when it is longer."""
    if columns(text) <= width:
        return text
    kept = ""
    for character in text:
        if columns(kept) + _columns(character) > width - 1:
            break
        kept += character
    return kept + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _said(span: Span, zone: tzinfo, now: datetime | None, colour: bool) -> str:
    match span:
        case str():
            return printable(span)
        case Bold():
            return _paint(printable(span.text), _BOLD, colour)
        case Code():
            text = printable(span.text)
            return _paint(text, _CYAN, colour) if colour else f"`{text}`"
        case Person():
            return "@" + printable(span.name)
        case Time():
            return moment(span, zone, now)
        case Link():
            return printable(span.text if span.text == span.url else f"{span.text} ({span.url})")
        case Ref():
            return printable(span.text)
        case Channel():
            return "#" + printable(span.name.removeprefix("#"))


def _paint(text: str, style: str, colour: bool) -> str:
    """Colours word by word, so that a line which is broken later leaves no colour open."""
    return " ".join(f"\x1b[{style}m{word}\x1b[0m" if word else "" for word in text.split(" ")) if colour else text


def _check(check: CheckResult) -> str:
    text = printable(check.text or check.check)
    return f"{check.verdict.mark} {text}{' (waived)' if check.verdict is Verdict.WAIVED else ''}"


def _bar(progress: tuple[int, int], cells: int) -> str:
    done, total = progress
    full = min(max(done * cells // total, 0), cells) if total > 0 else 0
    return "▓" * full + "░" * (cells - full)


def _with_bars(rows: Sequence[Row], room: int, zone: tzinfo, now: datetime | None) -> list[str]:
    """The rows' texts behind their bars, which are ten cells long where everything fits in `room` and five where not."""

    def texts(cells: int) -> list[str]:
        return [f"{_bar(row.progress, cells)} {words(row.text, zone, now)}" if row.progress else words(row.text, zone, now) for row in rows]

    return next((texts(cells) for cells in (10, 5) if all(columns(text) <= room for text in texts(cells))), texts(5))


def _evidence(evidence: Evidence, colour: bool) -> list[str]:
    title = " ".join(printable(evidence.title).split())
    return ["", _paint(title, _BOLD, colour), *(f"  {line}".rstrip() for line in printable(evidence.text).rstrip("\n").split("\n"))]
