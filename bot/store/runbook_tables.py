"""The table of runbooks that are run. What the manager searches for has a column of its own; what people read is a JSON document."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from bot.store.tables import Serial, Utc


class RunRow(SQLModel, table=True):
    """A runbook that is, or was, run for an incident: the document is `runbooks.run.Run`, `text` the runbook as it was when it began.

    `request`: the key of the request whose answer it waits for; `next_at`: when something is due without one.
    """

    __tablename__ = "runs"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    incident: int = Field(index=True)
    runbook: str
    state: str = Field(index=True)
    text: str
    document: dict[str, Any] = Field(sa_type=JSON)
    request: str | None = None
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)

    @property
    def number(self) -> int:
        assert self.id is not None
        return self.id
