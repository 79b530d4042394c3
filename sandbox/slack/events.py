"""Which changes of the workspace the app is told of, as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.slack.state import Channel, Message
from sandbox.slack.wire import message_json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

_CHANNEL_TYPES = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}
_SUBSCRIPTIONS = {"public": "message.channels", "private": "message.groups", "im": "message.im", "mpim": "message.mpim"}


def announce_message(workspace: Workspace, channel: Channel, message: Message) -> None:
    """Tells the app about a message in a conversation that it is in, as `message` and, when it is named there, `app_mention`."""
    if workspace.app.user not in channel.members:
        return
    body = message_json(workspace, message) | {"channel": channel.id, "event_ts": message.ts}
    workspace.emit(_SUBSCRIPTIONS[channel.kind], body | {"channel_type": _CHANNEL_TYPES[channel.kind]})
    if f"<@{workspace.app.user}" in message.text and message.user != workspace.app.user and not channel.is_direct:
        workspace.emit("app_mention", body | {"type": "app_mention"})


def announce_member(workspace: Workspace, channel: Channel, user: str, *, joined: bool) -> None:
    """Tells the app that somebody joined or left a channel that it is in."""
    kind = "member_joined_channel" if joined else "member_left_channel"
    event = {"type": kind, "user": user, "channel": channel.id, "channel_type": "C", "team": workspace.team["id"]}
    workspace.emit(kind, event | {"event_ts": workspace.tick()})
