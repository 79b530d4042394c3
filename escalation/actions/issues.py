"""Action items as issues on GitHub: made for a new item, closed when it is done, and done here when somebody closes it there.

`move` and `seen` are pure: what is to be done there, and what is to be done here. An item of a private incident has no issue.
"""

import logging
import re
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import col, or_, select

from bot import troubles
from bot.core.card import line
from bot.core.config import Config
from bot.core.errors import AiecError, Throttled, Unavailable
from bot.core.issues import Issue, Issues
from bot.store.action_tables import ActionRow
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import IncidentRow, ScheduleRow
from bot.store.store import Store
from bot.store.transaction import Transaction
from escalation import schedule
from escalation.actions.book import end, in_step, issue_is, reopen
from escalation.actions.item import State

BATCH = 4
EVERY = timedelta(minutes=5)
"""How often it is asked what was closed there: one question, whatever the number of items."""
OVERLAP = timedelta(minutes=2)
LEASE = timedelta(minutes=2)
LONGEST = timedelta(hours=1)
QUIET_TRIES = 2
"""So often an issue may not be to be had before anybody is told: GitHub is often away for a minute."""
SCHEDULE = "issues"

log = logging.getLogger("aiec.issues")


class Move(StrEnum):
    """What is to be done on GitHub. FIND: it may have been made already, before an answer was lost."""

    NOTHING = "nothing"
    CREATE = "create"
    FIND = "find"
    CLOSE = "close"
    OPEN = "open"


class Change(StrEnum):
    """What is to be done about an item because of its issue."""

    NOTHING = "nothing"
    DONE = "done"
    DROPPED = "dropped"
    REOPENED = "reopened"


def move(state: str, issue: int | None, there: str, attempts: int) -> Move:
    """Returns what brings an item's issue (None: there is none) into step. `there`: how it was seen last; `attempts`: how often this was tried before."""
    wanted = state == State.OPEN
    if issue is None:
        return Move.FIND if attempts else Move.CREATE if wanted else Move.NOTHING
    if there == "gone" or (there == "open") == wanted:
        return Move.NOTHING
    return Move.OPEN if wanted else Move.CLOSE


def seen(state: str, there: str, issue: Issue) -> Change:
    """Returns what an issue asks for that was seen `there` the last time: only what has changed there since, or a lost answer would undo what was said here."""
    if there == ("open" if issue.open else "closed"):
        return Change.NOTHING
    if issue.open:
        return Change.REOPENED if state != State.OPEN else Change.NOTHING
    if state != State.OPEN:
        return Change.NOTHING
    return Change.DONE if issue.planned else Change.DROPPED


def wait(error: AiecError, attempts: int) -> timedelta:
    """Returns how long to wait after a failure: as long as GitHub asks, longer each time where it is away, an hour where it refuses."""
    if isinstance(error, Throttled):
        return error.retry_after
    return min(timedelta(seconds=30) * 2 ** min(attempts, 10), LONGEST) if isinstance(error, Unavailable) else LONGEST


def mark(config: Config, row: ActionRow) -> str:
    """Returns what an item's issue is known by; it names the moment too, so that another database with the same number means another one."""
    return f"aiec {config.platform} {row.name} {row.created_at:%Y-%m-%dT%H:%M:%SZ}"


