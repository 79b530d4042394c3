"""What figures are made of, as plain data: a month, and what happened in it. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.core.data import Frozen

MONTHS = 6
"""How many months a chart shows."""
PRIVATE = "(private)"
"""What stands for the service and the cause of a private incident: it is counted, and never named."""


class Month(Frozen):
    """A month of the calendar, in UTC."""

    year: int
    month: int

    @property
    def name(self) -> str:
        return f"{self.year}-{self.month:02}"

    @property
    def title(self) -> str:
        return f"{self.start:%B %Y}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return datetime(self.year + self.month // 12, self.month % 12 + 1, 1, tzinfo=UTC)

    def back(self, months: int = 1) -> "Month":
        """Returns the month so many before."""
        count = self.year * 12 + self.month - 1 - months
        return Month(year=count // 12, month=count % 12 + 1)

    def has(self, at: datetime) -> bool:
        return self.start <= at < self.end


def month_of(at: datetime) -> Month:
    """Returns the month of a moment."""
    return Month(year=at.astimezone(UTC).year, month=at.astimezone(UTC).month)


@dataclass(frozen=True)
class IncidentFact:
    """An incident that was not merged into another. `cause`: the alert that opened it, or who did; `restored`: mitigated, or else resolved; `suspects`: the
    operation that it suspects first, as `op-142`."""

    number: int
    severity: str
    service: str
    cause: str
    private: bool
    opened: datetime
    answered: datetime | None = None
    restored: datetime | None = None
    resolved: datetime | None = None
    suspects: str = ""


@dataclass(frozen=True)
class PageFact:
    """That somebody of `people` was called, and the time of day that it was for him, in hours."""

    person: str
    at: datetime
    hour: int


@dataclass(frozen=True)
class AlertFact:
    """How often an alert of one fingerprint began to fire in the month, and in the month before."""

    name: str
    service: str
    times: int
    before: int = 0


@dataclass(frozen=True)
class ChangeFact:
    """A deploy, or a rollback, that changed something in production. `tried`: when it was begun. `ready`: since when its version had been healthy where it was
    promoted from, None where we do not know; `outcome`: done, failed or rolled_back."""

    operation: str
    command: str
    environment: str
    services: frozenset[str]
    asked: datetime
    tried: datetime
    ended: datetime
    outcome: str
    ready: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """`incidents` of several months, `pages` and `changes` of the month and the one before it, `alerts` that began to fire in these. `known`: since when our
    event log goes back, from which pages, alerts and changes are. `owed`: what was not done in time."""

    incidents: tuple[IncidentFact, ...] = ()
    pages: tuple[PageFact, ...] = ()
    alerts: tuple[AlertFact, ...] = ()
    changes: tuple[ChangeFact, ...] = ()
    known: datetime | None = None
    owed: "Owed" = field(default_factory=lambda: Owed())


@dataclass(frozen=True)
class Owed:
    """What was not done in its time, as it stands now, in words: what is about a private incident is not named."""

    actions: tuple[str, ...] = ()
    postmortems: tuple[str, ...] = ()
