"""The network, in process: what the real adapters take for it calls the sandbox's state machines, and meets the faults in force on the way."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import httpx2
from greenlet import getcurrent, greenlet

from bot.adapters.kubernetes.rest import spelled
from sandbox import alertmanager, platform, registry
from sandbox.faults import Fault
from sandbox.middleware import GARBAGE, refusal
from sandbox.pagerduty import events as pagerduty_events
from sandbox.pagerduty import rest as pagerduty_rest
from sandbox.slack.responses import respond
from sandbox.world import World

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds after which the adapters give a call up."""


FLIGHT = 3
"""A call is on its way for less than so many turns of the event loop; it arrives whatever becomes of its process."""


class Crash(BaseException):
    """The process dies here, as by kill -9: nothing of it runs any more."""


class Life:
    """Whether a process of the bot is alive and running. Whatever a dead one still tries reaches nothing; a paused one stands still, all its tasks at once."""

    def __init__(self) -> None:
        self.dead = False
        self.paused = False

    def end(self) -> None:
        self.dead = True

    async def go_on(self) -> None:
        """Waits while the process is paused. Raises Crash in a dead one."""
        while self.paused and not self.dead:
            await asyncio.sleep(0)
        self.check()

    def check(self) -> None:
        """Raises Crash in a dead process."""
        if self.dead:
            raise Crash


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unanswered(ConnectionError):
    """No answer came; `executed` or not, the caller cannot know."""


@dataclass
class Line:
    """The way from one process of the bot to the far ends. `meanwhile` happens while a call is on it: whatever others may do in that time."""

    world: World
    life: Life
    luck: random.Random
    trace: Callable[[str], None]
    meanwhile: Callable[[], Awaitable[None]]

    async def carry(self, system: str, method: str, path: str, execute: Callable[[], Awaitable[Reply]]) -> Reply:
        """Returns the far end's answer, or what becomes of the call on the way. Raises Unanswered, TimeoutError, Crash."""
        await self.life.go_on()
        for _ in range(self.luck.randrange(FLIGHT)):
            await asyncio.sleep(0)
        fault = self.world.faults.decide(system, method, path)
        try:
            reply = await (execute() if fault is None else self._meet(fault, system, execute))
        except (Unanswered, TimeoutError) as error:
            self.trace(f"  {method} {system}{path}: {type(error).__name__}")
            raise
        finally:
            self.life.check()
        if reply.status >= 300 or method != "GET":
            self.trace(f"  {method} {system}{path}: {reply.status}{' ' + fault.kind if fault else ''}")
        await self.meanwhile()
        await self.life.go_on()
        return reply

    async def _meet(self, fault: Fault, system: str, execute: Callable[[], Awaitable[Reply]]) -> Reply:
        match fault.kind:
            case "latency":
                self.world.clock.advance(fault.seconds)
                return await execute()
            case "status":
                refused = refusal(system, fault)
                return Reply(fault.status, dict(refused.headers), bytes(refused.body))
            case "hang":
                self.world.clock.advance(PATIENCE)
                raise TimeoutError
            case "drop_after":
                await execute()
                self.world.clock.advance(fault.seconds)
                raise Unanswered("the connection was closed without an answer")
            case "garbage":
                return Reply((await execute()).status, {"content-type": "application/json"}, GARBAGE)
            case "kill":
                if fault.at != "request":
                    await execute()
                self.trace(f"  killed at {fault.at}")
                self.life.end()
                raise Crash
            case _:
                raise Unanswered("connection refused")


class Response:
    """As aiohttp's, already read."""

    def __init__(self, reply: Reply) -> None:
        self.status, self.headers, self._body = reply.status, {name.title(): value for name, value in reply.headers.items()}, reply.body
        self.content_type = self.headers.get("Content-Type", "").partition(";")[0]

    async def read(self) -> bytes:
        return self._body

    async def text(self) -> str:
        return self._body.decode(errors="replace")

    async def json(self) -> Any:
        return json.loads(await self.text())

    @property
    def response(self) -> Self:
        """Kubernetes' client wraps aiohttp's; a log is read from the inner one."""
        return self

    @property
    def content(self) -> Self:
        return self

    async def iter_any(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body

    def close(self) -> None:
        """Nothing is open."""


class KubernetesRest:
    """As `bot.adapters.kubernetes.api.Rest`. `patched` learns of every change that the API server has accepted."""

    def __init__(self, line: Line, patched: Callable[[str, str, Any, Any], None]) -> None:
        self._line = line
        self._patched = patched

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: Any = None, post_params: Any = None, _request_timeout: Any = None
    ) -> Response:
        split = urlsplit(url)
        sent = spelled(body).encode() if body is not None else b""

        async def execute() -> Reply:
            if method == "GET":
                return self._handle(method, split.path, split.query, headers or {}, sent)
            namespace, name = split.path.split("/")[5], split.path.split("/")[7]
            before = self._line.world.kubernetes.get("Deployment", namespace, name)
            reply = self._handle(method, split.path, split.query, headers or {}, sent)
            if reply.status < 300 and "dryRun" not in split.query:
                self._patched(namespace, name, before, self._line.world.kubernetes.get("Deployment", namespace, name))
            return reply

        path = f"{split.path}?{split.query}" if split.query else split.path
        return Response(await self._line.carry("kubernetes", method, path, execute))

    def _handle(self, method: str, path: str, query: str, headers: Mapping[str, str], sent: bytes) -> Reply:
        answer = self._line.world.kubernetes.handle(method, path, dict(parse_qsl(query)), headers, sent)
        return Reply(answer.status, answer.headers, answer.body)

    async def close(self) -> None:
        """Nothing is open."""


