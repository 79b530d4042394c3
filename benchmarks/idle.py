"""What a bot that has nothing to do asks of the database and of the API server."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import httpx
from sqlalchemy import event

from benchmarks.place import Platform, world
from benchmarks.result import Result
from bot.app import opened, running
from bot.settings import load


async def measure(*, seconds: float = 60, warm: float = 5) -> list[Result]:
    """Counts SQL statements, transactions and requests, after `warm` seconds; the bot runs in this process so that its database can be listened to."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="aiec-bench-") as folder:
        async with world(Platform(("bench",)), Path(folder)) as environ:
            settings = load(environ, Path(folder))
            async with opened(settings) as bot, running(bot, settings), httpx.AsyncClient(trust_env=False) as client:
                await asyncio.sleep(warm)
                event.listen(bot.store.engine, "before_cursor_execute", lambda *_: counts.update(["statements"]))
                event.listen(bot.store.engine, "commit", lambda *_: counts.update(["commits"]))
                control = environ["SLACK_API_URL"].replace("/slack/api/", "/_sandbox")
                for system in ("kubernetes", "slack"):  # a latency of nothing counts what it meets
                    fault = {"name": system, "system": system, "kind": "latency", "seconds": 0}
                    (await client.post(f"{control}/faults", json=fault)).raise_for_status()
                await asyncio.sleep(seconds)
                met = {one["name"]: one["met"] for one in (await client.get(f"{control}/faults")).json()}
    per_minute = 60 / seconds
    return [
        Result("idle: SQL statements", "a minute", counts["statements"] * per_minute),
        Result("idle: commits", "a minute", counts["commits"] * per_minute),
        Result("idle: requests to the API server", "a minute", met["kubernetes"] * per_minute),
        Result("idle: requests to Slack", "a minute", met["slack"] * per_minute),
    ]
