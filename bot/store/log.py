"""Finding one's way in the event log by time. Events are numbered in the order of time, so that no index by time has to be kept for each of them."""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from bot.store.tables import EventRow
from bot.store.transaction import Transaction


def first_since(tx: Transaction, at: datetime) -> int:
    """Returns the number from which on events are of that moment or later: of the first one that is, else the number after the last.

    Where transactions overlapped, or the clock was set back, an event may stand a few places beside.
    """
    least, most = tx.session.exec(select(func.min(EventRow.id), func.max(EventRow.id))).one()
    if least is None or most is None:
        return 1
    low, high = least, most + 1
    while low < high:
        middle = (low + high) // 2
        found = tx.first(select(EventRow).where(col(EventRow.id) >= middle).order_by(col(EventRow.id)))
        if found is None or found.at >= at:
            high = middle
        else:
            low = (found.id or 0) + 1
    return int(low)


def known_since(tx: Transaction) -> datetime | None:
    """Returns how far back the log goes."""
    first = tx.first(select(EventRow).order_by(col(EventRow.id)))
    return first.at if first is not None else None
