"""The table of action items: what is to be done so that an incident does not come back."""

from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from bot.store.tables import Serial, Utc


class ActionRow(SQLModel, table=True):
    """An action item of an incident. `state`: open, done or dropped; `because`: why it was dropped, or what did it.

    `alerts`: what the incident's alerts are known by, for when they come back. `reminded_at`: since when reminders count; `remind_at`: when the next is due.
    `issue`: the number of its issue in `repository`, `issue_state` how that was seen last (open, closed; gone: there is none any more). `sync_at`: when it is
    to be made so; `trouble`: why it is not.
    """

    __tablename__ = "actions"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    incident: int = Field(index=True)
    text: str
    owner: str
    due_at: datetime = Field(sa_type=Utc)
    state: str = Field(default="open", index=True)
    created_at: datetime = Field(sa_type=Utc)
    created_by: str
    ended_at: datetime | None = Field(default=None, sa_type=Utc)
    ended_by: str | None = None
    because: str = ""
    alerts: list[str] = Field(default_factory=list, sa_type=JSON)
    reminded_at: datetime = Field(sa_type=Utc)
    remind_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    repository: str = ""
    issue: int | None = Field(default=None, index=True)
    issue_state: str = ""
    url: str = ""
    sync_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    attempts: int = 0
    trouble: str | None = None

    @property
    def number(self) -> int:
        assert self.id is not None
        return self.id

    @property
    def name(self) -> str:
        return f"act-{self.number}"
