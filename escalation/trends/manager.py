"""The manager of the monthly review, which posts itself when `postmortem.trends.cron` says so."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from bot.core.card import Card, Line, Time, line
from bot.core.config import Config, Trends
from bot.core.events import Event
from bot.store.due import Look
from bot.store.incident_tables import ScheduleRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from escalation import schedule
from escalation.trends.card import LATE, as_csv, review
from escalation.trends.facts import Month, month_of
from escalation.trends.figures import figures
from escalation.trends.reading import read

SCHEDULE = "trends"

_LATER = schedule.later(SCHEDULE)


class TrendManager:
    name = "trends"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, trends: Trends) -> None:
        self._store, self._config, self._trends = store, config, trends

    def look(self) -> Look:
        return ~_LATER.there

    async def update(self, now: datetime) -> bool:
        """Posts the review of the month that is over when it is time; the first time it only learns when that is."""
        await self._store.transaction(self._post)
        return True

    def _post(self, tx: Transaction) -> None:
        row = tx.get(ScheduleRow, SCHEDULE, lock=True)
        following = next(CronSim(self._trends.cron, tx.now.astimezone(UTC)))
        if row is None:
            schedule.postpone(tx, SCHEDULE, following)
            return
        due = next(CronSim(self._trends.cron, tx.now.astimezone(UTC) + timedelta(seconds=1), reverse=True))  # of several that were missed the latest
        month = month_of(due).back()
        said = () if tx.now - due < LATE else (line("It was due at ", Time(at=due, style="date"), ", and is late because aiec did not run"),)
        post(tx, self._config, self._trends, month, said)
        tx.record(Event(kind="trends.posted", subject=month.name, data={"due": due.isoformat()}))
        schedule.done(tx, SCHEDULE, following)


def post(tx: Transaction, config: Config, trends: Trends, month: Month, late: tuple[Line, ...] = ()) -> None:
    """Queues the review: one message, and in its thread the tables, the chart and the file."""
    facts = read(tx, config, month)
    whole = review(month, facts, tx.now)
    key, channel = f"trends/{month.name}", str(getattr(config.channels, trends.channel))
    tx.send(Message(key=key, channel=channel, card=whole.model_copy(update={"lines": (*whole.lines, *late), "evidence": (), "chart": None})))
    if not whole.evidence:
        return
    tx.send(Message(key=f"{key}/figures", channel=channel, card=Card(headline=line("In figures"), evidence=whole.evidence), thread_of=key))
    if whole.chart is not None:
        tx.send(Message(key=f"{key}/chart", channel=channel, card=Card(headline=line("The months before"), chart=whole.chart), thread_of=key))
    sheet = as_csv(figures(month, facts, tx.now), figures(month.back(), facts, tx.now), facts.owed)
    tx.send(Message(key=f"{key}/sheet", channel=channel, card=Card(headline=line(sheet.name), file=sheet), thread_of=key))
