"""A step's prose as lines of a card: paragraphs, lists, code; bold words, code and links inside them. Pure."""

from collections.abc import Iterator

from bot.core.card import Bold, Code, Line, Link, Span
from bot.core.text import cut
from runbooks.setting import parts

LONGEST = 2_500
"""Characters of a step's prose that its card shows; `runbook show` shows all."""


def lines(markdown: str) -> tuple[Line, ...]:
    """Returns the lines of a card that say it."""
    return tuple(_lines(cut(markdown, LONGEST)))


def _lines(markdown: str) -> Iterator[Line]:
    fenced, paragraph = "", ""
    for text in markdown.split("\n"):
        stripped = text.strip()
        if fenced:
            if stripped.startswith(fenced):
                fenced = ""
            elif stripped:
                yield (Code(text=text.rstrip()),)
            continue
        opens = stripped.startswith(("```", "~~~"))
        item = stripped.startswith(("- ", "* ", "+ ", "#", ">", "|")) or stripped.partition(". ")[0].isdigit()
        if (opens or item or not stripped) and paragraph:
            yield spans(paragraph)
            paragraph = ""
        if opens:
            fenced = stripped[:3]
        elif stripped[:2] in ("- ", "* ", "+ "):
            paragraph = f"• {stripped[2:]}"
        else:
            paragraph = f"{paragraph} {stripped.lstrip('#> ')}".strip()
    if paragraph:
        yield spans(paragraph)


def spans(text: str) -> Line:
    """Returns a text with what is marked in it; a link to another step is its words."""
    found: list[Span] = []
    for part in parts(text):
        match part.kind:
            case "strong":
                found.append(Bold(text=part.text))
            case "code":
                found.append(Code(text=part.text))
            case "link" if part.to.startswith(("http://", "https://")):
                found.append(Link(url=part.to, text=part.text))
            case _:
                found.append(part.text)
    return tuple(found)
