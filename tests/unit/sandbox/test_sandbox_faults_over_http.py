"""Faults as a client meets them, over real connections."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Sandbox

UPLOADS = "/v2/team/gateway/blobs/uploads/"


async def test_status_comes_with_retry_after_and_the_request_is_not_executed(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.faults.add(Fault(kind="status", system="registry", status=429, retry_after=1.5, times=1))
    refused = await client.post(UPLOADS)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert refused.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert sandbox.world.registry.uploads == {}
    assert (await client.post(UPLOADS)).status_code == 202


async def test_latency_delays_the_usual_answer(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.faults.add(Fault(kind="latency", seconds=0.2, times=1))
    began = time.monotonic()
    answer = await client.get("/v2/")
    assert answer.status_code == 200
    assert time.monotonic() - began >= 0.2


async def test_hang_lasts_until_the_client_gives_up(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.faults.add(Fault(kind="hang", times=1))
    with pytest.raises(httpx.ReadTimeout):
        await client.get("/v2/", timeout=0.2)
    assert (await client.get("/v2/")).status_code == 200


@pytest.mark.parametrize(("kind", "executed"), [("drop", 0), ("drop_after", 1)])
async def test_a_dropped_connection_is_really_closed(sandbox: Sandbox, client: httpx.AsyncClient, kind: str, executed: int) -> None:
    sandbox.world.faults.add(Fault.model_validate({"kind": kind, "method": "POST", "times": 1}))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post(UPLOADS, content=b"x" * 100_000)
    assert len(sandbox.world.registry.uploads) == executed
    assert (await client.get("/v2/")).status_code == 200


async def test_a_drop_ends_the_bytes_without_an_answer(sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(kind="drop", times=1))
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await reader.read() == b""
    writer.close()


async def test_garbage_is_answered_after_the_request_was_executed(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.faults.add(Fault(kind="garbage", times=2))
    answer = await client.get("/v2/team/gateway/tags/list")
    assert answer.status_code == 200
    with pytest.raises(UnicodeDecodeError):
        answer.json()
    await client.post(UPLOADS)
    assert len(sandbox.world.registry.uploads) == 1


@pytest.mark.parametrize(("at", "executed", "answered"), [("request", 0, False), ("answer", 1, False), ("done", 1, True)])
async def test_kill_strikes_at_its_moment(sandbox: Sandbox, client: httpx.AsyncClient, at: str, executed: int, answered: bool) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
    sandbox.world.faults.add(Fault.model_validate({"kind": "kill", "pid": process.pid, "at": at, "skip": 1, "method": "POST"}))
    assert (await client.post(UPLOADS)).status_code == 202
    try:
        answer = await client.post(UPLOADS)
        assert answered
        assert answer.status_code == 202
    except (httpx.RemoteProtocolError, httpx.ReadError):
        assert not answered
    assert await asyncio.wait_for(process.wait(), 5) == -signal.SIGKILL
    assert len(sandbox.world.registry.uploads) == 1 + executed


async def test_kill_can_call_something_instead(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    struck: list[str] = []
    sandbox.world.faults.add(Fault(kind="kill", at="done", call=lambda: struck.append("now")))
    assert (await client.get("/v2/")).status_code == 200
    assert struck == ["now"]


@pytest.mark.parametrize("kind", ["hang", "latency"])
async def test_stopping_does_not_wait_for_requests_under_way(sandbox: Sandbox, client: httpx.AsyncClient, kind: str) -> None:
    name = sandbox.world.faults.add(Fault.model_validate({"kind": kind, "seconds": 60}))
    request = asyncio.create_task(client.get("/v2/"))
    async with asyncio.timeout(5):
        while not sandbox.world.faults.met(name):
            await asyncio.sleep(0.01)
    began = time.monotonic()
    await sandbox.stop()
    assert time.monotonic() - began < 10
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await request
