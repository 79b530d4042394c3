"""How long it takes to make a post-mortem of a long incident: from the database's events to the Markdown that people read."""

import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from benchmarks.result import Result
from bot.core.clock import SystemClock
from bot.store.incident_tables import IncidentRow
from bot.store.migrate import upgrade
from bot.store.store import Store
from bot.store.tables import EventRow
from bot.store.transaction import Transaction
from escalation.incident import Incident, State
from escalation.postmortem.document import Head, markdown
from escalation.postmortem.draft import draft
from escalation.postmortem.material import material

BEGAN = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def measure(*, events: int = 5_000, rounds: int = 5) -> list[Result]:
    """Drafts it from so many events, a third of them notes of people, and renders it."""
    took = []
    with tempfile.TemporaryDirectory(prefix="aiec-bench-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'aiec.db'}", SystemClock(), durable=False)
        upgrade(store.engine)
        await store.transaction(lambda tx: _fill(tx, events))
        for _ in range(rounds):
            began = time.perf_counter()
            made = await store.read(_drafted)
            took.append(time.perf_counter() - began)
            assert made.count("\n- ") > events // 3, "every note stands in it"
        store.close()
    return [Result(f"post-mortem of {events} events", "s", statistics.median(took), goal=1)]


def _drafted(tx: Transaction) -> str:
    found = material(tx, 1)
    assert found is not None
    return markdown(draft(found), {}, (), Head(state="drafted"))


def _fill(tx: Transaction, events: int) -> None:
    incident = Incident(
        number=1, title="error rate", severity="SEV1", state=State.RESOLVED, opened_at=BEGAN, opened_by="aiec", active_at=BEGAN, resolved_at=BEGAN
    )
    tx.save(IncidentRow(id=1, state="resolved", severity="SEV1", document=incident.model_dump(mode="json"), opened_at=BEGAN))
    kinds = ("incident.note", "incident.severity", "alert.merged")
    rows = [
        {
            "at": BEGAN + timedelta(seconds=number),
            "kind": kinds[number % 3],
            "subject": "#1",
            "actor": "engineer",
            "payload": {"text": f"seen *{number}* times <now>", "alert": f"alert-{number}", "was": "SEV2", "now": "SEV1"},
        }
        for number in range(events)
    ]
    tx.session.execute(insert(EventRow), rows)
