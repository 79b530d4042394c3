"""Things that are done again and again: each has a row that says when it is due next, so that it is done once whoever does it, also after a restart."""

from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.store.due import NOW, Due, after
from bot.store.incident_tables import ScheduleRow
from bot.store.transaction import Transaction

RECONCILE = "reconcile"
ON_CALL = "oncall"
LOOK_AHEAD = "lookahead"


def later(name: str, every: timedelta | None = None) -> Due[ScheduleRow]:
    """Returns what finds the thing of this name while it is not due. What was never done is due; of what is done so often, also what is due later than in one
    period: that is from before the clock was set back."""
    waiting = (ScheduleRow.name == name, col(ScheduleRow.next_at) > NOW)
    return Due(select(ScheduleRow).where(*waiting, col(ScheduleRow.next_at) <= after(every)) if every is not None else select(ScheduleRow).where(*waiting))


def done(tx: Transaction, name: str, next_at: datetime) -> None:
    """Says that it was done now, and when it is due again."""
    row = tx.get(ScheduleRow, name, lock=True) or ScheduleRow(name=name, next_at=next_at)
    row.next_at, row.done_at = next_at, tx.now
    tx.save(row)


def postpone(tx: Transaction, name: str, next_at: datetime) -> None:
    """Says when it is tried again, as it could not be done."""
    row = tx.get(ScheduleRow, name, lock=True) or ScheduleRow(name=name, next_at=next_at)
    row.next_at = next_at
    tx.save(row)


def hasten(tx: Transaction, name: str) -> None:
    """Makes it due now."""
    postpone(tx, name, tx.now)
