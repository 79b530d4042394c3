"""The sandbox's Slack, used by Slack's own clients: slack_sdk's AsyncWebClient and a Bolt AsyncApp, over HTTP and Socket Mode."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import uvicorn
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import ActionsBlock, ButtonElement, ConfirmObject, ContextBlock, DividerBlock, HeaderBlock, MarkdownTextObject, SectionBlock
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.clock import Clock
from sandbox.slack import Deliverer, Delivery, SocketMode, Workspace, actions, asgi, control
from sandbox.slack.deliver import encoded
from sandbox.slack.limits import Rate

SCOPES = [
    "chat:write", "commands", "channels:read", "channels:history", "channels:join", "channels:manage", "im:write", "users:read", "users:read.email",
    "usergroups:read", "reactions:write", "files:write",
]  # fmt: skip


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The URL of an application served on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Waits for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock.manual(datetime(2026, 5, 3, 12, tzinfo=UTC))


@pytest.fixture
def workspace(clock: Clock) -> Workspace:
    made = Workspace(clock)
    made.setup(
        users=[{"id": "U0ENGINEER", "name": "engineer", "email": "eva@example.com"}, {"id": "U0LEAD", "name": "lead"}],
        usergroups=[{"id": "S0DEVOPS", "handle": "devops", "users": ["engineer"]}],
        channels=[{"name": "devops", "members": ["engineer", "lead", "bot"]}],
        app={
            "user": "U0BOT",
            "name": "bot",
            "scopes": SCOPES,
            "events": ["app_mention", "reaction_added"],
            "commands": [{"command": "/do"}],
            "shortcuts": [{"name": "Note", "type": "message", "callback_id": "note"}, {"name": "New", "type": "global", "callback_id": "new"}],
        },
    )
    return made


@pytest.fixture
def sockets(workspace: Workspace) -> SocketMode:
    return SocketMode(workspace)


@pytest.fixture
async def client(workspace: Workspace, sockets: SocketMode) -> AsyncIterator[AsyncWebClient]:
    app = Starlette(routes=[Mount("/slack", asgi(workspace, sockets)), Mount("/_sandbox/slack", routes=control(workspace))])
    async with served(app) as url:
        workspace.base_url = f"{url}/slack"
        yield AsyncWebClient(workspace.app.token, base_url=f"{url}/slack/api/")


def bolt(workspace: Workspace, client: AsyncWebClient) -> AsyncApp:
    """A Bolt app that answers a command with a card, and a click with an edit."""
    app = AsyncApp(client=client, signing_secret=workspace.app.signing_secret)
    app.heard = []  # type: ignore[attr-defined]

    @app.command("/do")
    async def do(ack: AsyncAck, command: dict[str, Any], client: AsyncWebClient) -> None:
        if command["text"] == "form":
            await ack()
            await client.views_open(trigger_id=command["trigger_id"], view=FORM)
            return
        await ack(f"doing {command['text']}")
        await client.chat_postMessage(channel=command["channel_id"], text="Deploy?", blocks=CARD)

    @app.action("approve")
    async def approve(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond) -> None:
        await ack()
        await client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text=f"approved by <@{body['user']['id']}>", blocks=[])
        await respond("thank you")

    @app.view("form")
    async def submitted(ack: AsyncAck, view: dict[str, Any]) -> None:
        name = view["state"]["values"]["hspI"]["maBWU"]["value"]
        await (ack(response_action="errors", errors={"hspI": "no such service"}) if name == "nonsense" else ack())

    @app.shortcut("note")
    async def note(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        app.heard.append(body["message"]["text"])  # type: ignore[attr-defined]

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any]) -> None:
        app.heard.append(event["text"])  # type: ignore[attr-defined]

    return app


CARD = [
    HeaderBlock(text="Deploy v1.2.0"),
    SectionBlock(text=MarkdownTextObject(text="*gateway* to `prod`"), fields=[MarkdownTextObject(text="*From*\nv1.1.0")]),
    ContextBlock(elements=[MarkdownTextObject(text="asked by <@U0ENGINEER>")]),
    DividerBlock(),
    ActionsBlock(
        elements=[
            ButtonElement(text="Approve", action_id="approve", value="op-1", style="primary"),
            ButtonElement(text="Stop", action_id="stop", confirm=ConfirmObject(title="Sure?", text="It stops.", confirm="Stop", deny="No")),
        ]
    ),
]
FORM = {
    "type": "modal",
    "callback_id": "form",
    "title": {"type": "plain_text", "text": "Form"},
    "submit": {"type": "plain_text", "text": "Go"},
    "close": {"type": "plain_text", "text": "Cancel"},
    "blocks": [
        {
            "type": "input",
            "block_id": "hspI",
            "label": {"type": "plain_text", "text": "Name"},
            "element": {"type": "plain_text_input", "action_id": "maBWU"},
        }
    ],
}


@contextlib.asynccontextmanager
async def running(workspace: Workspace, app: AsyncApp, sockets: SocketMode | None = None) -> AsyncIterator[None]:
    """The app behind an HTTP server, receiving the workspace's deliveries."""
    handler = AsyncSlackRequestHandler(app)

    async def received(request: Request) -> Response:
        return await handler.handle(request)

    async with served(Starlette(routes=[Route("/slack/events", received, methods=["POST"])])) as url, Deliverer(workspace, f"{url}/slack/events", sockets):
        yield


