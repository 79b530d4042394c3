"""The tables. Documents (plans, cards, arguments) are JSON columns; what is searched for has a column of its own."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Index, Integer, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only INTEGER primary keys by itself


class Utc(TypeDecorator[datetime]):
    """An aware UTC datetime, also on SQLite, which keeps no zone. A naive one is refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class RequestRow(SQLModel, table=True):
    """A request as it came in. `state`: received → answered | denied | failed | operation. `key` is unique: the same request twice is one row.

    `lane`: which manager takes it, so that what is slow holds up nothing that is quick.
    """

    __tablename__ = "requests"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    key: str = Field(unique=True)
    received_at: datetime = Field(sa_type=Utc)
    state: str = "received"
    lane: str = Field(default="work", sa_column_kwargs={"server_default": "work"})
    document: dict[str, Any] = Field(sa_type=JSON)
    result: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    operation: int | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    finished_at: datetime | None = Field(default=None, sa_type=Utc)

    @property
    def number(self) -> int:
        assert self.id is not None
        return self.id

    @property
    def name(self) -> str:
        return f"request-{self.number}"

    __table_args__ = (Index("requests_open", "id", sqlite_where=text("state = 'received'"), postgresql_where=text("state = 'received'")),)


class OperationRow(SQLModel, table=True):
    """An operation: the document is `bot.core.operation.Operation`. `fence` grows with every claim; a writer with an older one has lost it."""

    __tablename__ = "operations"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    environment: str = Field(index=True)
    state: str
    document: dict[str, Any] = Field(sa_type=JSON)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    fence: int = 0


class EventRow(SQLModel, table=True):
    """The append-only log. `payload` may be erased later; its digest stays in the seal."""

    __tablename__ = "events"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    at: datetime = Field(sa_type=Utc)
    kind: str
    subject: str = Field(index=True)
    actor: str
    payload: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))


class SealRow(SQLModel, table=True):
    """One link of the audit chain: the event's number, its payload's digest, and the HMAC over both and the link before."""

    __tablename__ = "seals"
    sequence: int = Field(sa_column=Column(Serial, primary_key=True, autoincrement=False))
    event_id: int = Field(sa_column=Column(Serial, unique=True, nullable=False))
    digest: str
    seal: str


class AnchorRow(SQLModel, table=True):
    """Where the audit chain begins once its oldest links are pruned: the last of these, by its number and its seal.

    `at`: when that event happened; `file`, `sha256`: the export that it is in; `mark`: signs all of it, so that nobody can cut the chain without the key.
    """

    __tablename__ = "anchors"
    id: int = Field(default=1, primary_key=True)
    sequence: int = Field(sa_column=Column(Serial, nullable=False))
    seal: str
    at: datetime = Field(sa_type=Utc)
    file: str
    sha256: str
    mark: str


class MessageRow(SQLModel, table=True):
    """The outbox: what should stand in the chat, and what does. A newer `version` than `sent_version` is work for the sender.

    `channel` is an id or a #name; `only_for` a Slack user id; `thread_of` the key of the message under which it stands; `ref_*` where it is once posted.
    `gave_up`: why it cannot be sent, for ever, or with a `next_at` until somebody mends it.
    """

    __tablename__ = "messages"
    key: str = Field(primary_key=True)
    channel: str
    thread_of: str | None = None
    only_for: str | None = None
    response_url: str | None = None
    card: dict[str, Any] = Field(sa_type=JSON)
    version: int = 1
    sent_version: int = 0
    created_at: datetime = Field(sa_type=Utc)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    attempts: int = 0
    attempted_at: datetime | None = Field(default=None, sa_type=Utc)
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    ref_channel: str | None = None
    ref_ts: str | None = None
    gave_up: str | None = None


class LockRow(SQLModel, table=True):
    """Who holds an environment: an operation (`op-142`) or a person, since when and why."""

    __tablename__ = "locks"
    environment: str = Field(primary_key=True)
    holder: str
    reason: str
    since: datetime = Field(sa_type=Utc)


class FreezeRow(SQLModel, table=True):
    """A freeze that a person declared; those of aiec.yaml stand beside it."""

    __tablename__ = "freezes"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    environment: str = Field(index=True)
    starts_at: datetime = Field(sa_type=Utc)
    ends_at: datetime | None = Field(default=None, sa_type=Utc)
    reason: str
    by: str


class ReleaseRow(SQLModel, table=True):
    """A version that one of our operations brought to an environment and saw healthy. `until` is set when something else took its place."""

    __tablename__ = "releases"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    environment: str
    service: str
    version: str
    image: str
    operation: int
    healthy_at: datetime = Field(sa_type=Utc)
    until: datetime | None = Field(default=None, sa_type=Utc)
    __table_args__ = (Index("releases_place", "environment", "service", "id"),)


class GroupRow(SQLModel, table=True):
    """The cached members of a Slack user group (ids), good for 24 h when Slack is silent."""

    __tablename__ = "groups"
    handle: str = Field(primary_key=True)
    members: list[str] = Field(sa_type=JSON)
    fetched_at: datetime = Field(sa_type=Utc)


class FollowRow(SQLModel, table=True):
    """A log that somebody follows: the document is `bot.core.follows.Follow`. `key` is the request's: asked for twice it is one.

    `person`: the Slack id of whoever follows it; `holder`: the process that reads it, empty while none does yet. `over`: nobody does any more.
    """

    __tablename__ = "follows"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    key: str = Field(unique=True)
    person: str
    holder: str = ""
    document: dict[str, Any] = Field(sa_type=JSON)
    over: bool = Field(default=False, index=True)


class EngineRow(SQLModel, table=True):
    """The engine lock: who ticks, until when he may, and how often the lock has changed hands."""

    __tablename__ = "engine"
    id: int = Field(default=1, primary_key=True)
    holder: str
    lease_until: datetime = Field(sa_type=Utc)
    fence: int = 0
