"""HTTP around the cluster: single answers, and the streams that a function cannot give (watches, followed logs, exec).

One event loop's thread plays the cluster. Streams look for news every few milliseconds, and so keep time going while somebody watches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.kubernetes import execs
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.logs import Options, render
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.requests import JSON, Request, Response, error_response
from sandbox.kubernetes.resources import PODS
from sandbox.kubernetes.store import to_json
from sandbox.kubernetes.watch import Watch

TICK = 0.05
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
CHUNK = 32 * 1024


def asgi(cluster: Cluster) -> Starlette:
    """The API server as an ASGI application, to be mounted at any path."""

    async def serve(request: HttpRequest) -> HttpResponse:
        asked = Request.of(request.method, _path(request), dict(request.query_params), dict(request.headers), await request.body())
        if request.method == "GET" and (asked.flag("watch") or asked.flag("follow")):
            return _stream(cluster, asked)
        return _http(cluster.answer(asked))

    async def attach(socket: WebSocket) -> None:
        await _exec(cluster, socket)

    return Starlette(routes=[Route("/{path:path}", serve, methods=METHODS), WebSocketRoute("/{path:path}", attach)])


def _path(connection: HttpRequest | WebSocket) -> str:
    path: str = connection.scope["path"]
    return path.removeprefix(connection.scope.get("root_path", ""))


def _http(response: Response) -> HttpResponse:
    return HttpResponse(response.body, response.status, response.headers)


def _stream(cluster: Cluster, asked: Request) -> HttpResponse:
    try:
        opened = cluster.open(asked)
        if isinstance(opened, Watch):
            return StreamingResponse(_watch(opened), media_type=JSON)
        # What cannot be read at all is refused before the stream begins.
        options = Options.of(asked, opened["metadata"]["name"])
        cluster.logs.read(opened, options, cluster.core.now)
    except ApiError as error:
        return _http(error_response(error))
    return StreamingResponse(_follow(cluster, opened, options), media_type="text/plain")


async def _watch(watch: Watch) -> AsyncIterator[bytes]:
    """Ends at its timeout by the machine's time or by the cluster's, whichever comes first."""
    deadline = time.monotonic() + watch.timeout
    while True:
        lines = watch.poll()
        if lines:
            yield b"".join(lines)
        if watch.closed or time.monotonic() >= deadline:
            return
        await asyncio.sleep(TICK)


async def _follow(cluster: Cluster, pod: Object, options: Options) -> AsyncIterator[bytes]:
    """What there is, then what is added, until the container stops or the pod is gone."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    first = cluster.logs.read(pod, options, cluster.core.now)
    yield render(first, options)
    rest = Options(container=options.container, timestamps=options.timestamps)
    seen = cluster.logs.read(pod, rest, cluster.core.now)
    while True:
        await asyncio.sleep(TICK)
        cluster.play()
        current = cluster.core.store.get(PODS, namespace, name)
        if current is None or current["metadata"]["uid"] != pod["metadata"]["uid"]:
            return
        lines = cluster.logs.read(current, rest, cluster.core.now)
        last, same = (seen[-1][0], sum(line[0] == seen[-1][0] for line in seen)) if seen else (None, 0)
        fresh = [line for line in lines if last is None or line[0] >= last]
        if fresh[same:]:
            yield render(fresh[same:], rest)
        seen = lines
        if not any("running" in entry["state"] for entry in current["status"].get("containerStatuses", ())):
            return


async def _exec(cluster: Cluster, socket: WebSocket) -> None:
    asked = Request.of("GET", _path(socket), dict(socket.query_params), dict(socket.headers), b"")
    command = socket.query_params.getlist("command")
    try:
        target = cluster.open_exec(asked)
        call, answer = cluster.execs.call(cluster.core.store, target.namespace, target.name, asked.query.get("container", ""), command)
    except ApiError as error:
        await socket.send_denial_response(_http(error_response(error)))
        return
    protocol = next((name for name in PROTOCOLS if name in socket.scope["subprotocols"]), None)
    if protocol is None:
        await socket.send_denial_response(HttpResponse(status_code=403))
        return
    await socket.accept(subprotocol=protocol)
    try:
        await _run(cluster, socket, protocol, asked, call, answer)
    except WebSocketDisconnect:
        return
    await socket.close()


async def _run(cluster: Cluster, socket: WebSocket, protocol: str, asked: Request, call: execs.Call, answer: execs.Answer | None) -> None:
    # The API server says with an empty message on the lowest channel that the connection stands.
    await socket.send_bytes(bytes([STDOUT if asked.flag("stdout") else STDERR if asked.flag("stderr") else ERROR]))
    if answer is None:
        if asked.flag("stdin"):
            await _read_stdin(socket, call)
        answer = cluster.execs.program(call)
    elif answer.reads_stdin and asked.flag("stdin"):
        await _read_stdin(socket, call)
    if answer is not None:
        left, sent = answer.cut_after, 0
        if not answer.after:
            await asyncio.sleep(answer.seconds)
        for channel, data in _output(answer):
            part = data if left is None else data[:left]
            await socket.send_bytes(bytes([channel]) + part)
            left = None if left is None else left - len(part)
            if left == 0:
                return
            if sent < answer.after <= sent + len(part):
                await asyncio.sleep(answer.seconds)
            sent += len(part)
    await socket.send_bytes(bytes([ERROR]) + to_json(execs.final_status(call.command, answer, translated=protocol == PROTOCOLS[0])))


def _output(answer: execs.Answer) -> Iterator[tuple[int, bytes]]:
    """The output in pieces of at most CHUNK, made as they are sent: a large one is never held whole."""
    for channel, data, times in ((STDOUT, answer.stdout, answer.times), (STDERR, answer.stderr, 1), (STDOUT, answer.end, 1)):
        for _ in range(times):
            for start in range(0, len(data), CHUNK):
                yield channel, data[start : start + CHUNK]


async def _read_stdin(socket: WebSocket, call: execs.Call) -> None:
    """Until the client closes the channel (v5) or, before that existed, the connection."""
    received = []
    while True:
        message = await socket.receive_bytes()
        if message[:1] == bytes([CLOSE]) and message[1:2] == bytes([STDIN]):
            break
        if message[:1] == bytes([STDIN]):
            received.append(message[1:])
    call.stdin = b"".join(received)