async def test_the_web_client_reads_and_writes(workspace: Workspace, client: AsyncWebClient) -> None:
    test = await client.auth_test()
    assert (test["user_id"], test.headers["x-oauth-scopes"]) == ("U0BOT", ",".join(SCOPES))
    channels = await client.conversations_list(types="public_channel", exclude_archived=True, limit=1)
    channel = channels["channels"][0]["id"]
    posted = await client.chat_postMessage(
        channel=channel, text="Deploy?", blocks=CARD, metadata={"event_type": "t", "event_payload": {"key": "op-1"}}, unfurl_links=False
    )
    await client.chat_postMessage(channel=channel, text="a & b", thread_ts=posted["ts"])
    history = await client.conversations_history(channel=channel, include_all_metadata=True, limit=10)
    assert [message["metadata"]["event_payload"] for message in history["messages"]] == [{"key": "op-1"}]
    replies = await client.conversations_replies(channel=channel, ts=posted["ts"])
    assert [message["text"] for message in replies["messages"]] == ["Deploy?", "a & b"]
    assert (await client.users_lookupByEmail(email="eva@example.com"))["user"]["id"] == "U0ENGINEER"
    assert (await client.usergroups_users_list(usergroup="S0DEVOPS"))["users"] == ["U0ENGINEER"]
    assert (await client.conversations_open(users=["U0LEAD"]))["channel"]["id"].startswith("D")
    made = await client.conversations_create(name="inc-1")
    await client.conversations_invite(channel=made["channel"]["id"], users=["U0LEAD", "U0ENGINEER"])
    assert workspace.channel("inc-1").members == ["U0BOT", "U0LEAD", "U0ENGINEER"]


async def test_the_web_client_is_refused_with_slacks_codes(client: AsyncWebClient, workspace: Workspace) -> None:
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="#devops", text="x", blocks=[{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}])
    assert refused.value.response["error"] == "invalid_blocks"
    workspace.limits.rates["channel"] = Rate(1, 1 / 60)
    await client.chat_postMessage(channel="#devops", text="x")
    with pytest.raises(SlackApiError) as limited:
        await client.chat_postMessage(channel="#devops", text="x")
    assert (limited.value.response.status_code, limited.value.response.headers["Retry-After"]) == (429, "60")


async def test_the_web_client_uploads_a_file(workspace: Workspace, client: AsyncWebClient) -> None:
    uploaded = await client.files_upload_v2(channel=workspace.channel("devops").id, filename="log.txt", content="line 1\nline 2\n", initial_comment="The log")
    (message,) = workspace.messages("devops")
    assert (message.text, message.files[0]["name"]) == ("The log", "log.txt")
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(uploaded["files"][0]["url_private"])).text == "line 1\nline 2\n"


async def test_a_bolt_app_takes_commands_and_clicks(workspace: Workspace, client: AsyncWebClient) -> None:
    async with running(workspace, bolt(workspace, client)):
        await workspace.says("engineer", "#devops", "/do it")
        assert "doing it" in [message.text for message in workspace.messages("devops", "engineer")]
        await until(lambda: workspace.messages("devops"))
        (card,) = workspace.messages("devops")
        assert card.buttons == ["Approve", "Stop"]
        await workspace.clicks("lead", card, "Approve")
        await until(lambda: workspace.messages("devops")[0].text == "approved by <@U0LEAD>")
        await until(lambda: workspace.messages("devops", "lead")[-1].text == "thank you")


async def test_a_bolt_app_opens_a_modal_and_judges_it(workspace: Workspace, client: AsyncWebClient) -> None:
    async with running(workspace, bolt(workspace, client)):
        await workspace.says("engineer", "#devops", "/do form")
        await until(lambda: workspace.modal("engineer"))
        view = workspace.modal("engineer")
        assert view is not None
        await workspace.submits("engineer", view, {"Name": "nonsense"})
        assert workspace.modal("engineer").errors == {"hspI": "no such service"}  # type: ignore[union-attr]
        await workspace.submits("engineer", view, {"Name": "gateway"})
        assert workspace.modal("engineer") is None


