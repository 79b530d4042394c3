"""How long it takes to make the figures of a month of many incidents, from reading them to the message, its tables and its chart."""

import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import SQLModel, insert

from benchmarks.result import Result
from bot.config_file import read as configuration
from bot.core.clock import Clock
from bot.settings import SHIPPED
from bot.store.incident_tables import IncidentRow
from bot.store.migrate import upgrade
from bot.store.store import Store
from bot.store.tables import EventRow
from bot.store.transaction import Transaction
from escalation.incident import Incident, State
from escalation.trends.card import review
from escalation.trends.facts import Month
from escalation.trends.reading import read

END = datetime(2026, 12, 1, tzinfo=UTC)
MONTH = Month(year=2026, month=11)
SERVICES = ("gateway", "ml-recommendation", "postgres", "redis", "rabbitmq")


class _Now(Clock):
    def now(self) -> datetime:
        return END


async def measure(*, count: int = 10_000, rounds: int = 5) -> list[Result]:
    """Reads so many incidents of two months, each with an alert, a page and their events, from SQLite."""
    took = []
    config = configuration(SHIPPED)
    with tempfile.TemporaryDirectory(prefix="aiec-bench-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'aiec.db'}", _Now())
        try:
            upgrade(store.engine)
            await store.transaction(lambda tx: _fill(tx, count))
            for _ in range(rounds):
                began = time.perf_counter()
                facts = await store.read(lambda tx: read(tx, config, MONTH))
                card = review(MONTH, facts, END)
                took.append(time.perf_counter() - began)
                assert len(facts.incidents) == count
                assert card.evidence
        finally:
            store.close()
    return [Result(f"figures of {count} incidents, SQLite", "s", statistics.median(took), goal=2)]


def _fill(tx: Transaction, count: int) -> None:
    step = timedelta(days=60) / count
    incidents: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        at = END - timedelta(days=60) + (number - 1) * step
        incidents.append(_incident(number, at))
        events += _events(number, at)
    _insert(tx, IncidentRow, incidents)
    _insert(tx, EventRow, events)


def _insert(tx: Transaction, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), 5_000):
        tx.session.execute(insert(table), rows[start : start + 5_000])


def _incident(number: int, at: datetime) -> dict[str, Any]:
    service = SERVICES[number % len(SERVICES)]
    one = Incident(
        number=number, title=f"{service}: error rate", severity=f"SEV{1 + number % 4}", state=State.CLOSED, service=service,
        origin="alert", alert="HighErrorRate", opened_at=at, opened_by="alertmanager", answered_at=at + timedelta(minutes=3),
        mitigated_at=at + timedelta(minutes=9), active_at=at, resolved_at=at + timedelta(minutes=20), closed_at=at + timedelta(hours=1),
    )  # fmt: skip
    fields = {"state": one.state, "severity": one.severity, "service": service, "topic": service, "private": number % 100 == 0, "stale": False}
    return {"id": number, "opened_at": at, "resolved_at": one.resolved_at, "document": one.model_dump(mode="json"), **fields}


def _events(number: int, at: datetime) -> list[dict[str, Any]]:
    alert = {"alert": f"Alert{number % 50}", "fingerprint": f"{number % 300:016x}", "service": SERVICES[number % len(SERVICES)], "because": ""}
    page = {"level": 1, "name": "DevOps Engineer", "people": ["engineer"], "round": 1}
    told = (("alert.opened", alert), ("incident.opened", {}), ("page.requested", page), ("incident.acknowledged", {}), ("incident.resolved", {}))
    return [{"at": at, "kind": kind, "subject": f"#{number}", "actor": "aiec", "payload": payload} for kind, payload in told]
