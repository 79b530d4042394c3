"""What the workspace page shows to one person, as JSON."""

from __future__ import annotations

from sandbox.slack.answer import Json
from sandbox.slack.state import Channel, Message, View
from sandbox.slack.trying import things
from sandbox.slack.wire import message_json
from sandbox.slack.workspace import Workspace


def seen_messages(workspace: Workspace, channel: str, user: str | None) -> list[Json]:
    """A conversation's messages as a user sees them; `ephemeral` marks those that nobody else sees, `plain` is the words alone."""
    return [_message(workspace, message) for message in workspace.messages(channel, user)]


def _message(workspace: Workspace, message: Message) -> Json:
    extra = {"ephemeral": message.visible_to is not None, "plain": message.plain, "broadcast": message.broadcast}
    return message_json(workspace, message, metadata=True) | extra


def page_state(workspace: Workspace, user: str, channel: str | None) -> Json:
    """Conversations, people, the messages of the open conversation, modals and the home tab of `user`.

    `channel` is the open conversation; the first one of the user when it is None.
    """
    reader = workspace.user(user)
    own = [one for one in workspace.channels.values() if reader.id in one.members]
    direct = workspace.direct([reader.id])
    if direct not in own:
        own.append(direct)
    shown = next((one for one in own if channel in (one.id, one.name)), own[0])
    return {
        "revision": workspace.revision,
        "now": workspace.now().isoformat(),
        "down": workspace.down,
        "team": workspace.team,
        "app": {"user": workspace.app.user, "name": workspace.app.name, "commands": workspace.app.commands, "shortcuts": workspace.app.shortcuts},
        "me": reader.id,
        "users": {
            one.id: {"name": one.name, "real_name": one.real_name, "title": one.title, "tz": one.tz, "is_bot": one.is_bot} for one in workspace.users.values()
        },
        "usergroups": {group.id: group.handle for group in workspace.usergroups.values()},
        "groups": {group.id: {"handle": group.handle, "name": group.name, "users": group.users} for group in workspace.usergroups.values()},
        "names": {one.id: one.name for one in workspace.channels.values() if not one.is_direct},
        "channels": [_channel(one, reader.id) for one in own],
        "channel": shown.id,
        "messages": seen_messages(workspace, shown.id, reader.id),
        "modals": [_view(workspace.views[view_id]) for view_id in workspace.stacks.get(reader.id, [])],
        "home": _view(workspace.homes[reader.id]) if reader.id in workspace.homes else None,
        "things_to_try": things(workspace),
    }


def _channel(channel: Channel, reader: str) -> Json:
    visible = [message for message in channel.messages.values() if message.visible_to in (None, reader)]
    others = [user for user in channel.members if user != reader]
    return {
        "id": channel.id,
        "name": channel.name,
        "kind": channel.kind,
        "topic": channel.topic,
        "purpose": channel.purpose,
        "archived": channel.archived,
        "members": channel.members,
        "with": others if channel.is_direct else [],
        "latest": visible[-1].ts if visible else None,
    }


def _view(view: View) -> Json:
    return view.wire | {"errors": view.errors, "notice": view.notice}
