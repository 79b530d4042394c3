"""The manager of alerts that wait: warnings that go on for too long, what a maintenance held, groups that were cut short, and ends that were never received."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, or_
from sqlmodel import col, select

from bot.core.alerting import Alerting
from bot.core.alerts import OURS, Alert, Notification
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import AlertGroupRow, AlertRow, ScheduleRow
from bot.store.store import Store
from bot.store.transaction import Transaction
from escalation import schedule
from escalation.intake import end, receive, recount, still_there

BATCH = 100
ASK_AGAIN_AFTER = timedelta(seconds=30)
LOOK_EVERY = timedelta(minutes=5)
"""How often Alertmanager is asked whether it still has what fires here."""
MISSING_FOR = timedelta(minutes=5)
"""How long it must have been away there: after a restart Alertmanager knows nothing until Prometheus tells it again, about a minute later."""
SCHEDULE = "alerts"

log = logging.getLogger("aiec.alerts")


class AlertManager:
    """`alerting`: None where no Alertmanager can be asked; then groups that were cut short stay so, and an end that was never received is never known."""

    name = "alerts"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, alerting: Alerting | None) -> None:
        self._store, self._config, self._alerting = store, config, alerting
        self._trouble = ""

    def look(self) -> Look:
        return _WAITING.there if self._alerting is None else or_(_WAITING.there, _CUT_SHORT.there, and_(_FIRING.there, ~_LATER.there))

    async def update(self, now: datetime) -> bool:
        """Looks at what is due and returns whether there was anything."""
        waiting, groups, lost = await self._store.read(lambda tx: (_WAITING.any(tx), self._groups(tx), self._lost(tx)))
        if waiting:
            await self._store.transaction(self._still_there)
        if self._alerting is None:
            return waiting
        for group in groups:
            await self._complete(self._alerting, group)
        if lost:
            await self._compare(self._alerting)
        return waiting or bool(groups) or lost

    def _still_there(self, tx: Transaction) -> None:
        for row in _WAITING.claim(tx, BATCH):
            still_there(tx, self._config, row)

    def _lost(self, tx: Transaction) -> bool:
        """Whether it is time to ask what still fires: only while something does."""
        return self._alerting is not None and _FIRING.any(tx) and not _LATER.any(tx)

    def _groups(self, tx: Transaction) -> Sequence[AlertGroupRow]:
        return _CUT_SHORT.rows(tx, BATCH) if _CUT_SHORT.any(tx) else ()

    async def _complete(self, alerting: Alerting, group: AlertGroupRow) -> None:
        """Asks for all alerts of a group of which some were left out."""
        found = await self._ask(alerting, group.receiver, dict(group.labels))

        def take(tx: Transaction) -> None:
            row = tx.get(AlertGroupRow, group.key, lock=True)
            assert row is not None
            if found is None:
                row.next_at = tx.now + ASK_AGAIN_AFTER
                tx.save(row)
                return
            receive(tx, self._config, Notification(group.receiver, group.group_key, "firing", tuple(found), 0, "", dict(group.labels)))
            # What was left out may as well be ends, of which Alertmanager tells no more: they are what it does not have.
            tx.session.merge(ScheduleRow(name=SCHEDULE, next_at=tx.now))

        await self._store.transaction(take)

    async def _compare(self, alerting: Alerting) -> None:
        """Ends what fires here and no longer there."""
        found = await self._ask(alerting, None, {})

        def take(tx: Transaction) -> None:
            tx.session.merge(ScheduleRow(name=SCHEDULE, next_at=tx.now + LOOK_EVERY))
            if found is None:
                return
            there = {alert.fingerprint for alert in found}
            touched = set()
            for row in tx.all(select(AlertRow).where(AlertRow.status == "firing", AlertRow.receiver != OURS)):
                if row.fingerprint in there:
                    row.missing_since = None
                elif row.missing_since is None:
                    row.missing_since = tx.now
                elif tx.now - row.missing_since >= MISSING_FOR:
                    end(tx, row, tx.now, "Alertmanager no longer has it")
                    touched |= {row.incident} - {None}
                tx.session.add(row)
            tx.session.flush()
            recount(tx, self._config, *(number for number in touched if number is not None))

        await self._store.transaction(take)

    async def _ask(self, alerting: Alerting, receiver: str | None, labels: dict[str, str]) -> list[Alert] | None:
        """Returns what fires, silenced or not, or None when Alertmanager does not say; that is logged once."""
        try:
            found = await alerting.alerts(receiver, labels, suppressed=True)
        except AiecError as error:
            if error.text != self._trouble:
                log.warning("Alertmanager cannot be asked what fires: %s", error.text)
            self._trouble = error.text
            return None
        self._trouble = ""
        return found


_FIRING = Due(select(AlertRow).where(AlertRow.status == "firing"))
_WAITING = Due(select(AlertRow).where(AlertRow.status == "firing", col(AlertRow.next_at) <= NOW).order_by(col(AlertRow.next_at)))
_CUT_SHORT = Due(select(AlertGroupRow).where(col(AlertGroupRow.next_at) <= NOW))
_LATER = schedule.later(SCHEDULE)
