"""Who holds the engine lock, and how managers get their turns."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlmodel import col, select

from bot.core.card import Card, line
from bot.core.clock import SystemClock
from bot.engine import LEASE, RENEW_EVERY, Engine
from bot.store.due import NOW, Due, Look
from bot.store.migrate import upgrade
from bot.store.store import Store
from bot.store.tables import EngineRow, LockRow, MessageRow, OperationRow
from bot.store.transaction import Message
from tests.databases import KINDS, database_with_schema, with_schema

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
MOMENT = timedelta(seconds=1)


class MovableClock:
    """A clock that somebody sets, forwards and back."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


class Counter:
    """A manager that counts its turns, and does in each what it is given. `due` tells whether it has anything to do."""

    def __init__(
        self, name: str = "counter", act: Callable[[], object] = lambda: False, patience: timedelta = timedelta(seconds=5), due: Look = lambda tx: True
    ) -> None:
        self.name, self.patience, self.turns, self._act, self._due = name, patience, 0, act, due

    def look(self) -> Look:
        return self._due

    async def update(self, now: datetime) -> bool:
        self.turns += 1
        done = self._act()
        return bool(await done if asyncio.iscoroutine(done) else done)


def fail(*_: object) -> bool:
    raise RuntimeError("a defect")


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture(params=KINDS)
def stores(request, tmp_path, clock):
    """Opens the same database again and again, with the movable clock or the real one."""
    opened: list[Store] = []
    with database_with_schema(request.param, tmp_path) as url:

        def make(real: bool = False) -> Store:
            opened.append(Store(url, SystemClock() if real else clock, durable=False))
            return opened[-1]

        yield make
        for store in opened:
            store.close()


@pytest.fixture
def store(tmp_path):
    """A database with the real clock, for what does not depend on the kind of database."""
    found = Store(with_schema(tmp_path / "aiec.db"), SystemClock(), durable=False)
    yield found
    found.close()


def looks(store: Store) -> list[float]:
    """The moments at which the database is read from here on, as they come."""
    found: list[float] = []
    event.listen(store.engine.pool, "checkout", lambda *_: found.append(time.monotonic()))
    return found


def holder(store: Store) -> str:
    row = store.look(lambda tx: tx.get(EngineRow, 1))
    return row.holder if row else ""


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


# ---- the lock


async def test_one_of_two_holds_and_the_other_takes_over_when_the_lease_is_over(stores, clock):
    first, second = Engine(stores(), [], "first"), Engine(stores(), [], "second")
    assert (await first.hold(), await second.hold()) == (True, False)
    clock.time += LEASE - MOMENT
    assert not await second.hold()
    clock.time += MOMENT
    assert (await second.hold(), await first.hold()) == (True, False)


async def test_a_lease_that_is_renewed_lasts(stores, clock):
    first, second = Engine(stores(), [], "first"), Engine(stores(), [], "second")
    for _ in range(10):
        assert (await first.hold(), await second.hold()) == (True, False)
        clock.time += RENEW_EVERY


async def test_a_lock_that_is_given_back_is_free_at_once(stores):
    first, second = Engine(stores(), [], "first"), Engine(stores(), [], "second")
    await first.hold()
    await second.release()  # not his to give
    assert not await second.hold()
    await first.release()
    assert (await second.hold(), await first.hold()) == (True, False)


async def test_what_was_under_way_when_an_engine_ended_in_order_is_nobodys_any_more(stores, clock):
    store = stores()
    work = {"state": "running", "document": {}, "next_at": clock.time, "lease_until": clock.time + timedelta(seconds=90)}
    engine = Engine(store, [], "first")
    await engine.hold()
    await store.transaction(lambda tx: tx.save(OperationRow(environment="prod", **work)))
    await Engine(stores(), [], "second").release()  # not his to let go
    assert store.look(lambda tx: tx.get(OperationRow, 1)).lease_until is not None
    await engine.release()
    assert store.look(lambda tx: tx.get(OperationRow, 1)).lease_until is None


async def test_of_many_that_start_at_once_one_holds_whichever_of_its_managers_asks(stores):
    engines = [Engine(stores(), [], f"engine-{number}") for number in range(4)]
    asked = await asyncio.gather(*(engine.hold() for engine in engines for _ in range(5)))
    answers = [set(asked[place : place + 5]) for place in range(0, 20, 5)]
    assert sorted(answers, key=str) == [{False}, {False}, {False}, {True}]


async def test_a_standby_writes_nothing_while_it_waits(stores):
    store = stores(real=True)
    await Engine(stores(real=True), [], "first").hold()
    commits: list[int] = []
    store.on_commit(lambda: commits.append(1))
    idle = Counter()
    async with running(Engine(store, [idle], "second")):
        await asyncio.sleep(1.5)
    assert (idle.turns, commits) == (0, [])


