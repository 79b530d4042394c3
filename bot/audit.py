"""The audit chain: the manager that seals events, and the proof that nothing was changed, removed or put in between."""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from bot.anchor import beginning
from bot.core.errors import Invalid
from bot.core.events import GENESIS, Event, digest, seal
from bot.store.due import Due, Look
from bot.store.store import Store
from bot.store.tables import EventRow, SealRow
from bot.store.transaction import Transaction

BATCH = 500
LATE_COMMITS = 10_000  # PostgreSQL numbers events before they commit, so that one may appear below the last that is sealed


class Sealer:
    """Numbers and chains events, in the order in which they became visible."""

    name = "sealer"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._key = key

    def look(self) -> Look:
        return _UNSEALED.there

    async def update(self, now: datetime) -> bool:
        """Seals what is not sealed yet and returns whether there was anything."""
        return await self._store.transaction(self._seal)

    def _seal(self, tx: Transaction) -> bool:
        sequence, previous = next(((last.sequence, last.seal) for last in _LATEST.rows(tx, 1)), (0, GENESIS))
        links = []
        for row in _UNSEALED.rows(tx, BATCH):
            sequence += 1
            payload = digest(row.payload)
            previous = seal(self._key, previous, sequence, row.at, _event(row), payload)
            links.append({"sequence": sequence, "event_id": row.id, "digest": payload, "seal": previous})
        if links:
            tx.session.connection().execute(_SEAL, links)
        return bool(links)


def _without_link(*, late: bool) -> SelectOfScalar[EventRow]:
    """The events that have no link: those that are to be sealed next or, `late`, those among events that were sealed long ago."""
    newest = select(func.coalesce(func.max(SealRow.event_id), 0)).scalar_subquery()
    missing = ~select(SealRow.event_id).where(SealRow.event_id == EventRow.id).exists()
    border = newest - LATE_COMMITS
    return select(EventRow).where(col(EventRow.id) <= border if late else col(EventRow.id) > border, missing)


_SEAL = insert(SealRow)
_LATEST = Due(select(SealRow).order_by(col(SealRow.sequence).desc()))
_UNSEALED = Due(_without_link(late=False).order_by(col(EventRow.id)))


def _event(row: EventRow) -> Event:
    return Event(kind=row.kind, subject=row.subject, actor=row.actor)


@dataclass(frozen=True)
class Verification:
    """`problem` is empty when the chain holds. `head` is the last seal: kept elsewhere, it also proves that nothing was cut off at the end.
    `pruned`: how many links before the first one were exported and removed, the last of them into `file`.
    `erased`: of how many events only the digest of what they said is left."""

    sealed: int
    unsealed: int
    head: str
    problem: str = ""
    pruned: int = 0
    file: str = ""
    erased: int = 0


def verify(tx: Transaction, key: bytes) -> Verification:
    """Walks the whole chain, from its anchor where its beginning is pruned, and returns the first thing that does not hold, if any."""
    try:
        cut, previous, file = beginning(tx, key)
    except Invalid as error:
        return Verification(0, 0, GENESIS, error.text)
    count, erased = cut, 0
    query = select(SealRow, EventRow).join(EventRow, col(EventRow.id) == SealRow.event_id, isouter=True).order_by(col(SealRow.sequence))
    unsealed = tx.session.exec(select(func.count()).select_from(_without_link(late=False).subquery())).one()
    with closing(tx.session.exec(query.execution_options(yield_per=1000))) as rows:
        for link, row in rows:
            count += 1
            problem = broken(link, row, key, previous, count)
            if problem:
                return Verification(count - 1 - cut, unsealed, previous, problem, cut, file)
            previous, erased = link.seal, erased + (row is not None and row.payload is None)
    stray = tx.first(_without_link(late=True).order_by(col(EventRow.id)))
    problem = f"event {stray.id} ({stray.kind} of {stray.subject}) was put in later" if stray else ""
    return Verification(count - cut, unsealed, previous, problem, cut, file, erased)


def broken(link: SealRow, row: EventRow | None, key: bytes, previous: str, expected: int) -> str:
    """Returns why a link does not follow from the one before it (`previous`: its seal), or nothing where it does."""
    if link.sequence != expected:
        return f"link {expected} is missing"
    if row is None:
        return f"the event of link {expected} was removed"
    if row.payload is not None and digest(row.payload) != link.digest:
        return f"the payload of link {expected} ({row.kind} of {row.subject}) was changed"
    if seal(key, previous, link.sequence, row.at, _event(row), link.digest) != link.seal:
        return f"link {expected} ({row.kind} of {row.subject}) does not follow from the one before it: it was changed, or AIEC_AUDIT_KEY is another one"
    return ""
