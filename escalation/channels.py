"""The manager of incidents' channels: it makes Slack have what the rows say, and says on the incident's card what keeps it from that."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import col, select, update

from bot.core.errors import AiecError, Conflict, Forbidden, Invalid, Refused, Throttled
from bot.core.events import Event
from bot.core.rooms import RoomInfo, Rooms
from bot.destinations import address
from bot.store.due import NOW, Due, Look, free
from bot.store.incident_tables import ChannelRow, EscalationRow, IncidentRow
from bot.store.store import Store
from bot.store.tables import MessageRow
from bot.store.transaction import Transaction

BATCH = 10
"""Slack lets an app make about twenty channels a minute; where it asks to wait, all wait."""
LEASE = timedelta(seconds=90)
RETRY_AT_MOST_EVERY = timedelta(minutes=1)
LOOK_AGAIN_AFTER = timedelta(minutes=10)
"""When it is looked whether somebody has mended what keeps a channel from being made or used."""
NAMES = 9
LAST_WORDS = timedelta(seconds=2)
"""How long an archive waits before it looks again whether everything has been said there."""

log = logging.getLogger("aiec.channels")


@dataclass
class Try:
    """What came of a try. `again`: when to try again; `trouble`: what a person can do something about, empty when all is well; `done`: it is as wanted."""

    slack: str | None
    name: str
    invited: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    again: datetime | None = None
    done: bool = False


class ChannelManager:
    name = "channels"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, rooms: Rooms) -> None:
        self._store = store
        self._rooms = rooms
        self._wait_until: datetime | None = None

    def look(self) -> Look:
        return False if self._waits(self._store.clock.now()) else _DUE.there

    async def update(self, now: datetime) -> bool:
        """Makes, describes, fills or archives some channels, and returns whether there were any."""
        claimed = await self._store.transaction(_claim)
        for row in claimed:
            tried = Try(row.slack, row.name, [*row.invited], dict(row.refused), again=self._wait_until) if self._waits(now) else await self._try(row)
            await self._store.transaction(lambda tx, row=row, tried=tried: _note(tx, row, tried))  # type: ignore[misc]
        return bool(claimed)

    def _waits(self, now: datetime) -> bool:
        """Slack asked to wait: as it counts all of our calls together, all channels do."""
        return self._wait_until is not None and now < self._wait_until

    async def _try(self, row: ChannelRow) -> Try:
        now = self._store.clock.now()
        tried = Try(row.slack, row.name, [*row.invited], dict(row.refused))
        try:
            if row.archived:
                await self._archive(row, tried, now)
            else:
                await self._keep(row, tried)
        except Throttled as error:
            tried.again = self._wait_until = now + error.retry_after
        except (Refused, Forbidden, Invalid) as error:
            tried.trouble, tried.again = f"{error.text} {error.hint}".strip(), now + LOOK_AGAIN_AFTER
        except AiecError as error:
            log.warning("The channel of #%s waits: %s", row.incident, error.text)
            tried.again = now + min(timedelta(seconds=2 ** min(row.attempts, 6)), RETRY_AT_MOST_EVERY)
        return tried

    async def _keep(self, row: ChannelRow, tried: Try) -> None:
        """Makes the channel, unless it is there, and gives it what it lacks."""
        if tried.slack is None:
            tried.slack = await self._make(row, tried)
        room = await self._rooms.room(tried.slack)
        gone = _gone(row, room)
        if gone or room is None:
            tried.trouble, tried.again = gone, self._store.clock.now() + LOOK_AGAIN_AFTER
            return
        await self._rooms.describe_room(
            room.id, topic=row.topic if room.topic != row.topic else None, purpose=row.purpose if room.purpose != row.purpose else None
        )
        missing = [user for user in row.members if user not in tried.invited]
        if missing:
            tried.refused |= await self._rooms.invite(room.id, missing)
            tried.invited += missing
        tried.done = True

    async def _make(self, row: ChannelRow, tried: Try) -> str:
        """Returns the id of the channel: a new one, or the one that an interrupted try has made. A name that others have gets a number."""
        for place in range(1, NAMES + 1):
            name = row.name if place == 1 else f"{row.name}-{place}"
            try:
                id = await self._rooms.create_room(name, private=row.private)
            except Conflict:
                found = await self._rooms.find_room(name)
                if found is None or not _adoptable(row, found):
                    continue
                id = found.id
            tried.name = name
            return id
        raise Refused(f"The names {row.name} to {row.name}-{NAMES} are taken by other channels.", "Rename one of them.")

    async def _archive(self, row: ChannelRow, tried: Try, now: datetime) -> None:
        if row.slack is not None:
            if await self._store.read(lambda tx: _unsaid(tx, row.incident)):
                tried.again = now + LAST_WORDS
                return
            room = await self._rooms.room(row.slack)
            if room is not None and not room.archived:
                await self._rooms.archive_room(row.slack)
        tried.done = True


def _gone(row: ChannelRow, room: RoomInfo | None) -> str:
    """Returns why the channel cannot be used, as a person reads it; empty when it can."""
    if room is None:
        mend = "`/invite @aiec` there mends it; until then everything is said here" if not row.private else "`/invite @aiec` there mends it"
        return f"#{row.name} was deleted, or aiec was taken out of it. {mend}."
    return f"#{row.name} was archived. Unarchive it, or go on here." if room.archived else ""


def _adoptable(row: ChannelRow, found: RoomInfo) -> bool:
    """Whether a channel is this incident's: it says so, or it says nothing yet and we have made it since we wanted it."""
    if not found.ours or found.archived:
        return False
    return found.purpose == row.purpose or (not found.purpose and row.first_at is not None and found.created >= row.first_at - RETRY_AT_MOST_EVERY)


