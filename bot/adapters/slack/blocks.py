"""Card → Block Kit, always within Slack's limits: what is too long is split at line ends, cut with `…`, or left out and said to be.

Source: the reference of blocks, block elements and composition objects. That all blocks of a message together hold little more than 12,000 characters
(`msg_blocks_too_long`) is not written there; it is what Slack answers.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from slack_sdk.models.blocks import ActionsBlock, Block, ButtonElement, ConfirmObject, ContextBlock, MarkdownTextObject, PlainTextObject, SectionBlock

from bot.adapters.slack.mrkdwn import Mention, escape, fenced, rendered
from bot.core.card import Action, Bold, Card, Code, Line, Row
from bot.core.text import chart_words, check_lines, cut, headline, printable, summary, table

Json = dict[str, Any]

ACTION = "request:"
"""What the action id of every button starts with; its number among the card's buttons follows."""
_BLOCK_ID = 255

_BLOCKS = 50
_BUTTON_BLOCKS = 4
_BUTTONS_IN_A_BLOCK = 25
_TEXT = 3_000
_MESSAGE = 10_000
_TABLE_COLUMNS = 46
_BUTTON_TEXT = 75
_BUTTON_VALUE = 2_000
_CONFIRM_TITLE, _CONFIRM_TEXT, _CONFIRM_BUTTON = 100, 300, 30


def blocks(card: Card, mention: Mention, key: str = "") -> list[Json]:
    """Returns the card as the blocks of a channel's message, without its evidence.

    With `key` the buttons' blocks are called `0:key`, `1:key`…, and a click thus says which of our messages it came from.
    """
    return _message(_body(card, mention), card.actions, key)


def thread_blocks(card: Card, mention: Mention, key: str = "") -> list[Json]:
    """Returns the card with its evidence, and its chart in words: for a thread, and for a private answer, which has no thread."""
    items = [*card.evidence, *([chart_words(card.chart)] if card.chart is not None else [])]
    evidence = [text for item in items for text in (rendered((Bold(text=item.title),), mention, _TEXT), *fenced(item.text, _TEXT))]
    return _message([*_body(card, mention), *evidence], card.actions, key)


def fallback(card: Card) -> str:
    """Returns the message's text: what notifications and screen readers say."""
    return escape(summary(card)) or "–"


def _body(card: Card, mention: Mention) -> list[str]:
    """The card's lines as mrkdwn, each of at most 3,000 characters and not to be split."""
    lines = [rendered(line, mention, _TEXT) for line in (headline(card), *card.lines)]
    return [*lines, *_rows(card.rows, mention), *(rendered((line,), mention, _TEXT) for line in check_lines(card.checks))]


def _rows(rows: Sequence[Row], mention: Mention) -> Iterable[str]:
    """In fixed width when there are bars to align, else as lines."""
    if any(row.progress for row in rows):
        return fenced("\n".join(table(rows, _TABLE_COLUMNS)), _TEXT)
    return [rendered(_row(row), mention, _TEXT) for row in rows]


def _row(row: Row) -> Line:
    return (Code(text=row.name), " ", *row.text)


def _message(texts: Iterable[str], actions: Sequence[Action], key: str) -> list[Json]:
    fitting = [button for button in (_button(index, action) for index, action in enumerate(actions)) if button is not None]
    buttons = fitting[: _BUTTON_BLOCKS * _BUTTONS_IN_A_BLOCK]
    groups = [buttons[start : start + _BUTTONS_IN_A_BLOCK] for start in range(0, len(buttons), _BUTTONS_IN_A_BLOCK)]
    sections, complete = _sections(texts, _BLOCKS - len(groups) - 1)
    message: list[Block] = [SectionBlock(text=MarkdownTextObject(text=text, verbatim=True), expand=True) for text in sections]
    named = 0 < len(key) <= _BLOCK_ID - 2
    message += [ActionsBlock(elements=group, block_id=f"{index}:{key}" if named else None) for index, group in enumerate(groups)]
    missing = [] if complete else ["the rest of the text"]
    missing += [] if len(buttons) == len(actions) else ["some of the buttons"]
    if missing:
        message.append(ContextBlock(elements=[PlainTextObject(text=f"Left out, because it does not fit into one message: {' and '.join(missing)}.")]))
    return [block.to_dict() for block in message]


def _sections(texts: Iterable[str], most: int) -> tuple[list[str], bool]:
    """Packs the texts, one a line, into as few sections as they need. Returns also whether everything found room."""
    sections = [""]
    left = _MESSAGE
    for text in filter(str.strip, texts):
        left -= len(text) + 1
        if left < 0:
            return sections, False
        if sections[-1] and len(sections[-1]) + 1 + len(text) > _TEXT:
            if len(sections) == most:
                return sections, False
            sections.append(text)
        else:
            sections[-1] = f"{sections[-1]}\n{text}" if sections[-1] else text
    return ([sections[0] or "–", *sections[1:]], True)


def _button(index: int, action: Action) -> ButtonElement | None:
    """The button, or None when its arguments do not fit into it."""
    value = json.dumps({"c": action.command, "a": action.model_dump(mode="json")["arguments"]}, ensure_ascii=False, separators=(",", ":"))
    if len(value) > _BUTTON_VALUE:
        return None
    label = printable(action.label).strip() or printable(action.command).strip() or "–"
    return ButtonElement(
        text=PlainTextObject(text=cut(label, _BUTTON_TEXT)),
        action_id=f"{ACTION}{index}",
        value=value,
        style=action.style,
        confirm=_confirm(label, action) if printable(action.confirm).strip() else None,
    )


def _confirm(label: str, action: Action) -> ConfirmObject:
    return ConfirmObject(
        title=PlainTextObject(text=cut(label, _CONFIRM_TITLE)),
        text=PlainTextObject(text=cut(printable(action.confirm), _CONFIRM_TEXT)),
        confirm=PlainTextObject(text=cut(label, _CONFIRM_BUTTON)),
        deny=PlainTextObject(text="Back"),
        style=action.style,
    )
