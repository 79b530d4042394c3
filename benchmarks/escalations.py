"""How long it takes until everybody is paged whose escalation became due while the bot was down. The database is the only thing that is waited for."""

import asyncio
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, insert
from sqlmodel import SQLModel, col, select

from benchmarks.result import Result
from bot.config_file import read
from bot.core.clock import Clock
from bot.core.config import Config
from bot.settings import SHIPPED
from bot.store.incident_tables import EscalationRow, IncidentRow, PageRow, PolicyRow
from bot.store.migrate import upgrade
from bot.store.store import Store
from bot.store.tables import EventRow
from bot.store.transaction import Transaction
from escalation import book
from escalation.book import Draft
from escalation.manager import EscalationManager
from tests.databases import database

MANY = 20_000
GOAL = 2.0  # seconds
LATER = timedelta(minutes=20)  # L1 has had its 15 minutes
START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


class Standing:
    """A clock that is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


async def measure(*, many: int = MANY) -> list[Result]:
    """Measures SQLite, and PostgreSQL where TEST_DATABASE_URL names a server: there with one process and with three at once."""
    found = [Result(f"{many} overdue escalations served, SQLite", "s", await _measured("sqlite", many, 1), goal=GOAL)]
    if os.environ.get("TEST_DATABASE_URL"):
        found += [
            Result(
                f"{many} overdue escalations served, PostgreSQL, {replicas} process{'es' if replicas > 1 else ''}",
                "s",
                await _measured("postgresql", many, replicas),
                goal=GOAL,
            )
            for replicas in (1, 3)
        ]
    return found


async def _measured(kind: str, many: int, replicas: int) -> float:
    with tempfile.TemporaryDirectory(prefix="aiec-bench-") as folder, database(kind, Path(folder)) as url:
        clock = Standing(START)
        store = Store(url, clock)
        try:
            upgrade(store.engine)
            await store.transaction(lambda tx: _fill(tx, read(SHIPPED), many))
            clock.at = START + LATER
            if replicas == 1:
                began = time.perf_counter()
                await _serve(store, read(SHIPPED))
                took = time.perf_counter() - began
            else:
                took = await _together(url, clock.at, replicas)
            await store.read(lambda tx: _each_once(tx, many))
            return took
        finally:
            store.close()


def _fill(tx: Transaction, config: Config, many: int) -> None:
    """Opens one incident as the bot does, lets it page L1, and copies its rows."""
    incident = book.open_incident(tx, config, Draft(title="gateway: error rate 12 %", severity="SEV1", service="gateway"), "alertmanager")
    tx.session.flush()
    for table, key in ((IncidentRow, "id"), (EscalationRow, "incident"), (PageRow, "incident")):
        row = tx.session.exec(select(table)).one()  # type: ignore[call-overload]
        given = row.model_dump() | _paged(table)
        copies = [given | {key: number} | ({"key": f"{given['key']}-{number}"} if table is PageRow else {}) for number in range(incident.number + 1, many + 1)]
        tx.session.execute(insert(table), copies)
        for name, value in _paged(table).items():
            setattr(row, name, value)
    assert tx.session.exec(select(PolicyRow)).one()


def _paged(table: type[SQLModel]) -> dict[str, object]:
    """What a row says after L1 was paged in time."""
    if table is EscalationRow:
        return {"level": 1, "rounds": 1, "asked": ["engineer"], "paged_at": START, "next_at": START + timedelta(minutes=15)}
    if table is PageRow:
        sent = {"sent_version": 1, "sent_rounds": 1, "sent_level": 1, "sent_status": "triggered", "remote": "PT4KHLK", "delivered_at": START}
        return {"rounds": 1, "version": 1, "next_at": None, **sent}
    return {"stale": False}


async def _serve(store: Store, config: Config) -> None:
    manager = EscalationManager(store, config)
    while await manager.update(store.clock.now()):
        pass


async def _together(url: str, at: datetime, replicas: int) -> float:
    """Lets so many processes serve at once, none held back by an engine lock; returns the seconds from the word to the end of the last."""
    command = [sys.executable, "-m", "benchmarks.escalations", url, at.isoformat()]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    workers = [await asyncio.create_subprocess_exec(*command, **pipes) for _ in range(replicas)]  # type: ignore[arg-type]
    for worker in workers:
        assert worker.stdout is not None
        await worker.stdout.readline()
    began = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
    codes = await asyncio.gather(*(worker.wait() for worker in workers))
    assert codes == [0] * replicas, codes
    return time.perf_counter() - began


async def _work(url: str, clock: Clock) -> None:
    """One of several processes: says that it is ready, waits for the word, and serves."""
    store, config = Store(url, clock), read(SHIPPED)
    await store.read(lambda tx: tx.first(select(PolicyRow)))
    print("ready", flush=True)
    sys.stdin.readline()
    await _serve(store, config)
    store.close()


def _each_once(tx: Transaction, many: int) -> None:
    """Nobody was forgotten, and nobody paged twice."""
    at = START + LATER
    requested = tx.session.exec(select(EventRow.subject, func.count()).where(EventRow.kind == "page.requested").group_by(EventRow.subject)).all()
    assert len(requested) == many, len(requested)
    assert {count for _, count in requested} == {1}
    served = select(func.count()).select_from(EscalationRow).where(EscalationRow.level == 2, EscalationRow.rounds == 2, col(EscalationRow.paged_at) == at)
    assert tx.session.exec(served).one() == many
    wanted = select(func.count()).select_from(PageRow).where(PageRow.level == 2, PageRow.rounds == 2, PageRow.version == 2, col(PageRow.next_at) == at)
    assert tx.session.exec(wanted).one() == many


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], Standing(datetime.fromisoformat(sys.argv[2]))))
