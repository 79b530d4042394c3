"""What is kept of an incident that is closed: its timeline as people read it, for ever, also when its events are pruned."""

from collections.abc import Iterable, Sequence

from sqlmodel import col, or_, select

from bot.store.incident_tables import IncidentRow
from bot.store.tables import EventRow
from bot.store.transaction import Transaction
from escalation.incident import State
from escalation.timeline import Entry, rendered

TOLD, LEFT_OUT = ("incident.", "alert.", "page.", "channel.", "action."), "action.reminded"
"""How the kinds of event begin that are told of an incident, and the one that is not."""


def timeline(tx: Transaction, row: IncidentRow) -> str:
    """Returns the timeline of an incident: what was kept when it was closed, else its events up to now, after what was kept of those that are pruned."""
    if row.state == State.CLOSED and row.timeline is not None:
        return row.timeline
    return _joined(row.timeline, entries(tx, row.number))


def keep(tx: Transaction, row: IncidentRow) -> None:
    """Stores the timeline of an incident that has just been closed."""
    row.timeline = _joined(row.timeline, entries(tx, row.number))
    tx.save(row)


def remember(tx: Transaction, pruned: Sequence[EventRow]) -> None:
    """Keeps, for incidents that are not closed, what their timelines had of events that are about to be pruned."""
    numbers = {int(row.subject[1:]) for row in pruned if row.subject[:1] == "#" and row.subject[1:].isdecimal()}
    for number in sorted(numbers):
        incident = tx.get(IncidentRow, number, lock=True)
        if incident is not None and incident.state != State.CLOSED:
            mine = [row for row in pruned if row.subject == f"#{number}" and row.kind.startswith(TOLD) and row.kind != LEFT_OUT]
            incident.timeline = _joined(incident.timeline, _entries(mine))
            tx.save(incident)


def entries(tx: Transaction, number: int) -> list[Entry]:
    """Returns everything that happened to an incident, as far as it is in the log, the oldest first."""
    told = or_(*(col(EventRow.kind).startswith(kind) for kind in TOLD)) & (col(EventRow.kind) != LEFT_OUT)
    tx.session.flush()
    return _entries(tx.all(select(EventRow).where(EventRow.subject == f"#{number}", told).order_by(col(EventRow.id))))


def _entries(rows: Iterable[EventRow]) -> list[Entry]:
    return [Entry(at=row.at, kind=row.kind, actor=row.actor, data=row.payload or {}) for row in rows]


def _joined(kept: str | None, later: Sequence[Entry]) -> str:
    return "\n".join(part for part in (kept or "", rendered(later)) if part)
