"""The one way to the database: a plain function over a transaction, run in a worker thread.

A transaction is synchronous on purpose: nothing in it can wait for the network. It saves state, records events and queues messages together or not at all.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool
from sqlmodel import Session

from bot.core.clock import Clock
from bot.core.errors import Unavailable
from bot.store.transaction import Transaction
from bot.store.turns import Turns

TRIES = 3
BUSY_FOR = 5
"""Seconds that SQLite waits for others who write."""
MIGRATED_WITHIN = 60
"""Seconds that it waits for somebody else's migrations."""
COLLISIONS = ("40001", "40P01")  # serialization_failure, deadlock_detected
DEFECTS = (IntegrityError, ProgrammingError, DataError, NotSupportedError)

T = TypeVar("T")


class NoDatabase(Unavailable):
    """Our own database does not answer, is read-only or full. Whatever needed it can be tried again."""


class TooSlow(NoDatabase):
    """The transaction was given up before it committed: nothing was done."""


class _Decision:
    """Whether a transaction commits or is given up: whoever comes first decides, and the other learns of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: str | None = None

    def take(self, choice: str) -> bool:
        with self._lock:
            if self._taken is None:
                self._taken = choice
            return self._taken == choice


class Store:
    """`url` as DATABASE_URL. `threads=False` runs transactions in the caller's thread (the simulation, where one thing happens at a time).

    `engine` is used instead of a new one of `url`: whoever opens the same database again and again need not compile every statement again.
    """

    def __init__(self, url: str, clock: Clock, *, threads: bool = True, durable: bool = True, engine: Engine | None = None) -> None:
        self.clock = clock
        self.engine = engine or make_engine(url, durable=durable)
        self._reading = self.engine.execution_options(reading=True)
        self.sqlite = self.engine.dialect.name == "sqlite"
        workers = 1 if self.sqlite else 4
        self._pool = ThreadPoolExecutor(workers, "store") if threads else None
        self._turns = Turns(workers)
        self._woken: list[Callable[[], None]] = []

    def on_commit(self, wake: Callable[[], None]) -> None:
        """Calls `wake` in the event loop after every commit."""
        self._woken.append(wake)

    async def transaction(self, work: Callable[[Transaction], T], *, within: timedelta | None = None) -> T:
        """Runs `work` and commits; an exception rolls everything back. `work` runs anew when it collides with somebody else's transaction.

        `within`: if it has not committed by then, it never will, and TooSlow is raised.
        Raises NoDatabase when the database does not answer, is read-only or full.
        """
        result = await self._run(lambda decision: self._attempt(work, decision), within)
        for wake in self._woken:
            wake()
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` on a snapshot and rolls back: nothing it does is kept, and nobody is woken."""
        return await self._run(lambda _: self.look(work), None)

    async def _run(self, job: Callable[[_Decision], T], within: timedelta | None) -> T:
        decision = _Decision()
        if self._pool is None:
            return job(decision)
        if within is None:
            return await self._in_turn(job, decision, urgent=False)
        running = asyncio.create_task(self._in_turn(job, decision, urgent=True))
        done, _ = await asyncio.wait({running}, timeout=within.total_seconds())
        if not done and decision.take("give up"):
            running.add_done_callback(lambda abandoned: abandoned.cancelled() or abandoned.exception())
            raise TooSlow("The database did not answer in time, so nothing was done.", "Try again; `aiec check` says what is wrong with it.")
        return await running

    async def _in_turn(self, job: Callable[[_Decision], T], decision: _Decision, *, urgent: bool) -> T:
        """Whoever has a time limit, because a person waits, goes before the managers."""
        async with self._turns.one(urgent=urgent):
            return await asyncio.get_running_loop().run_in_executor(self._pool, job, decision)

    def _attempt(self, work: Callable[[Transaction], T], decision: _Decision, tries: int = TRIES) -> T:
        try:
            with Session(self.engine, expire_on_commit=False) as session:
                result = work(Transaction(session, self.clock.now()))
                session.flush()
                if not decision.take("commit"):
                    raise TooSlow("The database did not answer in time, so nothing was done.")
                _commit(session)
                return result
        except (DBAPIError, PoolTimeout) as error:
            if tries > 1 and _collided(error):
                return self._attempt(work, decision, tries - 1)
            raise _translated(error) from error

    def look(self, work: Callable[[Transaction], T]) -> T:
        """The same as `read`, in the caller's thread: for whoever has no event loop."""
        with translated(), Session(self._reading, expire_on_commit=False) as session:
            return work(Transaction(session, self.clock.now()))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        self.engine.dispose()


def _commit(session: Session) -> None:
    try:
        session.commit()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise NoDatabase("The database went away while it committed: whether it was done is not known.", "`/aiec` shows what is going on now.") from error


def _collided(error: Exception) -> bool:
    """Tells whether a transaction met another one: the same key was inserted meanwhile, or the database could not put the two in an order."""
    return isinstance(error, IntegrityError) or (isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in COLLISIONS)


@contextmanager
def translated() -> Iterator[None]:
    """Lets what goes wrong with the database be NoDatabase. Mistakes of ours stay what they are."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    return error if isinstance(error, DEFECTS) else _unavailable(error)


def _unavailable(error: Exception) -> NoDatabase:
    """Returns what a person is told of a database error: its first line, without SQL and parameters."""
    cause = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines() or [type(error).__name__]
    return NoDatabase(f"The database cannot be used: {cause[0]}.", "Nothing was done. `aiec check` says more.")


def make_engine(url: str, *, durable: bool = True) -> Engine:
    """Returns an engine for `sqlite:///path` or `postgresql://…`, with the settings that the promises need (WAL and FULL, time limits).

    `durable=False` leaves out waiting for the disk: for simulations, which lose no power.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, poolclass=QueuePool, pool_size=5, connect_args={"check_same_thread": False, "timeout": BUSY_FOR, "isolation_level": None})
        event.listen(engine, "connect", lambda connection, _: _set_up_sqlite(connection, durable))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    url = url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg://", 1)
    # The last five notice within about 25 s that the server's host is gone.
    patience = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
    limits = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000 -c timezone=UTC"
    return create_engine(url, pool_pre_ping=True, pool_size=5, pool_timeout=5, connect_args={**patience, "options": limits})


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes SQLite's write lock at once: a transaction that first reads and then writes could not be retried."""
    options = connection.get_execution_options()
    if options.get("reading"):
        connection.connection.driver_connection.execute("BEGIN")  # type: ignore[union-attr]  # which takes no lock, and cannot fail
        return
    if options.get("patient"):
        connection.exec_driver_sql(f"PRAGMA busy_timeout={MIGRATED_WITHIN * 1000}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if options.get("patient"):
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_FOR * 1000}")


def _set_up_sqlite(connection: object, durable: bool) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    _use_wal(cursor)
    for pragma in (f"synchronous={'FULL' if durable else 'OFF'}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """SQLite does not wait for others when it changes the journal's mode, as two processes do that begin with a new file at the same moment."""
    deadline = time.monotonic() + BUSY_FOR
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
