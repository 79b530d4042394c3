"""Silences of Alertmanager: somebody wants one, and a manager sees that it is there, or is no more."""

import logging
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.alerting import Alerting, matcher
from bot.core.card import Action, Bold, Card, Line, Person, State, Time, line
from bot.core.config import Config
from bot.core.errors import AiecError, Invalid, NotFound, Throttled
from bot.core.events import Event
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import SilenceRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction

BATCH = 20
RETRY_AT_MOST_EVERY = timedelta(minutes=1)

log = logging.getLogger("aiec.silences")


def say(tx: Transaction, config: Config, row: SilenceRow) -> None:
    """Queues the one message of a silence, as it is now."""
    tx.send(Message(key=f"silence-{row.id}", channel=config.channels.alerts, card=card(row, tx.now)))


def card(row: SilenceRow, now: datetime) -> Card:
    """Returns what is said of a silence: what it covers, until when, who wanted it and why, and whether it is in force."""
    over = row.ends_at <= now or (row.ended is not None and row.remote is None) or (row.ended is not None and row.done)
    who: Line = line(f"silence {row.id} · by ", Person(name=row.by), f": {row.reason}")
    state, word = (State.DONE, "is over") if over else (State.RUNNING, "is being ended") if row.ended else (State.WAITING, "is silenced")
    if not over and not row.ended and not row.done:
        state, word = (State.FAILED, "is not silenced") if row.trouble and row.next_at is None else (State.RUNNING, "is being silenced")
    lines = [who]
    lines += [line("ended by ", Person(name=row.ended))] if row.ended else []
    lines += [line(row.trouble)] if row.trouble and not over else []
    until: Line = () if over else (" until ", Time(at=row.ends_at, style="date"))
    expire = Action(label="End it", command="silence expire", arguments={"silence": str(row.id)})
    return Card(
        state=state,
        headline=line(Bold(text=", ".join(row.matchers)), f" {word}", *until),
        lines=tuple(lines),
        actions=(expire,) if not over and not row.ended else (),
    )


_DUE = Due(select(SilenceRow).where(col(SilenceRow.next_at) <= NOW))


class SilenceManager:
    name = "silences"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, alerting: Alerting) -> None:
        self._store, self._config, self._alerting = store, config, alerting

    def look(self) -> Look:
        return _DUE.there

    async def update(self, now: datetime) -> bool:
        """Makes and ends what is due, and returns whether there was anything."""
        rows = await self._store.read(lambda tx: _DUE.rows(tx, BATCH))
        for row in rows:
            await self._move(row)
        return bool(rows)

    async def _move(self, row: SilenceRow) -> None:
        remote, trouble, wait = row.remote, "", None
        try:
            if row.ended is not None and remote is not None:
                await self._alerting.expire(remote)
            elif row.ended is None and remote is None and row.ends_at > self._store.clock.now():
                matchers = [matcher(text) for text in row.matchers]
                remote = await self._alerting.silence(matchers, row.starts_at, row.ends_at, row.by, row.reason)
        except NotFound:
            pass  # there is nothing to end any more
        except AiecError as error:
            log.warning("silence %s: %s", row.id, error.text)
            trouble = f"{error.text} {error.hint}".strip()
            wait = error.retry_after if isinstance(error, Throttled) else min(timedelta(seconds=2**row.attempts), RETRY_AT_MOST_EVERY)
            wait = None if isinstance(error, Invalid) else wait
        await self._store.transaction(lambda tx: self._note(tx, row, remote, trouble, wait))

    def _note(self, tx: Transaction, tried: SilenceRow, remote: str | None, trouble: str, wait: timedelta | None) -> None:
        row = tx.get(SilenceRow, tried.id, lock=True)
        assert row is not None
        row.remote, row.trouble = remote, trouble or None
        row.done = not trouble
        row.attempts = row.attempts + 1 if trouble else 0
        if trouble:
            row.next_at = tx.now + wait if wait is not None else None
        elif row.ended != tried.ended:
            row.next_at, row.done = tx.now, False  # somebody wants it over since
        else:
            row.next_at = row.ends_at if row.ends_at > tx.now and row.ended is None else None
            kind = "silence.ended" if row.ended or row.ends_at <= tx.now else "silence.made"
            tx.record(Event(kind=kind, subject=f"silence {row.id}", actor=row.ended or row.by, data={"matchers": row.matchers, "remote": remote or ""}))
        tx.save(row)
        say(tx, self._config, row)
