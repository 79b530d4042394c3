"""The manager of action items: reminds their owners before, when and after they are due, and says once a week what is open."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cronsim import CronSim
from sqlmodel import col, or_, select

from bot.core.card import line
from bot.core.config import Config
from bot.core.events import Event
from bot.core.ports import Chat
from bot.core.request import Actor
from bot.destinations import slack_of
from bot.store.action_tables import ActionRow
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import IncidentRow, ScheduleRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from escalation import reminding, schedule
from escalation.actions import item as action
from escalation.actions.book import ask, item_of, known_by, public_items, settle
from escalation.book import MACHINE
from escalation.circle import belongs, circle
from escalation.incident import Incident
from escalation.reminders import Reminder
from escalation.reminding import deactivated

BATCH = 50
SCHEDULE = "actions"

_DUE = Due(select(ActionRow).where(col(ActionRow.remind_at) <= NOW).order_by(col(ActionRow.remind_at)))
_LATER = schedule.later(SCHEDULE)


class ActionManager:
    name = "actions"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, chat: Chat | None) -> None:
        self._store, self._config, self._chat = store, config, chat

    def look(self) -> Look:
        return or_(_DUE.there, ~_LATER.there) if self._config.postmortem is not None else _DUE.there

    async def update(self, now: datetime) -> bool:
        """Reminds of what is due, says the digest when it is time, and returns whether somebody was reminded."""
        if self._config.postmortem is not None and not await self._store.read(_LATER.any):
            await self._store.transaction(self._say)
        owners = await self._store.read(lambda tx: [row.owner for row in _DUE.rows(tx, BATCH)])
        if not owners:
            return False
        gone = await deactivated(self._chat, self._config, owners)
        await self._store.transaction(lambda tx: self._remind(tx, gone))
        return True

    def _remind(self, tx: Transaction, gone: frozenset[str]) -> None:
        for row in _DUE.claim(tx, BATCH):
            remind(tx, self._config, row, gone)

    def _say(self, tx: Transaction) -> None:
        """The first time it only learns when the digest is due."""
        assert self._config.postmortem is not None
        row = tx.get(ScheduleRow, SCHEDULE, lock=True)
        if row is not None and row.next_at <= tx.now and (items := public_items(tx)):
            tx.send(Message(key=f"actions/{row.next_at:%Y-%m-%d}", channel=self._config.channels.incidents, card=action.digest(items, tx.now)))
        following = next(CronSim(self._config.postmortem.action_items_digest, tx.now.astimezone(UTC)))
        schedule.postpone(tx, SCHEDULE, following)


def remind(tx: Transaction, config: Config, row: ActionRow, gone: frozenset[str]) -> None:
    """Reminds of an item as it is due now. Of a private incident only those are told who may know of it, one of its people in any case."""

    def say(one: Reminder, wanted: Sequence[str], why: str) -> Sequence[str]:
        people, item = _knowing(tx, config, row, wanted), item_of(row)
        settle(tx, config, row, line("Reminded again"), over=True)
        for name in people:
            ask(tx, config, item, (name,), action.reminder(item, one, tx.now, name, why), "reminded")
        row.alerts = known_by(tx, row)
        return people

    event = Event(kind="action.reminded", subject=f"#{row.incident}", actor=MACHINE, data={"action": row.name})
    reminding.remind(tx, config, row, row.due_at if row.state == action.State.OPEN else None, gone, event, say)
    tx.save(row)


def _knowing(tx: Transaction, config: Config, row: ActionRow, people: Sequence[str]) -> Sequence[str]:
    found = tx.get(IncidentRow, row.incident)
    assert found is not None
    incident = Incident.model_validate(found.document)
    knowing = [name for name in people if belongs(tx, config, incident, Actor(name=name, slack=slack_of(config, name)))]
    return knowing or [name for name in circle(tx, incident) if name in config.people][:1]
