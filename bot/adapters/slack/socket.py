"""Socket Mode: Slack's deliveries come by a WebSocket that is opened from here, so that nothing has to be reached from outside.

Source: "Using Socket Mode": an address is good once, an envelope is acknowledged within three seconds by its id, and Slack announces that it renews a
connection. slack_sdk's own client tries an address that has failed again for ever, and takes HTTPS_PROXY for every host.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.errors import translated
from bot.core.errors import AiecError

Json = dict[str, Any]
Take = Callable[[Json], Awaitable[Json | None]]
"""Takes an envelope and returns what acknowledges it (empty: nothing to say), or None to leave it unacknowledged."""

CONNECT_WITHIN = 10.0
HEARTBEAT = 10.0
"""Seconds between pings; a connection that leaves one unanswered for half of that is given up."""
PAUSE, LONGEST_PAUSE = 1.0, 30.0

log = logging.getLogger("aiec.slack")


@asynccontextmanager
async def open_socket(app_token: str, take: Take, *, base_url: str = AsyncWebClient.BASE_URL) -> AsyncIterator["SlackSocket"]:
    """Keeps a connection with an app-level token (`xapp-…`) while the block lasts. Slack need not be there when it begins."""
    socket = SlackSocket(app_token, take, base_url)
    running = asyncio.create_task(socket.run(), name="socket mode")
    try:
        yield socket
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


class SlackSocket:
    """`connected` says whether deliveries can come now."""

    def __init__(self, app_token: str, take: Take, base_url: str) -> None:
        self._token = app_token
        self._take = take
        self._base_url = base_url
        self._open = 0

    @property
    def connected(self) -> bool:
        return self._open > 0

    async def run(self) -> None:
        """Connects again whenever a connection ends, and already when Slack announces its end; the old one serves until then."""
        async with aiohttp.ClientSession(trust_env=True) as session, asyncio.TaskGroup() as group:
            pause = PAUSE
            while True:
                connection = _Connection(group, self._take)
                group.create_task(self._serve(session, connection))
                await connection.ending.wait()
                pause = PAUSE if connection.greeted else min(2 * pause, LONGEST_PAUSE)
                if not connection.renewed:
                    await asyncio.sleep(pause)

    async def _serve(self, session: aiohttp.ClientSession, connection: "_Connection") -> None:
        try:
            async with session.ws_connect(await self._address(session), heartbeat=HEARTBEAT) as socket:
                self._open += 1
                try:
                    await connection.serve(socket)
                finally:
                    self._open -= 1
        except AiecError as error:
            log.error("Socket Mode: %s %s", error.text, error.hint)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("Socket Mode: the connection failed (%s: %s)", type(error).__name__, error)
        finally:
            connection.ending.set()

    async def _address(self, session: aiohttp.ClientSession) -> str:
        web = AsyncWebClient(base_url=self._base_url, session=session, retry_handlers=[])
        web.proxy = None  # the session honours NO_PROXY as well
        with translated("apps.connections.open"):
            async with asyncio.timeout(CONNECT_WITHIN):
                return str((await web.apps_connections_open(app_token=self._token))["url"])


class _Connection:
    """One WebSocket. `ending`: it is over, or Slack has said that it soon will be (`renewed`)."""

    def __init__(self, group: asyncio.TaskGroup, take: Take) -> None:
        self._group = group
        self._take = take
        self.ending = asyncio.Event()
        self.greeted = False
        self.renewed = False

    async def serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            envelope = message.json() if message.type is aiohttp.WSMsgType.TEXT else {}
            match envelope.get("type"):
                case "hello":
                    self.greeted = True
                    log.info("Socket Mode: connected")
                case "disconnect":
                    log.info("Socket Mode: Slack ends a connection (%s)", envelope.get("reason"))
                    self.renewed = envelope.get("reason") in ("warning", "refresh_requested")
                    self.ending.set()
                case _ if "envelope_id" in envelope:
                    self._group.create_task(self._answer(socket, envelope))

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse, envelope: Json) -> None:
        try:
            payload = await self._take(envelope)
            if payload is not None:
                await socket.send_json({"envelope_id": envelope["envelope_id"]} | ({"payload": payload} if payload else {}))
        except aiohttp.ClientError as error:
            log.warning("Socket Mode: a delivery could not be acknowledged (%s)", error)
        except Exception:
            log.exception("Socket Mode: a delivery failed")
