"""A TCP proxy before PostgreSQL that can stop answering, and that says when a COMMIT comes by: before the server has it, or before its answer goes back.

The framing is that of "Message Formats" in PostgreSQL's manual: messages of a type and a length, but for the first ones of a client, which have no type.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

START = 196608
"""The protocol's version 3.0 in a start message; other numbers in its place ask for encryption, and are answered with one byte."""
COMMIT = b"COMMIT\0"
Moment = Literal["before", "after"]


@dataclass
class Proxy:
    """`on_commit(number, moment)` is called with the count of the COMMITs so far: "before" the server has it, "after" it has answered and nobody knows yet.
    If it raises an OSError, the connection breaks there.

    While `flows` is cleared, nothing passes in either direction.
    """

    host: str
    port: int
    on_commit: Callable[[int, Moment], None] = lambda _number, _moment: None
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    commits: int = 0
    listens_on: int = 0

    async def __aenter__(self) -> Self:
        self.flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.listens_on = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # Cancelled is who is connected when the proxy ends; asyncio would log that as an error.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.flows.wait()
        there, back = await asyncio.open_connection(self.host, self.port)
        try:
            await _greet(reader, writer, there, back)
            committing = _Committing()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, back, committing))
                group.create_task(self._answers(there, writer, committing))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one side is gone, and so is the other
        finally:
            back.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, committing: "_Committing") -> None:
        while True:
            kind, body = await _message(reader)
            await self.flows.wait()
            if kind == b"Q" and body.upper() == COMMIT:
                self.commits += 1
                committing.number = self.commits
                self.on_commit(self.commits, "before")
            await _pass(back, kind, body)

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, committing: "_Committing") -> None:
        while True:
            kind, body = await _message(there)
            await self.flows.wait()
            if kind == b"C" and body == COMMIT and committing.number:
                self.on_commit(committing.number, "after")
                committing.number = 0
            await _pass(writer, kind, body)


@dataclass
class _Committing:
    """The number of the COMMIT that this connection waits for; 0 for none."""

    number: int = 0


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    """Passes on what comes before the first message with a type."""
    while True:
        length = await reader.readexactly(4)
        body = await reader.readexactly(struct.unpack("!I", length)[0] - 4)
        back.write(length + body)
        await back.drain()
        if struct.unpack_from("!I", body)[0] == START:
            return
        writer.write(await there.readexactly(1))
        await writer.drain()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    return kind, await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0] - 4)


async def _pass(writer: asyncio.StreamWriter, kind: bytes, body: bytes) -> None:
    writer.write(kind + struct.pack("!I", len(body) + 4) + body)
    await writer.drain()
