"""The manager of who is on call: asks PagerDuty for days ahead, keeps its answer for when it is silent, and looks once a day where nobody will be."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_

from bot.core.card import Bold, Card, Line, State, Time, line
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.events import Event
from bot.core.pager import Pager, Shift
from bot.store.due import Look
from bot.store.incident_tables import OnCallRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from escalation import oncall, schedule
from escalation.ladder import Ladder, ladder_of
from escalation.oncall import Gap

REFRESH_EVERY = timedelta(minutes=5)
RETRY_AFTER = timedelta(minutes=1)
LOOK_AHEAD_AT = timedelta(hours=8)
"""The time of day (UTC) of the look ahead."""
AHEAD = timedelta(days=7)

log = logging.getLogger("aiec.oncall")


_ASKED = schedule.later(schedule.ON_CALL, REFRESH_EVERY)
_LOOKED = schedule.later(schedule.LOOK_AHEAD, timedelta(days=1))


class RosterManager:
    name = "oncall"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, pager: Pager | None) -> None:
        self._store = store
        self._config = config
        self._pager = pager
        self._policy = oncall.mirrored(config)
        self._asks = pager is not None and self._policy is not None
        self._trouble = ""

    def look(self) -> Look:
        return or_(~_ASKED.there, ~_LOOKED.there) if self._asks else ~_LOOKED.there

    async def update(self, now: datetime) -> bool:
        """Asks PagerDuty, and looks ahead, when it is time; returns whether it looked ahead."""
        refresh, ahead = await self._store.read(self._due)
        if refresh and self._pager is not None and self._policy is not None:
            await self._refresh(self._pager, self._policy)
        if ahead:
            await self._store.transaction(lambda tx: look_ahead(tx, self._config))
        return ahead

    def _due(self, tx: Transaction) -> tuple[bool, bool]:
        return self._asks and not _ASKED.any(tx), not _LOOKED.any(tx)

    async def _refresh(self, pager: Pager, policy: str) -> None:
        now = self._store.clock.now()
        try:
            shifts = await pager.on_call(now, now + oncall.HORIZON)
        except AiecError as error:
            self._note_trouble(f"{error.text} {error.hint}".strip())
            await self._store.transaction(lambda tx: schedule.postpone(tx, schedule.ON_CALL, tx.now + RETRY_AFTER))
        else:
            self._note_trouble("")
            await self._store.transaction(lambda tx: _keep(tx, policy, shifts))

    def _note_trouble(self, text: str) -> None:
        """Says once in the log that PagerDuty is silent, and that it speaks again."""
        if text and not self._trouble:
            log.warning("Who is on call is known from before, or from aiec.yaml: %s", text)
        elif self._trouble and not text:
            log.info("PagerDuty says again who is on call")
        self._trouble = text


def _keep(tx: Transaction, policy: str, shifts: Sequence[Shift]) -> None:
    """Writes down who is on call; what changed for those on call now is an event."""
    row = tx.get(OnCallRow, policy, lock=True) or OnCallRow(policy=policy, shifts=[], fetched_at=tx.now)
    known = [oncall.shift_document(shift) for shift in shifts]
    before, after = _names(row.shifts, tx.now), _names(known, tx.now)
    if before != after:
        tx.record(Event(kind="oncall.changed", subject=policy, data={"before": before, "after": after}))
    row.shifts, row.fetched_at = known, tx.now
    tx.save(row)
    schedule.done(tx, schedule.ON_CALL, tx.now + REFRESH_EVERY)


def _names(shifts: Sequence[dict[str, Any]], now: datetime) -> list[str]:
    at = now.isoformat()
    return sorted(f"L{one['level']} {one['name']}" for one in shifts if (one["start"] or "") <= at < (one["end"] or "9"))


def look_ahead(tx: Transaction, config: Config) -> None:
    """Says in #incidents where nobody will be on call within the next seven days; nothing where somebody always is."""
    today = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
    at = today + LOOK_AHEAD_AT
    schedule.done(tx, schedule.LOOK_AHEAD, at if tx.now < at else at + timedelta(days=1))
    found = [(there, gap) for there in ladders(config) for gap in oncall.gaps(config, there, oncall.known(tx, there.name), tx.now, tx.now + AHEAD)]
    if found:
        card = Card(
            state=State.NEEDS_YOU,
            headline=line(Bold(text=f"Nobody is on call {len(found)} times in the next {AHEAD.days} days")),
            lines=(*(gap_line(*one) for one in found[:20]), line("`/aiec oncall override` puts somebody there; in PagerDuty the schedule does.")),
        )
        tx.send(Message(key=f"lookahead/{tx.now:%Y-%m-%d}", channel=config.channels.incidents, card=card))


def ladders(config: Config) -> list[Ladder]:
    """Returns the policies of aiec.yaml."""
    policies = config.escalation.policies if config.escalation else {}
    return [ladder_of(name, policy) for name, policy in policies.items()]


def gap_line(there: Ladder, gap: Gap) -> Line:
    """Returns one time without anybody as a line."""
    name = there.rung(gap.level).name
    return line(f"L{gap.level} {name} ({there.name}): ", Time(at=gap.start, style="date"), " until ", Time(at=gap.end, style="date"))