async def test_a_bolt_app_hears_events_and_shortcuts(workspace: Workspace, client: AsyncWebClient) -> None:
    app = bolt(workspace, client)
    async with running(workspace, app):
        await workspace.says("engineer", "#devops", "hello @bot")
        await until(lambda: app.heard)  # type: ignore[attr-defined]
        await workspace.shortcut("lead", "note", workspace.messages("devops")[0])
        assert app.heard == ["hello <@U0BOT|bot>"] * 2  # type: ignore[attr-defined]


async def test_a_wrong_signature_is_refused_by_bolt(workspace: Workspace, client: AsyncWebClient) -> None:
    async with running(workspace, bolt(workspace, client)):
        workspace.app.signing_secret = "another"
        reply = await workspace.says("engineer", "#devops", "/do it")
    assert reply is not None
    assert (reply.status, reply.failure) == (401, "http_error")
    assert workspace.messages("devops", "engineer")[0].text == '/do failed with the error "dispatch_failed"'


async def test_socket_mode_carries_everything_and_survives_a_renewed_connection(workspace: Workspace, client: AsyncWebClient, sockets: SocketMode) -> None:
    app = bolt(workspace, client)
    handler = AsyncSocketModeHandler(app, workspace.app.app_token)
    async with Deliverer(workspace, "http://127.0.0.1:9/not-used", sockets):
        await handler.connect_async()
        try:
            await until(lambda: sockets.connected)
            await workspace.says("engineer", "#devops", "/do it")
            assert "doing it" in [message.text for message in workspace.messages("devops", "engineer")]
            await sockets.disconnect()
            await until(lambda: sockets.connected)
            await workspace.says("engineer", "#devops", "hello @bot")
            await until(lambda: app.heard)  # type: ignore[attr-defined]
            await workspace.clicks("lead", workspace.messages("devops")[0], "Approve")
            await until(lambda: workspace.messages("devops")[0].text == "approved by <@U0LEAD>")
        finally:
            await handler.close_async()


