"""Carries deliveries to the app over HTTP as Slack does: signed, three seconds to answer, events sent again, commands and clicks not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from urllib.parse import urlencode

import httpx

from sandbox import outgoing
from sandbox.slack.answer import TIME_TO_ANSWER, Delivery, Json, Reply
from sandbox.slack.sockets import SocketMode
from sandbox.slack.workspace import Workspace

RETRY_AFTER = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""How long after a failure an event is sent again: at once, after a minute, after five (Events API, "Retries")."""
_POLL = 0.05


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """X-Slack-Signature, version 0: HMAC-SHA256 over `v0:timestamp:body`."""
    return "v0=" + hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def encoded(delivery: Delivery) -> tuple[str, bytes]:
    """Content type and body: a form for a command, a form with the field `payload` for an interaction, JSON for an event."""
    if delivery.kind == "event":
        return "application/json", json.dumps(delivery.payload, separators=(",", ":")).encode()
    form = delivery.payload if delivery.kind == "command" else {"payload": json.dumps(delivery.payload, separators=(",", ":"))}
    return "application/x-www-form-urlencoded", urlencode(form).encode()


def read_reply(body: bytes, content_type: str) -> Json:
    """The body of an acknowledgement: JSON, or plain text, which is a message's text."""
    if not body.strip():
        return {}
    if content_type.startswith("application/json"):
        try:
            parsed = json.loads(body)
        except ValueError:
            return {"text": body.decode(errors="replace")}
        return parsed if isinstance(parsed, dict) else {"text": str(parsed)}
    return {"text": body.decode(errors="replace")}


class Deliverer:
    """`async with Deliverer(workspace, "http://127.0.0.1:3000/slack/events"):` makes the workspace's deliveries arrive there.

    While the app has a connection of `sockets` open, they go that way instead.
    Signatures carry the machine's time (`wall`, in seconds), not the workspace's, because the app compares them with the machine's.
    """

    def __init__(self, workspace: Workspace, url: str, sockets: SocketMode | None = None, wall: Callable[[], float] = time.time) -> None:
        self.workspace = workspace
        self.url = url
        self._sockets = sockets
        self._wall = wall
        self._client = outgoing.client(TIME_TO_ANSWER)
        self._sending: set[asyncio.Task[None]] = set()
        self._forget: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Deliverer:
        self.workspace.transport = self.deliver
        self._forget = self.workspace.listen(self._take_events)
        self._take_events()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._forget()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._client.aclose()

    async def deliver(self, delivery: Delivery) -> Reply:
        """Sends one delivery once. The reply has a `failure` when nothing came within three seconds, or not status 200."""
        if self._sockets is not None and self._sockets.connected:
            return await self._sockets.deliver(delivery)
        content_type, body = encoded(delivery)
        try:
            async with asyncio.timeout(TIME_TO_ANSWER):
                response = await self._client.post(self.url, content=body, headers=self._headers(delivery, content_type, body))
        except (TimeoutError, httpx.TimeoutException):
            return Reply(failure="timeout", status=0)
        except httpx.TransportError:
            return Reply(failure="connection_failed", status=0)
        return Reply(
            body=read_reply(response.content, response.headers.get("content-type", "")),
            failure=None if response.is_success else "http_error",
            status=response.status_code,
            retry=response.headers.get("x-slack-no-retry") != "1",
        )

    def _headers(self, delivery: Delivery, content_type: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._wall()))
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self.workspace.app.signing_secret, timestamp, body),
        }
        if delivery.attempt:
            headers |= {"X-Slack-Retry-Num": str(delivery.attempt), "X-Slack-Retry-Reason": delivery.reason or ""}
        return headers

    def _take_events(self) -> None:
        while self.workspace.outgoing and not self.workspace.down:
            task = asyncio.get_running_loop().create_task(self._send_event(self.workspace.outgoing.popleft()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send_event(self, event: Delivery) -> None:
        """Sends an event until it is acknowledged, at most four times; waits by the workspace's clock."""
        for delay in (*RETRY_AFTER, None):
            sent = self.workspace.now()
            reply = await self.deliver(event)
            if reply.failure is None or not reply.retry or delay is None:
                return
            reason = "http_timeout" if reply.failure == "timeout" else reply.failure
            event = replace(event, attempt=event.attempt + 1, reason=reason)
            while self.workspace.now() < sent + delay:
                await asyncio.sleep(_POLL)
