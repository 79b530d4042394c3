"""The daily digest: what fired and needed nobody, counted by alert and service, once a day and only if there was anything."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cronsim import CronSim
from sqlmodel import col, select

from bot.core.card import Bold, Card, line
from bot.core.config import Config
from bot.store.due import Look
from bot.store.incident_tables import AlertRow, ScheduleRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from escalation import schedule
from escalation.intake import DIGEST

SCHEDULE = "digest"
SHOWN = 15


_LATER = schedule.later(SCHEDULE)


class DigestManager:
    name = "digest"
    patience = timedelta(seconds=10)

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config = store, config

    def look(self) -> Look:
        return ~_LATER.there

    async def update(self, now: datetime) -> bool:
        """Says the digest when it is time; the first time it only learns when that is."""
        await self._store.transaction(self._say)
        return True

    def _say(self, tx: Transaction) -> None:
        row = tx.get(ScheduleRow, SCHEDULE, lock=True)
        following = next(CronSim(self._config.channels.digest_at, tx.now.astimezone(UTC)))
        if row is not None and row.next_at <= tx.now:
            since = row.next_at - timedelta(days=1)
            theirs = (AlertRow.because == DIGEST, col(AlertRow.first_at) >= since, col(AlertRow.first_at) < row.next_at)
            if rows := tx.all(select(AlertRow).where(*theirs)):
                tx.send(Message(key=f"digest/{row.next_at:%Y-%m-%d}", channel=self._config.channels.digest, card=card(rows, row.next_at)))
        schedule.postpone(tx, SCHEDULE, following)


def card(rows: Sequence[AlertRow], until: datetime) -> Card:
    """Returns the digest of the day that ended at `until`: the most frequent first."""
    counts = Counter((row.name or "an alert without a name", row.service) for row in rows)
    still = sum(row.status == "firing" for row in rows)
    lines = [line(f"• {name}{f' ({service})' if service else ''}: {count}") for (name, service), count in counts.most_common(SHOWN)]
    lines += [line(f"• and {len(counts) - SHOWN} kinds more")] if len(counts) > SHOWN else []
    fire = f", {still} of them still fire" if still else ""
    return Card(
        headline=line(Bold(text=f"Digest of {until - timedelta(days=1):%Y-%m-%d}"), f": {len(rows)} alerts that needed nobody{fire}"), lines=tuple(lines)
    )
