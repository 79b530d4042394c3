"""The bodies that Slack sends to an app, built from what a workspace holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.slack.answer import Json
from sandbox.slack.state import Channel, Message, View
from sandbox.slack.wire import message_json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

VERIFICATION_TOKEN = "sandbox-verification-token"


def _user(workspace: Workspace, user: str) -> Json:
    name = workspace.users[user].name
    return {"id": user, "username": name, "name": name, "team_id": workspace.team["id"]}


def _envelope(workspace: Workspace, kind: str, user: str) -> Json:
    return {
        "type": kind,
        "team": {"id": workspace.team["id"], "domain": workspace.team["domain"]},
        "user": _user(workspace, user),
        "api_app_id": workspace.app.id,
        "token": VERIFICATION_TOKEN,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def channel_name(channel: Channel) -> str:
    return {"im": "directmessage", "mpim": "mpdm"}.get(channel.kind, channel.name)


def _channel(channel: Channel) -> Json:
    return {"id": channel.id, "name": channel_name(channel)}


def command(workspace: Workspace, user: str, channel: Channel, name: str, text: str) -> Json:
    """The form of a slash command."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": workspace.team["id"],
        "team_domain": workspace.team["domain"],
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": user,
        "user_name": workspace.users[user].name,
        "command": name,
        "text": text,
        "api_app_id": workspace.app.id,
        "is_enterprise_install": "false",
        "response_url": workspace.make_hook("commands", channel.id, user),
        "trigger_id": workspace.make_trigger(user),
    }


def message_action(workspace: Workspace, user: str, message: Message, acted: Json) -> Json:
    """block_actions for an element of a message. An ephemeral message is not in the payload: Slack keeps none."""
    channel = workspace.channels[message.channel]
    container = {"type": "message", "message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": message.visible_to is not None}
    payload = _envelope(workspace, "block_actions", user) | {
        "container": container | ({"thread_ts": message.thread_ts} if message.thread_ts else {}),
        "trigger_id": workspace.make_trigger(user),
        "channel": _channel(channel),
        "state": {"values": {}},
        "response_url": workspace.make_hook("actions", channel.id, user, message.ts, message.thread_ts),
        "actions": [acted],
    }
    current = channel.messages.get(message.ts)
    if current and current.visible_to is None:
        payload["message"] = message_json(workspace, current)
    return payload


def view_action(workspace: Workspace, user: str, view: View, acted: Json) -> Json:
    """block_actions for an element of a modal or a home tab."""
    return _envelope(workspace, "block_actions", user) | {
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": workspace.make_trigger(user, view.id),
        "view": view.wire,
        "actions": [acted],
    }


def view_submission(workspace: Workspace, user: str, view: View) -> Json:
    return _envelope(workspace, "view_submission", user) | {
        "trigger_id": workspace.make_trigger(user, view.id),
        "view": view.wire,
        "response_urls": [],
    }


def view_closed(workspace: Workspace, user: str, view: View) -> Json:
    return _envelope(workspace, "view_closed", user) | {"view": view.wire, "is_cleared": False, "response_urls": []}


def shortcut(workspace: Workspace, user: str, callback_id: str, message: Message | None) -> Json:
    """A global shortcut, or a message shortcut (`message_action`) on `message`."""
    kind = "message_action" if message else "shortcut"
    payload = _envelope(workspace, kind, user) | {"callback_id": callback_id, "trigger_id": workspace.make_trigger(user), "action_ts": workspace.tick()}
    if message:
        channel = workspace.channels[message.channel]
        payload |= {
            "channel": _channel(channel),
            "message_ts": message.ts,
            "message": message_json(workspace, message),
            "response_url": workspace.make_hook("app", channel.id, user),
        }
    return payload


def event(workspace: Workspace, body: Json) -> Json:
    """An event_callback around an event."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": workspace.team["id"],
        "api_app_id": workspace.app.id,
        "event": body,
        "type": "event_callback",
        "event_id": workspace.make_id("Ev"),
        "event_time": int(workspace.now().timestamp()),
        "authorizations": [
            {"enterprise_id": None, "team_id": workspace.team["id"], "user_id": workspace.app.user, "is_bot": True, "is_enterprise_install": False}
        ],
        "is_ext_shared_channel": False,
    }
