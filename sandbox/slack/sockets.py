"""Socket Mode: the app connects to a WebSocket, and deliveries come as envelopes that it acknowledges.

Source: "Using Socket Mode": `hello` after connecting, `envelope_id` answered within three seconds, `disconnect` before a connection is renewed.
"""

from __future__ import annotations

import asyncio
import itertools
import json

from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.slack.answer import TIME_TO_ANSWER, Delivery, Json, Reply
from sandbox.slack.workspace import Workspace

_TYPES = {"command": "slash_commands", "interactive": "interactive", "event": "events_api"}


class SocketMode:
    """The open connections of the app. `endpoint` is served below the workspace's URL as `/link`."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._open: list[WebSocket] = []
        self._turn = itertools.count()
        self._waiting: dict[str, asyncio.Future[Json]] = {}

    @property
    def connected(self) -> bool:
        return bool(self._open)

    async def endpoint(self, socket: WebSocket) -> None:
        """Serves one connection, until it ends. The address must come from apps.connections.open, and is good once."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self.workspace.tickets or self.workspace.down:
            await socket.close(4001)
            return
        self.workspace.tickets.discard(ticket)
        await socket.accept()
        self._open.append(socket)
        try:
            await self._greet(socket)
            while True:
                self._acknowledged(await socket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            if socket in self._open:
                self._open.remove(socket)

    async def _greet(self, socket: WebSocket) -> None:
        debug = {"host": "sandbox", "build_number": 1, "approximate_connection_time": 18060}
        connection = {"app_id": self.workspace.app.id}
        await socket.send_json({"type": "hello", "num_connections": len(self._open), "debug_info": debug, "connection_info": connection})

    def _acknowledged(self, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return
        waiting = self._waiting.pop(str(answer.get("envelope_id")), None) if isinstance(answer, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.get("payload") or {})

    async def deliver(self, delivery: Delivery) -> Reply:
        """Sends a delivery on one of the connections, in turn, and waits three seconds for its acknowledgement."""
        socket = self._open[next(self._turn) % len(self._open)]
        envelope_id = self.workspace.secret(32)
        self._waiting[envelope_id] = asyncio.get_running_loop().create_future()
        try:
            await socket.send_json(self._envelope(envelope_id, delivery))
            async with asyncio.timeout(TIME_TO_ANSWER):
                return Reply(await self._waiting[envelope_id])
        except TimeoutError:
            return Reply(failure="timeout", status=0)
        except (WebSocketDisconnect, RuntimeError):
            return Reply(failure="connection_failed", status=0)
        finally:
            self._waiting.pop(envelope_id, None)

    def _envelope(self, envelope_id: str, delivery: Delivery) -> Json:
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": _TYPES[delivery.kind],
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "event",
        }
        if delivery.kind == "event":
            envelope |= {"retry_attempt": delivery.attempt, "retry_reason": delivery.reason or ""}
        return envelope

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Tells every connection to go (`warning`, `refresh_requested` or `link_disabled`), and closes it unless it is only a warning."""
        leaving = list(self._open)
        for socket in leaving:
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})
        if reason != "warning":
            for socket in leaving:
                if socket in self._open:
                    self._open.remove(socket)
                    await socket.close(1000)