async def test_whoever_takes_over_takes_the_work_away_and_looks_at_it_at_once(stores, clock):
    store = stores()
    first, second = Engine(store, [], "first"), Engine(stores(), [], "second")
    await first.hold()
    later = clock.time + timedelta(minutes=10)

    def work(tx):
        tx.save(OperationRow(environment="prod", state="running", document={}, next_at=later, lease_until=later, fence=3))
        tx.save(OperationRow(environment="prod", state="done", document={}, fence=7))
        tx.send(Message(key="op-1", channel="#devops", card=Card(headline=line("…"))))
        row = tx.get(MessageRow, "op-1")
        row.next_at = row.lease_until = later
        tx.save(row)

    await store.transaction(work)
    clock.time += LEASE
    assert await second.hold()
    running_, done = (store.look(lambda tx, number=number: tx.get(OperationRow, number)) for number in (1, 2))
    assert (running_.fence, running_.lease_until, running_.next_at) == (4, None, clock.time)
    assert (done.fence, done.next_at) == (7, None)
    message = store.look(lambda tx: tx.get(MessageRow, "op-1"))
    assert (message.lease_until, message.next_at) == (None, clock.time)


@pytest.mark.parametrize("back", [timedelta(hours=-1), timedelta(seconds=-30)])
async def test_a_clock_that_is_set_back_stops_nobody(stores, clock, back):
    store = stores()
    engine = Engine(store, [], "first")
    await engine.hold()
    clock.time += back
    assert await engine.hold()
    assert store.look(lambda tx: tx.get(EngineRow, 1)).lease_until == clock.time + LEASE
    clock.time += LEASE
    assert await Engine(stores(), [], "second").hold()


@pytest.mark.parametrize("gone", ["killed", "stopped"])
async def test_what_was_planned_before_the_clock_was_set_back_is_looked_at_after_a_restart(stores, clock, gone):
    store = stores()
    engine = Engine(store, [], "first")
    await engine.hold()
    soon = clock.time + MOMENT
    await store.transaction(lambda tx: tx.save(OperationRow(environment="prod", state="running", document={}, next_at=soon)))
    if gone == "stopped":
        await engine.release()
    clock.time -= timedelta(hours=1)
    assert await Engine(stores(), [], "second").hold()
    assert store.look(lambda tx: tx.get(OperationRow, 1)).next_at == clock.time


# ---- turns


async def test_a_manager_that_fails_or_hangs_costs_nobody_elses_turn(store, caplog):
    failing, hanging, fine = Counter("failing", fail), Counter("hanging", lambda: asyncio.sleep(60), patience=timedelta(seconds=0.05)), Counter("fine")
    engine = Engine(store, [failing, hanging, fine])
    with caplog.at_level(logging.ERROR, "aiec.engine"):
        assert not await engine.tick()
    assert (failing.turns, hanging.turns, fine.turns, engine.failures) == (1, 1, 1, 2)
    assert [record.message for record in caplog.records] == ["failing failed", "hanging failed"]


async def test_one_read_tells_who_of_all_has_something_to_do(store):
    idle = [Counter(f"idle {number}", due=lambda tx: tx.get(EngineRow, 2) is not None) for number in range(20)]
    due = Counter("due", due=lambda tx: tx.get(EngineRow, 1) is not None)
    engine = Engine(store, [*idle[:10], due, *idle[10:]])
    await engine.hold()
    reads = looks(store)
    await engine.tick()
    assert (due.turns, {manager.turns for manager in idle}) == (1, {0})
    assert len(reads) == 2, "once to find the one, and once to look what it has left to those after it"


async def test_who_comes_later_finds_what_who_came_before_has_left_to_him(store):
    made: list[int] = []
    later = Counter("later", due=lambda tx: bool(made))
    engine = Engine(store, [Counter("before", lambda: made.append(1), due=lambda tx: not made), later])
    await engine.tick()
    assert later.turns == 1


@pytest.mark.parametrize("look", [fail, lambda tx: tx.session.execute(text("select nothing"))], ids=["a defect", "a query"])
async def test_a_manager_that_cannot_look_silences_nobody(stores, caplog, look):
    blind, fine = Counter("blind", due=look), Counter("fine")
    store = stores(real=True)
    engine = Engine(store, [blind, fine])
    with caplog.at_level(logging.ERROR, "aiec.engine"):
        await engine.tick()
        assert (blind.turns, fine.turns) == (1, 1)
        async with running(engine):
            await until(lambda: blind.turns > 1 and fine.turns > 1)
    said = [record.message for record in caplog.records if record.message == "the engine cannot look"]
    assert len(said) == engine.failures
    assert said or look is not fail


