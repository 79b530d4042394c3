"""What Prometheus is told about the bot itself, read from the database when it asks."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func
from sqlmodel import col, select

from bot.bot import Bot
from bot.store.incident_tables import PageRow
from bot.store.tables import EngineRow, MessageRow, OperationRow, RequestRow
from bot.store.transaction import Transaction


class _Collector(Collector):
    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    def collect(self) -> Iterator[Metric]:
        figures = self._bot.store.look(_figures)
        operations = GaugeMetricFamily("aiec_operations", "Operations by state", labels=["state"])
        for state, count in figures.operations.items():
            operations.add_metric([state], count)
        yield operations
        yield GaugeMetricFamily("aiec_operations_overdue_seconds", "How long ago the operation that waits longest should have moved", value=figures.overdue)
        yield GaugeMetricFamily("aiec_outbox_pending", "Messages that are not sent yet", value=figures.pending)
        yield GaugeMetricFamily("aiec_outbox_age_seconds", "Age of the oldest message that is due and not sent", value=figures.age)
        yield GaugeMetricFamily("aiec_pages_undelivered", "Pages that PagerDuty has not taken yet", value=figures.undelivered)
        yield GaugeMetricFamily("aiec_pages_undelivered_seconds", "For how long the oldest of them should have been there", value=figures.silent)
        yield GaugeMetricFamily("aiec_deliveries_age_seconds", "Age of the oldest delivery of a webhook that is not taken in yet", value=figures.waiting)
        yield GaugeMetricFamily("aiec_delivery_failures", "Deliveries of webhooks at which this process failed", value=self._bot.deliveries.failures)
        yield GaugeMetricFamily("aiec_engine_held", "Whether somebody alive holds the engine lock", value=figures.held)
        yield GaugeMetricFamily("aiec_engine_failures", "Updates of this process' managers that failed", value=self._bot.engine.failures)


class _Figures:
    operations: dict[str, int]
    overdue: float
    pending: int
    age: float
    undelivered: int
    silent: float
    waiting: float
    held: int


def _figures(tx: Transaction) -> _Figures:
    found = _Figures()
    found.operations = dict(tx.session.exec(select(OperationRow.state, func.count()).group_by(OperationRow.state)).all())
    waiting = col(MessageRow.next_at).is_not(None)
    count, oldest = tx.session.exec(select(func.count(), func.min(MessageRow.next_at)).where(waiting)).one()
    found.pending, found.age = count, _since(oldest, tx.now)
    found.overdue = _since(tx.session.exec(select(func.min(OperationRow.next_at))).one(), tx.now)
    calling = col(PageRow.status) == "triggered", col(PageRow.rounds) > col(PageRow.sent_rounds)
    since = func.min(func.coalesce(PageRow.failing_since, PageRow.next_at))
    count, oldest = tx.session.exec(select(func.count(), since).where(*calling)).one()
    found.undelivered, found.silent = count, _since(oldest, tx.now)
    untaken = RequestRow.state == "received", RequestRow.lane == "machine"
    found.waiting = _since(tx.session.exec(select(func.min(RequestRow.received_at)).where(*untaken)).one(), tx.now)
    row = tx.get(EngineRow, 1)
    found.held = int(row is not None and bool(row.holder) and row.lease_until > tx.now)
    return found


def _since(moment: datetime | None, now: datetime) -> float:
    return max((now - moment).total_seconds(), 0) if moment else 0


def collectors(bot: Bot) -> Collector:
    """Returns the collector of this bot's figures, for a CollectorRegistry."""
    return _Collector(bot)
