"""The engine: it holds the engine lock and gives every manager its turn, at once after a commit or a watch event, and by the clock when nothing wakes it."""

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import ColumnElement, Select, select, update
from sqlmodel import col

from bot.core.errors import Unavailable
from bot.core.events import Event
from bot.store.due import NOW, Look, moments
from bot.store.incident_tables import ChannelRow, PageRow
from bot.store.store import NoDatabase, Store
from bot.store.tables import EngineRow, MessageRow, OperationRow, RequestRow
from bot.store.transaction import Transaction

LEASE = timedelta(seconds=15)
RENEW_EVERY = timedelta(seconds=5)
TICK = timedelta(seconds=1)
CLOCKS_DIFFER = timedelta(minutes=1)
ROUNDS = 1000
LOOK_WITHIN = timedelta(seconds=10)

log = logging.getLogger("aiec.engine")


class Manager(Protocol):
    """Moves what is due of one concern by one step. `patience` is how long one update may take before it is given up."""

    name: str
    patience: timedelta

    def look(self) -> Look:
        """Returns whether there may be something to do: only then it gets a turn. A condition is the same one whenever it is returned: those of all managers
        are asked in one query."""
        ...

    async def update(self, now: datetime) -> bool:
        """Does what there is to do, and returns whether there was anything."""
        ...


