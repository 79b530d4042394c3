"""What the store promises, on SQLite and, where TEST_DATABASE_URL names a server, on PostgreSQL."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import col, func, select

from bot.core.card import Card, line
from bot.core.clock import SystemClock
from bot.core.errors import Unavailable
from bot.core.events import Event
from bot.store.due import Due
from bot.store.migrate import upgrade
from bot.store.store import Store, TooSlow
from bot.store.tables import EngineRow, EventRow, FreezeRow, LockRow, MessageRow
from bot.store.transaction import Message, Transaction
from tests.crash.proxy import Proxy
from tests.databases import KINDS, database, needs_postgresql

SECOND = timedelta(seconds=1)
NOW = datetime(2026, 5, 4, 9, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def url(request, tmp_path):
    with database(request.param, tmp_path) as empty:
        yield empty


@pytest.fixture
def postgresql(tmp_path):
    with database("postgresql", tmp_path) as empty:
        yield empty


@pytest.fixture
def open_store() -> Iterator[object]:
    """Opens stores, and closes them in the end; the first one makes the schema."""
    opened: list[Store] = []

    def make(url: str) -> Store:
        store = Store(url, SystemClock())
        if not opened:
            upgrade(store.engine)
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(url, open_store):
    return open_store(url)


def lock(name: str) -> LockRow:
    return LockRow(environment=name, holder="op-1", reason="a test", since=NOW)


def names(store: Store) -> set[str]:
    """The environments that are locked."""
    return store.look(lambda tx: {row.environment for row in tx.all(select(LockRow))})


@contextmanager
def others_writing(url: str) -> Iterator[None]:
    """Somebody else holds what a writer needs: SQLite's write lock, PostgreSQL's lock of the table."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(make_url(url).database or "", isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
        connection.close()
        return
    other = Store(url, SystemClock())
    with other.engine.begin() as holding:
        holding.execute(text("LOCK TABLE locks IN ACCESS EXCLUSIVE MODE"))
        yield
    other.close()


# ---- all or nothing


async def test_state_event_and_message_are_committed_together_or_not_at_all(store):
    def work(tx: Transaction, fails: bool) -> None:
        tx.save(lock("prod"))
        tx.record(Event(kind="lock.taken", subject="prod"))
        tx.send(Message(key="lock-prod", channel="#devops", card=Card(headline=line("Locked"))))
        if fails:
            raise RuntimeError("half-way")

    def counts(tx: Transaction) -> list[int]:
        return [tx.session.exec(select(func.count()).select_from(table)).one() for table in (LockRow, EventRow, MessageRow)]

    with pytest.raises(RuntimeError, match="half-way"):
        await store.transaction(lambda tx: work(tx, True))
    assert await store.read(counts) == [0, 0, 0]
    await store.transaction(lambda tx: work(tx, False))
    assert await store.read(counts) == [1, 1, 1]


async def test_a_read_keeps_nothing_and_wakes_nobody_a_commit_wakes(store):
    woken: list[str] = []
    store.on_commit(lambda: woken.append("commit"))
    await store.read(lambda tx: tx.save(lock("prod")))
    assert (names(store), woken) == (set(), [])
    with pytest.raises(ZeroDivisionError):
        await store.transaction(lambda tx: 1 / 0)
    assert woken == []
    await store.transaction(lambda tx: tx.save(lock("prod")))
    assert (names(store), woken) == ({"prod"}, ["commit"])


async def test_times_come_back_as_the_same_moment_in_utc(store):
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-3)))
    saved = await store.transaction(lambda tx: tx.save(FreezeRow(environment="prod", starts_at=elsewhere, reason="a test", by="lead")))
    read = await store.read(lambda tx: tx.get(FreezeRow, saved.id))
    assert (read.starts_at, read.starts_at.tzinfo, read.ends_at) == (NOW, UTC, None)
    earlier = select(FreezeRow).where(col(FreezeRow.starts_at) < NOW)
    assert await store.read(lambda tx: tx.first(earlier)) is None


async def test_a_time_without_a_zone_is_refused(store):
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(StatementError, match="has no time zone"):
        await store.transaction(lambda tx: tx.save(FreezeRow(environment="prod", starts_at=naive, reason="a test", by="lead")))


async def test_a_mistake_of_ours_is_not_blamed_on_the_database(store):
    await store.transaction(lambda tx: tx.save(lock("prod")))
    with pytest.raises(IntegrityError):
        await store.transaction(lambda tx: tx.save(lock("prod")))


# ---- given up in time, or unavailable


