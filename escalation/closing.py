"""What is kept of an incident that is closed: its timeline as people read it, for ever, also when its events are pruned."""

from sqlmodel import and_, col, or_, select

from bot.store.incident_tables import IncidentRow
from bot.store.tables import EventRow
from bot.store.transaction import Transaction
from escalation.timeline import Entry, rendered


def timeline(tx: Transaction, row: IncidentRow) -> str:
    """Returns the timeline of an incident: what was kept when it was closed, else its events up to now."""
    return row.timeline if row.timeline is not None else rendered(entries(tx, row.number))


def keep(tx: Transaction, row: IncidentRow) -> None:
    """Stores the timeline of an incident that has just been closed."""
    row.timeline = rendered(entries(tx, row.number))
    tx.save(row)


def entries(tx: Transaction, number: int) -> list[Entry]:
    """Returns everything that happened to an incident, the oldest first."""
    kind = col(EventRow.kind)
    told_of_actions = and_(kind.startswith("action."), kind != "action.reminded")
    told = or_(kind.startswith("incident."), kind.startswith("alert."), kind.startswith("page."), kind.startswith("channel."), told_of_actions)
    tx.session.flush()
    rows = tx.all(select(EventRow).where(EventRow.subject == f"#{number}", told).order_by(col(EventRow.id)))
    return [Entry(at=row.at, kind=row.kind, actor=row.actor, data=row.payload or {}) for row in rows]
