"""A database that is locked, read-only or full: whoever asks learns within Slack's time that nothing was done, and nothing is done later.

What was stored before is done when it is back.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, make_url
from sqlmodel import select

from bot.core import alerts
from bot.entry.hooks import BotHooks
from bot.store.tables import RequestRow
from tests.harness import Stage

DEPLOY = "/aiec deploy prod v1.2.0"


@contextmanager
def locked(bot: Stage) -> Iterator[None]:
    """Somebody else holds SQLite's write lock."""
    other = sqlite3.connect(make_url(bot.database).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def restricted(bot: Stage, pragma: str) -> Iterator[None]:
    """The bot's connections obey a pragma, which is taken back afterwards."""
    engine = bot.bot.store.engine

    def obey(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA {pragma}")

    def forget(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only=OFF")
        connection.execute("PRAGMA max_page_count=1000000")

    event.listen(engine, "checkout", obey)
    yield
    event.remove(engine, "checkout", obey)
    event.listen(engine, "checkout", forget)


@contextmanager
def read_only(bot: Stage) -> Iterator[None]:
    with restricted(bot, "query_only=ON"):
        yield


@contextmanager
def full(bot: Stage) -> Iterator[None]:
    """There is room for nothing but what is there."""
    with restricted(bot, "max_page_count=1"):
        yield


@contextmanager
def read_only_meanwhile(bot: Stage) -> Iterator[None]:
    """It becomes read-only as soon as a request was taken up."""
    engine, taken = bot.bot.store.engine, "SELECT 1 FROM requests WHERE state = 'received' AND lease_until IS NOT NULL"

    def obey(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA query_only={'ON' if connection.execute(taken).fetchone() else 'OFF'}")

    def forget(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only=OFF")

    event.listen(engine, "checkout", obey)
    yield
    event.remove(engine, "checkout", obey)
    event.listen(engine, "checkout", forget)


TROUBLES = [(locked, "did not answer in time"), (read_only, "attempt to write a readonly database"), (full, "database or disk is full")]


def requests(bot: Stage) -> int:
    return len(bot.bot.store.look(lambda tx: tx.all(select(RequestRow))))


@pytest.mark.parametrize(("trouble", "said"), TROUBLES, ids=lambda value: getattr(value, "__name__", ""))
async def test_whoever_types_is_told_at_once_and_asks_again_later(bot: Stage, trouble, said) -> None:
    text = DEPLOY if trouble is not full else f"/aiec lock prod {'x' * 9000}"
    with trouble(bot):
        reply = await bot.slack.says("engineer", "devops", text)
    assert reply.failure is None
    assert said in str(reply.body)
    assert "othing was done" in str(reply.body)
    await bot.settle()
    assert (requests(bot), [message for message in bot.slack.messages("devops") if message.app]) == (0, [])
    await bot.engineer.says(DEPLOY)
    assert "waiting · *Deploy v1.2.0 to prod*" in bot.last()


@pytest.mark.parametrize(("trouble", "said"), TROUBLES[:2], ids=lambda value: getattr(value, "__name__", ""))
async def test_a_click_that_could_not_be_stored_is_answered_and_changes_nothing(bot: Stage, trouble, said) -> None:
    await bot.engineer.says(DEPLOY)
    with trouble(bot):
        await bot.slack.clicks("lead", bot.message_with("Approve"), "Approve")
        async with asyncio.timeout(10):  # the click is acknowledged before its answer is on its way
            while not bot.lead.sees()[-1].visible_to:
                await asyncio.sleep(0.02)
    answer = bot.lead.sees()[-1]
    assert said in answer.plain
    await bot.settle()
    assert "waiting · *Deploy v1.2.0 to prod*" in bot.last()
    await bot.lead.clicks("Approve")
    assert "running" in bot.last()


async def test_an_alert_that_was_acknowledged_is_taken_in_when_the_database_is_back(bot: Stage) -> None:
    """Alertmanager has its answer, and would tell of it again only hours later."""
    alert = {"labels": {"alertname": "HighErrorRate", "service": "gateway", "severity": "critical"}, "startsAt": bot.world.clock.now().isoformat()}
    with read_only_meanwhile(bot):
        await BotHooks(bot.bot).alerts(alerts.parse({"version": "4", "receiver": "aiec", "alerts": [alert]}))
        await bot.settle()
    assert (requests(bot), await bot.events("incident.opened")) == (1, [])
    await bot.forward(seconds=6)
    assert await bot.events("incident.opened") == ["alertmanager"]


async def test_a_command_that_was_acknowledged_is_answered_when_the_database_is_back(bot: Stage) -> None:
    with read_only_meanwhile(bot):
        await bot.engineer.says(DEPLOY)
    assert [message for message in bot.slack.messages("devops") if message.app] == []
    await bot.forward(seconds=6)
    assert "waiting · *Deploy v1.2.0 to prod*" in bot.last()
