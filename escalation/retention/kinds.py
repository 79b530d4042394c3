"""Which of our records may go: what is over for long enough, and nothing that is open or that something open still refers to.

Incidents themselves, their channels' names, post-mortems, action items and releases stay: they are few, and figures and promotions are made from them.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlalchemy import select as columns
from sqlmodel import SQLModel, col, select

from bot.core.operation import Phase
from bot.store.action_tables import ActionRow
from bot.store.incident_tables import (
    AlertGroupRow,
    AlertRow,
    EscalationRow,
    EvidenceRow,
    IncidentRow,
    MaintenanceRow,
    OverrideRow,
    PageRow,
    SilenceRow,
)
from bot.store.postmortem_tables import PostmortemRow
from bot.store.runbook_tables import RunRow
from bot.store.tables import FreezeRow, MessageRow, OperationRow, ReleaseRow, RequestRow
from bot.store.transaction import Transaction
from escalation.incident import State

MOVING = [phase for phase in Phase if not phase.over]
_OPEN = [state for state in State if state.open]
_ABOUT = re.compile(r"(incident|op|action|maintenance|silence|runbook|postmortem)-(\d{1,18})\b")
_WRITTEN = ("published", "merged")


@dataclass(frozen=True)
class Kind:
    """A table of which `old` rows may go. `numbered`: its newest row stays, because the database would give its number to the next one again."""

    table: type[SQLModel]
    old: Callable[[datetime], ColumnElement[bool]]
    numbered: bool = True

    @property
    def name(self) -> str:
        return str(self.table.__tablename__)

    @property
    def key(self) -> Any:
        return next(iter(self.table.__table__.primary_key.columns))  # type: ignore[attr-defined]

    def where(self, border: datetime) -> ColumnElement[bool]:
        """Returns the condition that a row may go."""
        newest = columns(func.max(self.key)).scalar_subquery()
        return and_(self.old(border), self.key < newest) if self.numbered else self.old(border)

    def candidates(self, tx: Transaction, border: datetime, after: Any, limit: int) -> Sequence[SQLModel]:
        """Returns the next rows after that key, in its order."""
        query: Any = select(self.table).where(self.where(border)).order_by(self.key).limit(limit)
        return tx.all(query.where(self.key > after) if after is not None else query)


def settled(border: datetime) -> Any:
    """Returns the numbers of incidents that are over since before that moment, whose post-mortem is published or was not owed, and of which nothing is left to
    be done."""
    row = IncidentRow
    over = or_(
        and_(col(row.state).in_([State.RESOLVED, State.CLOSED]), col(row.resolved_at) < border),
        and_(col(row.state) == State.MERGED, col(row.opened_at) < border),
    )
    owed = exists().where(col(PostmortemRow.incident) == col(row.id), col(PostmortemRow.state).not_in(_WRITTEN))
    left = exists().where(col(ActionRow.incident) == col(row.id), col(ActionRow.state) == "open")
    return columns(col(row.id)).where(over, ~owed, ~left)


def _of_settled(column: Any) -> Callable[[datetime], ColumnElement[bool]]:
    return lambda border: column.in_(settled(border))


def _operations(border: datetime) -> ColumnElement[bool]:
    """`ended_at` is written with the zone of UTC, so that the beginnings of two of them stand in the order of time."""
    row = OperationRow
    ended = col(row.document)["ended_at"].as_string() < f"{border.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    running = exists().where(col(ReleaseRow.operation) == col(row.id), col(ReleaseRow.until).is_(None))
    return and_(col(row.state).not_in(MOVING), ended, ~running)


def _requests(border: datetime) -> ColumnElement[bool]:
    moving = columns(col(OperationRow.id)).where(col(OperationRow.state).in_(MOVING))
    free = or_(col(RequestRow.operation).is_(None), col(RequestRow.operation).not_in(moving))
    return and_(col(RequestRow.state) != "received", col(RequestRow.finished_at) < border, free)


def _alerts(border: datetime) -> ColumnElement[bool]:
    row = AlertRow
    over = and_(col(row.status) != "firing", col(row.next_at).is_(None), col(row.held).is_(False), col(row.ends_at) < border)
    return and_(over, or_(col(row.incident).is_(None), col(row.incident).in_(settled(border))))


def _pages(border: datetime) -> ColumnElement[bool]:
    row = PageRow
    there = and_(col(row.status) == "resolved", col(row.next_at).is_(None), col(row.created_at) < border)
    return and_(there, or_(col(row.incident).is_(None), col(row.incident).in_(settled(border))))


KINDS = (
    Kind(EvidenceRow, _of_settled(col(EvidenceRow.incident))),
    Kind(RunRow, lambda border: and_(col(RunRow.state) != "running", col(RunRow.incident).in_(settled(border)))),
    Kind(PageRow, _pages, numbered=False),
    Kind(EscalationRow, lambda border: and_(col(EscalationRow.next_at).is_(None), col(EscalationRow.incident).in_(settled(border))), numbered=False),
    Kind(AlertRow, _alerts),
    Kind(AlertGroupRow, lambda border: and_(col(AlertGroupRow.next_at).is_(None), col(AlertGroupRow.last_at) < border), numbered=False),
    Kind(RequestRow, _requests),
    Kind(OperationRow, _operations),
    Kind(MaintenanceRow, lambda border: and_(col(MaintenanceRow.next_at).is_(None), col(MaintenanceRow.ended_at) < border)),
    Kind(SilenceRow, lambda border: and_(col(SilenceRow.done).is_(True), col(SilenceRow.ends_at) < border)),
    Kind(OverrideRow, lambda border: col(OverrideRow.ends_at) < border),
    Kind(FreezeRow, lambda border: col(FreezeRow.ends_at) < border),
    Kind(MessageRow, lambda border: and_(col(MessageRow.next_at).is_(None), col(MessageRow.created_at) < border), numbered=False),
)
"""In the order in which they go: what a message is about goes before it."""


@dataclass(frozen=True)
class Needed:
    """What is referred to by something that stays: operations by their numbers; messages by what they are about, as `incident-42`, and by their keys."""

    operations: frozenset[int]
    about: frozenset[str]
    threads: frozenset[str]

    def keeps(self, row: SQLModel) -> bool:
        if isinstance(row, OperationRow):
            return row.id in self.operations
        if isinstance(row, MessageRow):
            found = _ABOUT.match(row.key)
            return row.key in self.threads or (found is not None and found[0] in self.about)
        return False


def needed(tx: Transaction, border: datetime) -> Needed:
    """Returns what must stay because of others."""
    there: dict[str, Any] = {
        "incident": columns(col(IncidentRow.id)).where(col(IncidentRow.id).not_in(settled(border))),
        "postmortem": columns(col(PostmortemRow.incident)).where(col(PostmortemRow.state).not_in(_WRITTEN)),
        "action": columns(col(ActionRow.id)).where(col(ActionRow.state) == "open"),
        "op": columns(col(OperationRow.id)),
        "maintenance": columns(col(MaintenanceRow.id)),
        "silence": columns(col(SilenceRow.id)),
        "runbook": columns(col(RunRow.id)),
    }
    about = {f"{name}-{number}" for name, query in there.items() for number in tx.session.scalars(query)}
    threads = columns(col(MessageRow.thread_of)).where(col(MessageRow.created_at) >= border, col(MessageRow.thread_of).is_not(None)).distinct()
    documents = tx.session.scalars(columns(col(IncidentRow.document)).where(col(IncidentRow.state).in_(_OPEN)))
    names = {suspect.get("operation", "") for document in documents for suspect in document.get("suspects", ())}
    names |= {str(document.get("operation", "")) for document in tx.session.scalars(columns(col(RunRow.document)).where(col(RunRow.state) == "running"))}
    operations = frozenset(int(name.removeprefix("op-")) for name in names if name.startswith("op-"))
    return Needed(operations, frozenset(about), frozenset(one for one in tx.session.scalars(threads) if one))
