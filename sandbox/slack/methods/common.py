"""What several methods need: finding the conversation they are about, and pages of a list."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.state import Channel, Message

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

T = TypeVar("T")


def visible_channel(workspace: Workspace, channel_id: str) -> Channel:
    """The conversation with this id. A private one that the app is not in does not exist for it: Refusal `channel_not_found`."""
    channel = workspace.channels.get(channel_id)
    if channel is None or (channel.kind != "public" and workspace.app.user not in channel.members):
        raise Refusal("channel_not_found")
    return channel


def joined_channel(workspace: Workspace, channel_id: str) -> Channel:
    """A conversation that the app is in; Refusal `not_in_channel` otherwise."""
    channel = visible_channel(workspace, channel_id)
    if workspace.app.user not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def live_channel(channel: Channel) -> Channel:
    """The same conversation; Refusal `is_archived` when it is."""
    if channel.archived:
        raise Refusal("is_archived")
    return channel


def not_direct(channel: Channel) -> Channel:
    """The same conversation; direct messages are refused, as they have no name, topic or invitations."""
    if channel.is_direct:
        raise Refusal("method_not_supported_for_channel_type")
    return channel


def message_in(channel: Channel, ts: str) -> Message:
    """The message that everybody sees at `ts`; Refusal `message_not_found` (also for ephemeral ones, which Slack forgets)."""
    message = channel.messages.get(ts)
    if message is None or message.visible_to is not None:
        raise Refusal("message_not_found")
    return message


def page(rows: Sequence[T], arguments: Json, default: int) -> tuple[list[T], Json]:
    """The rows of one page, and the `response_metadata` with the cursor of the next (empty at the end). Refusal `invalid_cursor`."""
    start = 0
    if cursor := arguments.get("cursor"):
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:"))
        except (binascii.Error, ValueError):
            raise Refusal("invalid_cursor") from None
    end = start + max(1, min(int(arguments.get("limit") or default), 1000))
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(rows) else ""
    return list(rows[start:end]), {"response_metadata": {"next_cursor": following}}