class _Exchange:
    """What `session.request` gives: a call that is made when it is entered."""

    def __init__(self, call: Awaitable[Reply]) -> None:
        self._call = call

    async def __aenter__(self) -> Response:
        return Response(await self._call)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        return None


class SlackSession:
    """As much of `aiohttp.ClientSession` as slack_sdk uses."""

    closed = False

    def __init__(self, line: Line) -> None:
        self._line = line

    def request(self, method: str, url: str, *, headers: Mapping[str, str], data: Any = None, params: Any = None, **others: Any) -> _Exchange:
        workspace = self._line.world.slack
        path = url.removeprefix(workspace.base_url)
        api = path.removeprefix("/api/")

        async def execute() -> Reply:
            if api == path:
                answer = respond(workspace, path, json.loads(data))
                return Reply(200, {"content-type": "text/html"}, b"ok") if answer.ok else _json(answer.status, answer.headers, answer.body)
            form = dict(parse_qsl(urlencode({**(params or {}), **(data or {})}), keep_blank_values=True))
            answer = workspace.call(api, form | (others.get("json") or {}), headers["Authorization"].removeprefix("Bearer "))
            return _json(answer.status, answer.headers, answer.body)

        return _Exchange(self._line.carry("slack", "POST", f"/{api}" if api != path else "/response", execute))


def _json(status: int, headers: Mapping[str, str], body: Any) -> Reply:
    return Reply(status, {**headers, "content-type": "application/json"}, json.dumps(body).encode())


class HttpTransport(httpx.AsyncBaseTransport):
    """Carries httpx's requests: those to the hosts `platform` and `alertmanager` reach the health URLs and Alertmanager, all others the registry."""

    def __init__(self, line: Line) -> None:
        self._line = line
        world = line.world
        apps = {"platform": platform.asgi(world.platform), "registry": registry.asgi(world.registry), "alertmanager": alertmanager.asgi(world.alertmanager)}
        self._apps = {system: httpx.ASGITransport(app) for system, app in apps.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        system = request.url.host if request.url.host in self._apps else "registry"

        async def execute() -> Reply:
            response = await self._apps[system].handle_async_request(request)
            return Reply(response.status_code, response.headers, await response.aread())

        try:
            reply = await self._line.carry(system, request.method, request.url.path, execute)
        except Unanswered as error:
            raise httpx.ReadError(str(error), request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout("timed out", request=request) from error
        headers = {name: value for name, value in reply.headers.items() if name.lower() != "content-length"}
        return httpx.Response(reply.status, headers=headers, content=reply.body, request=request)

    async def __aenter__(self) -> Self:
        return self


async def in_turns(work: Callable[[], T], /) -> T:
    """Does work that waits for `PagerDutyTransport`, without a thread: wherever it waits, the loop goes on, and its place is kept."""
    worker = greenlet(work)
    result = worker.switch()
    while not worker.dead:
        try:
            answer = await result
        except BaseException as error:
            result = worker.throw(error)
        else:
            result = worker.switch(answer)
    return result


class PagerDutyTransport(httpx2.BaseTransport):
    """Carries the requests of PagerDuty's own client, which is synchronous: its calls are made by `in_turns`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        account, url, body = self._line.world.pagerduty, request.url, request.read()

        async def execute() -> Reply:
            if url.path == "/v2/enqueue":
                answer = pagerduty_events.enqueue(account, body)
            else:
                query: dict[str, list[str]] = {}
                for name, value in parse_qsl(url.query.decode(), keep_blank_values=True):
                    query.setdefault(name, []).append(value)
                answer = pagerduty_rest.handle(account, request.method, url.path, query, request.headers, body)
            return Reply(answer.status, answer.headers, b"" if answer.body is None else json.dumps(answer.body).encode())

        try:
            reply = getcurrent().parent.switch(self._line.carry("pagerduty", request.method, url.path, execute))
        except Unanswered as error:
            raise httpx2.ReadError(str(error), request=request) from error
        except TimeoutError as error:
            raise httpx2.ReadTimeout("timed out", request=request) from error
        return httpx2.Response(reply.status, headers=dict(reply.headers), stream=httpx2.ByteStream(reply.body))
