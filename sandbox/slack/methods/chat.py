"""chat.*: writing, editing and deleting messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.blocks import check_message_blocks, completed
from sandbox.slack.methods.common import joined_channel, live_channel, message_in, visible_channel
from sandbox.slack.state import Channel, Message
from sandbox.slack.wire import message_json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

POST_LIMIT = 40_000
"""Characters of a new message's text (Slack cuts longer ones off; here they are refused, so that nobody misses it)."""
UPDATE_LIMIT = 4_000
"""Characters of an edited message's text."""
METADATA_BYTES = 8_000


def app_identity(workspace: Workspace) -> Json:
    return {"bot_id": workspace.app.bot_id, "app_id": workspace.app.id}


def content(workspace: Workspace, arguments: Json, limit: int) -> Json:
    """The checked `text`, `blocks`, `attachments` and `metadata` of a message."""
    blocks = arguments.get("blocks") or []
    attachments = arguments.get("attachments") or []
    text = arguments.get("text") or arguments.get("markdown_text") or ""
    if not (text or blocks or attachments):
        raise Refusal("no_text")
    if len(text) > limit:
        raise Refusal("msg_too_long")
    check_message_blocks(blocks)
    return {"text": text, "blocks": completed(blocks, workspace.random), "attachments": attachments, "metadata": _metadata(arguments.get("metadata"))}


def _metadata(metadata: Json | None) -> Json | None:
    if metadata is None:
        return None
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        raise Refusal("invalid_metadata_format")
    if len(json.dumps(metadata).encode()) > METADATA_BYTES:
        raise Refusal("metadata_too_large")
    return metadata


def _destination(workspace: Workspace, name: str) -> Channel:
    """Where chat.postMessage goes: a channel's id, `#name`, or a user's id for direct messages."""
    if name in workspace.users:
        return workspace.direct([name])
    named = workspace.named(name.removeprefix("#"))
    channel = live_channel(visible_channel(workspace, named.id if named else name))
    if workspace.app.user not in channel.members and "chat:write.public" not in workspace.app.scopes:
        raise Refusal("not_in_channel")
    return channel


def post_message(workspace: Workspace, arguments: Json) -> Json:
    if arguments.keys() & {"username", "icon_emoji", "icon_url"} and "chat:write.customize" not in workspace.app.scopes:
        raise Refusal("missing_scope", needed="chat:write.customize", provided=",".join(workspace.app.scopes))
    channel = _destination(workspace, arguments["channel"])
    written = content(workspace, arguments, POST_LIMIT)
    parent = channel.messages.get(arguments.get("thread_ts", ""))
    message = Message(
        channel.id,
        workspace.next_ts(channel),
        workspace.app.user,
        app=app_identity(workspace),
        thread_ts=(parent.thread_ts or parent.ts) if parent else None,
        broadcast=bool(arguments.get("reply_broadcast")),
        **written,
    )
    workspace.post(channel, message)
    return {"channel": channel.id, "ts": message.ts, "message": message_json(workspace, message, metadata=True)}


def post_ephemeral(workspace: Workspace, arguments: Json) -> Json:
    channel = live_channel(joined_channel(workspace, arguments["channel"]))
    if arguments["user"] not in channel.members:
        raise Refusal("user_not_in_channel")
    written = content(workspace, arguments, UPDATE_LIMIT)
    message = Message(
        channel.id,
        workspace.next_ts(channel),
        workspace.app.user,
        app=app_identity(workspace),
        thread_ts=arguments.get("thread_ts"),
        visible_to=arguments["user"],
        **written,
    )
    workspace.post(channel, message)
    return {"message_ts": message.ts}


def update(workspace: Workspace, arguments: Json) -> Json:
    channel = visible_channel(workspace, arguments["channel"])
    message = message_in(channel, arguments["ts"])
    if message.user != workspace.app.user:
        raise Refusal("cant_update_message")
    if channel.archived:
        raise Refusal("is_inactive")
    written = content(workspace, arguments, UPDATE_LIMIT)
    if "blocks" not in arguments and not arguments.get("text"):
        written["blocks"] = message.blocks
    if written["metadata"] is None:
        written["metadata"] = message.metadata
    for name, value in written.items():
        setattr(message, name, value)
    message.edited = workspace.next_ts(channel)
    workspace.changed()
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": message_json(workspace, message, metadata=True)}


def delete(workspace: Workspace, arguments: Json) -> Json:
    channel = visible_channel(workspace, arguments["channel"])
    message = message_in(channel, arguments["ts"])
    if message.user != workspace.app.user:
        raise Refusal("cant_delete_message")
    del channel.messages[message.ts]
    workspace.changed()
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(workspace: Workspace, arguments: Json) -> Json:
    channel = visible_channel(workspace, arguments["channel"])
    message = message_in(channel, arguments["message_ts"])
    link = f"{workspace.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


HANDLERS = {
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
}
