"""The manager of action items: reminds their owners before, when and after they are due, and says once a week what is open."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cronsim import CronSim
from sqlmodel import col, or_, select

from bot.core.card import line
from bot.core.config import Config
from bot.core.events import Event
from bot.core.request import Actor
from bot.destinations import slack_of
from bot.store.action_tables import ActionRow
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import IncidentRow, ScheduleRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from escalation import reminders, schedule
from escalation.actions import item as action
from escalation.actions.book import ask, item_of, known_by, public_items, settle
from escalation.book import MACHINE
from escalation.circle import belongs, circle
from escalation.incident import Incident
from escalation.reminders import Reminder

BATCH = 50
SCHEDULE = "actions"

_DUE = Due(select(ActionRow).where(col(ActionRow.remind_at) <= NOW).order_by(col(ActionRow.remind_at)))
_LATER = schedule.later(SCHEDULE)


class ActionManager:
    name = "actions"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config = store, config

    def look(self) -> Look:
        return or_(_DUE.there, ~_LATER.there) if self._config.postmortem is not None else _DUE.there

    async def update(self, now: datetime) -> bool:
        """Reminds of what is due, says the digest when it is time, and returns whether somebody was reminded."""
        if self._config.postmortem is not None and not await self._store.read(_LATER.any):
            await self._store.transaction(self._say)
        if not await self._store.read(_DUE.any):
            return False
        await self._store.transaction(self._remind)
        return True

    def _remind(self, tx: Transaction) -> None:
        for row in _DUE.claim(tx, BATCH):
            remind(tx, self._config, row)

    def _say(self, tx: Transaction) -> None:
        """The first time it only learns when the digest is due."""
        assert self._config.postmortem is not None
        row = tx.get(ScheduleRow, SCHEDULE, lock=True)
        if row is not None and row.next_at <= tx.now and (items := public_items(tx)):
            tx.send(Message(key=f"actions/{row.next_at:%Y-%m-%d}", channel=self._config.channels.incidents, card=action.digest(items, tx.now)))
        following = next(CronSim(self._config.postmortem.action_items_digest, tx.now.astimezone(UTC)))
        schedule.postpone(tx, SCHEDULE, following)


def remind(tx: Transaction, config: Config, row: ActionRow) -> None:
    """Reminds of an item as it is due now, once, however many moments for it have passed, and says when the next one comes."""
    rules = config.postmortem
    if rules is None or row.state != action.State.OPEN:
        row.remind_at = None
        tx.save(row)
        return
    one = reminders.reminder(row.due_at, rules.remind, row.reminded_at, tx.now)
    if one is not None:
        people, item = recipients(tx, config, row, one), item_of(row)
        settle(tx, config, row, line("Reminded again"), over=True)
        for name in people:
            ask(tx, config, item, (name,), action.reminder(item, one, tx.now, name, known=slack_of(config, row.owner) is not None), "reminded")
        late = int(one.late.total_seconds()) if one.late is not None else 0
        data = {"action": row.name, "people": [*people], "due": row.due_at.isoformat(), "late": late}
        tx.record(Event(kind="action.reminded", subject=f"#{row.incident}", actor=MACHINE, data=data))
        row.reminded_at, row.alerts = tx.now, known_by(tx, row)
    row.remind_at = reminders.next_reminder(row.due_at, rules.remind, row.reminded_at)
    tx.save(row)


def recipients(tx: Transaction, config: Config, row: ActionRow, one: Reminder) -> Sequence[str]:
    """Returns who is reminded: the owner, the lead where it is his turn. Of a private incident only those who may know of it, one of its people in any case."""
    found = tx.get(IncidentRow, row.incident)
    assert found is not None
    incident = Incident.model_validate(found.document)
    people = reminders.recipients(config, row.owner, one)
    if row.owner not in config.people and slack_of(config, row.owner) is not None:
        # Somebody whom only Slack knows never was in aiec.yaml: he did not leave it.
        people = (row.owner, *(people if one.lead else ()))
    knowing = [name for name in people if belongs(tx, config, incident, Actor(name=name, slack=slack_of(config, name)))]
    return knowing or [name for name in circle(tx, incident) if name in config.people][:1]