async def test_a_locked_database_is_given_up_in_time_and_nothing_is_done_later(url, store):
    with others_writing(url):
        began = time.monotonic()
        with pytest.raises(TooSlow, match="nothing was done"):
            await store.transaction(lambda tx: tx.save(lock("late")), within=SECOND)
        assert 0.9 < time.monotonic() - began < 4
    await store.transaction(lambda tx: tx.save(lock("next")))
    store.close()  # waits for what was given up
    assert names(store) == {"next"}


async def test_given_up_and_committed_exclude_each_other(store):
    luck = random.Random(7)

    async def attempt(number: int) -> str | None:
        def work(tx: Transaction) -> None:
            tx.save(lock(f"env-{number}"))
            time.sleep(luck.uniform(0, 0.02))

        try:
            await store.transaction(work, within=timedelta(seconds=luck.choice((0.001, 0.01, 1))))
        except TooSlow:
            return None
        return f"env-{number}"

    done = {name for number in range(60) if (name := await attempt(number))}
    store.close()
    assert names(store) == done
    assert 0 < len(done) < 60, "the race was never close"


@needs_postgresql
async def test_a_server_that_hangs_is_given_up_in_time(postgresql, open_store):
    server = make_url(postgresql)
    async with Proxy(server.host or "", server.port or 5432) as proxy:
        store = await asyncio.to_thread(open_store, server.set(host="127.0.0.1", port=proxy.listens_on).render_as_string(hide_password=False))
        proxy.flows.clear()
        with pytest.raises(TooSlow):
            await store.transaction(lambda tx: tx.save(lock("late")), within=SECOND)
        proxy.flows.set()
        await store.transaction(lambda tx: tx.save(lock("next")))
        await asyncio.to_thread(store.close)
    assert names(open_store(postgresql)) == {"next"}


@pytest.mark.parametrize("moment", ["before", "after"])
@needs_postgresql
async def test_a_connection_lost_at_the_commit_leaves_open_whether_it_was_done(postgresql, open_store, moment):
    server = make_url(postgresql)
    armed = False

    def cut(_number: int, when: str) -> None:
        if armed and when == moment:
            raise ConnectionAbortedError

    async with Proxy(server.host or "", server.port or 5432, cut) as proxy:
        store = await asyncio.to_thread(open_store, server.set(host="127.0.0.1", port=proxy.listens_on).render_as_string(hide_password=False))
        armed = True
        with pytest.raises(Unavailable, match="not known"):
            await store.transaction(lambda tx: tx.save(lock("prod")))
        armed = False
        assert (await asyncio.to_thread(names, store) == {"prod"}) is (moment == "after")
        await asyncio.to_thread(store.close)


@needs_postgresql
async def test_a_connection_that_the_server_ends_is_replaced(postgresql, open_store):
    store = open_store(postgresql)

    def end_all(tx: Transaction) -> None:
        tx.session.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"))

    with pytest.raises(Unavailable, match="cannot be used"):
        await store.transaction(end_all)
    await store.transaction(lambda tx: tx.save(lock("prod")))
    assert names(store) == {"prod"}


@pytest.mark.parametrize("where", ["postgresql://postgres@127.0.0.1:1/aiec", "sqlite:////no/such/folder/aiec.db"])
async def test_an_unreachable_database_is_one_sentence(where):
    store = Store(where, SystemClock())
    with pytest.raises(Unavailable) as caught:
        await store.transaction(lambda tx: tx.save(lock("prod")), within=SECOND)
    assert caught.value.text.startswith("The database cannot be used: ")
    assert "\n" not in caught.value.text
    assert "INSERT" not in caught.value.text
    store.close()


def read_only(url: str) -> str:
    """The URL of the same database for somebody who may only read it."""
    where = make_url(url)
    if where.drivername == "sqlite":
        return f"sqlite:///file:{where.database}?mode=ro&uri=true"
    store = Store(url, SystemClock())
    with store.engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {where.database} SET default_transaction_read_only = on"))
    store.close()
    return url


async def test_a_read_only_database_can_be_read_and_says_why_it_cannot_be_written(url, store, open_store):
    await store.transaction(lambda tx: tx.save(lock("prod")))
    reader = open_store(read_only(url))
    with pytest.raises(Unavailable, match=r"read-?only"):
        await reader.transaction(lambda tx: tx.save(lock("staging")))
    assert await reader.read(lambda tx: tx.get(LockRow, "prod")) is not None
    assert names(store) == {"prod"}


async def test_a_full_disk_does_nothing_and_is_over_when_there_is_room(tmp_path, open_store):
    store = open_store(f"sqlite:///{tmp_path / 'aiec.db'}")
    store.engine.dispose()
    pages = {"most": 60}
    event.listen(store.engine, "checkout", lambda connection, *_: connection.execute(f"PRAGMA max_page_count={pages['most']}"))
    large = Event(kind="note", subject="prod", data={"text": "x" * 1_000_000})

    def work(tx: Transaction) -> None:
        tx.save(lock("prod"))
        tx.record(large)

    with pytest.raises(Unavailable, match="full"):
        await store.transaction(work)
    assert names(store) == set()
    pages["most"] = 10_000
    await store.transaction(work)
    assert names(store) == {"prod"}


