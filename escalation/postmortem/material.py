"""What a post-mortem is drafted from, read from our own records: the event log, the alerts, our operations, and the incidents that were merged into it."""

from datetime import datetime, timedelta

from sqlmodel import col, or_, select

from bot.core.operation import Operation, Phase
from bot.store.incident_tables import AlertRow, IncidentRow
from bot.store.tables import EventRow, OperationRow
from bot.store.transaction import Transaction
from escalation.incident import Incident
from escalation.postmortem.draft import Change, Material, Part
from escalation.timeline import Entry

_KINDS = ("incident.", "alert.", "page.", "level.", "channel.")
_UNTOLD = ("incident.still", "incident.asked", "channel.archived", "page.noted", "page.remarked")
LINKS = 10
_LATER = timedelta(minutes=5)
"""How long after it was resolved something may still belong to it."""


def material(tx: Transaction, number: int) -> Material | None:
    """Returns all that is known of an incident; None where there is none of that number."""
    row = tx.get(IncidentRow, number)
    if row is None:
        return None
    incident = Incident.model_validate(row.document)
    parts = _parts(tx, number)
    entries = [*_entries(tx, number), *(entry for part in parts for entry in _entries(tx, part.number, of=f"#{part.number}"))]
    alerts = tx.all(select(AlertRow).where(AlertRow.incident == number).order_by(col(AlertRow.starts_at)))
    counts: dict[str, int] = {}
    for alert in alerts:
        counts[alert.name or "an alert without a name"] = counts.get(alert.name or "an alert without a name", 0) + 1
    began = min((alert.starts_at for alert in alerts), default=None)
    links = dict.fromkeys((f"alert {alert.name}", alert.url) for alert in alerts if alert.url.startswith(("https://", "http://")) and " " not in alert.url)
    return Material(
        incident=incident,
        entries=tuple(sorted(entries, key=lambda entry: entry.at)),
        began_at=began,
        alerts=tuple(counts.items()),
        links=tuple(links)[:LINKS],
        changes=tuple(_changes(tx, incident, began or incident.opened_at)),
        parts=tuple(parts),
    )


def _entries(tx: Transaction, number: int, of: str = "") -> list[Entry]:
    kind = col(EventRow.kind)
    told = or_(*(kind.startswith(prefix) for prefix in _KINDS))
    query = select(EventRow).where(EventRow.subject == f"#{number}", told, kind.not_in(_UNTOLD)).order_by(col(EventRow.id))
    return [Entry.model_construct(at=row.at, kind=row.kind, actor=row.actor, data=row.payload or {}, of=of) for row in tx.all(query)]


def _parts(tx: Transaction, number: int) -> list[Part]:
    absorbed = select(EventRow).where(EventRow.subject == f"#{number}", EventRow.kind == "incident.absorbed").order_by(col(EventRow.id))
    numbers = dict.fromkeys(int(str((row.payload or {}).get("other", "#0")).removeprefix("#")) for row in tx.all(absorbed))
    found = [tx.get(IncidentRow, one) for one in numbers]
    parts = [Incident.model_validate(row.document) for row in found if row is not None]
    return [Part(number=one.number, title=one.title, opened_at=one.opened_at) for one in parts if one.merged_into == number]


def _changes(tx: Transaction, incident: Incident, since: datetime) -> list[Change]:
    """Returns what our operations did where the incident was, from its beginning to its end."""
    until = (incident.resolved_at or tx.now) + _LATER
    moved = [Phase.DONE, Phase.FAILED, Phase.RUNNING, Phase.UNDOING]
    rows = tx.all(select(OperationRow).where(col(OperationRow.state).in_(moved)).order_by(col(OperationRow.id).desc()).limit(100))
    operations = [Operation.model_validate(row.document) for row in reversed(rows)]
    return [
        Change(at=one.started_at, name=one.name, title=one.plan.title, undid=one.command == "rollback" and one.phase is Phase.DONE)
        for one in operations
        if one.started_at is not None and since <= one.started_at <= until and incident.environment in ("", one.plan.environment)
    ]
