"""The manager of followed logs: it reads them, and posts what was written into the thread of each, at most one call a second.

Its lines are exempt from the outbox: they are an answer that goes on, and are worth nothing later. That it is followed, and why no more, are messages.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import Card
from bot.core.errors import AiecError, Refused, Throttled, Unavailable
from bot.core.events import Event
from bot.core.follows import AT_ONCE, Batch, Follow, Followed, batch_card, ending_card, follow_card
from bot.core.ports import Chat, Cluster, MessageRef
from bot.core.request import Actor
from bot.following import Following
from bot.store.due import Due, Look
from bot.store.store import Store
from bot.store.tables import FollowRow, MessageRow
from bot.store.transaction import Message, Transaction

ONE_CALL_EVERY = timedelta(seconds=1)
GIVE_UP_AFTER = timedelta(minutes=2)
"""How long the chat may take nothing before the log is no longer followed."""


def begin(tx: Transaction, followed: Followed, actor: Actor, key: str, length: timedelta) -> Follow:
    """Writes down that a person follows a log for so long, and returns it; the same request again is the same. Raises Refused where he follows one already."""
    assert actor.slack is not None
    known = tx.first(select(FollowRow).where(FollowRow.key == key))
    if known is not None:
        return Follow.model_validate(known.document)
    other = tx.first(select(FollowRow).where(FollowRow.person == actor.slack, col(FollowRow.over).is_(False)))
    if other is not None:
        mine = Follow.model_validate(other.document)
        raise Refused(f"You follow the {mine.followed.title} already ({mine.name}).", f"`/aiec logs stop {mine.name}` ends that.")
    if len(tx.all(select(FollowRow).where(col(FollowRow.over).is_(False)).limit(AT_ONCE))) >= AT_ONCE:
        raise Refused(f"{AT_ONCE} logs are followed at the same time, and no more.", "Look at it without `--follow`, or try again in some minutes.")
    row = tx.save(FollowRow(key=key, person=actor.slack, document={}))
    follow = Follow(number=row.id or 0, followed=followed, actor=actor.name, since=tx.now, until=tx.now + length)
    _save(tx, row, follow)
    tx.record(Event(kind="follow.started", subject=follow.name, actor=actor.name, data={"log": followed.title}))
    return follow


def stop(tx: Transaction, actor: Actor, name: str) -> Follow:
    """Ends a followed log, as a person wants it; without a name the one that he follows. Raises Refused when it is over, or somebody else's."""
    mine = select(FollowRow).where(FollowRow.person == actor.slack, col(FollowRow.over).is_(False))
    number = name.rpartition("-")[2]
    row = tx.get(FollowRow, int(number), lock=True) if number.isdigit() else tx.first(mine)
    if row is None:
        raise Refused(f"There is no {name}." if name else "You follow no log.", "`/aiec help logs` says how one is followed.")
    follow = Follow.model_validate(row.document)
    if row.person != actor.slack:
        raise Refused(f"{follow.name} is followed by {follow.actor}, for whom alone it is.")
    if row.over:
        raise Refused(f"{follow.name} is over already: {follow.ended}.")
    return _end(tx, row, follow, "stopped", stopped_by=actor.name)


def _end(tx: Transaction, row: FollowRow, follow: Follow, why: str, stopped_by: str = "") -> Follow:
    over = follow.model_copy(update={"ended": why, "ended_at": tx.now, "stopped_by": stopped_by})
    row.over = True
    _save(tx, row, over)
    tx.send(Message(key=f"{over.name}/end", channel=row.person, card=ending_card(over), thread_of=over.name))
    tx.record(Event(kind="follow.ended", subject=over.name, actor=stopped_by or "aiec", data={"because": why, "lines": over.lines}))
    return over


def _save(tx: Transaction, row: FollowRow, follow: Follow) -> None:
    row.document = follow.model_dump(mode="json")
    tx.save(row)
    tx.send(Message(key=follow.name, channel=row.person, card=follow_card(follow)))


@dataclass
class _Session:
    """A log that this process reads. `pending`: what is to be posted, until it is; `posted`: how many lines were; `since`: when posting began to fail."""

    follow: Follow
    following: Following
    called: datetime | None = None
    not_before: datetime | None = None
    pending: Card | None = None
    size: int = 0
    posted: int = 0
    calls: int = 0
    failing: datetime | None = None
    why: str = ""


_FOLLOWED = select(FollowRow).where(col(FollowRow.over).is_(False)).order_by(col(FollowRow.id))
_OPEN = Due(_FOLLOWED)


