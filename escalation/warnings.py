"""What #devops-alerts shows of a group of warnings: one message a day and group, edited as they come and go; a repeated alert raises a counter."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import col, select

from bot.core.card import Bold, Card, Link, Span, State, Time, line
from bot.core.config import Config
from bot.core.events import digest
from bot.store.incident_tables import AlertRow
from bot.store.transaction import Message, Transaction

SHOWN = 10


def warn(tx: Transaction, config: Config, group_key: str, because: Collection[str]) -> None:
    """Queues the group's message of this day, of those alerts that are only told of, for one of these reasons."""
    today = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
    theirs = (AlertRow.group_key == group_key, col(AlertRow.first_at) >= today, col(AlertRow.because).in_(because))
    rows = tx.all(select(AlertRow).where(*theirs).order_by(col(AlertRow.id)))
    if rows:
        key = f"warnings/{digest(group_key)[:16]}/{today:%Y-%m-%d}"
        tx.send(Message(key=key, channel=config.channels.alerts, card=card(rows, today)))


def card(rows: Sequence[AlertRow], today: datetime) -> Card:
    """Returns what is said of a group's warnings of this day: those that fire first, and of each how often it began."""
    by_alert: dict[str, list[AlertRow]] = {}
    for row in rows:
        by_alert.setdefault(row.fingerprint, []).append(row)
    latest = sorted(by_alert.values(), key=lambda several: (several[-1].status != "firing", several[-1].first_at))
    firing = sum(several[-1].status == "firing" for several in latest)
    names = list(dict.fromkeys(several[-1].name or "an alert without a name" for several in latest))
    said = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    word = f"{firing} of {len(latest)} still fire" if firing else "over"
    return Card(
        state=State.NEEDS_YOU if firing else State.DONE,
        headline=line(Bold(text=said), f" · warning · {word}"),
        lines=(*(_line(several) for several in latest[:SHOWN]), *((line(f"and {len(latest) - SHOWN} more"),) if latest[SHOWN:] else ())),
    )


def _line(several: Sequence[AlertRow]) -> tuple[Span, ...]:
    row = several[-1]
    what = row.annotations.get("summary") or row.name
    name: Span = (
        Link(url=row.url, text=row.service or row.name or "alert") if row.url.startswith(("http://", "https://")) else (row.service or row.name or "alert")
    )
    times = f" · {len(several)} times today" if several[1:] else ""
    state: tuple[Span, ...] = (" · fires since ", Time(at=row.starts_at)) if row.status == "firing" else (" · over since ", Time(at=row.ends_at or row.last_at))
    return line(name, f": {' '.join(what.split())}{times}", *state)
