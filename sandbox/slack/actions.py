"""What people do in Slack's client, as pure steps: each changes the workspace and returns what Slack sends to the app, if anything.

`settle` then shows people what the app answered, or that it did not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.slack import forms, payloads
from sandbox.slack.answer import Delivery, Json, Reply
from sandbox.slack.responses import answer_command, answer_submission
from sandbox.slack.state import Channel, Message, View

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

TROUBLE = "We had some trouble connecting. Try again?"


def say(workspace: Workspace, user: str, channel: str, text: str, thread: Message | None = None) -> Delivery | None:
    """A user types a line: a slash command if it begins with `/`, else a message. `channel` may be `@name` for direct messages.

    Raises LookupError when there is no such user or channel, or the user is not in it.
    """
    who = workspace.user(user).id
    where = workspace.conversation(channel, user)
    if who not in where.members:
        raise LookupError(f"{user} is not in {channel}")
    if not text.startswith("/"):
        _write(workspace, where, who, text, thread)
        return None
    name, _, rest = text.partition(" ")
    command = next((command for command in workspace.app.commands if command["command"] == name), None)
    if command is None:
        workspace.notice(where, who, f"{name} is not a valid command.")
        return None
    written = _escape(workspace, rest.strip(), entities=bool(command.get("should_escape")))
    return Delivery("command", payloads.command(workspace, who, where, name, written))


def _write(workspace: Workspace, channel: Channel, user: str, text: str, thread: Message | None) -> None:
    if channel.archived:
        raise LookupError(f"#{channel.name} is archived")
    parent = (thread.thread_ts or thread.ts) if thread else None
    workspace.post(channel, Message(channel.id, workspace.next_ts(channel), user, _escape(workspace, text, entities=True), thread_ts=parent))


def _escape(workspace: Workspace, text: str, *, entities: bool) -> str:
    """What Slack makes of a typed line: `& < >` escaped and, with `entities`, people, channels and links marked up."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if not entities:
        return text
    users = {user.name: f"<@{user.id}|{user.name}>" for user in workspace.users.values()}
    groups = {group.handle: f"<!subteam^{group.id}|@{group.handle}>" for group in workspace.usergroups.values()}
    channels = {channel.name: f"<#{channel.id}|{channel.name}>" for channel in workspace.channels.values() if not channel.is_direct}
    text = re.sub(r"(?<![\w<])@([\w.-]+)", lambda match: users.get(match[1]) or groups.get(match[1]) or match[0], text)
    text = re.sub(r"(?<![\w<&])#([\w-]+)", lambda match: channels.get(match[1], match[0]), text)
    return re.sub(r"https?://[^\s|]+", lambda match: f"<{match[0]}>", text)


def click(workspace: Workspace, user: str, where: Message | View, what: str, value: str | list[str] | None = None, confirm: bool = True) -> Delivery | None:
    """A user presses the button whose label or action_id is `what`, or chooses `value` (label or value of an option, an id, a date) in that menu.

    The element is looked for in the message or view as given: a snapshot is what that user's screen shows, and may be stale. `confirm` is the
    answer to the element's confirmation dialog, if it has one. Raises LookupError when there is no such element.
    """
    who = workspace.user(user).id
    found = [(block, element) for block, element in forms.elements(where.blocks) if what in (element["action_id"], element.get("text", {}).get("text"))]
    if not found:
        raise LookupError(f"nothing to press called {what!r}; there are {', '.join(_labels(where.blocks)) or 'no buttons'}")
    block, element = found[0]
    if "confirm" in element and not confirm:
        return None
    acted = _acted(workspace, block, element, value)
    if isinstance(where, View):
        live = workspace.views.get(where.id) or workspace.homes.get(who)
        if live is None or live.id != where.id:
            raise LookupError("that view is closed")
        return Delivery("interactive", payloads.view_action(workspace, who, live, acted))
    return Delivery("interactive", payloads.message_action(workspace, who, where, acted))


def _labels(blocks: list[Json]) -> list[str]:
    return [element.get("text", {}).get("text") or element["action_id"] for _, element in forms.elements(blocks)]


