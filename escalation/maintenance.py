"""Maintenance: for a while aiec holds back what is not critical about named services, counts it on one card, and decides it anew when the time is over.

PagerDuty's own windows are for what other tools page there: a window on the service that aiec pages by would also hold back what is critical.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import Action, Bold, Card, Person, State, Time, line
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.events import Event
from bot.core.pager import Pager
from bot.destinations import mail
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import AlertRow, MaintenanceRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction

RETRY = timedelta(minutes=1)
COUNT_EVERY = timedelta(minutes=1)
"""How often the number of held alerts is counted on the card."""
BATCH = 50
SHOWN = 8

log = logging.getLogger("aiec.maintenance")


def held(tx: Transaction, row: MaintenanceRow) -> list[AlertRow]:
    """Returns the alerts that are held back now because of it."""
    theirs = (col(AlertRow.held).is_(True), AlertRow.status == "firing", col(AlertRow.service).in_(row.services))
    return [*tx.all(select(AlertRow).where(*theirs).order_by(col(AlertRow.id)))]


def counted(tx: Transaction, row: MaintenanceRow) -> int:
    """Returns how many alerts were held back in all."""
    theirs = (AlertRow.because == "held by a maintenance", col(AlertRow.service).in_(row.services), col(AlertRow.first_at) >= row.starts_at)
    return len(tx.all(select(AlertRow).where(*theirs)))


def say(tx: Transaction, config: Config, row: MaintenanceRow) -> None:
    """Queues the maintenance's one message, where people look for changes and where they look for incidents; mailed is only that it was announced."""
    shown = card(row, held(tx, row), counted(tx, row), tx.now)
    for channel in dict.fromkeys((config.environments[row.environment].channel, config.channels.incidents)):
        tx.send(Message(key=f"maintenance-{row.id}/{channel}", channel=channel, card=shown))
    mail(tx, config, f"maintenance-{row.id}", shown)


def card(row: MaintenanceRow, still: Sequence[AlertRow], all_held: int, now: datetime) -> Card:
    """Returns what is said of a maintenance: what, until when, who, why, and what was held back."""
    what = f"Maintenance of {', '.join(row.services)} in {row.environment}"
    lines = [line(f"maintenance {row.id} · by ", Person(name=row.by), f": {row.reason}")]
    if row.ended_at is not None:
        lines += [line("ended by ", Person(name=row.ended_by), " before its time")] if row.ended_by else []
        lines.append(line(f"{all_held} alerts were held back" if all_held else "no alert was held back"))
        return Card(state=State.DONE, headline=line(Bold(text=what), " is over"), lines=tuple(lines))
    end = Action(label="End it now", command="maintenance end", arguments={"maintenance": str(row.id)})
    if now < row.starts_at:
        headline = line(Bold(text=what), " from ", Time(at=row.starts_at, style="date"), " until ", Time(at=row.ends_at, style="date"))
        return Card(state=State.WAITING, headline=headline, lines=tuple(lines), actions=(end,))
    lines.append(
        line(
            "Pages for critical alerts go out all the same. ",
            f"Held back: {all_held}, of which {len(still)} still fire." if all_held else "Nothing is held back yet.",
        )
    )
    lines += [line(f"• {alert.service}: {alert.annotations.get('summary') or alert.name}") for alert in still[:SHOWN]]
    lines += [line(f"• and {len(still) - SHOWN} more")] if still[SHOWN:] else []
    lines += [line(row.trouble)] if row.trouble else []
    return Card(state=State.RUNNING, headline=line(Bold(text=what), " until ", Time(at=row.ends_at, style="date")), lines=tuple(lines), actions=(end,))


def finish(tx: Transaction, config: Config, row: MaintenanceRow, by: str | None) -> None:
    """Ends a maintenance: what it held back and still fires is decided anew at once."""
    row.ended_at, row.ended_by = tx.now, by
    row.next_at = tx.now if row.window else None
    for alert in held(tx, row):
        alert.next_at = tx.now
        tx.session.add(alert)
    tx.record(Event(kind="maintenance.ended", subject=f"maintenance {row.id}", actor=by or "aiec", data={"services": row.services, "held": counted(tx, row)}))
    tx.save(row)
    say(tx, config, row)


_DUE = Due(select(MaintenanceRow).where(col(MaintenanceRow.next_at) <= NOW))


class MaintenanceManager:
    """Announces, counts and ends maintenances. `pager`: None where PagerDuty is not configured."""

    name = "maintenance"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, pager: Pager | None) -> None:
        self._store, self._config, self._pager = store, config, pager

    def look(self) -> Look:
        return _DUE.there

    async def update(self, now: datetime) -> bool:
        """Moves what is due and returns whether there was anything."""
        rows = await self._store.read(lambda tx: _DUE.rows(tx, BATCH))
        for row in rows:
            window, trouble = await self._window(row, now)
            await self._store.transaction(lambda tx, row=row, window=window, trouble=trouble: self._move(tx, row, window, trouble))  # type: ignore[misc]
        return bool(rows)

    def _services(self, row: MaintenanceRow) -> list[str]:
        """PagerDuty's ids of the services that other tools page about what is being maintained."""
        theirs = self._config.escalation.pagerduty if self._config.escalation else None
        return [theirs.maintenance[name] for name in row.services if name in theirs.maintenance] if theirs else []

    async def _window(self, row: MaintenanceRow, now: datetime) -> tuple[str | None, str]:
        """Sees to PagerDuty's side, and returns the window's id, and why it is not as it should be."""
        services = self._services(row)
        if self._pager is None or not services:
            return None, ""
        try:
            if row.ended_at is None and row.window is None and now < row.ends_at:
                return await self._pager.maintain(f"{row.reason} (aiec maintenance {row.id})", row.starts_at, row.ends_at, services), ""
            if row.ended_at is not None and row.window is not None and now < row.ends_at:
                await self._pager.end_maintenance(row.window)
                return None, ""
        except AiecError as error:
            log.warning("maintenance %s: %s", row.id, error.text)
            return row.window, f"PagerDuty's window is not as it should be: {error.text}"
        return row.window, ""

    def _move(self, tx: Transaction, seen: MaintenanceRow, window: str | None, trouble: str) -> None:
        row = tx.get(MaintenanceRow, seen.id, lock=True)
        assert row is not None
        row.window, row.trouble = window, trouble or None
        if row.ended_at is not None:
            row.next_at = tx.now + RETRY if trouble and tx.now < row.ends_at else None
            tx.save(row)
            return
        if tx.now >= row.ends_at:
            finish(tx, self._config, row, None)
            return
        if row.starts_at <= tx.now and seen.next_at == row.starts_at:
            tx.record(Event(kind="maintenance.started", subject=f"maintenance {row.id}", actor=row.by, data={"services": row.services}))
        row.next_at = min(row.ends_at, tx.now + (RETRY if trouble else COUNT_EVERY)) if row.starts_at <= tx.now else row.starts_at
        tx.save(row)
        say(tx, self._config, row)
