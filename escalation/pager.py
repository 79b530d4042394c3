"""The manager of pages: it makes PagerDuty show what the rows want, and shouts until it does. Nothing here waits for the chat.

A page is delivered when its incident has been read back. A try that may have been made before is made so that it counts once: by the page's key, which
PagerDuty takes for one open incident only, and by looking at who is assigned.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.config import Config
from bot.core.errors import AiecError, Conflict, Forbidden, Invalid, NotFound, Throttled, Unauthenticated
from bot.core.pager import Page, Pager, PagerIncident
from bot.store.due import NOW, Due, Look, free
from bot.store.incident_tables import PageRow
from bot.store.store import Store
from bot.store.transaction import Transaction
from escalation.delivery import SOON, Tried, note, whom_for
from escalation.observed import take

log = logging.getLogger("aiec.pages")

BATCH = 8
"""PagerDuty wants a token's requests one after the other, more or less."""
LEASE = timedelta(seconds=60)
RETRY_AT_MOST_EVERY = timedelta(seconds=30)
UNTIL_MENDED = timedelta(minutes=1)
"""How often it is tried what a person has to mend: a token, an id, a maintenance window."""


class PageManager:
    name = "pages"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config, pager: Pager | None) -> None:
        self._store = store
        self._config = config
        self._pager = pager

    def look(self) -> Look:
        return _DUE.there

    async def update(self, now: datetime) -> bool:
        """Sends what is due, what nobody was paged for yet first, and returns whether there was anything."""
        claimed = await self._store.transaction(_claim)
        await asyncio.gather(*(self._serve(row) for row in claimed))
        return bool(claimed)

    async def _serve(self, row: PageRow) -> None:
        tried = await self._try(row, self._pager) if self._pager is not None else Tried(done=True)

        def write(tx: Transaction) -> None:
            note(tx, self._config, row, tried, there=self._pager is not None)
            if tried.reconcile and tried.seen is not None:
                take(tx, self._config, tried.seen)

        await self._store.transaction(write)

    async def _try(self, row: PageRow, pager: Pager) -> Tried:
        now = self._store.clock.now()
        attempt = Attempt(pager, self._config, row)
        try:
            return await attempt.make()
        except Throttled as error:
            return await attempt.otherwise(error, now + max(error.retry_after, timedelta(seconds=1)), fallback=error.retry_after > SOON, untried=True)
        except Conflict as error:
            # Answered or resolved there meanwhile, maybe longer ago than the reconciler looks back; writing to it would open it again.
            log.info("%s: %s", row.key, error.text)
            return await attempt.overtaken()
        except NotFound as error:
            if row.remote is not None:
                return Tried(again=now, forget=True, trouble=error.text)
            return await attempt.otherwise(error, now + UNTIL_MENDED, fallback=True)
        except (Unauthenticated, Forbidden) as error:
            return await attempt.otherwise(error, now + UNTIL_MENDED, fallback=True)
        except Invalid as error:
            return await attempt.refused(error, now + UNTIL_MENDED)
        except AiecError as error:
            wait = min(timedelta(seconds=2 ** min(row.attempts - 1, 6)), RETRY_AT_MOST_EVERY)
            return await attempt.otherwise(error, now + wait, fallback=row.attempts > 1)