_DUE = Due(
    select(ChannelRow).where(col(ChannelRow.next_at) <= NOW, free(ChannelRow.lease_until)).order_by(col(ChannelRow.next_at), col(ChannelRow.incident)),
)


def _claim(tx: Transaction) -> Sequence[ChannelRow]:
    claimed = []
    for row in _DUE.claim(tx, BATCH):
        row.attempts, row.attempted_at, row.lease_until, row.first_at = row.attempts + 1, tx.now, tx.now + LEASE, row.first_at or tx.now
        tx.save(row)
        claimed.append(ChannelRow(**row.model_dump()))
    return claimed


def _unsaid(tx: Transaction, incident: int) -> bool:
    """Whether something is still to be said in the channel: its last words come before it is archived."""
    drawn = tx.get(IncidentRow, incident)
    waiting = select(MessageRow).where(MessageRow.channel == address(incident), col(MessageRow.next_at).is_not(None), col(MessageRow.gave_up).is_(None))
    return (drawn is not None and drawn.stale) or tx.first(waiting) is not None


def _note(tx: Transaction, tried: ChannelRow, outcome: Try) -> None:
    row = tx.get(ChannelRow, tried.incident, lock=True)
    if row is None or row.attempted_at != tried.attempted_at:
        return
    row.lease_until = None
    if outcome.slack is not None and row.slack is None:
        row.slack, row.name = outcome.slack, outcome.name
        tx.record(Event(kind="channel.opened", subject=f"#{row.incident}", data={"channel": row.slack, "text": f"#{row.name}"}))
        _speak_there(tx, row)
        _redraw(tx, row)
        _name_it(tx, row)
    if row.refused != outcome.refused:
        row.refused = outcome.refused
        _redraw(tx, row)
    row.invited = outcome.invited or row.invited
    if outcome.done or outcome.trouble:
        if (row.trouble or "") != outcome.trouble:
            row.trouble = outcome.trouble or None
            tx.record(Event(kind=f"channel.{'broken' if outcome.trouble else 'mended'}", subject=f"#{row.incident}", data={"because": outcome.trouble}))
            _redraw(tx, row)
        row.attempts = 0
    if outcome.done:
        row.sent_version = tried.version
        row.next_at = tx.now if row.version > tried.version else None
        if row.archived and row.version == tried.version:
            tx.record(Event(kind="channel.archived", subject=f"#{row.incident}", data={"channel": row.slack}))
    else:
        row.next_at = outcome.again
    tx.save(row)


def _speak_there(tx: Transaction, row: ChannelRow) -> None:
    """What waits for the channel is due now."""
    waiting = col(MessageRow.channel) == address(row.incident), col(MessageRow.ref_ts).is_(None), col(MessageRow.next_at).is_not(None)
    tx.session.exec(update(MessageRow).where(*waiting).values(next_at=tx.now))


def _redraw(tx: Transaction, row: ChannelRow) -> None:
    incident = tx.get(IncidentRow, row.incident, lock=True)
    if incident is not None:
        incident.stale = True
        tx.save(incident)


def _name_it(tx: Transaction, row: ChannelRow) -> None:
    """Those who were paged before the channel was there are told where it is."""
    paging = tx.get(EscalationRow, row.incident, lock=True)
    if paging is not None and paging.rounds:
        paging.stale = True
        tx.save(paging)
