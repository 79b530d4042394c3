"""reactions.*, pins.add and bookmarks.add."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.methods.common import message_in, visible_channel
from sandbox.slack.state import Channel, Message
from sandbox.slack.wire import message_json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace


def _item(workspace: Workspace, arguments: Json) -> tuple[Channel, Message]:
    if not arguments.get("channel") or not arguments.get("timestamp"):
        raise Refusal("no_item_specified")
    channel = visible_channel(workspace, arguments["channel"])
    return channel, message_in(channel, arguments["timestamp"])


def reactions_add(workspace: Workspace, arguments: Json) -> Json:
    _, message = _item(workspace, arguments)
    if not re.fullmatch(r"[a-z0-9_+'\-]+(::skin-tone-[2-6])?", arguments["name"]):
        raise Refusal("invalid_name")
    users = message.reactions.setdefault(arguments["name"], [])
    if workspace.app.user in users:
        raise Refusal("already_reacted")
    users.append(workspace.app.user)
    workspace.changed()
    return {}


def reactions_remove(workspace: Workspace, arguments: Json) -> Json:
    _, message = _item(workspace, arguments)
    users = message.reactions.get(arguments["name"], [])
    if workspace.app.user not in users:
        raise Refusal("no_reaction")
    users.remove(workspace.app.user)
    if not users:
        del message.reactions[arguments["name"]]
    workspace.changed()
    return {}


def reactions_get(workspace: Workspace, arguments: Json) -> Json:
    channel, message = _item(workspace, arguments)
    return {"type": "message", "channel": channel.id, "message": message_json(workspace, message)}


def pins_add(workspace: Workspace, arguments: Json) -> Json:
    channel, message = _item(workspace, arguments)
    if message.ts in channel.pins:
        raise Refusal("already_pinned")
    channel.pins.append(message.ts)
    workspace.changed()
    return {}


def bookmarks_add(workspace: Workspace, arguments: Json) -> Json:
    channel = visible_channel(workspace, arguments["channel_id"])
    if arguments["type"] != "link":
        raise Refusal("invalid_bookmark_type")
    if not re.match(r"https?://", arguments["link"]):
        raise Refusal("invalid_link")
    bookmark = {"id": workspace.make_id("Bk"), "channel_id": channel.id} | {name: arguments.get(name) for name in ("title", "link", "emoji", "type")}
    channel.bookmarks.append(bookmark)
    workspace.changed()
    return {"bookmark": bookmark}


HANDLERS = {
    "reactions.add": reactions_add,
    "reactions.remove": reactions_remove,
    "reactions.get": reactions_get,
    "pins.add": pins_add,
    "bookmarks.add": bookmarks_add,
}