def _acted(workspace: Workspace, block: Json, element: Json, value: Any) -> Json:
    """The entry of `actions` for an element: what it is, what was chosen, and when."""
    acted: Json = {"action_id": element["action_id"], "block_id": block["block_id"], "type": element["type"], "action_ts": workspace.tick()}
    if element["type"] == "button":
        return acted | {name: element[name] for name in ("text", "value", "style", "url", "confirm") if name in element}
    return acted | forms.chosen(element, value) | {name: element[name] for name in ("confirm", "placeholder") if name in element}


def submit(workspace: Workspace, user: str, view: View, values: Json) -> Delivery:
    """A user fills a modal in and submits it; `values` are named by block_id, action_id or label.

    Raises `forms.Incomplete` where Slack's own client does not let them, LookupError when the modal is closed.
    """
    who = workspace.user(user).id
    live = workspace.views.get(view.id)
    if live is None or live.user != who:
        raise LookupError("that view is closed")
    live.wire["state"]["values"] = forms.filled(live.blocks, live.wire["state"]["values"], values)
    live.errors, live.notice = {}, ""
    return Delivery("interactive", payloads.view_submission(workspace, who, live))


def close(workspace: Workspace, user: str, view: View) -> Delivery | None:
    """A user cancels the modal on top."""
    who = workspace.user(user).id
    live = workspace.views.pop(view.id, None)
    if live is None:
        raise LookupError("that view is closed")
    workspace.stacks[who].remove(view.id)
    workspace.changed()
    return Delivery("interactive", payloads.view_closed(workspace, who, live)) if live.wire["notify_on_close"] else None


def shortcut(workspace: Workspace, user: str, callback_id: str, message: Message | None = None) -> Delivery:
    """A user starts a shortcut of the app. Raises LookupError when the app has none with this callback_id."""
    kind = "message" if message else "global"
    if not any(item["callback_id"] == callback_id and item["type"] == kind for item in workspace.app.shortcuts):
        raise LookupError(f"the app has no {kind} shortcut {callback_id!r}")
    return Delivery("interactive", payloads.shortcut(workspace, workspace.user(user).id, callback_id, message))


def react(workspace: Workspace, user: str, message: Message, name: str) -> None:
    """A user adds a reaction to a message."""
    who = workspace.user(user).id
    live = workspace.channels[message.channel].messages[message.ts]
    users = live.reactions.setdefault(name, [])
    if who not in users:
        users.append(who)
        item = {"type": "message", "channel": live.channel, "ts": live.ts}
        workspace.emit(
            "reaction_added",
            {"type": "reaction_added", "user": who, "item": item, "reaction": name, "item_user": live.user, "event_ts": workspace.tick()},
        )
    workspace.changed()


def open_home(workspace: Workspace, user: str) -> None:
    """A user opens the app's home tab."""
    who = workspace.user(user).id
    event: Json = {"type": "app_home_opened", "user": who, "channel": workspace.direct([who]).id, "tab": "home", "event_ts": workspace.tick()}
    if home := workspace.homes.get(who):
        event["view"] = home.wire
    workspace.emit("app_home_opened", event)


def settle(workspace: Workspace, delivery: Delivery, reply: Reply) -> None:
    """Shows people what the app answered to a command, a click or a submission; a failure as Slack's client shows it."""
    payload = delivery.payload
    if delivery.kind == "command":
        channel = workspace.channels[payload["channel_id"]]
        if reply.failure:
            code = "operation_timeout" if reply.failure == "timeout" else "dispatch_failed"
            workspace.notice(channel, payload["user_id"], f'{payload["command"]} failed with the error "{code}"')
        else:
            answer_command(workspace, channel, payload["user_id"], reply.body)
    elif payload["type"] == "view_submission":
        view = workspace.views.get(payload["view"]["id"])
        if view is None:
            return
        if reply.failure or not answer_submission(workspace, view, reply.body):
            view.notice = TROUBLE
            workspace.changed()
    elif reply.failure and "channel" in payload:
        channel = workspace.channels[payload["channel"]["id"]]
        workspace.notice(channel, payload["user"]["id"], "This app didn't respond in time." if reply.failure == "timeout" else "This app isn't responding.")
    elif reply.failure and "view" in payload and payload["view"]["id"] in workspace.views:
        workspace.views[payload["view"]["id"]].notice = TROUBLE
        workspace.changed()
