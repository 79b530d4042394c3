"""What an app answers outside the Web API: to a command, to a submission, and by a `response_url`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.slack.answer import Answer, Json, Refusal
from sandbox.slack.blocks import check_view
from sandbox.slack.methods.chat import POST_LIMIT, app_identity, content
from sandbox.slack.methods.views import drop_stack, replace, show
from sandbox.slack.state import Channel, Hook, Message, View

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

HOOK_USES = 5


def respond(workspace: Workspace, path: str, body: Json) -> Answer:
    """A POST to a `response_url`: writes a message, or with `replace_original` or `delete_original` changes the one that was clicked.

    Five uses in thirty minutes; later 404 with `used_url` or `expired_url`.
    """
    if workspace.down:
        return Answer(503, {}, {"ok": False, "error": "service_unavailable"})
    hook = workspace.hooks.get(path)
    if hook is None or workspace.now() > hook.expires:
        return Answer(404, {}, {"ok": False, "error": "expired_url"})
    if hook.uses >= HOOK_USES:
        return Answer(404, {}, {"ok": False, "error": "used_url"})
    hook.uses += 1
    try:
        _carry_out(workspace, hook, body)
    except Refusal as refusal:
        return Answer(400, {}, {"ok": False, "error": refusal.error, **refusal.details})
    return Answer(200, {}, {"ok": True})


def _carry_out(workspace: Workspace, hook: Hook, body: Json) -> None:
    channel = workspace.channels[hook.channel]
    clicked = channel.messages.get(hook.message or "")
    if body.get("delete_original") and clicked:
        del channel.messages[clicked.ts]
        workspace.changed()
    elif body.get("replace_original") and clicked:
        written = content(workspace, body, POST_LIMIT)
        for name, value in written.items():
            setattr(clicked, name, value)
        if clicked.visible_to is None:
            clicked.edited = workspace.next_ts(channel)
        workspace.changed()
    else:
        _post(workspace, channel, hook.user, body, body.get("thread_ts") or hook.thread_ts)


def _post(workspace: Workspace, channel: Channel, user: str, body: Json, thread_ts: str | None = None) -> None:
    message = Message(
        channel.id,
        workspace.next_ts(channel),
        workspace.app.user,
        app=app_identity(workspace),
        thread_ts=thread_ts,
        visible_to=None if body.get("response_type") == "in_channel" else user,
        **content(workspace, body, POST_LIMIT),
    )
    workspace.post(channel, message)


def answer_command(workspace: Workspace, channel: Channel, user: str, body: Json) -> None:
    """Shows the body with which the app acknowledged a command; an empty one shows nothing. What Slack cannot read is a failed command."""
    if not body:
        return
    try:
        _post(workspace, channel, user, body)
    except Refusal as refusal:
        workspace.notice(channel, user, f'The app answered what Slack does not accept: "{refusal.error}"')


def answer_submission(workspace: Workspace, view: View, body: Json) -> bool:
    """Does what the app answered to a submission: nothing closes the modal, else `errors`, `update`, `push` or `clear`. False: not acceptable."""
    action = body.get("response_action")
    if action is None:
        stack = workspace.stacks[view.user]
        stack.remove(view.id)
        del workspace.views[view.id]
        workspace.changed()
        return not body
    if action == "clear":
        drop_stack(workspace, view.user)
        workspace.changed()
        return True
    if action == "errors":
        inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
        given = body.get("errors")
        if not isinstance(given, dict) or not given or not given.keys() <= inputs:
            return False
        view.errors = given
        workspace.changed()
        return True
    return _show_next(workspace, view, action, body.get("view"))


def _show_next(workspace: Workspace, view: View, action: str, given: Json | None) -> bool:
    if action not in ("update", "push") or not isinstance(given, dict):
        return False
    try:
        check_view(given, "modal")
    except Refusal:
        return False
    if action == "update":
        replace(workspace, view, given)
    else:
        show(workspace, view.user, given, previous=view)
    return True
