"""The control API of the workspace: act as a person in it, read what they see, and make Slack misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from sandbox.routes import route
from sandbox.slack import actions
from sandbox.slack.answer import Json, Reply
from sandbox.slack.limits import Rate
from sandbox.slack.page import page_state, seen_messages
from sandbox.slack.state import Message, View
from sandbox.slack.workspace import Workspace


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Say(_Body):
    user: str
    channel: str
    text: str
    thread: str | None = None


class _Click(_Body):
    user: str
    what: str
    channel: str | None = None
    ts: str | None = None
    view: str | None = None
    value: str | list[str] | None = None
    confirm: bool = True


class _Submit(_Body):
    user: str
    view: str
    values: dict[str, Any] = {}


class _View(_Body):
    user: str
    view: str


class _Shortcut(_Body):
    user: str
    callback_id: str
    channel: str | None = None
    ts: str | None = None


class _React(_Body):
    user: str
    channel: str
    ts: str
    name: str


class _User(_Body):
    user: str


class _Channel(_Body):
    channel: str


class _Limits(_Body):
    on: bool | None = None
    rates: dict[str, tuple[float, float]] = {}


class _Down(_Body):
    down: bool


def control(workspace: Workspace) -> list[Route]:
    """The routes, to be mounted below /_sandbox/slack. What cannot be done is answered with 400 or 404 and `{"error": sentence}`."""
    return [*_people(workspace), *_trouble(workspace), *_reading(workspace)]


def _message(workspace: Workspace, channel: str, ts: str) -> Message:
    found = workspace.conversation(channel).messages.get(ts)
    if found is None:
        raise LookupError(f"no message {ts} in {channel}")
    return found


def _view(workspace: Workspace, view_id: str) -> View:
    found = workspace.views.get(view_id) or next((home for home in workspace.homes.values() if home.id == view_id), None)
    if found is None:
        raise LookupError("that view is closed")
    return found


def _asked(request: Request, name: str) -> str:
    if name not in request.query_params:
        raise ValueError(f"?{name}= is missing")
    return request.query_params[name]


def _outcome(reply: Reply | None) -> Json:
    return {"failure": reply.failure if reply else None}


def _people(workspace: Workspace) -> list[Route]:
    async def say(request: Request) -> Json:
        """Say as a user: {user, channel, text, thread?}. A line that begins with / is a command; `thread` is the ts of a message to reply to.

        `channel` is an id, a name, or @name for direct messages. Answers {failure}: null, timeout, connection_failed or http_error.
        """
        body = _Say.model_validate_json(await request.body())
        thread = _message(workspace, body.channel, body.thread) if body.thread else None
        return _outcome(await workspace.says(body.user, body.channel, body.text, thread))

    async def click(request: Request) -> Json:
        """Press a button or choose in a menu: {user, what: label or action_id, channel and ts, or view, value?, confirm?}."""
        body = _Click.model_validate_json(await request.body())
        where = _view(workspace, body.view) if body.view else _message(workspace, body.channel or "", body.ts or "")
        return _outcome(await workspace.clicks(body.user, where, body.what, body.value, body.confirm))

    async def submit(request: Request) -> Json:
        """Submit a modal: {user, view, values: {block_id, action_id or label: value}}."""
        body = _Submit.model_validate_json(await request.body())
        return _outcome(await workspace.submits(body.user, _view(workspace, body.view), body.values))

    async def close(request: Request) -> Json:
        """Cancel a modal: {user, view}."""
        body = _View.model_validate_json(await request.body())
        return _outcome(await workspace.closes(body.user, _view(workspace, body.view)))

    async def shortcut(request: Request) -> Json:
        """Start a shortcut of the app: {user, callback_id}, and {channel, ts} for a message shortcut."""
        body = _Shortcut.model_validate_json(await request.body())
        message = _message(workspace, body.channel or "", body.ts) if body.ts else None
        return _outcome(await workspace.shortcut(body.user, body.callback_id, message))

    async def react(request: Request) -> Json:
        """Add a reaction: {user, channel, ts, name}."""
        body = _React.model_validate_json(await request.body())
        actions.react(workspace, body.user, _message(workspace, body.channel, body.ts), body.name)
        return {}

    async def home(request: Request) -> Json:
        """Open the app's home tab: {user}."""
        actions.open_home(workspace, _User.model_validate_json(await request.body()).user)
        return {}

    return [
        route("/say", say), route("/click", click), route("/submit", submit), route("/close", close),
        route("/shortcut", shortcut), route("/react", react), route("/home", home),
    ]  # fmt: skip


def _trouble(workspace: Workspace) -> list[Route]:
    async def revoke(request: Request) -> Json:
        """Revoke the app's tokens: every call is refused with token_revoked."""
        workspace.revoke()
        return {}

    async def remove(request: Request) -> Json:
        """Remove the app's bot from a channel: {channel}."""
        workspace.leave(_Channel.model_validate_json(await request.body()).channel, workspace.app.user)
        return {}

    async def archive(request: Request) -> Json:
        """Archive a channel: {channel}."""
        workspace.channel(_Channel.model_validate_json(await request.body()).channel).archived = True
        workspace.changed()
        return {}

    async def limits(request: Request) -> Json:
        """Set rate limits: {on?: bool, rates?: {tier: [burst, calls per second]}}; tiers are 1 to 4, channel (chat.postMessage) and many."""
        body = _Limits.model_validate_json(await request.body())
        if unknown := body.rates.keys() - workspace.limits.rates.keys():
            raise ValueError(f"no tier {', '.join(sorted(unknown))}; there are {', '.join(workspace.limits.rates)}")
        workspace.limits.on = workspace.limits.on if body.on is None else body.on
        workspace.limits.rates |= {tier: Rate(*rate) for tier, rate in body.rates.items()}
        return {"on": workspace.limits.on, "rates": {tier: [rate.burst, rate.per_second] for tier, rate in workspace.limits.rates.items()}}

    async def down(request: Request) -> Json:
        """Take Slack down or bring it back: {down: bool}. While it is down calls are answered with 503 and nothing is delivered."""
        workspace.down = _Down.model_validate_json(await request.body()).down
        workspace.changed()
        return {}

    return [route("/revoke", revoke), route("/remove", remove), route("/archive", archive), route("/limits", limits), route("/down", down)]


def _reading(workspace: Workspace) -> list[Route]:
    async def messages(request: Request) -> Json:
        """Read a conversation as a user: ?channel=&user=, oldest first, with the ephemeral messages that are theirs."""
        return {"messages": seen_messages(workspace, _asked(request, "channel"), request.query_params.get("user"))}

    async def state(request: Request) -> Json:
        """All that the page shows to a user: ?user=&channel=."""
        return page_state(workspace, _asked(request, "user"), request.query_params.get("channel"))

    async def stream(request: Request) -> StreamingResponse:
        """Changes as server-sent events: `data: {"revision": n}` at once and after every change."""
        return StreamingResponse(_revisions(workspace), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return [route("/messages", messages, "GET"), route("/state", state, "GET"), Route("/events", stream, methods=["GET"])]


async def _revisions(workspace: Workspace) -> AsyncIterator[str]:
    changed = asyncio.Event()
    forget = workspace.listen(changed.set)
    try:
        while True:
            changed.clear()
            yield f"data: {json.dumps({'revision': workspace.revision})}\n\n"
            await changed.wait()
    finally:
        forget()