# ---- several at once


async def test_two_that_insert_the_same_key_at_once_become_one(url, store, open_store):
    other = open_store(url)

    def once(tx: Transaction) -> str:
        row = tx.get(LockRow, "prod")
        return (row or tx.save(lock("prod"))).environment

    assert await asyncio.gather(*(each.transaction(once) for each in (store, other) * 10)) == ["prod"] * 20


@needs_postgresql
async def test_whoever_inserts_what_another_has_just_inserted_starts_again_and_sees_it(postgresql, open_store):
    store = open_store(postgresql)
    both_looked = threading.Barrier(2)
    tries: list[str] = []

    def once(tx: Transaction, holder: str) -> str:
        tries.append(holder)
        row = tx.get(LockRow, "prod")
        if len(tries) <= 2:
            both_looked.wait(5)
        return (row or tx.save(LockRow(environment="prod", holder=holder, reason="", since=NOW))).holder

    first, second = await asyncio.gather(*(store.transaction(lambda tx, holder=holder: once(tx, holder)) for holder in ("op-1", "op-2")))
    assert first == second
    assert len(tries) == 3


@needs_postgresql
async def test_a_deadlock_is_resolved_by_running_one_of_the_two_anew(postgresql, open_store):
    store = open_store(postgresql)
    for name in ("prod", "staging"):
        await store.transaction(lambda tx, name=name: tx.save(lock(name)))
    both_hold_one = threading.Barrier(2)
    tries: list[str] = []

    def take(tx: Transaction, *order: str) -> None:
        tries.append(order[0])
        tx.get(LockRow, order[0], lock=True)
        if len(tries) <= 2:
            both_hold_one.wait(5)
        tx.get(LockRow, order[1], lock=True)

    await asyncio.gather(store.transaction(lambda tx: take(tx, "prod", "staging")), store.transaction(lambda tx: take(tx, "staging", "prod")))
    assert len(tries) > 2, "there was no deadlock"


async def test_a_row_that_is_held_loses_no_update(url, store, open_store):
    stores = [store, open_store(url)]
    await store.transaction(lambda tx: tx.save(EngineRow(holder="", lease_until=NOW)))

    def add(tx: Transaction) -> None:
        row = tx.get(EngineRow, 1, lock=True)
        row.fence += 1
        tx.save(row)

    await asyncio.gather(*(each.transaction(add) for each in stores * 10))
    assert await store.read(lambda tx: tx.get(EngineRow, 1).fence) == 20


FREE = Due(select(FreezeRow).where(col(FreezeRow.ends_at).is_(None)).order_by(col(FreezeRow.id)))


async def test_two_that_claim_at_once_never_get_the_same_row(url, store, open_store):
    stores = [store, open_store(url)]

    def fill(tx: Transaction) -> None:
        for _ in range(30):
            tx.save(FreezeRow(environment="prod", starts_at=NOW, reason="", by="lead"))

    def claim(tx: Transaction) -> list[int | None]:
        rows = FREE.claim(tx, 3)
        for row in rows:
            row.ends_at = NOW
            tx.save(row)
        return [row.id for row in rows]

    async def work(each: Store) -> list[int | None]:
        found: list[int | None] = []
        while got := await each.transaction(claim):
            found += got
        return found

    assert not await store.read(FREE.any)
    await store.transaction(fill)
    assert await store.read(FREE.any)
    assert [row.id for row in await store.read(lambda tx: FREE.rows(tx, 2))] == [1, 2]
    first, second = await asyncio.gather(*(work(each) for each in stores))
    assert sorted([*first, *second]) == list(range(1, 31))
    assert not await store.read(FREE.any)


@needs_postgresql
async def test_a_claim_does_not_wait_for_rows_that_another_holds(postgresql, open_store):
    store = open_store(postgresql)
    held, done = threading.Event(), threading.Event()
    for _ in range(2):
        await store.transaction(lambda tx: tx.save(FreezeRow(environment="prod", starts_at=NOW, reason="", by="lead")))

    def slowly(tx: Transaction) -> list[int | None]:
        rows = [row.id for row in FREE.claim(tx, 1)]
        held.set()
        assert done.wait(5)
        return rows

    slow = asyncio.create_task(store.transaction(slowly))
    await asyncio.to_thread(held.wait, 5)
    quick = await store.transaction(lambda tx: [row.id for row in FREE.claim(tx, 2)])
    done.set()
    assert (quick, await slow) == ([2], [1])
