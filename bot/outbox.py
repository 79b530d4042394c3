"""The manager that sends messages: it makes the chat show what the rows say, and is the only one that speaks unasked."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import Card, Line, Link, Ref
from bot.core.errors import AiecError, Invalid, NotFound, Refused, Throttled
from bot.core.events import Event
from bot.core.ports import Chat, Mailer, MessageRef
from bot.destinations import Destination, addresses_of, destination, look_again
from bot.store.due import NOW, Due, Look, free
from bot.store.store import Store
from bot.store.tables import MessageRow
from bot.store.transaction import EDIT_AT_MOST_EVERY, Transaction

log = logging.getLogger("aiec.outbox")

BATCH = 50
LEASE = timedelta(seconds=60)
RETRY_AT_MOST_EVERY = timedelta(minutes=1)
BATCH_WITHIN = timedelta(seconds=15)
WAIT_FOR_LINK = timedelta(seconds=20)
WAIT_FOR_CHANNEL = timedelta(seconds=10)
"""How long a message waits for a channel that is still to be made before it is looked again; when that is there, it is due at once."""
BROKEN_AGAIN_AFTER = timedelta(minutes=1)
REFUSED_FOR = timedelta(hours=24)
"""How long a message is kept that a channel refuses: somebody may invite the bot, or unarchive the channel."""


@dataclass(frozen=True)
class Sent:
    """What came of a try: the reference where it stands now, or when to try again, or why never (`gave_up`; with `again`: not while nobody mends it).

    `untried`: nothing can have been posted. `over`: it stays as it stands, for nothing more is said in that channel. `others_wait`: the channel's other
    messages are not tried until `again` either.
    """

    ref: MessageRef | None = None
    again: datetime | None = None
    gave_up: str = ""
    repost: bool = False
    untried: bool = False
    over: bool = False
    others_wait: bool = False


class OutboxManager:
    name = "outbox"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, chat: Chat, mailer: Mailer | None = None) -> None:
        self._store = store
        self._chat = chat
        self._mailer = mailer
        self._trouble = ""

    def look(self) -> Look:
        return _DUE.there

    async def update(self, now: datetime) -> bool:
        """Sends what is due, in order within a channel, and returns whether there was anything."""
        claimed = await self._store.transaction(_claim)
        for private in (False, True):  # private answers link to public messages, which must stand first
            channels: dict[str, list[MessageRow]] = defaultdict(list)
            for row in sorted(claimed, key=_drawn):  # words do not wait for a picture
                if (row.only_for is not None) is private:
                    channels[row.channel].append(row)
            await asyncio.gather(*(self._send_all(rows) for rows in channels.values()))
        return bool(claimed)

    async def _send_all(self, rows: Iterable[MessageRow]) -> None:
        put_off: Sent | None = None
        for row in rows:
            sent = put_off or await self._try(row)
            now = self._store.clock.now()
            if sent.others_wait or now - (row.attempted_at or now) > BATCH_WITHIN:
                put_off = Sent(again=sent.again or now, untried=True)
            await self._store.transaction(lambda tx, row=row, sent=sent: _note(tx, row, sent))  # type: ignore[misc]

    async def _try(self, row: MessageRow) -> Sent:
        now = self._store.clock.now()
        try:
            sent = await self._deliver(row, now)
            self._note_trouble("")
            return sent
        except Throttled as error:
            return Sent(again=now + error.retry_after, untried=True, others_wait=True)
        except NotFound as error:
            return Sent(repost=True, again=now) if row.ref_ts else Sent(gave_up=error.text)
        except Refused as error:
            again = now + RETRY_AT_MOST_EVERY if row.only_for is None and now - row.created_at < REFUSED_FOR else None
            return Sent(gave_up=f"{error.text} {error.hint}".strip(), again=again, untried=True)
        except Invalid as error:
            return Sent(gave_up=error.text)
        except AiecError as error:
            self._note_trouble(f"{error.text} {error.hint}".strip())
            return Sent(again=now + min(timedelta(seconds=2 ** min(row.attempts, 6)), RETRY_AT_MOST_EVERY))

    def _note_trouble(self, text: str) -> None:
        """Says in the log what keeps messages from being sent, once, and when that is over."""
        if text == self._trouble:
            return
        self._trouble = text
        if text:
            log.warning("Messages wait: %s", text)
        else:
            log.info("Messages are sent again")

    async def _deliver(self, row: MessageRow, now: datetime) -> Sent:
        card, missing = await self._linked(Card.model_validate(row.card), row.created_at)
        if missing is not None and now - missing < WAIT_FOR_LINK:
            return Sent(again=now + EDIT_AT_MOST_EVERY, untried=True)
        if addresses := addresses_of(row.channel):
            return await self._mail(row, card, addresses)
        if row.only_for is not None:
            return await self._whisper(row, card)
        place = await self._store.read(lambda tx: destination(tx, row.channel))
        if (nowhere := _nowhere(row, place, now)) is not None:
            return nowhere
        channel, thread_of, thread = place.channel or row.channel, place.thread_of or row.thread_of, None
        if thread_of is not None:
            parent = await self._store.read(lambda tx: tx.get(MessageRow, thread_of))
            if parent is None or (parent.gave_up and parent.next_at is None):
                return Sent(gave_up="the message that it belongs under could not be posted")
            if (thread := _where(parent)) is None:
                return Sent(again=max(parent.next_at or now, now + EDIT_AT_MOST_EVERY), untried=True)
        if (ref := _where(row)) is not None:
            await self._chat.update(ref, card, key=row.key, thread=thread)
            return Sent(ref)
        found = await self._chat.find(channel, row.key, row.created_at, thread=thread) if row.attempts > 1 else None
        if found is not None:
            await self._chat.update(found, card, key=row.key, thread=thread)
        return Sent(found or await self._chat.post(channel, card, key=row.key, thread=thread))

    async def _mail(self, row: MessageRow, card: Card, addresses: Sequence[str]) -> Sent:
        """Mails it, once: what was mailed is not edited."""
        if self._mailer is None:
            return Sent(gave_up="SMTP_URL is not set, so that nothing is mailed.")
        if _where(row) is None:
            await self._mailer.send(addresses, card, key=row.key)
        return Sent(MessageRef(row.channel, row.key))

    async def _whisper(self, row: MessageRow, card: Card) -> Sent:
        """Answers one person: by the response URL while that lives, else as an ephemeral message, or directly where the channel was archived meanwhile."""
        if row.response_url:
            try:
                await self._chat.respond(row.response_url, card)
                return Sent(MessageRef(row.channel, "response"))
            except (Refused, NotFound):
                pass  # the URL has expired; the other way still works
        assert row.only_for is not None
        try:
            return Sent(await self._chat.post(row.channel, card, key=row.key, only_for=row.only_for))
        except Refused:
            return Sent(await self._chat.post(row.only_for, card, key=row.key))

    async def _linked(self, card: Card, since: datetime) -> tuple[Card, datetime | None]:
        """Returns the card with its Refs made into links, or with the reason where that message is refused, and since when one of them is to be posted that is
        not (None: they all are); of one that is not even queued, `since`."""
        links: dict[str, str] = {}
        refused: list[Line] = []
        missing: datetime | None = None
        for key in dict.fromkeys(span.key for line in (card.headline, *card.lines) for span in line if isinstance(span, Ref)):
            row = await self._store.read(lambda tx, key=key: tx.get(MessageRow, key))  # type: ignore[misc]
            if row is not None and (ref := _where(row)) is not None:
                with contextlib.suppress(NotFound):  # somebody has deleted it
                    links[key] = await self._chat.permalink(ref)
            elif row is not None and row.gave_up is not None:
                refused.append((f"Nobody sees it there yet. {row.gave_up}",))
            else:
                missing = max(missing or since, row.created_at if row is not None else since)

        def link(line: Line) -> Line:
            return tuple((Link(url=links[s.key], text=s.text) if s.key in links else s.text) if isinstance(s, Ref) else s for s in line)

        linked = card.model_copy(update={"headline": link(card.headline), "lines": (*map(link, card.lines), *refused)})
        return linked, missing


def _drawn(row: MessageRow) -> bool:
    return row.card.get("chart") is not None


def _nowhere(row: MessageRow, place: Destination, now: datetime) -> Sent | None:
    """Returns what comes of a message that can be said nowhere at present, or None when it can: what was said in a channel that is gone is not edited."""
    if place.over and (ref := _where(row)) is not None and row.ref_channel == place.channel:
        return Sent(ref, over=True)
    if place.broken and (place.thread_of is None if row.ref_channel is None else row.ref_channel == place.channel):
        return Sent(gave_up=place.broken, again=now + BROKEN_AGAIN_AFTER if now - row.created_at < REFUSED_FOR else None, untried=True)
    if place.channel is None and not place.broken and row.ref_channel is None:
        return Sent(again=now + WAIT_FOR_CHANNEL, untried=True)
    return None


def _where(row: MessageRow) -> MessageRef | None:
    """Returns where a message stands, or None while it is not posted."""
    return MessageRef(row.ref_channel, row.ref_ts) if row.ref_channel and row.ref_ts else None


_DUE = Due(
    select(MessageRow).where(col(MessageRow.next_at) <= NOW, free(MessageRow.lease_until)).order_by(col(MessageRow.created_at), col(MessageRow.key)),
)


def _claim(tx: Transaction) -> list[MessageRow]:
    """Takes what is due and counts the try before it is made: a second try looks for the first one's message."""
    claimed: list[MessageRow] = []
    for row in _DUE.claim(tx, BATCH):
        row.attempts, row.attempted_at, row.lease_until = row.attempts + 1, tx.now, tx.now + LEASE
        tx.save(row)
        claimed.append(MessageRow(**row.model_dump()))
    return claimed


