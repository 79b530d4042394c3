"""Carries faults out as a client meets them: answers that come late, wrong or never, and connections that are really closed."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import Fault, Faults

GARBAGE = b'{"ok": tr\x00\xff\xfe<html>'


class Faulty:
    """ASGI middleware: `app` as the system called `system`, behind the faults in force."""

    def __init__(self, app: ASGIApp, system: str, faults: Faults) -> None:
        self.app = app
        self.system = system
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if query := scope["query_string"].decode("latin-1"):
            path = f"{path}?{query}"
        fault = self.faults.decide(self.system, scope.get("method", "GET"), path)
        if fault is None:
            await self.app(scope, receive, send)
        else:
            await self._meet(fault, scope, receive, send)

    async def _meet(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case "latency":
                await asyncio.sleep(fault.seconds)
                await self.app(scope, receive, send)
            case "status":
                await refusal(self.system, fault)(scope, receive, send)
            case "hang":
                await _disconnected(receive)
            case "drop":
                await _drop(scope, receive)
            case "drop_after":
                await self._lose_answer(lambda: None, scope, receive)
            case "garbage":
                await self.app(scope, receive, _garbled(send))
            case "kill":
                await self._kill(fault, scope, receive, send)

    async def _kill(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.at == "request":
            kill(fault)
            await _drop(scope, receive)
        elif fault.at == "answer":
            await self._lose_answer(lambda: kill(fault), scope, receive)
        else:
            await self.app(scope, receive, send)
            kill(fault)

    async def _lose_answer(self, act: Callable[[], None], scope: Scope, receive: Receive) -> None:
        """Executes the request; when the answer begins, acts and closes the connection."""
        answered = False

        async def send(message: Message) -> None:
            nonlocal answered
            if not answered:
                answered = True
                act()
                _cut(scope)

        await self.app(scope, receive, send)
        await _disconnected(receive)


def kill(fault: Fault) -> None:
    """Does what a `kill` fault says. A process that is already gone is no error."""
    if fault.call is not None:
        fault.call()
    elif fault.pid is not None:
        try:
            os.kill(fault.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def refusal(system: str, fault: Fault) -> Response:
    """The answer with `fault.status` in the words of `system`, as far as its clients read them."""
    reason = HTTPStatus(fault.status).phrase if fault.status in set(HTTPStatus) else "Unknown"
    headers = {} if fault.retry_after is None else {"Retry-After": str(math.ceil(fault.retry_after))}
    describe = _CONTENT.get(system)
    content = describe(fault.status, reason) if describe else None
    if content is None:
        return PlainTextResponse(f"{reason}\n", fault.status, headers)
    return Response(json.dumps(content), fault.status, headers, "application/json")


def _kubernetes(status: int, reason: str) -> dict[str, Any] | None:
    # The API server's own limit of requests in flight answers in plain text.
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return None
    name = {500: "InternalError", 410: "Expired", 504: "Timeout"}.get(status, reason.replace(" ", ""))
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": name, "code": status}


def _slack(status: int, reason: str) -> dict[str, Any] | None:
    return {"ok": False, "error": {429: "ratelimited", 401: "invalid_auth", 503: "service_unavailable"}.get(status, "internal_error")}


def _registry(status: int, reason: str) -> dict[str, Any] | None:
    code = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 429: "TOOMANYREQUESTS", 503: "UNAVAILABLE"}.get(status, "UNKNOWN")
    return {"errors": [{"code": code, "message": reason.lower()}]}


def _prometheus(status: int, reason: str) -> dict[str, Any] | None:
    kind = {400: "bad_data", 422: "execution", 500: "internal", 503: "timeout"}.get(status)
    return None if kind is None else {"status": "error", "errorType": kind, "error": reason.lower()}


def _pagerduty(status: int, reason: str) -> dict[str, Any] | None:
    code = {400: 2001, 401: 2006, 403: 2010, 404: 2100, 429: 2020}.get(status, 2000)
    return {"error": {"message": "Rate Limit Exceeded" if status == HTTPStatus.TOO_MANY_REQUESTS else reason, "code": code}}


def _github(status: int, reason: str) -> dict[str, Any] | None:
    message = {401: "Bad credentials", 429: "You have exceeded a secondary rate limit."}.get(status, reason)
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


_CONTENT: dict[str, Callable[[int, str], dict[str, Any] | None]] = {
    "kubernetes": _kubernetes,
    "slack": _slack,
    "registry": _registry,
    "prometheus": _prometheus,
    "pagerduty": _pagerduty,
    "github": _github,
}


class OwnPageOnly:
    """ASGI middleware: refuses what a browser asks for somebody else's page, whose host may even resolve to loopback: here all act without a password."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] in ("http", "websocket") else {}
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        if host.partition(":")[0] not in ("127.0.0.1", "localhost", "") or (origin and urlsplit(origin).netloc != host):
            await PlainTextResponse("requests from other pages are refused\n", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _cut(scope: Scope) -> None:
    scope["state"]["transport"].abort()


async def _drop(scope: Scope, receive: Receive) -> None:
    _cut(scope)
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def _garbled(send: Send) -> Send:
    async def garble(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
            await send({**message, "headers": [*headers, (b"content-length", str(len(GARBAGE)).encode())]})
            await send({"type": "http.response.body", "body": GARBAGE, "more_body": False})
        elif message["type"] != "http.response.body":
            await send(message)

    return garble
