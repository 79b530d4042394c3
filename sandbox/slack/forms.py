"""What people type into and choose in blocks, in the words of `view.state.values`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.slack.answer import Json

# For each element: the field of its state that holds the value, and the field of the element with which it starts.
FIELDS = {
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "overflow": ("selected_option", "initial_option"),
    "multi_static_select": ("selected_options", "initial_options"),
    "checkboxes": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "channels_select": ("selected_channel", "initial_channel"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}


class Incomplete(ValueError):
    """Slack's client does not let the user submit or choose this; the sentence says why."""


def elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Each interactive element with its block, in reading order."""
    for block in blocks:
        for element in [*block.get("elements", []), block.get("accessory"), block.get("element")]:
            if element and "action_id" in element:
                yield block, element


def initial_state(blocks: list[Json]) -> Json:
    """The `state.values` of blocks that nobody has touched."""
    values: Json = {}
    for block, element in elements(blocks):
        if element["type"] in FIELDS and element["type"] != "overflow":
            held, initial = FIELDS[element["type"]]
            empty: list[Json] | None = [] if held.endswith("s") else None
            values.setdefault(block["block_id"], {})[element["action_id"]] = {"type": element["type"], held: element.get(initial, empty)}
    return values


def chosen(element: Json, value: Any) -> Json:
    """The state of an element after the user put `value` in: a text, a date, an id, or an option by its value or label (a list for several).

    Raises Incomplete when there is no such option, or the text is too long or too short for it.
    """
    held, _ = FIELDS[element["type"]]
    if held == "selected_option":
        return {"type": element["type"], held: _option(element, value) if value is not None else None}
    if held == "selected_options":
        return {"type": element["type"], held: [_option(element, one) for one in value]}
    if held == "value" and value is not None:
        value = _typed(element, str(value))
    return {"type": element["type"], held: value}


def _option(element: Json, wanted: Any) -> Json:
    options = [*element.get("options", []), *(option for group in element.get("option_groups", []) for option in group["options"])]
    for option in options:
        if wanted in (option["value"], option["text"]["text"]):
            return dict(option)
    raise Incomplete(f"{element['action_id']} has no option {wanted!r}; it has {', '.join(option['text']['text'] for option in options)}")


def _typed(element: Json, text: str) -> str | None:
    if len(text) > element.get("max_length", 3000):
        raise Incomplete(f"{element['action_id']}: at most {element.get('max_length', 3000)} characters")
    if text and len(text) < element.get("min_length", 0):
        raise Incomplete(f"{element['action_id']}: at least {element['min_length']} characters")
    return text or None


def filled(blocks: list[Json], before: Json, values: Json) -> Json:
    """The `state.values` after `values` were put in, each named by block_id, action_id or the input's label; `before` keeps the others.

    Raises Incomplete for a name that is not there, a value that does not fit, or an input that must not be empty.
    """
    state = {block_id: dict(inner) for block_id, inner in before.items()}
    unused = set(values)
    for block, element in elements(blocks):
        for name in (block["block_id"], element["action_id"], block.get("label", {}).get("text")):
            if name in values:
                unused.discard(name)
                state.setdefault(block["block_id"], {})[element["action_id"]] = chosen(element, values[name])
                break
    if unused:
        raise Incomplete(f"the view has no input {', '.join(sorted(unused))}")
    for block, element in elements(blocks):
        if block["type"] == "input" and not block.get("optional"):
            held = FIELDS[element["type"]][0]
            if state[block["block_id"]][element["action_id"]].get(held) in (None, "", []):
                raise Incomplete(f"{block['label']['text']}: this is a required field")
    return state
