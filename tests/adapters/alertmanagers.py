"""An Alertmanager with a receiver of the test's own: the sandbox's, and the program that TEST_ALERTMANAGER names, started with the same configuration."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.entry.http import serve
from sandbox.alertmanager import Receiver
from sandbox.server import Sandbox
from sandbox.world import World

Json = dict[str, Any]
TOKEN = "a-secret"
STARTS_WITHIN = 30.0


@dataclass
class Inbox:
    """What the receiver got, and what it answers: the `statuses` in turn, then 200. A status of 0 closes the connection."""

    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], Json]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        self.requests.append((dict(request.headers), json.loads(self.bodies[-1])))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    @property
    def payloads(self) -> list[Json]:
        return [payload for _, payload in self.requests]

    def names(self) -> list[list[str]]:
        """Of each notification, the alerts in it."""
        return [[f"{alert['labels'].get('alertname')}:{alert['status']}" for alert in payload["alerts"]] for payload in self.payloads]


class Place(Protocol):
    """One Alertmanager."""

    url: str
    inbox: Inbox

    def now(self) -> datetime: ...

    async def passes(self, seconds: float) -> None:
        """Lets that time go by: really, or by the sandbox's clock."""


async def until(place: Place, seen: Callable[[], bool], seconds: float) -> None:
    """Lets time pass until something is seen; fails when it is not within `seconds`."""
    for _ in range(round(seconds / 0.05)):
        if seen():
            return
        await place.passes(0.05)
    assert seen(), f"not within {seconds} s; the receiver got {place.inbox.names()}"


@dataclass
class InSandbox:
    url: str
    inbox: Inbox
    sandbox: Sandbox

    def now(self) -> datetime:
        return self.sandbox.world.clock.now()

    async def passes(self, seconds: float) -> None:
        while seconds > 1e-9:
            self.sandbox.world.clock.advance(min(seconds, 0.05))
            seconds -= 0.05
            await self.sandbox.delivered()


@dataclass
class Real:
    url: str
    inbox: Inbox

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def passes(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@asynccontextmanager
async def inbox() -> AsyncIterator[tuple[str, Inbox]]:
    """A receiver, and its URL."""
    box = Inbox()
    async with serve(Starlette(routes=[Route("/hook", box.take, methods=["POST"])]), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/hook", box


@asynccontextmanager
async def in_sandbox(receiver: Receiver) -> AsyncIterator[InSandbox]:
    async with inbox() as (url, box), Sandbox(World.build({"receiver": receiver.model_dump()}, start=datetime.now(UTC))) as sandbox:
        await sandbox.alerts_to(url, TOKEN)
        yield InSandbox(sandbox.urls["alertmanager"], box, sandbox)


@asynccontextmanager
async def real(program: str, folder: Path, receiver: Receiver) -> AsyncIterator[Real]:
    async with inbox() as (url, box), started(program, folder, receiver, url) as address:
        yield Real(address, box)


@asynccontextmanager
async def started(program: str, folder: Path, receiver: Receiver, url: str) -> AsyncIterator[str]:
    """The program, telling whoever listens at `url`. Yields its own address."""
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(_config(receiver, url)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/alertmanager"
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.external-url={address}",
        "--cluster.listen-address=",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _ready(address)
        yield address
    finally:
        process.terminate()
        await process.wait()


async def _ready(url: str) -> None:
    async with asyncio.timeout(STARTS_WITHIN), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/-/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


def _config(receiver: Receiver, url: str) -> Json:
    def duration(seconds: float) -> str:
        return f"{round(seconds * 1000)}ms"

    webhook = {
        "url": url,
        "send_resolved": receiver.send_resolved,
        "max_alerts": receiver.max_alerts,
        "http_config": {"authorization": {"credentials": TOKEN}},
    }
    return {
        "global": {"resolve_timeout": duration(receiver.resolve_timeout)},
        "route": {
            "receiver": receiver.name,
            "group_by": [*receiver.group_by],
            "group_wait": duration(receiver.group_wait),
            "group_interval": duration(receiver.group_interval),
            "repeat_interval": duration(receiver.repeat_interval),
        },
        "receivers": [{"name": receiver.name, "webhook_configs": [webhook]}],
    }
