"""conversations.*: channels and direct messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.events import announce_member
from sandbox.slack.methods.common import joined_channel, live_channel, not_direct, page, visible_channel
from sandbox.slack.state import Channel, Message
from sandbox.slack.wire import channel_json, message_json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

NAME_LIMIT = 80
TOPIC_LIMIT = 250
_KINDS = {"public_channel": "public", "private_channel": "private", "im": "im", "mpim": "mpim"}
_TS = re.compile(r"\d+(\.\d{1,6})?")


def list_(workspace: Workspace, arguments: Json) -> Json:
    types = [name.strip() for name in (arguments.get("types") or "public_channel").split(",")]
    if any(name not in _KINDS for name in types):
        raise Refusal("invalid_types")
    kinds = {_KINDS[name] for name in types}
    rows = [
        channel
        for channel in workspace.channels.values()
        if channel.kind in kinds
        and (channel.kind == "public" or workspace.app.user in channel.members)
        and not (channel.archived and arguments.get("exclude_archived"))
    ]
    some, cursor = page(rows, arguments, 100)
    return {"channels": [channel_json(workspace, channel) for channel in some], **cursor}


def info(workspace: Workspace, arguments: Json) -> Json:
    return {"channel": channel_json(workspace, visible_channel(workspace, arguments["channel"]))}


def join(workspace: Workspace, arguments: Json) -> Json:
    channel = live_channel(visible_channel(workspace, arguments["channel"]))
    if channel.kind != "public":
        raise Refusal("method_not_supported_for_channel_type")
    if workspace.app.user in channel.members:
        return {"channel": channel_json(workspace, channel), "warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    channel.members.append(workspace.app.user)
    announce_member(workspace, channel, workspace.app.user, joined=True)
    workspace.changed()
    return {"channel": channel_json(workspace, channel)}


def _check_name(workspace: Workspace, name: str) -> str:
    """Lower-case letters, digits, hyphens and underscores, at most 80; the name of an archived channel is still taken."""
    if not name:
        raise Refusal("invalid_name_required")
    if len(name) > NAME_LIMIT:
        raise Refusal("invalid_name_maxlength")
    if not re.search(r"\w", name.replace("_", "")):
        raise Refusal("invalid_name_punctuation")
    if re.search(r"[^\w-]", name) or name != name.lower():
        raise Refusal("invalid_name_specials")
    if workspace.named(name):
        raise Refusal("name_taken")
    return name


def create(workspace: Workspace, arguments: Json) -> Json:
    if workspace.admins_create_channels:
        raise Refusal("restricted_action")
    name = _check_name(workspace, arguments["name"])
    kind = "private" if arguments.get("is_private") else "public"
    channel = workspace.add_channel(name, kind, [workspace.app.user], creator=workspace.app.user)
    return {"channel": channel_json(workspace, channel)}


def rename(workspace: Workspace, arguments: Json) -> Json:
    channel = not_direct(joined_channel(workspace, arguments["channel"]))
    channel.name = _check_name(workspace, arguments["name"])
    workspace.changed()
    return {"channel": channel_json(workspace, channel)}


def invite(workspace: Workspace, arguments: Json) -> Json:
    channel = live_channel(not_direct(joined_channel(workspace, arguments["channel"])))
    wanted = [user.strip() for user in arguments["users"].split(",") if user.strip()]
    if not wanted:
        raise Refusal("no_user")
    faults = [{"user": user, "ok": False, "error": error} for user in wanted if (error := _invitation_fault(workspace, channel, user))]
    good = [user for user in wanted if user not in {fault["user"] for fault in faults}]
    if faults and not (arguments.get("force") and good):
        raise Refusal(str(faults[0]["error"]), errors=faults)
    for user in good:
        channel.members.append(user)
        announce_member(workspace, channel, user, joined=True)
    workspace.changed()
    return {"channel": channel_json(workspace, channel), **({"errors": faults} if faults else {})}


def _invitation_fault(workspace: Workspace, channel: Channel, user: str) -> str | None:
    if user == workspace.app.user:
        return "cant_invite_self"
    if user not in workspace.users or workspace.users[user].deleted:
        return "user_not_found"
    return "already_in_channel" if user in channel.members else None


def _timestamp(arguments: Json, name: str, default: float) -> float:
    value = arguments.get(name)
    if not value:
        return default
    if not _TS.fullmatch(value):
        raise Refusal(f"invalid_ts_{name}")
    return float(value)


def _between(workspace: Workspace, arguments: Json, rows: list[Message]) -> list[Message]:
    """The messages that everybody sees between `oldest` and `latest` (both exclusive unless `inclusive`)."""
    oldest, latest = _timestamp(arguments, "oldest", 0), _timestamp(arguments, "latest", float("inf"))
    at_ends = bool(arguments.get("inclusive"))
    return [
        message
        for message in rows
        if message.visible_to is None and (oldest < float(message.ts) < latest or (at_ends and float(message.ts) in (oldest, latest)))
    ]


def _messages(workspace: Workspace, arguments: Json, rows: list[Message], default: int) -> Json:
    some, cursor = page(rows, arguments, default)
    metadata = bool(arguments.get("include_all_metadata"))
    more = bool(cursor["response_metadata"]["next_cursor"])
    return {"messages": [message_json(workspace, message, metadata=metadata) for message in some], "has_more": more, **(cursor if more else {})}


def history(workspace: Workspace, arguments: Json) -> Json:
    channel = joined_channel(workspace, arguments["channel"])
    top = [message for message in reversed(channel.messages.values()) if not message.is_reply or message.broadcast]
    return _messages(workspace, arguments, _between(workspace, arguments, top), 100) | {"pin_count": len(channel.pins)}


def replies(workspace: Workspace, arguments: Json) -> Json:
    channel = joined_channel(workspace, arguments["channel"])
    asked = channel.messages.get(arguments["ts"])
    if asked is None or asked.visible_to is not None:
        raise Refusal("thread_not_found")
    parent = asked.thread_ts or asked.ts
    rows = channel.replies(parent)
    first = [channel.messages[parent]] if parent in channel.messages else []
    return _messages(workspace, arguments, first + _between(workspace, arguments, rows), 1000)


def open_(workspace: Workspace, arguments: Json) -> Json:
    if channel_id := arguments.get("channel"):
        channel = visible_channel(workspace, channel_id)
    else:
        users = [user.strip() for user in (arguments.get("users") or "").split(",") if user.strip()]
        if not users:
            raise Refusal("users_list_not_supplied")
        if len(users) > 8:
            raise Refusal("too_many_users")
        if any(user not in workspace.users for user in users):
            raise Refusal("user_not_found")
        channel = workspace.direct(users if len(users) == 1 else [*users, workspace.app.user])
    return {"channel": channel_json(workspace, channel) if arguments.get("return_im") else {"id": channel.id}}


def set_topic(workspace: Workspace, arguments: Json) -> Json:
    return _describe(workspace, arguments, "topic")


def set_purpose(workspace: Workspace, arguments: Json) -> Json:
    return _describe(workspace, arguments, "purpose")


def _describe(workspace: Workspace, arguments: Json, field: str) -> Json:
    channel = live_channel(not_direct(joined_channel(workspace, arguments["channel"])))
    if len(arguments[field]) > TOPIC_LIMIT:
        raise Refusal("too_long")
    setattr(channel, field, arguments[field])
    workspace.changed()
    return {"channel": channel_json(workspace, channel)}


def archive(workspace: Workspace, arguments: Json) -> Json:
    channel = not_direct(visible_channel(workspace, arguments["channel"]))
    if channel.archived:
        raise Refusal("already_archived")
    joined_channel(workspace, channel.id)
    channel.archived = True
    workspace.changed()
    return {}


def members(workspace: Workspace, arguments: Json) -> Json:
    channel = visible_channel(workspace, arguments["channel"])
    some, cursor = page(channel.members, arguments, 100)
    return {"members": some, **cursor}


HANDLERS = {
    "conversations.list": list_,
    "conversations.info": info,
    "conversations.join": join,
    "conversations.create": create,
    "conversations.rename": rename,
    "conversations.invite": invite,
    "conversations.history": history,
    "conversations.replies": replies,
    "conversations.open": open_,
    "conversations.setPurpose": set_purpose,
    "conversations.setTopic": set_topic,
    "conversations.archive": archive,
    "conversations.members": members,
}