class Attempt:
    """One try to make PagerDuty show a row. `remote`: the incident there, as soon as it is known."""

    def __init__(self, pager: Pager, config: Config, row: PageRow) -> None:
        self._pager, self._config, self._row = pager, config, row
        self.remote = row.remote
        self._notes = 0
        self._remark = ""

    async def make(self) -> Tried:
        """Returns what came of it. Raises what the pager raises."""
        row = self._row
        reborn = row.sent_status == "resolved" and row.status != "resolved"
        if self.remote is None or reborn:
            self.remote = await self._find_or_open()
            if self.remote is None:
                return Tried(done=True)
        elif row.rounds > row.sent_rounds and row.status == "triggered":
            await self._page_again(self.remote)
        seen = await self._pager.read(self.remote)
        if seen is None:
            raise NotFound(f"PagerDuty has no incident {self.remote} any more.", "It was deleted there; another one is opened.")
        await self._follow(seen)
        mute = f"PagerDuty gave it low urgency, with which it neither rings nor escalates ({seen.url})" if seen.urgency == "low" else ""
        return Tried(done=True, remote=self.remote, seen=seen, notes=self._notes, mute=mute, remark=self._remark)

    async def _find_or_open(self) -> str | None:
        """Opens the incident. One that nobody needs to be called for any more is only looked for, where it may have been opened by an earlier try."""
        row = self._row
        if row.status == "triggered":
            await self._not_over()
            return await self._open()
        found = await self._pager.find(row.key) if row.attempts > 1 or row.fallback or row.sent_rounds else None
        return found.id if found is not None and found.status != "resolved" else None

    async def _not_over(self) -> None:
        """Raises Conflict where an earlier try has opened it, and somebody has resolved it before we knew: that is an answer, and nobody is called again."""
        row = self._row
        if (row.attempts == 1 and not row.fallback) or (row.sent_rounds and row.remote is None):
            return
        try:
            found = await self._pager.find(row.key)
        except AiecError:
            return  # rather called once more than not at all
        if found is not None and found.status == "resolved" and found.id != row.remote:
            self.remote = found.id
            raise Conflict(f"PagerDuty's incident {found.id} was resolved before its number was known here.", "Whoever resolved it is left in peace.")

    async def _open(self) -> str:
        """What PagerDuty refuses of it, a priority or somebody whom it does not know, is left out rather than nobody called."""
        page = self._page()
        tries = [
            page,
            replace(page, priority=None),
            replace(page, priority=None, to=()),
        ]
        for index, wanted in enumerate(tries):
            try:
                return await self._pager.open(wanted)
            except Invalid as error:
                if not any(later != wanted for later in tries[index + 1 :]):
                    raise
                self._remark = error.text
        raise AssertionError("the last try returns or raises")

    async def _page_again(self, remote: str) -> None:
        row, wanted = self._row, whom_for(self._config, self._row)
        if row.rounds == 1 and (row.level == 1 or row.people):
            return  # opening it was this page; whoever was called then may have handed it on since
        seen = await self._pager.read(remote)
        if seen is not None and seen.status == "acknowledged" and row.sent_status == "triggered":
            raise Conflict(f"PagerDuty's incident {remote} was acknowledged a moment ago.", "Whoever answered is left in peace.")
        there = seen is not None and seen.status == "triggered" and seen.called(row.since) and wanted == {*seen.assignees}
        if there and wanted:
            return  # an earlier try came through, or PagerDuty's own policy was faster
        try:
            await (self._pager.reassign(remote, row.people) if row.people else self._pager.raise_level(remote, row.level))
        except Invalid as error:
            users = sorted(wanted) if not row.people else []
            self._remark = error.text
            if not users and not row.people:
                raise
            await (self._pager.reassign(remote, users) if users else self._pager.raise_level(remote, row.level))

    async def _follow(self, seen: PagerIncident) -> None:
        """Brings its status, priority and notes to what is wanted."""
        row, by = self._row, self._address()
        if row.status == "acknowledged" and seen.status == "triggered":
            await self._pager.acknowledge(seen.id, by)
        elif row.status == "resolved" and seen.status != "resolved":
            await self._pager.resolve(seen.id, by)
        if row.priority is not None and row.priority not in (seen.priority, row.sent_priority):
            await self._leniently(self._pager.prioritise(seen.id, row.priority))
        for text in row.notes:
            await self._leniently(self._pager.note(seen.id, text))
            self._notes += 1

    async def _leniently(self, call: Awaitable[None]) -> None:
        """What calls nobody must not keep a page from being delivered: if PagerDuty refuses it, that is remarked."""
        try:
            await call
        except (Invalid, Forbidden, NotFound) as error:
            self._remark = error.text

    def _address(self) -> str | None:
        person = self._config.people.get(self._row.by or "")
        return person.email if person else None

    def _page(self) -> Page:
        row = self._row
        return Page(row.key, row.title, row.body, row.level, row.service or None, tuple(row.people), row.priority, row.since)

    async def overtaken(self) -> Tried:
        """Looks at what somebody else has made of it."""
        try:
            seen = await self._pager.read(self.remote) if self.remote is not None else None
        except AiecError:
            seen = None  # the reconciler asks, and if it looks back too short, the next round comes here again
        return Tried(done=True, remote=self.remote, seen=seen, reconcile=True)

    async def refused(self, error: AiecError, again: datetime) -> Tried:
        """Finds out why PagerDuty refuses: a service in maintenance or switched off opens nothing, by an event neither."""
        try:
            status = (await self._pager.setup()).status
        except AiecError:
            status = "active"
        if status == "active":
            return await self.otherwise(error, again, fallback=True)
        why = "in a maintenance window" if status == "maintenance" else "disabled"
        return Tried(again=again, remote=self.remote, trouble=f"PagerDuty's service is {why}, and opens no incidents.")

    async def otherwise(self, error: AiecError, again: datetime, *, fallback: bool, untried: bool = False) -> Tried:
        """Says why it failed, and pages by an event where that may help: it needs other credentials and other machines of PagerDuty."""
        row, trouble, signalled = self._row, error.text, False
        if fallback and self.remote is None and row.status == "triggered" and not row.fallback:
            try:
                await self._pager.signal(self._page())
                signalled = True
            except AiecError as other:
                trouble = f"{trouble} {other.text}"
        return Tried(again=again, remote=self.remote, notes=self._notes, trouble=trouble, signalled=signalled, untried=untried)


_DUE = Due(
    select(PageRow).where(col(PageRow.next_at) <= NOW, free(PageRow.lease_until)).order_by(col(PageRow.sent_rounds), col(PageRow.next_at), col(PageRow.key)),
)


def _claim(tx: Transaction) -> list[PageRow]:
    """Takes what is due and counts the try before it is made: a second try knows that the first one may have come through."""
    claimed = []
    for row in _DUE.claim(tx, BATCH):
        row.attempts, row.attempted_at, row.lease_until = row.attempts + 1, tx.now, tx.now + LEASE
        tx.save(row)
        claimed.append(PageRow(**row.model_dump()))
    return claimed
