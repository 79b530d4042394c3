"""The sandbox as one HTTP server on loopback, inside the running event loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox import alertmanager
from sandbox.app import application
from sandbox.pagerduty import Courier
from sandbox.slack import Deliverer, SocketMode
from sandbox.world import World


class _Connection(H11Protocol):
    """Lets the application reach the connection that a request came on, so that a fault can really close it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Says when it listens, leaves signals to the process that it is part of, and does not wait for streams that never end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def disconnect(self, keep: Any = None) -> None:
        """Closes every connection except the one with the transport `keep`."""
        for connection in list(self.server_state.connections):
            if connection.transport is not keep:
                connection.transport.abort()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):  # the Date header is made anew every second
                    await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self.disconnect()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self.servers:
            await server.wait_closed()

    def stop(self) -> None:
        self.should_exit = True
        self.stopping.set()


class Sandbox:
    """Serves a world: `async with Sandbox(world) as sandbox: sandbox.urls["kubernetes"]`.

    `world` is replaced by `reset`, so ask for it anew instead of keeping it.
    """

    def __init__(self, world: World) -> None:
        self.port = 0
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._deliverer: Deliverer | None = None
        self._courier: Courier | None = None
        self._webhooks_go_to: str | None = None
        self._alerts: alertmanager.Deliverer | None = None
        self._use(world)

    def _use(self, world: World) -> None:
        self.world = world
        self._name_urls()
        self._sockets = SocketMode(world.slack)
        self._app: ASGIApp = application(world, self._sockets, self)

    def _name_urls(self) -> None:
        self.world.slack.base_url = f"{self.url}/slack"
        self.world.alertmanager.external_url = self.urls["alertmanager"]
        self.world.rules.prometheus_url = self.urls["prometheus"]

    async def start(self, port: int = 0) -> Sandbox:
        """Listens on 127.0.0.1:`port` (0: any free one). OSError if the port is taken."""
        listener = socket.create_server(("127.0.0.1", port))
        # Connections inherit it; asyncio sets it only on sockets that were made with an explicit protocol, and without it an answer takes 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listener.getsockname()[1]
        self._name_urls()
        config = uvicorn.Config(
            self._serve,
            http=_Connection,
            ws="websockets-sansio",
            interface="asgi3",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=75,  # rarely closes a connection that a client is about to use again
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listener]), name="sandbox")
        await self._server.listening.wait()
        return self

    async def stop(self) -> None:
        """Closes the port and every connection, and delivers nothing more. Does nothing if it is not running."""
        if self._deliverer is not None:
            await self._deliverer.__aexit__(None, None, None)
            self._deliverer = None
        await self._dismiss_courier()
        if self._alerts is not None:
            await self._alerts.__aexit__(None, None, None)
            self._alerts = None
        if self._server is not None and self._serving is not None:
            self._server.stop()
            await self._serving
            self._server = self._serving = None

    async def __aenter__(self) -> Sandbox:
        return self if self._server else await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sockets(self) -> SocketMode:
        """The app's connections by Socket Mode."""
        return self._sockets

    @property
    def urls(self) -> dict[str, str]:
        """The URL that a client of each part is given: the workspace page, the systems, and the control API."""
        return {
            "workspace": f"{self.url}/",
            "slack": f"{self.url}/slack/api/",
            "kubernetes": f"{self.url}/kubernetes",
            "registry": self.url,
            "prometheus": f"{self.url}/prometheus",
            "alertmanager": f"{self.url}/alertmanager",
            "platform": f"{self.url}/platform",
            "pagerduty": f"{self.url}/pagerduty",
            "pagerduty_events": f"{self.url}/pagerduty/events",
            "github": f"{self.url}/github",
            "control": f"{self.url}/_sandbox/",
        }

    async def deliver_to(self, url: str) -> None:
        """Delivers Slack's commands, clicks and events to the app at `url` from now on (or by Socket Mode while the app is connected so)."""
        if self._deliverer is not None:
            await self._deliverer.__aexit__(None, None, None)
        self._deliverer = await Deliverer(self.world.slack, url, self._sockets).__aenter__()

    async def webhooks_to(self, url: str) -> None:
        """Delivers PagerDuty's webhooks to `url` from now on: those of all subscriptions, or of one that is made for it."""
        self._webhooks_go_to = url
        webhooks = self.world.pagerduty.webhooks
        for one in webhooks.subscriptions.values() or [webhooks.subscribe(url, "sandbox-webhook-secret")]:
            one.url = url
        await self._dismiss_courier()
        self._courier = await Courier(self.world.pagerduty).__aenter__()

    async def delivered(self) -> None:
        """Waits until all webhooks that are due have arrived, or failed to: PagerDuty's after `webhooks_to`, Alertmanager's after `alerts_to`."""
        if self._courier is not None:
            await self._courier.settle()
        if self._alerts is not None:
            await self._alerts.settle()

    async def _dismiss_courier(self) -> None:
        if self._courier is not None:
            await self._courier.__aexit__(None, None, None)
            self._courier = None

    async def alerts_to(self, url: str, token: str = "") -> None:
        """Tells the receiver at `url` of Alertmanager's alerts from now on."""
        known = self.world.alertmanager
        known.configure(known.receiver.model_copy(update={"url": url, "token": token}))
        if self._alerts is not None:
            await self._alerts.__aexit__(None, None, None)
        self._alerts = await alertmanager.Deliverer(known).__aenter__()

    async def reset(self, keep: Any = None) -> None:
        """Makes the world as it was at the start. Connections are closed (all but the one whose transport is `keep`): they are to the old world."""
        receiver = self.world.alertmanager.receiver
        self._use(self.world.again())
        if self._deliverer is not None:
            await self.deliver_to(self._deliverer.url)
        if self._webhooks_go_to is not None:
            await self.webhooks_to(self._webhooks_go_to)
        if self._alerts is not None:
            await self.alerts_to(receiver.url, receiver.token)
        self.disconnect(keep)

    def disconnect(self, keep: Any = None) -> None:
        """Closes every connection but the one whose transport is `keep`, as when a network breaks."""
        if self._server is not None:
            self._server.disconnect(keep)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn would log a request that ends because the server stops as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await self._app(scope, receive, send)


@contextlib.contextmanager
def in_thread(world: World, port: int = 0) -> Iterator[Sandbox]:
    """A running sandbox in a thread of its own, for code that blocks (a child process that is waited for). OSError if the port is taken."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox")
    thread.start()
    sandbox = Sandbox(world)
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(port), loop).result()
        yield sandbox
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
