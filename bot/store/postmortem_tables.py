"""The table of post-mortems. What the manager searches for has a column of its own; what people read and write is JSON."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from bot.store.tables import Serial, Utc


class PostmortemRow(SQLModel, table=True):
    """The post-mortem that an incident owes, or that somebody asked for. `state`: wanted → drafted → review → published; merged: it belongs to another's.

    `document`: what aiec drafted (`escalation.postmortem.draft.Draft`), made anew while `stale`; `written`: what people wrote, by section, never made anew;
    `aside`: what they wrote while somebody else wrote there. `reminded_at`: since when reminders count, `remind_at`: when the next one is due.
    `places`: where a published one should stand beside the chat, and does; `next_at`: when that is tried again.
    """

    __tablename__ = "postmortems"
    incident: int = Field(sa_column=Column(Serial, primary_key=True, autoincrement=False))
    state: str = Field(index=True)
    owner: str | None = None
    reviewer: str | None = None
    document: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    written: dict[str, dict[str, Any]] = Field(default_factory=dict, sa_type=JSON)
    aside: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    reviews: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    created_at: datetime = Field(sa_type=Utc)
    drafted_at: datetime | None = Field(default=None, sa_type=Utc)
    due_at: datetime | None = Field(default=None, sa_type=Utc)
    stale: bool = Field(default=True, index=True)
    reminded_at: datetime | None = Field(default=None, sa_type=Utc)
    remind_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    edition: int = 0
    published_at: datetime | None = Field(default=None, sa_type=Utc)
    published_by: str | None = None
    anyway: str = ""
    places: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    attempts: int = 0
