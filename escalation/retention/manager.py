"""The manager of retention: once a day what is old enough is exported, read back, and only then pruned, a few rows in a transaction.

Killed in between nothing is lost: what was exported and not yet pruned is exported once more.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import SQLModel, select

from bot.core.backups import Backups
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.events import Event
from bot.store.due import Look
from bot.store.store import Store
from bot.store.transaction import Transaction
from escalation import own, schedule
from escalation.retention.chain import Link, cut, oldest
from escalation.retention.export import Export, event_line, row_line, write
from escalation.retention.kinds import KINDS, Kind, needed

SCHEDULE = "retention"
ALERT = "RetentionFailed"
AT = timedelta(hours=4)
"""The time of day (UTC)."""
DAY = timedelta(days=1)
AGAIN_AFTER = timedelta(hours=1)
EVENTS, ROWS = 5_000, 500
"""How many events, and rows of another table, a file has at most: an answer with a log in it may have half a megabyte."""
AT_ONCE = 500
"""Events that are pruned in one transaction: others wait for it."""

log = logging.getLogger("aiec.retention")

_LATER = schedule.later(SCHEDULE, DAY)


class RetentionManager:
    name = "retention"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config, backups: Backups, key: bytes) -> None:
        assert config.retention is not None
        self._store, self._config, self._retention, self._backups, self._key = store, config, config.retention, backups, key
        self._after: dict[str, Any] = {}
        self._trouble = ""

    def look(self) -> Look:
        return ~_LATER.there

    async def update(self, now: datetime) -> bool:
        """Exports and prunes one file's worth when it is time, and returns whether there may be more."""
        try:
            if await self._application(now - self._retention.application) or await self._audit(now - self._retention.audit):
                return True
        except AiecError as error:
            return await self._fail(error)
        self._after, self._trouble = {}, ""
        today = now.replace(hour=0, minute=0, second=0, microsecond=0) + AT
        await self._store.transaction(lambda tx: self._done(tx, today if now < today else today + DAY))
        return True

    def _done(self, tx: Transaction, following: datetime) -> None:
        schedule.done(tx, SCHEDULE, following)
        own.fire(tx, self._config, ALERT, "")

    async def _fail(self, error: AiecError) -> bool:
        """Nothing is pruned; it is tried again later. Said once in the log, by an event, and by an alert, which ends when it has gone well."""
        said = f"{error.text} {error.hint}".strip()
        if said != self._trouble:
            log.warning("Nothing is pruned: %s", said)

        def later(tx: Transaction) -> None:
            schedule.postpone(tx, SCHEDULE, tx.now + AGAIN_AFTER)
            if said != self._trouble:
                tx.record(Event(kind="retention.failed", subject="retention", data={"because": said}))
                own.fire(tx, self._config, ALERT, f"What is old cannot be exported, so that nothing is pruned, and it is tried again every hour: {said}")

        await self._store.transaction(later)
        self._trouble, self._after = said, {}
        return False

    async def _application(self, border: datetime) -> bool:
        """Works off one file of the first table that has something, and returns whether there was any."""
        for kind in KINDS:
            found = await self._store.read(lambda tx, kind=kind: self._next(tx, kind, border))  # type: ignore[misc]
            if found is None:
                continue
            last, rows = found
            if rows:
                lines = {getattr(row, kind.key.name): row_line(kind.name, row) for row in rows}
                export = await write(self._backups, f"{kind.name}-{border:%Y%m%d}", lines.values())
                await self._store.transaction(lambda tx, kind=kind, lines=lines, export=export: prune(tx, kind, border, lines, export))  # type: ignore[misc]
            self._after[kind.name] = last
            return True
        return False

    def _next(self, tx: Transaction, kind: Kind, border: datetime) -> tuple[Any, Sequence[SQLModel]] | None:
        """Returns the key of the last row that was looked at, and those that may go; None when the table has no more."""
        rows = kind.candidates(tx, border, self._after.get(kind.name), ROWS)
        if not rows:
            return None
        kept = needed(tx, border)
        return getattr(rows[-1], kind.key.name), [row for row in rows if not kept.keeps(row)]

    async def _audit(self, border: datetime) -> bool:
        """Works off one file of events, and returns whether there was any."""
        found = await self._store.read(lambda tx: oldest(tx, self._key, border, EVENTS))
        if not found.links:
            return False
        first, last = found.links[0][0].sequence, found.links[-1][0].sequence
        export = await write(self._backups, f"events-{first}-{last}", (event_line(*one) for one in found.links))
        after = found.sequence
        for part in _parts(found.links):
            if not await self._store.transaction(lambda tx, part=part, after=after: cut(tx, self._key, after, part, export)):  # type: ignore[misc]
                return True
            after = part[-1][0].sequence
        return True


def _parts(links: Sequence[Link]) -> Iterator[Sequence[Link]]:
    """Yields what one transaction prunes."""
    for start in range(0, len(links), AT_ONCE):
        yield links[start : start + AT_ONCE]


def prune(tx: Transaction, kind: Kind, border: datetime, lines: dict[Any, bytes], export: Export) -> None:
    """Deletes those of the rows that may still go and are as they were exported."""
    query: Any = select(kind.table).where(tx.among(kind.key, [*lines]), kind.where(border))
    kept = needed(tx, border)
    count = 0
    for row in tx.all(query):
        if row_line(kind.name, row) == lines[getattr(row, kind.key.name)] and not kept.keeps(row):
            tx.delete(row)
            count += 1
    if count:
        tx.record(Event(kind="retention.pruned", subject=kind.name, data={"rows": count, "file": export.file, "sha256": export.sha256}))
