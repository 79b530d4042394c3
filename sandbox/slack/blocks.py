"""Block Kit as Slack accepts it: mandatory and allowed fields, lengths, and what must be unique.

Source: the reference pages of blocks, block elements, composition objects and views. A block type that is not here is refused,
as Slack refuses one that it does not know.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.schema import Check, anything, boolean, both, duplicates, fault, items, needs_one, number, one_of, pattern, shape, string, tagged

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000

_ID = string(255)


def plain(limit: int) -> Check:
    return tagged({"plain_text": shape(text_=string(limit), emoji=boolean)})


def text(limit: int) -> Check:
    return tagged({"plain_text": shape(text_=string(limit), emoji=boolean), "mrkdwn": shape(text_=string(limit), verbatim=boolean)})


CONFIRM = shape(title=plain(100), text_=text(300), confirm=plain(30), deny=plain(30), style=one_of("primary", "danger"))
OPTION = shape(text_=text(75), value_=string(150), description=text(75), url=string(3000))
_OPTION_GROUP = shape(label_=plain(75), options_=items(OPTION, 100))
_DATE = pattern(r"\d{4}-\d{2}-\d{2}", "must be a date (YYYY-MM-DD)")
_TIME = pattern(r"([01]\d|2[0-3]):[0-5]\d", "must be a time (HH:mm)")
_IMAGE_SOURCE = {"image_url": string(3000), "slack_file": anything, "alt_text_": string(2000)}
_COMMON: dict[str, Check] = {"action_id": _ID, "confirm": CONFIRM, "focus_on_load": boolean}
_PLACEHOLDER = {"placeholder": plain(150)}
_DISPATCH = {"dispatch_action_config": anything}


def _select(**own: Check) -> Check:
    return shape(**_COMMON, **_PLACEHOLDER, **own)


def _static(own: dict[str, Check]) -> Check:
    return both(_select(options=items(OPTION, 100), option_groups=items(_OPTION_GROUP, 100), **own), needs_one("options", "option_groups"))


_MULTI: dict[str, Check] = {"max_selected_items": number(1, 100)}

BUTTON = shape(
    text_=plain(75), action_id=_ID, value=string(2000), url=string(3000), style=one_of("primary", "danger"), confirm=CONFIRM, accessibility_label=string(75)
)
CHOICES: dict[str, Check] = {
    "static_select": _static({"initial_option": OPTION}),
    "multi_static_select": _static({"initial_options": items(OPTION, 100), **_MULTI}),
    "users_select": _select(initial_user=string(255)),
    "multi_users_select": _select(initial_users=items(string(255), 100), **_MULTI),
    "conversations_select": _select(initial_conversation=string(255), default_to_current_conversation=boolean, filter=anything, response_url_enabled=boolean),
    "channels_select": _select(initial_channel=string(255), response_url_enabled=boolean),
    "datepicker": _select(initial_date=_DATE),
    "timepicker": _select(initial_time=_TIME, timezone=string(255)),
    "datetimepicker": shape(**_COMMON, initial_date_time=number(1_000_000_000, 9_999_999_999)),
    "radio_buttons": shape(**_COMMON, options_=items(OPTION, 10), initial_option=OPTION),
    "checkboxes": shape(**_COMMON, options_=items(OPTION, 10), initial_options=items(OPTION, 10)),
}
ACTIONS: dict[str, Check] = {
    **CHOICES,
    "button": BUTTON,
    "overflow": shape(action_id=_ID, confirm=CONFIRM, options_=items(OPTION, 5)),
}
_TYPED: dict[str, Check] = {"action_id": _ID, "focus_on_load": boolean, **_PLACEHOLDER, **_DISPATCH}
INPUTS: dict[str, Check] = {
    **CHOICES,
    "plain_text_input": shape(**_TYPED, initial_value=string(3000, 0), multiline=boolean, min_length=number(0, 3000), max_length=number(1, 3000)),
    "number_input": shape(**_TYPED, is_decimal_allowed_=boolean, initial_value=string(255), min_value=string(255), max_value=string(255)),
    "email_text_input": shape(**_TYPED, initial_value=string(255)),
    "url_text_input": shape(**_TYPED, initial_value=string(3000)),
}
IMAGE = both(shape(**_IMAGE_SOURCE), needs_one("image_url", "slack_file"))


def _rich_text(value: Any, at: str) -> Iterator[str]:
    """The four containers of a rich text block; what stands inside them is free."""
    containers = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
    if not isinstance(value, dict) or value.get("type") not in containers:
        yield fault("must be a rich text section, list, preformatted text or quote", at)
    elif not isinstance(value.get("elements"), list):
        yield fault("missing required field: elements", at)
    elif value["type"] == "rich_text_list" and value.get("style") not in ("bullet", "ordered"):
        yield fault("missing required field: style", at)


def _section_text(value: Any, at: str) -> Iterator[str]:
    yield from both(
        shape(
            block_id=_ID,
            text=text(3000),
            fields=items(text(2000), 10),
            accessory=tagged({**ACTIONS, "image": IMAGE}),
            expand=boolean,
        ),
        needs_one("text", "fields"),
    )(value, at)


BLOCKS: dict[str, Check] = {
    "header": shape(block_id=_ID, text_=plain(150)),
    "section": _section_text,
    "context": shape(block_id=_ID, elements_=items(tagged({"image": IMAGE, "plain_text": text(3000), "mrkdwn": text(3000)}), 10)),
    "divider": shape(block_id=_ID),
    "actions": shape(block_id=_ID, elements_=items(tagged(ACTIONS), 25)),
    "input": shape(block_id=_ID, label_=plain(2000), element_=tagged(INPUTS), hint=plain(2000), optional=boolean, dispatch_action=boolean),
    "image": both(shape(block_id=_ID, title=plain(2000), **_IMAGE_SOURCE), needs_one("image_url", "slack_file")),
    "rich_text": shape(block_id=_ID, elements_=items(_rich_text, 1000)),
    "markdown": shape(block_id=_ID, text_=string(12_000)),
}
_BLOCK = tagged(BLOCKS)


def block_faults(blocks: list[Any], most: int, at: str = "/blocks") -> list[str]:
    """One sentence for each fault in a list of blocks; an empty list when Slack would accept it."""
    found = list(items(_BLOCK, most, least=0)(blocks, at))
    if found:
        return found
    for block_id in duplicates([block["block_id"] for block in blocks if "block_id" in block]):
        found.append(fault(f"`block_id` `{block_id}` already exists", at))
    for index, block in enumerate(blocks):
        ids = [element["action_id"] for element in block.get("elements", []) if "action_id" in element]
        found += [fault(f"`action_id` `{name}` already exists", f"{at}/{index}/elements") for name in duplicates(ids)]
    return found


_VIEW_COMMON: dict[str, Check] = {"blocks_": anything, "private_metadata": string(3000, 0), "callback_id": string(255, 0), "external_id": string(255, 0)}
_VIEW = tagged(
    {
        "modal": shape(
            title_=plain(24), submit=plain(24), close=plain(24), clear_on_close=boolean, notify_on_close=boolean, submit_disabled=boolean, **_VIEW_COMMON
        ),
        "home": shape(**_VIEW_COMMON),
    }
)


def check_view(view: Json, wanted: str) -> None:
    """Raises Refusal `view_too_large` or `invalid_arguments` unless Slack would show this view as a `modal` or `home`."""
    if len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_BYTES:
        raise Refusal("view_too_large")
    found = list(_VIEW(view, "/view"))
    if not found and view["type"] != wanted:
        found.append(fault(f"must be one of: {wanted}", "/view/type"))
    if not found:
        found += block_faults(view["blocks"], VIEW_BLOCKS, "/view/blocks")
    if not found and wanted == "modal" and "submit" not in view and any(block["type"] == "input" for block in view["blocks"]):
        found.append(fault("missing required field: submit", "/view"))
    if found:
        raise Refusal("invalid_arguments", found)


def check_message_blocks(blocks: list[Any]) -> None:
    """Raises Refusal `invalid_blocks` unless Slack would show these blocks in a message."""
    if found := block_faults(blocks, MESSAGE_BLOCKS):
        raise Refusal("invalid_blocks", found, errors=[line.removeprefix("[ERROR] ") for line in found])


def completed(blocks: list[Json], rng: random.Random) -> list[Json]:
    """A copy with what Slack fills in: missing block_ids and action_ids, defaults of texts and inputs."""
    copied: list[Json] = json.loads(json.dumps(blocks))
    for block in copied:
        block.setdefault("block_id", _made_up(rng))
        if block["type"] == "input":
            block.setdefault("optional", False)
            block.setdefault("dispatch_action", False)
        _fill(block, rng)
    return copied


_INTERACTIVE = frozenset(ACTIONS) | frozenset(INPUTS)


def _fill(node: Any, rng: random.Random) -> None:
    if isinstance(node, list):
        for item in node:
            _fill(item, rng)
    elif isinstance(node, dict):
        if node.get("type") == "plain_text":
            node.setdefault("emoji", True)
        elif node.get("type") == "mrkdwn":
            node.setdefault("verbatim", False)
        elif isinstance(node.get("type"), str) and node["type"] in _INTERACTIVE:
            node.setdefault("action_id", _made_up(rng))
        for value in node.values():
            _fill(value, rng)


def _made_up(rng: random.Random) -> str:
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=5))
