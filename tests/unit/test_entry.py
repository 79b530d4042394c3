"""Slack's deliveries over HTTP, signed by the sandbox or by nobody, and the process's own pages."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.responses import JSONResponse

from bot.adapters.slack.chat import open_chat
from bot.core.card import Action, Card, State
from bot.core.errors import Unavailable
from bot.core.ports import MessageRef
from bot.entry.door import Reply
from bot.entry.http import LARGEST_BODY, Part, http_app, serve
from bot.entry.slack import slack_app, slack_endpoint
from sandbox.clock import Clock
from sandbox.slack import Deliverer, Workspace, asgi
from sandbox.slack.deliver import signature

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)
CARD = Card(state=State.FAILED, headline=("There is no environment `production`",))
APPROVE = Action(label="Approve", command="approve", arguments={"operation": "op-142"})


class Recorder:
    """A door that remembers what came through it."""

    def __init__(self) -> None:
        self.requests = []
        self.reply = Reply()
        self.failure: Exception | None = None
        self.seconds = 0.0

    async def submit_text(self, text, *, key, slack_user, origin):
        return await self._take((text, key, slack_user, origin))

    async def submit(self, command, arguments, *, key, slack_user, origin):
        return await self._take((command, arguments, key, slack_user, origin))

    async def form(self, command, *, slack_user, about=None):
        return await self._take((command, slack_user) if about is None else (command, slack_user, about))

    async def pin(self, ref, *, slack_user):
        await self._take((ref, slack_user))

    async def submit_form(self, command, filled, *, key, slack_user, origin):
        return await self._take((command, filled, key, slack_user, origin))

    async def home(self, *, slack_user):
        return (CARD,)

    async def _take(self, request):
        await asyncio.sleep(self.seconds)
        self.requests.append(request)
        if self.failure:
            raise self.failure
        return self.reply


@pytest.fixture
def door():
    return Recorder()


@pytest.fixture
def parts():
    return [Part("database", True, "reachable")]


@pytest.fixture
def workspace():
    slack = Workspace(Clock.manual(START), seed=1)
    slack.setup(
        users=[{"id": "U0ENGINEER", "name": "engineer"}, {"id": "U0LEAD", "name": "lead"}],
        channels=[{"name": "devops", "members": ["engineer", "lead", "aiec"]}],
        app={
            "user": "U0AIEC",
            "name": "aiec",
            "scopes": ["chat:write", "channels:read", "groups:read"],
            "commands": [{"command": "/aiec"}, {"command": "/other"}],
        },
    )
    return slack


@pytest.fixture
async def chat(workspace):
    """The bot's chat, with Slack's Web API behind it."""
    async with serve(asgi(workspace), "127.0.0.1", 0) as port:
        workspace.base_url = f"http://127.0.0.1:{port}"
        async with open_chat(workspace.app.token, mention=lambda _: None, base_url=f"{workspace.base_url}/api/") as opened:
            yield opened


@pytest.fixture
async def url(workspace, door, parts, monkeypatch):
    """The bot's HTTP side; Slack's Web API is there only for a test that asks for `chat`."""
    # Bolt reads these by itself; they must not matter.
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-from-the-environment")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "another secret")
    metrics = CollectorRegistry()
    Counter("aiec_things", "Things.", registry=metrics).inc()

    async def readiness():
        return parts

    async with open_chat(workspace.app.token, mention=lambda _: None) as answers:
        endpoint = slack_endpoint(slack_app(door, answers), workspace.app.signing_secret)
        app = http_app(readiness=readiness, metrics=metrics, slack=endpoint)
        async with serve(app, "127.0.0.1", 0) as port, Deliverer(workspace, f"http://127.0.0.1:{port}/slack/events"):
            yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def client(url):
    async with httpx.AsyncClient(base_url=url) as opened:
        yield opened


def signed(workspace, body: bytes, *, at: float | None = None, kind: str = "application/x-www-form-urlencoded") -> dict[str, str]:
    timestamp = str(int(at or time.time()))
    return {"Content-Type": kind, "X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature(workspace.app.signing_secret, timestamp, body)}


def form(workspace, text: str = "status") -> bytes:
    fields = {"command": "/aiec", "text": text, "user_id": "U0ENGINEER", "channel_id": "C1", "trigger_id": "1.2.abc", "response_url": "http://x/y"}
    return urlencode(fields).encode()


async def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


# --- commands


async def test_a_command_comes_through_the_door_as_it_was_typed(url, workspace, door):
    reply = await workspace.says("engineer", "#devops", '/aiec deploy prod "v1.2.0" <now> & --reason=“x”')
    (text, key, user, origin), channel = door.requests[0], workspace.channel("devops").id
    assert text == 'deploy prod "v1.2.0" &lt;now&gt; &amp; --reason=“x”'
    assert key in workspace.triggers
    assert user == "U0ENGINEER"
    assert (origin.kind, origin.channel, origin.response_url.startswith(workspace.base_url)) == ("slack", channel, True)
    assert (reply.failure, reply.body) == (None, {})


@pytest.mark.parametrize("text", ["", "logs prod --grep payload", "logs prod payload=1&payload={}", "{", "😀 \u202e", "x" * 4000, "%00%ff"])
async def test_any_text_comes_through_untouched(client, workspace, door, text):
    body = form(workspace, text)
    response = await client.post("/slack/events", content=body, headers=signed(workspace, body))
    assert response.status_code == 200
    assert [request[0] for request in door.requests] == [text]


async def test_a_private_answer_to_a_command_is_its_acknowledgement(url, workspace, door):
    door.reply = Reply(CARD)
    await workspace.says("engineer", "#devops", "/aiec deploy production v1.2.0")
    assert workspace.messages("devops") == []
    (answer,) = workspace.messages("devops", "engineer")
    assert answer.blocks[0]["text"]["text"] == "❌ failed · There is no environment `production`"
    door.reply = Reply(text="Taken.")
    await workspace.says("engineer", "#devops", "/aiec")
    assert workspace.messages("devops", "engineer")[-1].text == "Taken."


async def test_the_same_delivery_twice_has_the_same_key(client, workspace, door):
    body = form(workspace)
    for _ in range(2):
        assert (await client.post("/slack/events", content=body, headers=signed(workspace, body))).status_code == 200
    assert [request[1] for request in door.requests] == ["1.2.abc", "1.2.abc"]


async def test_a_door_that_fails_says_so_instead_of_leaving_slack_with_an_error(url, workspace, door):
    door.failure = Unavailable("The database did not take it within 1 s; nothing was done.", "Ask again.")
    await workspace.says("engineer", "#devops", "/aiec status")
    assert workspace.messages("devops", "engineer")[-1].text == "❌ failed · The database did not take it within 1 s; nothing was done."
    door.failure = RuntimeError("secret detail")
    await workspace.says("engineer", "#devops", "/aiec status")
    assert workspace.messages("devops", "engineer")[-1].text.startswith("aiec has a problem, and does not know whether your request was taken.")


async def test_a_door_that_hangs_is_answered_for_before_slack_gives_up(url, workspace, door):
    door.seconds = 10
    reply = await workspace.says("engineer", "#devops", "/aiec status")
    assert reply.failure is None
    assert "does not know whether" in reply.body["text"]


# --- buttons


def reaction(name: str = "pushpin", kind: str = "message") -> bytes:
    item = {"type": kind, "channel": "C0OPS", "ts": "1714705200.000100"}
    event = {"type": "reaction_added", "user": "U0ENGINEER", "reaction": name, "item": item, "event_ts": "1714705200.000200"}
    return json.dumps({"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev1", "event": event}).encode()


async def test_a_pin_is_stored_before_it_is_acknowledged_and_comes_again_when_it_was_not(client, workspace, door):
    answer = await client.post("/slack/events", content=reaction(), headers=signed(workspace, reaction(), kind="application/json"))
    assert answer.status_code == 200
    assert door.requests == [(MessageRef("C0OPS", "1714705200.000100"), "U0ENGINEER")]
    door.failure = Unavailable("the database is away")
    answer = await client.post("/slack/events", content=reaction(), headers=signed(workspace, reaction(), kind="application/json"))
    assert answer.status_code == 503


@pytest.mark.parametrize("event", [reaction("tada"), reaction(kind="file")], ids=["another", "on a file"])
async def test_other_reactions_are_acknowledged_and_ignored(client, workspace, door, event):
    answer = await client.post("/slack/events", content=event, headers=signed(workspace, event, kind="application/json"))
    assert answer.status_code == 200
    assert door.requests == []


async def posted(chat, workspace, *actions):
    await chat.post("#devops", Card(headline=("Deploy",), actions=actions), key="op-142")
    return workspace.messages("devops")[-1]


async def test_a_click_is_a_request_that_says_where_it_came_from(url, chat, workspace, door):
    message = await posted(chat, workspace, APPROVE)
    reply = await workspace.clicks("lead", message, "Approve")
    command, arguments, key, user, origin = door.requests[0]
    assert (command, arguments, user) == ("approve", {"operation": "op-142"}, "U0LEAD")
    assert key.endswith(":U0LEAD")
    assert (origin.channel, origin.message, origin.thread) == (message.channel, "op-142", None)
    assert (reply.failure, reply.body) == (None, {})
    await workspace.clicks("lead", message, "Approve")
    assert door.requests[1][2] != key


async def test_a_private_answer_to_a_click_leaves_the_message_alone(url, chat, workspace, door):
    message = await posted(chat, workspace, APPROVE)
    door.reply = Reply(Card(headline=("You asked for it yourself; somebody else must approve.",)))
    await workspace.clicks("engineer", message, "Approve")
    await until(lambda: len(workspace.messages("devops", "engineer")) == 2)
    assert workspace.messages("devops", "engineer")[-1].text == "You asked for it yourself; somebody else must approve."
    assert [shown.text for shown in workspace.messages("devops")] == ["Deploy"]


async def test_a_click_in_a_thread_names_the_thread(url, chat, workspace, door):
    message = await posted(chat, workspace)
    await chat.post("#devops", Card(headline=("Log",), actions=(APPROVE,)), key="op-142:log", thread=MessageRef(message.channel, message.ts))
    await workspace.clicks("lead", workspace.thread(message)[0], "Approve")
    assert door.requests[0][-1].thread == message.ts
    assert door.requests[0][-1].message == "op-142:log"


def clicked(response_url="http://127.0.0.1:9/expired", **action) -> bytes:
    action = {"type": "button", "action_id": "request:0", "block_id": "abc", "action_ts": "1.5", **action}
    payload = {
        "type": "block_actions", "user": {"id": "U0LEAD"}, "team": {"id": "T1"}, "container": {"type": "message"}, "channel": {"id": "C1"},
        "response_url": response_url, "actions": [action],
    }  # fmt: skip
    return urlencode({"payload": json.dumps(payload)}).encode()


async def test_the_key_of_a_click_is_its_time_and_its_user(client, workspace, door):
    body = clicked(value='{"c":"status","a":{}}')
    for _ in range(2):
        assert (await client.post("/slack/events", content=body, headers=signed(workspace, body))).status_code == 200
    assert [request[2] for request in door.requests] == ["1.5:U0LEAD"] * 2
    assert door.requests[0][-1].message is None


async def test_a_click_is_acknowledged_although_its_private_answer_cannot_be_given(client, workspace, door, caplog):
    door.reply = Reply(CARD)
    body = clicked(value='{"c":"status","a":{}}')
    assert (await client.post("/slack/events", content=body, headers=signed(workspace, body))).status_code == 200
    await until(lambda: "A private answer could not be given" in caplog.text)
    assert len(door.requests) == 1


@pytest.mark.parametrize("value", ["", "click_me_123", "[]", '{"c":"status"}', '{"c":"status","a":3}', None])
async def test_a_button_that_is_not_ours_does_nothing_and_says_so(client, chat, workspace, door, value):
    hook = workspace.make_hook("actions", workspace.channel("devops").id, "U0LEAD")
    body = clicked(hook, **({} if value is None else {"value": value}))
    assert (await client.post("/slack/events", content=body, headers=signed(workspace, body))).status_code == 200
    await until(lambda: workspace.messages("devops", "lead"))
    assert "another version of aiec" in workspace.messages("devops", "lead")[0].text
    assert door.requests == []


async def test_other_elements_are_acknowledged_and_ignored(client, workspace, door):
    body = clicked(action_id="link:0", url="https://example.com")
    response = await client.post("/slack/events", content=body, headers=signed(workspace, body))
    assert (response.status_code, door.requests) == (200, [])


# --- what is refused


@pytest.mark.parametrize(
    "change",
    [
        lambda headers: {},
        lambda headers: headers | {"X-Slack-Signature": "v0=" + "0" * 64},
        lambda headers: headers | {"X-Slack-Signature": "v1" + headers["X-Slack-Signature"][2:]},
        lambda headers: headers | {"X-Slack-Signature": b"\xff\xfe"},
        lambda headers: headers | {"X-Slack-Request-Timestamp": str(int(headers["X-Slack-Request-Timestamp"]) - 1)},
        lambda headers: headers | {"X-Slack-Request-Timestamp": "yesterday"},
    ],
    ids=["unsigned", "forged", "another version", "no text", "another time", "no number"],
)
async def test_a_delivery_that_is_not_slacks_is_refused(client, workspace, door, change):
    body = form(workspace)
    response = await client.post("/slack/events", content=body, headers=change(signed(workspace, body)))
    assert (response.status_code, response.json()) == (401, {"error": "invalid signature"})
    assert door.requests == []


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_a_stale_delivery_is_refused(client, workspace, door, seconds):
    body = form(workspace)
    response = await client.post("/slack/events", content=body, headers=signed(workspace, body, at=time.time() + seconds))
    assert (response.status_code, door.requests) == (401, [])


async def test_a_changed_body_is_refused(client, workspace, door):
    response = await client.post("/slack/events", content=form(workspace, "freeze prod"), headers=signed(workspace, form(workspace)))
    assert (response.status_code, door.requests) == (401, [])


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"payload=%7B", b'{"type":', b"\xff\xfe", b"ssl_check=0"])
async def test_unsigned_nonsense_is_not_even_read(client, body):
    assert (await client.post("/slack/events", content=body)).status_code == 401


@pytest.mark.parametrize("body", [b"payload=%7B", b'{"type":', b"[]", b'"x"', b"payload=3"])
async def test_signed_nonsense_tells_nothing_of_the_inside(client, workspace, door, body):
    response = await client.post(
        "/slack/events", content=body, headers=signed(workspace, body, kind="application/json" if body[:1] in b'{["' else "text/plain")
    )
    assert response.status_code in (400, 404, 500)
    assert "Traceback" not in response.text
    assert door.requests == []


async def test_an_oversized_delivery_is_refused_whether_its_length_is_announced_or_not(client, workspace, door):
    body = b"x" * (LARGEST_BODY + 1)

    async def unannounced():
        yield body

    for content in (body, unannounced()):
        response = await client.post("/slack/events", content=content)
        assert (response.status_code, response.json()) == (413, {"error": "Request Entity Too Large"})
    assert (await client.post("/slack/events", content=body[:-1])).status_code == 401


async def test_slack_can_check_the_certificate_and_the_url(client, workspace):
    assert (await client.post("/slack/events", content=b"ssl_check=1&token=x")).status_code == 200
    body = json.dumps({"type": "url_verification", "challenge": "abc", "token": "x"}).encode()
    response = await client.post("/slack/events", content=body, headers=signed(workspace, body, kind="application/json"))
    assert (response.status_code, response.json()) == (200, {"challenge": "abc"})
    assert (await client.get("/slack/events")).status_code == 405


async def test_a_delivery_is_taken_without_a_call_to_slack(url, workspace, door):
    workspace.revoke()
    assert (await workspace.says("engineer", "#devops", "/aiec status")).failure is None
    assert len(door.requests) == 1


async def test_another_command_is_not_ours(url, workspace, door):
    assert (await workspace.says("engineer", "#devops", "/other thing")).status == 404
    assert door.requests == []


# --- health and metrics


async def test_health_readiness_and_metrics(client, parts):
    assert (await client.get("/healthz")).json() == {"ok": True}
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["ok"]) == (200, True)
    parts.append(Part("engine", False, "nobody holds the lock since 03:00 UTC"))
    unready = await client.get("/readyz")
    assert unready.status_code == 503
    assert unready.json()["parts"][1] == {"part": "engine", "ok": False, "text": "nobody holds the lock since 03:00 UTC"}
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert "aiec_things_total 1.0" in metrics.text


async def test_errors_are_json(client):
    response = await client.get("/nowhere")
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


@asynccontextmanager
async def serving(**parts):
    async def ready():
        return []

    app = http_app(**({"readiness": ready, "metrics": CollectorRegistry()} | parts))
    async with serve(app, "127.0.0.1", 0) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


async def test_what_breaks_inside_is_not_told_outside(caplog):
    async def broken():
        raise RuntimeError("postgresql://aiec:hunter2@db")

    async with serving(readiness=broken) as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (500, {"error": "internal error"})


async def test_readiness_that_does_not_answer_is_not_ready():
    async with serving(readiness=lambda: asyncio.sleep(60)) as client:
        response = await client.get("/readyz")
    assert response.status_code == 503


async def test_without_slack_its_path_does_not_exist():
    async with serving() as client:
        assert (await client.post("/slack/events")).status_code == 404


async def test_stopping_finishes_what_is_under_way_and_frees_the_port():
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send):
        entered.set()
        await leave.wait()
        await JSONResponse({"done": True})(scope, receive, send)

    async with httpx.AsyncClient() as client:
        async with serve(slow, "127.0.0.1", 0) as port:
            asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/"))
            await entered.wait()
            asyncio.get_running_loop().call_later(0.3, leave.set)
        assert (await asking).json() == {"done": True}
        async with serve(slow, "127.0.0.1", port) as again:
            assert again == port


async def test_an_address_that_is_taken_is_an_error():
    async def app(scope, receive, send): ...

    async with serve(app, "127.0.0.1", 0) as port:
        with pytest.raises(OSError, match="Address already in use"):
            async with serve(app, "127.0.0.1", port):
                pass
