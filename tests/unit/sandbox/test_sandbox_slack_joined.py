"""Slack as part of the sandbox: deliveries to an app, Socket Mode behind faults, broken connections, a reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from sandbox.faults import Fault
from sandbox.server import Sandbox


@dataclass
class App:
    """Answers every request with 200, and keeps the bodies."""

    url: str
    bodies: list[str] = field(default_factory=list)


@pytest.fixture
async def app() -> AsyncIterator[App]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        running.bodies.append((await reader.readexactly(length)).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    running = App(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/slack/events")
    async with server:
        yield running


async def say(client: httpx.AsyncClient) -> str | None:
    said = await client.post("/_sandbox/slack/say", json={"user": "ana", "channel": "ops", "text": "/go prod v1"})
    assert said.status_code == 200
    failure: str | None = said.json()["failure"]
    return failure


async def connected(sandbox: Sandbox) -> ClientConnection:
    opened = sandbox.world.slack.call("apps.connections.open", {}, "xapp-sandbox")
    return await connect(opened.body["url"], proxy=None)


async def test_a_command_reaches_the_app_also_after_a_reset(sandbox: Sandbox, client: httpx.AsyncClient, app: App) -> None:
    assert await say(client) == "connection_failed"
    await sandbox.deliver_to(app.url)
    assert await say(client) is None
    await client.post("/_sandbox/reset")
    assert await say(client) is None
    commands = [parse_qs(body) for body in app.bodies]
    assert [(command["command"], command["text"]) for command in commands] == [(["/go"], ["prod v1"])] * 2
    assert all(command["response_url"][0].startswith(f"{sandbox.url}/slack/commands/") for command in commands)


async def test_a_response_url_is_served(sandbox: Sandbox, client: httpx.AsyncClient, app: App) -> None:
    await sandbox.deliver_to(app.url)
    await say(client)
    answered = await client.post(parse_qs(app.bodies[0])["response_url"][0], json={"text": "It goes."})
    assert answered.status_code == 200
    seen = (await client.get("/_sandbox/slack/messages", params={"channel": "ops", "user": "ana"})).json()["messages"]
    assert "It goes." in [message["text"] for message in seen]


async def test_a_socket_is_open_until_connections_break(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    async with await connected(sandbox) as socket:
        assert '"hello"' in await asyncio.wait_for(anext(aiter(socket)), 5)
        assert (await client.post("/_sandbox/disconnect")).status_code == 200
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)


async def test_faults_meet_websockets(sandbox: Sandbox) -> None:
    for kind in ("status", "drop", "hang"):
        sandbox.world.faults.add(Fault.model_validate({"kind": kind, "system": "slack", "path": "^/link", "times": 1}))
    with pytest.raises(InvalidStatus, match="503"):
        await connected(sandbox)
    with pytest.raises((InvalidMessage, ConnectionError, EOFError)):
        await connected(sandbox)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connected(sandbox), 0.3)
    async with await connected(sandbox) as socket:
        assert '"hello"' in await asyncio.wait_for(anext(aiter(socket)), 5)


async def test_rate_limits_speak_as_slack(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.faults.add(Fault(kind="status", system="slack", path="/api/chat.postMessage", status=429, retry_after=30, times=1))
    limited = await client.post("/slack/api/chat.postMessage", json={"channel": "C1", "text": "hi"})
    assert (limited.status_code, limited.headers["retry-after"], limited.json()) == (429, "30", {"ok": False, "error": "ratelimited"})
    assert (await client.post("/slack/api/chat.postMessage")).json()["error"] == "not_authed"
