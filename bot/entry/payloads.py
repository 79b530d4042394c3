"""What Slack's payloads say: which button was pressed, what was filled in, and where."""

import json
from typing import Any

from bot.core.ports import MessageRef
from bot.core.request import Origin
from bot.entry.door import Quote

Json = dict[str, Any]


def pressed(action: Json) -> tuple[str, Json] | None:
    """Returns the command and the arguments of a button, or None when its value is not ours."""
    try:
        value = json.loads(action["value"])
        return str(value["c"]), dict(value["a"])
    except (KeyError, TypeError, ValueError):
        return None


def origin_of_command(body: Json) -> Origin:
    """Returns where a command was typed."""
    return Origin(kind="slack", channel=body["channel_id"], response_url=body["response_url"])


def origin_of_click(body: Json, action: Json) -> Origin:
    """Returns where a button was pressed. Our blocks are called `<number>:<key of the message>`; what is pressed in a view is answered by direct message."""
    container = body.get("container", {})
    key = action.get("block_id", "").partition(":")[2]
    return Origin(
        kind="slack",
        channel=body.get("channel", {}).get("id") or body["user"]["id"],
        thread=container.get("thread_ts"),
        response_url=body.get("response_url"),
        message=key or None,
    )


def origin_of_person(body: Json) -> Origin:
    """Returns where somebody is answered who asked in no channel: in his direct messages."""
    return Origin(kind="slack", channel=body["user"]["id"])


def origin_of_shortcut(body: Json) -> Origin:
    """Returns where a shortcut was used: on a message in its channel, else in no channel."""
    if body["type"] != "message_action":
        return origin_of_person(body)
    return Origin(kind="slack", channel=body["channel"]["id"], response_url=body.get("response_url"))


def quote(body: Json) -> Quote | None:
    """Returns the message that a shortcut was used on, or None when it was on none."""
    if body["type"] != "message_action":
        return None
    message = body["message"]
    ref = MessageRef(body["channel"]["id"], message["ts"])
    return Quote(ref, str(message.get("user") or message.get("bot_id") or ""), str(message.get("text") or ""))


def reacted(event: Json) -> MessageRef | None:
    """Returns the message that a reaction stands on, or None where it is something else."""
    item = event["item"]
    return MessageRef(item["channel"], item["ts"]) if item.get("type") == "message" else None


def metadata(command: str, origin: Origin, values: Json) -> str:
    """Returns what a form carries with it: the command, where it was asked for, and what it is requested with besides what is filled in."""
    return json.dumps({"command": command, "origin": origin.model_dump(mode="json"), "values": values}, ensure_ascii=False)


def carried(view: Json) -> tuple[str, Origin, Json]:
    """Returns what `metadata` put into the view. Raises ValueError when it is another version's."""
    try:
        found = json.loads(view["private_metadata"])
        return str(found["command"]), Origin.model_validate(found["origin"]), dict(found.get("values") or {})
    except (KeyError, TypeError) as error:
        raise ValueError("the form's metadata is not ours") from error


def filled(view: Json) -> Json:
    """Returns what was filled in, by block: texts, names that were chosen, and True for a box that was ticked."""
    return {block: _held(element) for block, elements in view["state"]["values"].items() for element in elements.values()}


def errors_in(view: Json, errors: Json) -> Json:
    """Returns the errors by the view's inputs; what concerns none of them stands at the first one."""
    inputs = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    return {name if name in inputs else inputs[0]: text for name, text in reversed(errors.items())}


def _held(element: Json) -> Any:
    if element["type"] == "checkboxes":
        return bool(element.get("selected_options"))
    if element["type"] == "multi_static_select":
        return tuple(option["value"] for option in element.get("selected_options") or ())
    if element["type"] == "static_select":
        return (element.get("selected_option") or {}).get("value")
    return element.get("value")
