"""A followed log in the terminal: its lines as they come, until Ctrl-C."""

import asyncio
import sys
from collections.abc import Callable
from datetime import datetime

from bot.core.follows import Batch, Followed, shown
from bot.core.loglines import short_names
from bot.core.ports import Cluster
from bot.following import Following

POLL = 0.2


async def stream(followed: Followed, cluster: Cluster, now: Callable[[], datetime]) -> None:
    """Prints the lines to the standard output, and what is to be said of the pods to standard error. Ends only when it is cancelled, and then says so."""
    following, lines = Following(followed, cluster), 0
    try:
        while True:
            await following.refresh(now())
            batch = following.take()
            _print(batch)
            lines += len(batch.lines)
            await asyncio.sleep(POLL)
    finally:
        await following.close()
        print(f"No longer following the {followed.title}: {lines:,} lines.", file=sys.stderr, flush=True)


def _print(batch: Batch) -> None:
    for note in batch.notes:
        print(f"— {note}", file=sys.stderr, flush=True)
    if batch.lost:
        print(f"— {batch.lost:,} lines before these were left out: more is written than can be shown.", file=sys.stderr, flush=True)
    names = short_names(sorted({line.pod for line in batch.lines}))
    if batch.lines:
        print("\n".join(shown(line, names) for line in batch.lines), flush=True)