class FollowManager:
    """Keeps one session for each followed log. What another process has read ends: its lines since then are not known."""

    name = "follows"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, chat: Chat, clusters: Mapping[str, Cluster]) -> None:
        self._store = store
        self._chat = chat
        self._clusters = clusters
        self._holder = uuid.uuid4().hex
        self._sessions: dict[int, _Session] = {}

    def look(self) -> Look:
        return True if self._sessions else _OPEN.there

    async def update(self, now: datetime) -> bool:
        """Takes up what is new, posts what was written, and ends what is over. Returns whether anything was begun, posted or ended."""
        rows = await self._store.read(lambda tx: [(row.id or 0, row.holder, Follow.model_validate(row.document)) for row in tx.all(_FOLLOWED)])
        there = {number for number, _, _ in rows}
        for number in [number for number in self._sessions if number not in there]:
            await self._forget(number)
        moved = False
        for number, holder, follow in rows:
            if holder not in ("", self._holder):
                moved |= await self._finish(number, "aiec was restarted, and what was written meanwhile is not shown")
            elif not holder and follow.followed.environment not in self._clusters:
                moved |= await self._finish(number, f"aiec.yaml does not know {follow.followed.environment} any more")
            elif not holder:
                moved |= await self._take_up(number, follow)
        return any(await asyncio.gather(*(self._visit(number, now) for number in [*self._sessions]))) or moved

    async def close(self) -> None:
        """Ends all reading, without a word: whoever comes next says it."""
        sessions, self._sessions = [*self._sessions.values()], {}
        for session in sessions:
            await session.following.close()

    async def _take_up(self, number: int, follow: Follow) -> bool:
        def mine(tx: Transaction) -> bool:
            row = tx.get(FollowRow, number, lock=True)
            if row is None or row.over or row.holder:
                return False
            row.holder = self._holder
            tx.save(row)
            return True

        if await self._store.transaction(mine):
            self._sessions[number] = _Session(follow, Following(follow.followed, self._clusters[follow.followed.environment]))
        return True

    async def _visit(self, number: int, now: datetime) -> bool:
        session = self._sessions[number]
        if now >= session.follow.until:
            await self._post(session, now)
            return await self._finish(number, "its time is up")
        await session.following.refresh(now)
        posted = await self._post(session, now)
        return await self._finish(number, session.why) if session.why else posted

    async def _post(self, session: _Session, now: datetime) -> bool:
        """Posts what there is, when the last call is a second ago and the thread is there. Returns whether it did."""
        paced = session.called is not None and timedelta() <= now - session.called < ONE_CALL_EVERY
        if paced or (session.not_before is not None and now < session.not_before):
            return False
        thread = await self._thread(session.follow)
        if thread is None:
            return False
        if session.pending is None:
            batch: Batch = session.following.take()
            if not batch:
                return False
            session.pending, session.size, session.calls = batch_card(batch), len(batch.lines), session.calls + 1
        session.called = now
        try:
            await self._chat.post(thread.channel, session.pending, key=f"{session.follow.name}/{session.calls}", thread=thread)
        except Throttled as error:
            session.not_before = now + error.retry_after
            return False
        except Unavailable as error:
            session.failing = session.failing or now
            session.why = f"Slack does not answer: {error.text.rstrip('.')}" if now - session.failing >= GIVE_UP_AFTER else ""
            return False
        except AiecError as error:
            session.why = error.text.rstrip(".")
            return False
        session.pending, session.failing, session.posted = None, None, session.posted + session.size
        return True

    async def _thread(self, follow: Follow) -> MessageRef | None:
        row = await self._store.read(lambda tx: tx.get(MessageRow, follow.name))
        return MessageRef(row.ref_channel, row.ref_ts) if row is not None and row.ref_channel and row.ref_ts else None

    async def _finish(self, number: int, why: str) -> bool:
        session = self._sessions.get(number)

        def end(tx: Transaction) -> None:
            row = tx.get(FollowRow, number, lock=True)
            if row is not None and not row.over:
                follow = Follow.model_validate(row.document)
                _end(tx, row, follow.model_copy(update={"lines": session.posted if session else follow.lines}), why)

        await self._store.transaction(end)
        await self._forget(number)
        return True

    async def _forget(self, number: int) -> None:
        session = self._sessions.pop(number, None)
        if session is None:
            return
        await session.following.close()

        def count(tx: Transaction) -> None:
            row = tx.get(FollowRow, number, lock=True)
            if row is not None and row.over:
                _save(tx, row, Follow.model_validate(row.document).model_copy(update={"lines": session.posted}))

        await self._store.transaction(count)
