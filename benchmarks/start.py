"""From the start of the process until it is ready, and what it holds of memory when nothing happens."""

import asyncio
import statistics
import tempfile
from pathlib import Path

from benchmarks.place import Platform, world
from benchmarks.process import free_port, running
from benchmarks.result import Result
from benchmarks.slack import SECRET


async def measure(*, rounds: int = 5, rest: float = 10) -> list[Result]:
    """Starts aiec and a bare Bolt app, turn by turn. The first start, which makes the database, is told apart."""
    ours, theirs, work, labour, memory, bare = [], [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="aiec-bench-") as folder:
        async with world(Platform(("bench",)), Path(folder)) as environ:
            for _ in range(rounds + 1):
                port = free_port()
                async with running("benchmarks.bolt_app", str(port), SECRET, ready=f"http://127.0.0.1:{port}/readyz") as peer:
                    theirs.append(peer.ready_after)
                    labour.append(peer.processor)
                    await asyncio.sleep(rest / rounds)
                    bare.append(peer.memory())
                ready = f"http://127.0.0.1:{environ['AIEC_PORT']}/readyz"
                async with running("bot", "run", ready=ready, environ=environ, cwd=Path(folder)) as bot:
                    ours.append(bot.ready_after)
                    work.append(bot.processor)
                    await asyncio.sleep(rest / rounds)
                    memory.append(bot.memory())
    return [
        Result("start to ready", "s", statistics.median(ours[1:]), statistics.median(theirs[1:]), 2.5),
        Result("start to ready, processor time", "s", statistics.median(work[1:]), statistics.median(labour[1:])),
        Result("start to ready, the first time", "s", ours[0], theirs[0]),
        Result("idle memory", "MiB", statistics.median(memory), statistics.median(bare), 150),
    ]
