"""Forms and cards as Slack's views: modals, and App Home.

Source: the reference of views, input blocks and block elements: 24 characters a title or button, 75 an option, 100 options,
3,000 characters a text input, 100 blocks.
"""

from collections.abc import Sequence
from typing import Any

from bot.adapters.slack.blocks import blocks, thread_blocks
from bot.adapters.slack.mrkdwn import Mention
from bot.core.card import Card
from bot.core.form import Field, Form
from bot.core.text import cut, printable

Json = dict[str, Any]

FORM = "form"
"""The callback id of a form; its blocks are called like its fields."""

_TITLE = 24
_OPTIONS, _OPTION = 100, 75
_INPUT = 3_000
_HINT = 2_000
_BLOCKS = 100


def form_view(form: Form, metadata: str) -> Json:
    """Returns the form as a modal; `metadata` comes back with what is submitted."""
    title = form.command.capitalize()
    return {
        "type": "modal",
        "callback_id": FORM,
        "title": _plain(title, _TITLE),
        "submit": _plain(title, _TITLE),
        "close": _plain("Cancel", _TITLE),
        "private_metadata": metadata,
        "blocks": [{"type": "context", "elements": [_plain(form.summary, _INPUT)]}, *(_input(field) for field in form.fields)],
    }


def card_view(card: Card, mention: Mention) -> Json:
    """Returns a card as a modal with nothing to submit."""
    shown = thread_blocks(card.model_copy(update={"actions": ()}), mention)
    return {"type": "modal", "title": _plain("aiec", _TITLE), "close": _plain("Close", _TITLE), "blocks": shown}


def home_view(cards: Sequence[Card], mention: Mention) -> Json:
    """Returns cards, one below the other, as App Home; those that do not fit are left out."""
    shown: list[Json] = []
    for card in cards:
        below = ([{"type": "divider"}] if shown else []) + blocks(card, mention)
        if len(shown) + len(below) <= _BLOCKS:
            shown += below
    return {"type": "home", "blocks": shown}


def _input(field: Field) -> Json:
    block: Json = {
        "type": "input",
        "block_id": field.name,
        "label": _plain(field.label, _HINT),
        "element": {"action_id": field.name, **_element(field)},
        "optional": field.optional or field.kind == "flag",
    }
    # A flag's hint is the text of its box.
    return block | {"hint": _plain(field.hint, _HINT)} if field.hint and field.kind != "flag" else block


def _element(field: Field) -> Json:
    if field.kind == "flag":
        option = {"text": _plain(field.hint or field.label, _OPTION), "value": field.name}
        return {"type": "checkboxes", "options": [option]} | ({"initial_options": [option]} if field.value else {})
    if field.kind in ("one", "several") and _selectable(field.options):
        return _select(field)
    value = ", ".join(field.value) if isinstance(field.value, tuple) else field.value
    element: Json = {"type": "plain_text_input", "multiline": field.kind == "lines", "max_length": _INPUT}
    if field.example:
        element["placeholder"] = _plain(field.example, _OPTION)
    return element | ({"initial_value": cut(value, _INPUT)} if isinstance(value, str) and value else {})


def _selectable(options: tuple[str, ...]) -> bool:
    """More or longer names than a menu takes are typed; what is submitted is checked in either case."""
    return 0 < len(options) <= _OPTIONS and all(len(name) <= _OPTION for name in options)


def _select(field: Field) -> Json:
    chosen = (field.value,) if isinstance(field.value, str) else field.value if isinstance(field.value, tuple) else ()
    initial = [_option(name) for name in field.options if name in chosen]
    if field.kind == "several":
        return {"type": "multi_static_select", "options": [*map(_option, field.options)]} | ({"initial_options": initial} if initial else {})
    return {"type": "static_select", "options": [*map(_option, field.options)]} | ({"initial_option": initial[0]} if initial else {})


def _option(name: str) -> Json:
    return {"text": _plain(name, _OPTION), "value": name}


def _plain(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": cut(printable(text).strip(), limit) or "–", "emoji": False}
