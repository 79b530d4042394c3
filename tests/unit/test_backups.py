"""Which backups go when a new one is there, and how one is written while it comes."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.backups import Backup, pour, superfluous
from bot.core.config import Keep
from bot.core.errors import Unavailable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def made(*hours_ago: float) -> list[Backup]:
    moments = [NOON - timedelta(hours=hours) for hours in hours_ago]
    return [Backup(name=f"{at:%d %H:%M}", environment="prod", kind="database", made_at=at, size=1, sha256="") for at in moments]


def gone(backups: list[Backup], keep: Keep) -> list[str]:
    return [one.name for one in superfluous(backups, keep)]


def test_one_of_a_damaged_database_takes_the_good_one_of_this_morning_not_away() -> None:
    assert gone(made(11, 0), Keep(daily=2)) == []
    assert gone(made(35, 30, 11, 0), Keep(daily=2)) == ["22 01:00"]


def test_the_last_of_a_day_and_of_a_week_stay() -> None:
    days = made(*(24 * day for day in range(30)))
    assert gone(days, Keep(daily=3)) == [one.name for one in reversed(days[3:])]
    kept = {one.name for one in days} - {*gone(days, Keep(daily=2, weekly=3))}
    assert kept == {"23 12:00", "22 12:00", "15 12:00"}


def test_without_a_number_all_stay() -> None:
    assert gone(made(24 * 400, 0), Keep()) == []


class Slow:
    """A sink that is slower than what comes, and may be full at a time."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.written = b""
        self.room = room
        self.inside = 0

    async def write(self, data: bytes) -> None:
        self.inside += 1
        assert self.inside == 1, "two blocks at once would lose their order"
        await asyncio.sleep(0)
        if len(self.written) + len(data) > self.room:
            raise Unavailable("it is full")
        self.written += data
        self.inside -= 1


async def pieces(data: bytes, size: int, *, breaks: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
        await asyncio.sleep(0)
    if breaks:
        raise Unavailable("the connection broke")


@pytest.mark.parametrize("length", [0, 1, 1 << 20, (3 << 20) + 17])
async def test_what_is_poured_arrives_in_order_and_is_hashed(length: int) -> None:
    data, sink = random.Random(length).randbytes(length), Slow()
    assert await pour(pieces(data, 70_001), sink) == (hashlib.sha256(data).hexdigest(), length)
    assert sink.written == data


async def test_a_full_sink_a_broken_connection_and_a_no_end_it() -> None:
    data, sink = bytes(4 << 20), Slow(room=2 << 20)
    with pytest.raises(Unavailable, match="full"):
        await pour(pieces(data, 70_001), sink)
    sink = Slow()
    with pytest.raises(Unavailable, match="broke"):
        await pour(pieces(data, 70_001, breaks=True), sink)
    assert sink.inside == 0  # nothing is written any more when it has ended

    def no(_: int) -> None:
        raise Unavailable("another process may act now")

    with pytest.raises(Unavailable, match="another process"):
        await pour(pieces(data, 70_001), Slow(), no)