def _note(tx: Transaction, tried: MessageRow, sent: Sent) -> None:
    row = tx.get(MessageRow, tried.key, lock=True)
    if row is None:
        return
    if row.attempted_at != tried.attempted_at:
        # Somebody has taken it over since, and looks for what we may have posted. What we edited late may stand over newer words: they are said once more.
        if sent.ref is not None and tried.version < row.version:
            row.version, row.next_at = row.version + 1, row.next_at or tx.now
            tx.save(row)
        return
    row.lease_until = None
    if sent.ref is not None:
        row.ref_channel, row.ref_ts, row.attempts, row.sent_version = sent.ref.channel, sent.ref.ts, 0, tried.version
        row.gave_up = None
        row.next_at = tx.now + EDIT_AT_MOST_EVERY if row.version > tried.version else None
        if not sent.over:
            tx.record(Event(kind="message.sent", subject=row.key, data={"channel": row.channel, "version": tried.version}))
    elif sent.gave_up:
        if row.gave_up != sent.gave_up:
            log.warning("%s cannot be said in %s: %s", row.key, row.channel, sent.gave_up)
            tx.record(Event(kind="message.undeliverable", subject=row.key, data={"channel": row.channel, "because": sent.gave_up}))
        row.gave_up, row.next_at, row.attempts = sent.gave_up, sent.again, tried.attempts - sent.untried
        look_again(tx, row.channel)
    else:
        row.next_at, row.attempts = sent.again, tried.attempts - sent.untried
        if sent.repost:
            row.ref_channel = row.ref_ts = None
    tx.save(row)
