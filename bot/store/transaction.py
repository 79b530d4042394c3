"""What can be done inside a transaction: save rows, record events, queue messages."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ARRAY, ColumnElement, any_, bindparam, func, insert, inspect
from sqlalchemy import select as columns
from sqlmodel import Session, SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar

from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.events import Event
from bot.store.tables import EventRow, MessageRow

EDIT_AT_MOST_EVERY = timedelta(seconds=1)

Row = TypeVar("Row", bound=SQLModel)


class Message(Frozen):
    """What should stand in the chat under a key. Sending the same key again edits that message (an ephemeral one is said only once).

    `only_for` (a Slack user id) makes it private, by `response_url` where there is one; `thread_of` puts it into another message's thread.
    """

    key: str
    channel: str
    card: Card
    thread_of: str | None = None
    only_for: str | None = None
    response_url: str | None = None


@cache
def _by_key(table: type[Row], lock: bool) -> SelectOfScalar[Row]:
    """The query for a row by its key, which costs more to make than to ask."""
    query = select(table).where(inspect(table).primary_key[0] == bindparam("key"))
    return query.with_for_update() if lock else query


_RECORD = insert(EventRow)
"""Without an object for each: nothing in a transaction is done as often."""


class Transaction:
    """One unit of work. `now` is the same moment for all of it."""

    def __init__(self, session: Session, now: datetime) -> None:
        self.session = session
        self.now = now

    def get(self, table: type[Row], key: object, *, lock: bool = False) -> Row | None:
        """Returns the row with this primary key; `lock` holds it until the commit (PostgreSQL; SQLite has one writer anyway)."""
        if isinstance(key, tuple):
            return self.session.get(table, key, with_for_update=True if lock else None)
        known: Row | None = self.session.identity_map.get(inspect(table).identity_key_from_primary_key((key,)))
        if known is None:
            return self.session.exec(_by_key(table, lock), params={"key": key}).one_or_none()
        return self.session.get(table, key, with_for_update=True) if lock else known

    def all(self, query: SelectOfScalar[Row]) -> Sequence[Row]:
        return self.session.exec(query).all()

    def first(self, query: SelectOfScalar[Row]) -> Row | None:
        return self.session.exec(query.limit(1)).first()

    def save(self, row: Row) -> Row:
        """Inserts or updates the row and returns it, with its number if it is new."""
        self.session.add(row)
        self.session.flush()
        return row

    def delete(self, row: SQLModel) -> None:
        self.session.delete(row)

    def record(self, event: Event) -> None:
        """Appends to the event log."""
        row = {"at": self.now, "kind": event.kind, "subject": event.subject, "actor": event.actor, "payload": event.data}
        self.session.connection().execute(_RECORD, row)

    def send(self, message: Message) -> None:
        """Queues a message, or its newer content. A card equal to the one that already stands there is no work."""
        row = self.get(MessageRow, message.key, lock=True)
        card = message.card.model_dump(mode="json")
        if row is None:
            row = MessageRow(created_at=self.now, next_at=self.now, **{**message.model_dump(exclude={"card"}), "card": card})
        elif row.card != card and row.only_for is None and (row.gave_up is None or row.next_at is not None):
            row.card, row.version = card, row.version + 1
            row.next_at = row.next_at or _edit_at(row, self.now)
        self.session.add(row)

    def among(self, column: Any, values: Sequence[int] | Sequence[str]) -> ColumnElement[bool]:
        """Returns the condition that a column is one of these, of which there may be thousands: they are one parameter, not thousands."""
        if self.session.get_bind().dialect.name == "sqlite":
            return column.in_(columns(func.json_each(json.dumps([*values])).table_valued("value").c.value))  # type: ignore[no-any-return]
        return column == any_(bindparam(None, [*values], type_=ARRAY(column.type)))  # type: ignore[no-any-return]


def _edit_at(row: MessageRow, now: datetime) -> datetime:
    """Returns when a message may be edited that needs it now: the first edit comes at once, the others keep a distance."""
    if row.attempted_at is None or row.sent_version <= 1:
        return now
    return max(now, row.attempted_at + EDIT_AT_MOST_EVERY)