def text_of(row: ActionRow) -> str:
    """Returns what an issue says. Nobody is mentioned by it, and no other issue, whatever stands in the item."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", row.text)), 0)
    return (
        f"{fence}\n{row.text}\n{fence}\n\n"
        f"Action item `{row.name}` of incident {row.incident}, written down by `{row.created_by}` for `{row.owner}`, due {row.due_at:%Y-%m-%d %H:%M} UTC.\n\n"
        "aiec closes this issue when the item is done, and takes the item for done when the issue is closed."
    )


class IssueManager:
    name = "issues"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config, issues: Issues) -> None:
        self._store, self._config, self._issues = store, config, issues

    def look(self) -> Look:
        return or_(_DUE.there, ~_LATER.there)

    async def update(self, now: datetime) -> bool:
        """Brings issues into step that are not, asks now and then what was closed there, and returns whether there was anything to do there."""
        if not await self._store.read(_LATER.any):
            await self._look(now)
        if not await self._store.read(_DUE.any):
            return False
        for number in await self._store.transaction(_claim):
            if not await self._move(number):
                break  # the others would meet the same; they are tried when their lease is over
        return True

    async def _move(self, number: int) -> bool:
        row = await self._store.transaction(lambda tx: _wanted(tx, number))
        if row is None:
            return True
        step = move(row.state, row.issue, row.issue_state, row.attempts - 1)
        try:
            issue, gone = await self._act(row, step)
        except AiecError as error:
            log.warning("%s: %s", row.name, error.text)
            failed = error
            await self._store.transaction(lambda tx: self._failed(tx, number, failed))
            return False
        await self._store.transaction(lambda tx: self._moved(tx, number, step, issue, gone=gone))
        return True

    async def _act(self, row: ActionRow, step: Move) -> tuple[Issue | None, bool]:
        """Returns the issue as it is now, where it was asked for, and whether it is gone."""
        if step is Move.FIND:
            found = await self._issues.find(row.repository, mark(self._config, row), row.created_at - OVERLAP)
            step = Move.CREATE if found is None and row.state == State.OPEN else Move.NOTHING
            if found is not None:
                return found, False
        match step:
            case Move.CREATE:
                return await self._issues.create(row.repository, row.text, text_of(row), mark(self._config, row)), False
            case Move.CLOSE | Move.OPEN:
                assert row.issue is not None
                moved = await self._issues.move(row.repository, row.issue, open=step is Move.OPEN, planned=row.state != State.DROPPED)
                return moved, moved is None
        return None, False

    def _moved(self, tx: Transaction, number: int, step: Move, issue: Issue | None, *, gone: bool) -> None:
        row = tx.get(ActionRow, number, lock=True)
        assert row is not None
        row.attempts, row.trouble, row.sync_at = 0, None, None
        if issue is not None:
            row.issue, row.url, row.issue_state = issue.number, issue.url, "open" if issue.open else "closed"
        if gone:
            row.issue_state = "gone"
        if not in_step(row):
            row.sync_at = tx.now  # it has changed here meanwhile
        tx.save(row)
        if issue is not None or gone:
            issue_is(tx, self._config, row, "gone" if gone else "found" if step is Move.FIND else "made" if step is Move.CREATE else row.issue_state)
        _settled(tx)

    def _failed(self, tx: Transaction, number: int, error: AiecError) -> None:
        row = tx.get(ActionRow, number, lock=True)
        assert row is not None
        row.trouble, row.sync_at = error.text, tx.now + wait(error, row.attempts)
        tx.save(row)
        if row.attempts > QUIET_TRIES or not isinstance(error, Unavailable):
            _trouble(tx, self._config, error)

    async def _look(self, now: datetime) -> None:
        """Asks what was touched there since the last time, and does here what was done there."""
        last, repositories = await self._store.read(_linked)
        try:
            found = {name: await self._issues.changed(name, since - OVERLAP) for name, since in repositories.items()}
        except AiecError as error:
            log.warning("issues: %s", error.text)
            refused = error
            await self._store.transaction(lambda tx: self._unseen(tx, last, refused))
            return

        def save(tx: Transaction) -> None:
            for name, issues in found.items():
                for issue in issues:
                    self._take(tx, name, issue)
            tx.session.merge(ScheduleRow(name=SCHEDULE, next_at=tx.now + EVERY, done_at=now))
            if found:
                _settled(tx)

        await self._store.transaction(save)

    def _unseen(self, tx: Transaction, last: datetime | None, error: AiecError) -> None:
        tx.session.merge(ScheduleRow(name=SCHEDULE, next_at=tx.now + max(wait(error, 0), EVERY), done_at=last))
        if not isinstance(error, Unavailable):
            _trouble(tx, self._config, error)

    def _take(self, tx: Transaction, repository: str, issue: Issue) -> None:
        row = tx.first(select(ActionRow).where(ActionRow.repository == repository, ActionRow.issue == issue.number).with_for_update())
        if row is None or row.issue_state == "gone":
            return
        change = seen(row.state, row.issue_state, issue)
        row.issue_state = "open" if issue.open else "closed"
        tx.save(row)
        by = f"{issue.by or 'somebody'} at GitHub"
        match change:
            case Change.DONE | Change.DROPPED:
                end(tx, self._config, row, State(change), by, f"issue {issue.number} was closed")
            case Change.REOPENED:
                reopen(tx, self._config, row, by)


_DUE = Due(select(ActionRow).where(col(ActionRow.sync_at) <= NOW).order_by(col(ActionRow.sync_at)))
_LATER = schedule.later(SCHEDULE)


def _claim(tx: Transaction) -> list[int]:
    """Writes down that it is tried before it is: whether an answer was lost is known by that."""
    rows = _DUE.claim(tx, BATCH)
    for row in rows:
        row.attempts, row.sync_at = row.attempts + 1, tx.now + LEASE
        tx.save(row)
    return [row.number for row in rows]


def _wanted(tx: Transaction, number: int) -> ActionRow | None:
    """Returns the item, unless its incident has become private before there was an issue: then there never is one."""
    row = tx.get(ActionRow, number, lock=True)
    assert row is not None
    incident = tx.get(IncidentRow, row.incident)
    if row.issue is None and row.attempts <= 1 and incident is not None and incident.private:
        row.repository, row.sync_at, row.trouble = "", None, None
        tx.save(row)
        return None
    return row


def _linked(tx: Transaction) -> tuple[datetime | None, dict[str, datetime]]:
    """Returns when it was looked last, and since when each repository that has issues of ours is to be looked at."""
    row = tx.get(ScheduleRow, SCHEDULE)
    last = row.done_at if row is not None else None
    linked = tx.all(select(ActionRow).where(col(ActionRow.issue).is_not(None), ActionRow.issue_state != "gone"))
    return last, {one.repository: last or one.created_at for one in linked}


def _trouble(tx: Transaction, config: Config, error: AiecError) -> None:
    lines = tuple(line(said) for said in (error.text, error.hint, "Nothing is lost: it is tried again until it goes.") if said)
    troubles.tell(tx, "issues", config.channels.incidents, "Action items and their issues are not in step", lines)


def _settled(tx: Transaction) -> None:
    if tx.first(select(ActionRow).where(col(ActionRow.trouble).is_not(None))) is None:
        troubles.over(tx, "issues", "Action items and their issues are in step again")