async def test_conditions_are_asked_in_one_query_whoever_is_looked_at(store):
    statements: list[str] = []
    waiting = Due(select(OperationRow).where(OperationRow.state == "waiting", col(OperationRow.next_at) <= NOW))
    idle = [Counter(f"idle {number}", due=waiting.there) for number in range(20)]
    busy = Counter("busy", due=~waiting.there)
    engine = Engine(store, [*idle[:10], busy, Counter("never", due=False), *idle[10:]])
    await engine.tick()
    event.listen(store.engine, "before_cursor_execute", lambda connection, cursor, statement, *_: statements.append(statement))
    await engine.tick()
    assert (busy.turns, {manager.turns for manager in idle}) == (2, {0})
    assert (len(statements), len({*statements})) == (2, 1), statements


async def test_who_cannot_look_does_not_keep_the_engine_busy(store):
    reads = looks(store)
    writing = Counter("writing", lambda: store.transaction(lambda tx: None), due=fail)
    async with running(Engine(store, [writing])):
        await until(lambda: writing.turns > 1)
    assert len(reads) <= 5, "each commit made it look again"


async def test_settling_goes_on_while_anything_moves_and_not_for_ever(store):
    left = [True, True, False]
    moving = Counter(act=lambda: left.pop(0) if left else True)
    engine = Engine(store, [moving])
    await engine.settle()
    assert moving.turns == 3
    with pytest.raises(RuntimeError, match="does not come to rest"):
        await engine.settle()


async def test_a_commit_gives_everybody_a_turn_at_once(store):
    counter = Counter()
    async with running(Engine(store, [counter])):
        await until(lambda: counter.turns > 0)
        await asyncio.sleep(0.1)
        before, began = counter.turns, time.monotonic()
        await store.transaction(lambda tx: tx.save(LockRow(environment="prod", holder="op-1", reason="", since=START)))
        await until(lambda: counter.turns > before)
        assert time.monotonic() - began < 0.5, "that was the clock, not the commit"


async def test_the_clock_ticks_when_nothing_wakes(store):
    counter = Counter()
    async with running(Engine(store, [counter])):
        await until(lambda: counter.turns >= 3)


async def test_a_slow_manager_holds_up_no_other(store):
    slow, quick = Counter("slow", lambda: asyncio.sleep(60), patience=timedelta(minutes=2)), Counter("quick")
    engine = Engine(store, [slow, quick])
    async with running(engine):
        await until(lambda: slow.turns == 1)
        before = quick.turns
        engine.wake()
        await until(lambda: quick.turns > before)
    assert slow.turns == 1


async def test_what_comes_up_while_a_manager_is_busy_is_found_when_its_turn_is_over(store):
    done, more = asyncio.Event(), asyncio.Event()

    async def nothing_moves() -> None:
        await done.wait()

    busy = Counter("busy", nothing_moves, due=lambda tx: more.is_set() or busy.turns == 0)
    async with running(Engine(store, [busy])):
        await until(lambda: busy.turns == 1)
        more.set()
        await store.transaction(lambda tx: tx.save(LockRow(environment="prod", holder="op-1", reason="", since=START)))
        await asyncio.sleep(0.1)
        assert busy.turns == 1
        began = time.monotonic()
        done.set()
        await until(lambda: busy.turns > 1)
        assert time.monotonic() - began < 0.5, "that was the clock"


async def test_a_stopped_engine_leaves_nothing_behind(store):
    before = asyncio.all_tasks()
    async with running(Engine(store, [Counter()], "first")):
        await until(lambda: holder(store) == "first")
    assert (holder(store), asyncio.all_tasks()) == ("", before)


async def test_an_engine_that_loses_its_lock_rests_until_it_has_it_again(stores, clock):
    store = stores()
    counter = Counter()
    engine = Engine(store, [counter], "first")
    async with running(engine):
        await until(lambda: counter.turns > 0)
        await store.transaction(lambda tx: tx.save(_taken(tx.get(EngineRow, 1), clock)))
        clock.time += RENEW_EVERY
        await asyncio.sleep(0.1)
        before = counter.turns
        engine.wake()
        await asyncio.sleep(0.3)
        assert counter.turns == before
        clock.time += LEASE
        await until(lambda: counter.turns > before)
        assert holder(store) == "first"


def _taken(row: EngineRow, clock: MovableClock) -> EngineRow:
    row.holder, row.fence, row.lease_until = "second", row.fence + 1, clock.time + LEASE
    return row


async def test_an_engine_outlives_its_database(tmp_path, caplog):
    path = tmp_path / "aiec.db"
    store = Store(f"sqlite:///{path}", SystemClock())
    upgrade(store.engine)
    store.engine.dispose()
    counter = Counter()
    path.rename(tmp_path / "elsewhere.db")
    path.mkdir()
    with caplog.at_level(logging.ERROR, "aiec.engine"):
        async with running(Engine(store, [counter])):
            await until(lambda: bool(caplog.records))
            assert counter.turns == 0
            path.rmdir()
            (tmp_path / "elsewhere.db").rename(path)
            await until(lambda: counter.turns > 0)
    store.close()
    assert {record.message for record in caplog.records} == {"the engine lock cannot be held"}