class Engine:
    def __init__(self, store: Store, managers: Sequence[Manager], holder: str | None = None) -> None:
        self._store = store
        self._managers = [*managers]
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._fence = 0
        self._held_until: datetime | None = None
        self._holding = asyncio.Lock()
        self._bell = asyncio.Event()
        self._turns = {manager.name: asyncio.Event() for manager in managers}
        self._missed: set[str] = set()
        self._conditions: dict[str, ColumnElement[bool]] = {}
        self._question: Select[Any] = select()
        self.failures = 0
        store.on_commit(self.wake)

    def add(self, manager: Manager) -> None:
        """Adds a manager before the engine runs."""
        self._managers.append(manager)
        self._turns[manager.name] = asyncio.Event()

    def wake(self) -> None:
        """Gives every manager that has something to do a turn soon."""
        self._bell.set()

    @property
    def held(self) -> bool:
        """Whether the engine lock is surely ours at this moment: its lease is not over, so that nobody can have taken it."""
        return self._held_until is not None and self._held_until - LEASE <= self._store.clock.now() < self._held_until

    async def hold(self) -> bool:
        """Takes or renews the engine lock and returns whether it is ours. Whoever takes it over looks at everything anew."""
        async with self._holding:
            now = self._store.clock.now()
            if self._held_until is not None and LEASE - RENEW_EVERY < self._held_until - now <= LEASE:
                return True
            # Whoever has not had it only looks first: a commit would wake the managers, which would ask again.
            free = self._held_until is not None or await self._store.read(lambda tx: self._free(tx.get(EngineRow, 1), tx.now))
            fence = await self._store.transaction(self._lock) if free else 0
            self._held_until = now + LEASE if fence else None
            self._fence = fence or self._fence
            return bool(fence)

    def _mine(self, row: EngineRow) -> bool:
        return row.holder == self.holder and row.fence == self._fence

    def _free(self, row: EngineRow | None, now: datetime) -> bool:
        """Tells whether the lock may be taken or renewed. A lease that ends later than any clock would write it is from before the clock was set back."""
        return row is None or not row.holder or self._mine(row) or not now < row.lease_until <= now + LEASE + CLOCKS_DIFFER

    def _lock(self, tx: Transaction) -> int:
        row = tx.get(EngineRow, 1, lock=True) or EngineRow(holder="", lease_until=tx.now, fence=0)
        if not self._free(row, tx.now):
            return 0
        if not self._mine(row) or row.lease_until > tx.now + LEASE + CLOCKS_DIFFER:
            row.fence += 1
            _look_anew(tx)
            tx.record(Event(kind="engine.started", subject="engine", data={"holder": self.holder, "fence": row.fence}))
        row.holder, row.lease_until = self.holder, tx.now + LEASE
        return tx.save(row).fence

    async def release(self) -> None:
        """Gives the lock back, and what was under way when the managers were ended, so that nobody need wait for a lease to run out."""

        def mine(tx: Transaction) -> EngineRow | None:
            row = tx.get(EngineRow, 1, lock=True)
            return row if row is not None and row.holder == self.holder else None

        def free(tx: Transaction) -> None:
            if (row := mine(tx)) is not None:
                row.holder = ""
                tx.save(row)
                _let_go(tx)

        self._held_until = None
        # What the database says counts: it may have been ended before it knew that it had got the lock.
        if await self._store.read(lambda tx: mine(tx) is not None):
            await self._store.transaction(free)

    async def tick(self) -> bool:
        """Gives every manager that has something to do one turn, one after the other, if the lock is ours. Returns whether anything moved."""
        if not await self.hold():
            return False
        moved, left = False, [*self._managers]
        while left:  # a turn may give those that come after it something to do
            due = await self._due(left)
            if due == []:
                break
            one = (due or left)[0]
            moved = await self._turn(one) or moved
            left = left[left.index(one) + 1 :]
        return moved

    async def settle(self) -> None:
        """Ticks until nothing is due at this moment of the clock."""
        for _ in range(ROUNDS):
            if not await self.tick():
                return
        raise RuntimeError(f"the engine does not come to rest: {ROUNDS} rounds and still something moves")

    async def run(self) -> None:
        """Runs until cancelled: one task looks who has something to do, and each manager does it in a task of its own, so that a slow one holds up nobody."""
        # By this executor jobs run in the loop itself: bells are not rung from other threads, and none is under way when the scheduler ends.
        scheduler = AsyncIOScheduler(timezone="UTC", executors={"default": DebugExecutor()})
        scheduler.add_job(self.wake, "interval", seconds=TICK.total_seconds(), coalesce=True, max_instances=1, misfire_grace_time=None)
        scheduler.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(), name="engine: look")
                for manager in self._managers:
                    group.create_task(self._loop(manager), name=manager.name)
        finally:
            scheduler.shutdown(wait=False)
            with contextlib.suppress(Unavailable):
                await self.release()

    async def _watch(self) -> None:
        """Looks, whenever somebody rings, and gives turns. Whoever is busy is looked at when his turn is over."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                if not await self.hold():
                    continue
                idle = [manager for manager in self._managers if not self._turns[manager.name].is_set()]
                self._missed |= self._turns.keys() - {manager.name for manager in idle}
                due = await self._due(idle)
                for manager in idle if due is None else due:
                    self._turns[manager.name].set()
                if due is None:  # what they commit would ring at once
                    await asyncio.sleep(TICK.total_seconds())
            except Exception:
                log.exception("the engine lock cannot be held")
                await asyncio.sleep(TICK.total_seconds())

    async def _loop(self, manager: Manager) -> None:
        turn = self._turns[manager.name]
        while True:
            await turn.wait()
            moved = await self._turn(manager)
            turn.clear()
            if moved or manager.name in self._missed:
                self._missed.discard(manager.name)
                self._bell.set()

    async def _due(self, managers: Sequence[Manager]) -> list[Manager] | None:
        """Returns who has something to do, None where nobody can look. Then all have to try: each finds out by itself what is wrong."""
        try:
            looks = {manager.name: manager.look() for manager in managers}
            async with asyncio.timeout(LOOK_WITHIN.total_seconds()):
                found = await self._store.read(lambda tx: self._found(looks, tx))
        except NoDatabase:
            return None
        except Exception:
            self.failures += 1
            log.exception("the engine cannot look")
            return None
        return [manager for manager in managers if found[manager.name]]

    def _found(self, looks: Mapping[str, Look], tx: Transaction) -> Mapping[str, bool]:
        """Returns what the looks found, by the managers' names. All conditions that were ever met are asked in one query, so that it is made and compiled once,
        whoever is looked at this time."""
        conditions = {name: look for name, look in looks.items() if isinstance(look, ColumnElement)}
        if not conditions.keys() <= self._conditions.keys():
            self._conditions |= conditions
            columns: list[ColumnElement[Any]] = [condition.label(f"m{number}") for number, condition in enumerate(self._conditions.values())]
            self._question = select(*columns)
        met = tx.session.connection().execute(self._question, moments(tx.now)).one() if conditions else ()
        found = dict(zip(self._conditions, met, strict=False))
        found |= {name: look for name, look in looks.items() if isinstance(look, bool)}
        return found | {name: look(tx) for name, look in looks.items() if callable(look)}

    async def _turn(self, manager: Manager) -> bool:
        """One update behind a time limit and a panic barrier: one manager's trouble is its own."""
        try:
            async with asyncio.timeout(manager.patience.total_seconds()):
                return await manager.update(self._store.clock.now())
        except Exception:
            self.failures += 1
            log.exception("%s failed", manager.name)
            return False


_LET_GO = [
    update(table).where(col(table.lease_until).is_not(None)).values(lease_until=None) for table in (RequestRow, OperationRow, MessageRow, PageRow, ChannelRow)
]
_LOOK_ANEW = [
    update(OperationRow).where(col(OperationRow.next_at).is_not(None)).values(fence=OperationRow.fence + 1, next_at=NOW),
    *(update(table).where(col(table.next_at).is_not(None)).values(next_at=NOW) for table in (MessageRow, PageRow, ChannelRow)),
]


def _let_go(tx: Transaction) -> None:
    """Takes all work away from whoever has it."""
    for statement in _LET_GO:
        tx.session.connection().execute(statement)


def _look_anew(tx: Transaction) -> None:
    """Takes all work away, and makes all that waits for a moment due: an early look does no harm, and that moment may never come."""
    _let_go(tx)
    for statement in _LOOK_ANEW:
        tx.session.connection().execute(statement, {"now": tx.now})
