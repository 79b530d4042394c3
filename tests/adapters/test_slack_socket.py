"""Socket Mode against the sandbox's Slack: deliveries by WebSocket, acknowledged, through renewals, breaks and refusals."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.adapters.slack.socket import SlackSocket, open_socket
from sandbox.server import Sandbox
from sandbox.world import World

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)
SCENARIO: dict[str, Any] = {
    "users": [{"id": "U0ENGINEER", "name": "engineer"}],
    "channels": [{"name": "devops", "members": ["engineer", "aiec"]}],
    "app": {"user": "U0AIEC", "name": "aiec", "scopes": ["commands"], "commands": [{"command": "/aiec"}]},
}


class Taker:
    """Takes envelopes, and answers as it is told to."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.answer: dict[str, Any] | None = {"text": "Taken."}
        self.failure: Exception | None = None

    async def __call__(self, envelope: dict[str, Any]) -> dict[str, Any] | None:
        self.taken.append(envelope)
        if self.failure:
            raise self.failure
        return self.answer


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build(SCENARIO, start=START)) as running:
        await running.deliver_to("http://127.0.0.1:9/slack/events")
        yield running


@asynccontextmanager
async def connected(sandbox: Sandbox, taker: Taker, token: str = "xapp-sandbox") -> AsyncIterator[SlackSocket]:
    async with open_socket(token, taker, base_url=sandbox.urls["slack"]) as socket:
        yield socket


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def says(sandbox: Sandbox, text: str = "/aiec status") -> Any:
    return await sandbox.world.slack.says("engineer", "#devops", text)


async def test_a_delivery_comes_by_the_socket_and_its_acknowledgement_goes_back(sandbox: Sandbox, taker: Taker) -> None:
    async with connected(sandbox, taker) as socket:
        await until(lambda: socket.connected)
        reply = await says(sandbox)
        assert (reply.failure, reply.body) == (None, {"text": "Taken."})
        taker.answer = {}
        reply = await says(sandbox)
        assert (reply.failure, reply.body) == (None, {})
        assert [(each["type"], each["payload"]["command"]) for each in taker.taken] == [("slash_commands", "/aiec")] * 2
    assert not socket.connected
    assert (await says(sandbox)).failure == "connection_failed"


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_renewed_connection_misses_nothing(sandbox: Sandbox, taker: Taker, reason: str) -> None:
    async with connected(sandbox, taker) as socket:
        await until(lambda: socket.connected)
        await sandbox.sockets.disconnect(reason)
        await until(lambda: sandbox.sockets.connected and socket.connected)
        assert (await says(sandbox)).failure is None
        assert len(taker.taken) == 1


async def test_a_broken_connection_is_made_again(sandbox: Sandbox, taker: Taker) -> None:
    async with connected(sandbox, taker) as socket:
        await until(lambda: socket.connected)
        sandbox.disconnect()
        await until(lambda: not socket.connected)
        await until(lambda: socket.connected)
        assert (await says(sandbox)).failure is None


async def test_slack_need_not_be_there_at_the_start(sandbox: Sandbox, taker: Taker, caplog: pytest.LogCaptureFixture) -> None:
    sandbox.world.slack.down = True
    async with connected(sandbox, taker) as socket:
        await until(lambda: "apps.connections.open" in caplog.text)
        assert not socket.connected
        sandbox.world.slack.down = False
        await until(lambda: socket.connected)
        assert (await says(sandbox)).failure is None


async def test_a_token_that_slack_does_not_accept_is_said(sandbox: Sandbox, taker: Taker, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(sandbox, taker, "xapp-wrong") as socket:
        await until(lambda: "invalid_auth" in caplog.text)
        assert not socket.connected
        assert "SLACK_APP_TOKEN" in caplog.text
        assert "xapp-wrong" not in caplog.text


async def test_what_fails_or_is_not_ours_is_not_acknowledged_and_harms_nothing(sandbox: Sandbox, taker: Taker, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(sandbox, taker) as socket:
        await until(lambda: socket.connected)
        taker.failure = RuntimeError("broken")
        failed = asyncio.create_task(says(sandbox))
        await until(lambda: "a delivery failed" in caplog.text)
        taker.failure, taker.answer = None, None
        ignored = asyncio.create_task(says(sandbox))
        await until(lambda: len(taker.taken) == 2)
        taker.answer = {}
        assert (await says(sandbox)).failure is None
        assert [(await failed).failure, (await ignored).failure] == ["timeout", "timeout"]
