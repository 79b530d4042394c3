"""A command in a container, over the API server's WebSocket: channels of bytes, and a Status in the end.

Seen on Kubernetes 1.36: the first byte of a message is its channel, the Status (channel 3) comes when everything else has been sent, and only protocol v5 can
say that the input is over. A connection that ends without a Status says nothing about the command, so that this is never taken for its end.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import suppress

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from bot.adapters.kubernetes.api import Api
from bot.adapters.kubernetes.errors import Call
from bot.core.errors import CommandFailed, Invalid, NoProgram, Unavailable
from bot.core.ports import Json, Output

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255

QUIET = 30.0
"""Seconds without a word after which the far end is asked whether it is still there; as many later it is given up."""

_PIECE = 32 * 1024
_TAIL = 2000
_EXIT = re.compile(r"exit (?:code|status) (\d+)")
_NOT_THERE = ("executable file not found", "no such file or directory")


async def run(api: Api, call: Call, path: str, container: str, command: Sequence[str], stdin: AsyncIterable[bytes] | None) -> AsyncIterator[Output]:
    """Yields what the command writes, as it writes it. Raises as `Cluster.exec` says."""
    query = [("container", container), *(("command", word) for word in command), ("stdout", "true"), ("stderr", "true")]
    query += [("stdin", "true")] if stdin is not None else []
    async with api.socket(call, path, query, PROTOCOLS) as socket:
        if stdin is not None and socket.protocol != PROTOCOLS[0]:
            text = f"{api.name[0].upper()}{api.name[1:]} cannot tell a command that its input is over: it speaks {socket.protocol}."
            raise Invalid(text, "Kubernetes 1.30 and newer can.")
        wrong: list[Exception] = []
        writer = asyncio.create_task(_write(socket, stdin, wrong), name="stdin") if stdin is not None else None
        said = b""
        try:
            async for message in _messages(socket, f"{call.target} on {api.name}", wrong):
                channel, data = message[0], message[1:]
                if channel == STATUS and data:
                    _judge(_status(data), command, call.name, said.decode(errors="replace"))
                    return
                if channel in (STDOUT, STDERR) and data:
                    said = (said + data)[-_TAIL:] if channel == STDERR else said
                    yield Output("stdout" if channel == STDOUT else "stderr", data)
        finally:
            if writer is not None:
                writer.cancel()
                with suppress(asyncio.CancelledError):
                    await writer


async def _messages(socket: ClientWebSocketResponse, target: str, wrong: list[Exception]) -> AsyncIterator[bytes]:
    """Yields messages until the connection ends, which is an error: what went `wrong` with the input, or else Unavailable."""
    asked = False
    while True:
        try:
            message = await socket.receive(timeout=QUIET)
        except TimeoutError as error:
            if asked:
                raise Unavailable(f"Nothing was heard of the command in {target} for {2 * QUIET:g} s.", "It may still run there.") from error
            asked = True
            await socket.ping()
            continue
        asked = False
        match message.type:
            case WSMsgType.BINARY if message.data:
                yield message.data
            case WSMsgType.PING:
                await socket.pong(message.data)
            case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED | WSMsgType.ERROR:
                if wrong:
                    raise wrong[0]
                raise Unavailable(f"The connection to the command in {target} ended before it said how it went.", "It is not known whether it is done.")


async def _write(socket: ClientWebSocketResponse, stdin: AsyncIterable[bytes], wrong: list[Exception]) -> None:
    """Sends the input, and that it is over. When it cannot be had any more, the connection ends: half an input must not look like a whole one."""
    try:
        async for data in stdin:
            for start in range(0, len(data), _PIECE):
                await socket.send_bytes(bytes([STDIN]) + data[start : start + _PIECE])
        await socket.send_bytes(bytes([CLOSE, STDIN]))
    except (ClientError, ConnectionError):
        return  # the reader meets it too, and knows more
    except Exception as error:
        wrong.append(error)
        await socket.close()


def _status(data: bytes) -> Json:
    """Of what makes no sense the text is the message."""
    try:
        parsed = json.loads(data)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"message": data.decode(errors="replace")}


def _judge(status: Json, command: Sequence[str], pod: str, said: str) -> None:
    """Raises CommandFailed for every Status that is not a Success."""
    if status.get("status") == "Success":
        return
    message = str(status.get("message") or json.dumps(status))
    exit_code = _exit_code(status, message)
    if exit_code is None and any(words in message for words in _NOT_THERE):
        raise NoProgram(f"There is no `{command[0]}` in the container of {pod}.", None, said, "Use an image that has it.")
    how = f"ended with exit code {exit_code}" if exit_code is not None else f"failed: {message}"
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    raise CommandFailed(f"`{command[0]}` in {pod} {how}{f': {last}' if last else ''}", exit_code, said)


def _exit_code(status: Json, message: str) -> int | None:
    """A kubelet gives it as a cause; others only in words."""
    causes = (status.get("details") or {}).get("causes") or []
    told = next((cause.get("message", "") for cause in causes if cause.get("reason") == "ExitCode"), "")
    found = _EXIT.search(f"exit code {told}") or _EXIT.search(message)
    return int(found[1]) if found else None
