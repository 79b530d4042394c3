"""The demo's bot: `aiec run`, but on the clock of the demo's world, and for as long as the demo lives.

Its standard input says all that it needs: first a line of JSON `{environ, folder, ahead}`, then a line with the seconds that the world's clock is ahead of the
machine's, whenever that changes. When the input ends, so does the process: none is left behind, whatever becomes of the demo.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.app import opened, running
from bot.core.errors import AiecError
from bot.settings import load


class WorldClock:
    """The machine's time, and what the world is ahead of it."""

    def __init__(self, ahead: float) -> None:
        self.ahead = timedelta(seconds=ahead)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def main() -> int:
    """Runs the bot and prints the port at which it listens."""
    told = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    if not (first := await told.readline()):
        return 0
    begin = json.loads(first)
    clock = WorldClock(begin["ahead"])
    settings = load(begin["environ"], Path(begin["folder"]))
    async with opened(settings, clock) as bot, running(bot, settings) as port:
        print(port, flush=True)
        async for line in told:
            clock.ahead = timedelta(seconds=float(line))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except AiecError as error:
        print(error.text, error.hint, file=sys.stderr)
        sys.exit(1)
