"""Cutting the audit chain at its old end: which links may go, and what stays in their place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func
from sqlalchemy import select as columns
from sqlmodel import col, select

from bot.anchor import beginning, mark_of
from bot.audit import broken
from bot.core.errors import Invalid
from bot.core.events import Event
from bot.store.incident_tables import IncidentRow
from bot.store.postmortem_tables import PostmortemRow
from bot.store.tables import AnchorRow, EventRow, OperationRow, SealRow
from bot.store.transaction import Transaction
from escalation.closing import remember
from escalation.incident import State
from escalation.retention.export import Export
from escalation.retention.kinds import MOVING

Link = tuple[SealRow, EventRow]


@dataclass(frozen=True)
class Cut:
    """The oldest links of the chain, in order, after the anchor that is there (`sequence` 0: none is)."""

    sequence: int
    links: tuple[Link, ...]


def oldest(tx: Transaction, key: bytes, border: datetime, limit: int) -> Cut:
    """Returns at most so many links that are older than `border`, up to the first that is not, or that something open still needs. The last of all stays.
    Raises Invalid when the chain does not hold."""
    try:
        sequence, previous, _ = beginning(tx, key)
    except Invalid as error:
        raise Invalid(f"The audit chain does not hold: {error.text}.", "Nothing was pruned; `aiec audit verify` says the same.") from error
    start, held = sequence, _held(tx)
    last = columns(func.max(SealRow.sequence)).scalar_subquery()
    query = select(SealRow, EventRow).join(EventRow, col(EventRow.id) == SealRow.event_id, isouter=True)
    links: list[Link] = []
    for link, row in tx.session.exec(query.where(SealRow.sequence > start, SealRow.sequence < last).order_by(col(SealRow.sequence)).limit(limit)):
        sequence += 1
        if problem := broken(link, row, key, previous, sequence):
            raise Invalid(f"The audit chain does not hold: {problem}.", "Nothing was pruned; `aiec audit verify` says the same.")
        if row.at >= border or (held is not None and (row.id or 0) >= held):
            break
        links.append((link, row))
        previous = link.seal
    return Cut(start, tuple(links))


def _held(tx: Transaction) -> int | None:
    """Returns the first event of an open incident, of one whose post-mortem is still to be written, or of an operation that is not over."""
    incidents = tx.session.scalars(columns(col(IncidentRow.id)).where(col(IncidentRow.state).in_([state for state in State if state.open])))
    owed = tx.session.scalars(columns(col(PostmortemRow.incident)).where(col(PostmortemRow.state).not_in(("published", "merged"))))
    operations = tx.session.scalars(columns(col(OperationRow.id)).where(col(OperationRow.state).in_(MOVING)))
    subjects = [*(f"#{number}" for number in {*incidents, *owed}), *(f"op-{number}" for number in operations)]
    return tx.session.scalar(columns(func.min(EventRow.id)).where(tx.among(col(EventRow.subject), subjects))) if subjects else None


def cut(tx: Transaction, key: bytes, after: int, links: Sequence[Link], export: Export) -> bool:
    """Removes these links, and leaves an anchor in their place. Incidents that are not closed keep what their timeline had of them.
    Returns False where somebody else was faster."""
    anchor = tx.get(AnchorRow, 1, lock=True)
    if (anchor.sequence if anchor is not None else 0) != after:
        return False
    remember(tx, [row for _, row in links])
    numbers = [link.sequence for link, _ in links]
    tx.session.execute(delete(SealRow).where(tx.among(col(SealRow.sequence), numbers)))
    tx.session.execute(delete(EventRow).where(tx.among(col(EventRow.id), [row.id or 0 for _, row in links])))
    link, row = links[-1]
    anchor = anchor or AnchorRow(sequence=0, seal="", at=row.at, file="", sha256="", mark="")
    anchor.sequence, anchor.seal, anchor.at, anchor.file, anchor.sha256 = link.sequence, link.seal, row.at, export.file, export.sha256
    anchor.mark = mark_of(key, anchor)
    tx.save(anchor)
    data = {"events": len(links), "through": link.sequence, "file": export.file, "sha256": export.sha256}
    tx.record(Event(kind="retention.pruned", subject="events", data=data))
    return True