@contextlib.asynccontextmanager
async def raw(workspace: Workspace, answer: Callable[[Request], Any]) -> AsyncIterator[list[tuple[dict[str, str], bytes]]]:
    """An app that keeps each request as it came, and answers what `answer` says."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def received(request: Request) -> Response:
        got.append((dict(request.headers), await request.body()))
        response: Response = await answer(request)
        return response

    async with served(Starlette(routes=[Route("/slack/events", received, methods=["POST"])])) as url, Deliverer(workspace, f"{url}/slack/events"):
        yield got


async def test_an_event_is_sent_again_three_times(workspace: Workspace, clock: Clock) -> None:
    async def broken(_request: Request) -> Response:
        return PlainTextResponse("broken", 500)

    async with raw(workspace, broken) as got:
        await workspace.says("engineer", "#devops", "hello @bot")
        await until(lambda: len(got) == 2)
        clock.advance(60)
        await until(lambda: len(got) == 3)
        clock.advance(300)
        await until(lambda: len(got) == 4)
        clock.advance(3600)
        await workspace.says("engineer", "#devops", "/do it")
    tries = [(headers.get("x-slack-retry-num"), headers.get("x-slack-retry-reason")) for headers, _ in got[:4]]
    assert tries == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
    assert len({json.loads(body)["event_id"] for _, body in got[:4]}) == 1
    assert len(got) == 5


async def test_an_event_is_not_sent_again_when_the_app_says_so(workspace: Workspace, clock: Clock) -> None:
    async def broken(_request: Request) -> Response:
        return PlainTextResponse("broken", 500, {"X-Slack-No-Retry": "1"})

    async with raw(workspace, broken) as got:
        await workspace.says("engineer", "#devops", "hello @bot")
        await until(lambda: got)
        await workspace.says("engineer", "#devops", "/do it")
        await until(lambda: len(got) == 2)
    assert [headers["content-type"] for headers, _ in got] == ["application/json", "application/x-www-form-urlencoded"]


async def test_a_command_is_tried_once_and_given_three_seconds(workspace: Workspace) -> None:
    async def slow(_request: Request) -> Response:
        await asyncio.sleep(3.5)
        return PlainTextResponse("late")

    async with raw(workspace, slow) as got:
        await workspace.says("engineer", "#devops", "/do it")
        assert workspace.messages("devops", "engineer")[0].text == '/do failed with the error "operation_timeout"'
        assert len(got) == 1


async def test_the_control_api_acts_as_people(workspace: Workspace, client: AsyncWebClient) -> None:
    at = workspace.base_url.replace("/slack", "/_sandbox/slack")
    async with running(workspace, bolt(workspace, client)), httpx.AsyncClient(base_url=at, trust_env=False) as http:
        said = await http.post("/say", json={"user": "engineer", "channel": "#devops", "text": "/do it"})
        assert said.json() == {"failure": None}
        await until(lambda: workspace.messages("devops"))
        seen = (await http.get("/messages", params={"channel": "#devops", "user": "lead"})).json()["messages"]
        clicked = await http.post("/click", json={"user": "lead", "channel": "devops", "ts": seen[0]["ts"], "what": "Approve"})
        assert clicked.json() == {"failure": None}
        await until(lambda: workspace.messages("devops")[0].text == "approved by <@U0LEAD>")
        state = (await http.get("/state", params={"user": "lead"})).json()
        assert state["messages"][0]["text"] == "approved by <@U0LEAD>"
        assert (await http.post("/say", json={"user": "nobody", "channel": "#devops", "text": "x"})).status_code == 404
        assert (await http.post("/say", json={"user": "lead", "room": "x"})).status_code == 400
        assert (await http.get("/messages")).status_code == 400
        await http.post("/down", json={"down": True})
        assert workspace.call("auth.test", {}, workspace.app.token).status == 503
        await http.post("/down", json={"down": False})
        await http.post("/limits", json={"on": False})
        await http.post("/remove", json={"channel": "devops"})
        assert workspace.call("chat.postMessage", {"channel": "#devops", "text": "x"}, workspace.app.token).body["error"] == "not_in_channel"
        await http.post("/revoke")
        assert workspace.call("auth.test", {}, workspace.app.token).body["error"] == "token_revoked"


async def test_changes_are_streamed(workspace: Workspace, client: AsyncWebClient) -> None:
    at = workspace.base_url.replace("/slack", "/_sandbox/slack")
    async with httpx.AsyncClient(trust_env=False) as http, http.stream("GET", f"{at}/events") as stream:
        lines = stream.aiter_lines()
        first = json.loads((await anext(lines)).removeprefix("data: "))["revision"]
        await client.chat_postMessage(channel="#devops", text="x")
        await anext(lines)
        assert json.loads((await anext(lines)).removeprefix("data: "))["revision"] > first


FIXTURES = os.environ.get("TEST_SLACK_SCHEMA")
# What only an organisation of several workspaces has, and what Slack has renamed since.
ELSEWHERE = {"enterprise_id", "enterprise_name", "authed_users"}


def _keys(node: Any, path: str = "") -> set[str]:
    """The paths of all keys, those inside of lists once."""
    if isinstance(node, list):
        return {key for item in node for key in _keys(item, path)}
    if isinstance(node, dict):
        own = {f"{path}/{name}" for name in node if name not in ELSEWHERE}
        return own | {key for name, inner in node.items() for key in _keys(inner, f"{path}/{name}")}
    return set()


@pytest.mark.skipif(not FIXTURES, reason="TEST_SLACK_SCHEMA names the folder of payloads that Slack sends")
def test_bodies_have_every_field_that_slack_sends(workspace: Workspace) -> None:
    folder = Path(FIXTURES or "") / "payloads"
    channel = workspace.channel("devops")

    def sent(name: str) -> Any:
        return json.loads((folder / name).read_text())

    command = actions.say(workspace, "engineer", "#devops", "/do Hi")
    assert command is not None
    form = parse_qs((folder / "slash_command__slash_command_body.form.txt").read_text().strip())
    assert _keys(form) <= _keys(parse_qs(encoded(command)[1].decode()))

    token = workspace.app.token
    workspace.call("chat.postEphemeral", {"channel": channel.id, "user": "U0LEAD", "text": "x", "blocks": [block.to_dict() for block in CARD]}, token)
    click = actions.click(workspace, "lead", workspace.messages("devops", "lead")[0], "Approve")
    assert click is not None
    assert _keys(sent("block_actions__body.json")) <= _keys(click.payload)

    view = workspace.call("views.open", {"trigger_id": click.payload["trigger_id"], "view": FORM | {"notify_on_close": True}}, token)
    assert view.ok
    modal = workspace.modal("lead")
    assert modal is not None
    submission = actions.submit(workspace, "lead", modal, {"Name": "x"})
    assert _keys(sent("view_submission__body.json")) <= _keys(submission.payload)
    closed = actions.close(workspace, "lead", modal)
    assert closed is not None
    assert _keys(sent("view_closed__body.json")) <= _keys(closed.payload)

    assert _keys(sent("shortcut__global_shortcut_body.json")) <= _keys(actions.shortcut(workspace, "lead", "new").payload)
    workspace.app.events.append("message.channels")
    actions.say(workspace, "engineer", "#devops", "hello")
    message = workspace.messages("devops")[-1]
    note = actions.shortcut(workspace, "lead", "note", message)
    shape = {key for key in _keys(sent("shortcut__message_shortcut_body.json")) if not key.startswith("/message/")}
    assert shape <= _keys(note.payload)

    actions.react(workspace, "lead", message, "eyes")
    event: Delivery = workspace.outgoing[-1]
    assert _keys(sent("events__valid_reaction_added_body.json")) <= _keys(event.payload)
