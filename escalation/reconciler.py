"""The manager that asks PagerDuty itself how things stand: webhooks get lost, and a subscription that was switched off sends none."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import select

from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.pager import Pager, PagerIncident
from bot.store.due import Look
from bot.store.incident_tables import PageRow, ScheduleRow
from bot.store.store import Store
from bot.store.transaction import Transaction
from escalation import schedule
from escalation.observed import take

WHILE_OPEN = timedelta(minutes=1)
OTHERWISE = timedelta(minutes=5)
MARGIN = timedelta(minutes=10)
"""How much further back it is asked than it was asked the last time: clocks differ, and a poll may have failed."""

log = logging.getLogger("aiec.reconciler")

_LATER = schedule.later(schedule.RECONCILE, OTHERWISE)


class ReconcileManager:
    name = "reconciler"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config, pager: Pager) -> None:
        self._store = store
        self._config = config
        self._pager = pager
        self._trouble = ""

    def look(self) -> Look:
        return ~_LATER.there

    async def update(self, now: datetime) -> bool:
        """Asks, and returns whether that changed anything."""
        since = await self._store.read(lambda tx: _since(tx, now))
        asked_at = self._store.clock.now()
        try:
            found = await self._pager.recent(since)
        except AiecError as error:
            if not self._trouble:
                log.warning("PagerDuty cannot be asked how things stand: %s", error.text)
            self._trouble = error.text
            await self._store.transaction(lambda tx: schedule.postpone(tx, schedule.RECONCILE, tx.now + WHILE_OPEN))
            return False
        self._trouble = ""
        return await self._store.transaction(lambda tx: self._take(tx, found, asked_at))

    def _take(self, tx: Transaction, found: Sequence[PagerIncident], asked_at: datetime) -> bool:
        changed = [take(tx, self._config, one, asked_at) for one in sorted(found, key=lambda one: one.updated_at)]
        open_page = tx.first(select(PageRow).where(PageRow.status != "resolved", PageRow.rounds > 0))
        schedule.done(tx, schedule.RECONCILE, tx.now + (WHILE_OPEN if open_page is not None else OTHERWISE))
        return any(changed)


def _since(tx: Transaction, now: datetime) -> datetime:
    """Returns from when on changes are asked for: from the last time that it was asked with success, however long that is ago."""
    row = tx.get(ScheduleRow, schedule.RECONCILE)
    last = row.done_at if row is not None and row.done_at is not None else now
    return min(last, now) - MARGIN
