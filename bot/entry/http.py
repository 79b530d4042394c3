"""The HTTP side of the process: Slack's deliveries, webhooks, health, readiness and metrics on one port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1024 * 1024
LARGEST_NOTIFICATION = 16 * LARGEST_BODY
"""Of Alertmanager, which drops a notification that is refused: ten thousand alerts and more."""
ALERTMANAGER = "/webhooks/alertmanager"
READINESS_WITHIN = 2.0
STOP_WITHIN = 5
KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than proxies keep theirs (nginx and AWS: 60). A command that arrives as we hang up would be lost."""

Endpoint = Callable[[Request], Awaitable[Response]]


class Part(NamedTuple):
    """One thing that must be there to serve (the database, the schema, the engine): whether it is, and what is to be said of it."""

    part: str
    ok: bool
    text: str


Readiness = Callable[[], Awaitable[Sequence[Part]]]


def http_app(
    *,
    readiness: Readiness,
    metrics: CollectorRegistry,
    slack: Endpoint | None = None,
    alertmanager: Endpoint | None = None,
    pagerduty: Endpoint | None = None,
) -> Starlette:
    """Returns the application. The path of an endpoint that is None (it is not configured, or Slack comes by Socket Mode) does not exist.

    Errors are answered as `{"error": …}` and never tell what went wrong inside.
    """

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def readyz(_request: Request) -> Response:
        try:
            async with asyncio.timeout(READINESS_WITHIN):
                parts = await readiness()
        except TimeoutError:
            parts = [Part("readiness", False, f"was not known within {READINESS_WITHIN:.0f} s")]
        ready = all(part.ok for part in parts)
        return JSONResponse({"ok": ready, "parts": [part._asdict() for part in parts]}, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def exposition(_request: Request) -> Response:
        # Collectors may ask the database, which must not hold up the loop.
        return Response(await asyncio.to_thread(generate_latest, metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)]
    endpoints = {"/slack/events": slack, ALERTMANAGER: alertmanager, "/webhooks/pagerduty": pagerduty}
    routes += [Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items() if endpoint is not None]
    limits = Middleware(BodyLimit, limit=LARGEST_BODY, larger={ALERTMANAGER: LARGEST_NOTIFICATION})
    return Starlette(routes=routes, middleware=[limits], exception_handlers={HTTPException: _refused, Exception: _failed})


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _failed(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "internal error"}, HTTPStatus.INTERNAL_SERVER_ERROR)


class BodyLimit:
    """ASGI middleware: reading a body of more than `limit` bytes ends in 413, whether its length was announced or not. `larger`: other limits by path."""

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read, limit = 0, self._larger.get(scope["path"], self._limit)
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")

        async def limited() -> Message:
            nonlocal read
            if int(announced) > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self._app(scope, limited, send)


@asynccontextmanager
async def serve(app: ASGIApp, host: str, port: int) -> AsyncIterator[int]:
    """Serves the application inside the running loop and yields the port that it listens on (`port` 0: any free one). Leaving it stops accepting,
    finishes what is under way within 5 s, and closes. Signals are left to the caller. Raises OSError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # asyncio sets it only on sockets that were made with an explicit protocol; without it small answers wait for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app, lifespan="off", ws="none", interface="asgi3", log_config=None, access_log=False, proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN, timeout_keep_alive=KEEP_ALIVE,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]), name="http")
    try:
        yield listener.getsockname()[1]
    finally:
        server.stop()
        await serving


class _Server(uvicorn.Server):
    """Ends when it is told to: uvicorn's own looks every tenth of a second whether it is to stop, and then waits for another one."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the process that it is part of."""
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):  # the Date header is made anew every second
                    await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accepts nothing more, and lets what is under way finish within the time for it."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(0.005)
        for task in self.server_state.tasks:
            task.cancel()
        for server in self.servers:
            await server.wait_closed()
