"""What an account holds: people with their phones, schedules, escalation policies, services, incidents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

Json = dict[str, Any]
Status = Literal["triggered", "acknowledged", "resolved"]
Urgency = Literal["high", "low"]

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Rule:
    """A notification rule: after `minutes` of an incident being theirs and unacknowledged, the user is told by `channel` (push, phone, sms, email)."""

    minutes: float
    channel: str


HIGH_URGENCY = (Rule(0, "push"), Rule(2, "phone"), Rule(5, "phone"))
LOW_URGENCY = (Rule(0, "email"),)


@dataclass
class User:
    """A person of the account. `rules` are those for incidents of high urgency."""

    id: str
    name: str
    email: str
    title: str = ""
    time_zone: str = "Etc/UTC"
    role: str = "user"
    rules: tuple[Rule, ...] = HIGH_URGENCY


@dataclass(frozen=True)
class Override:
    """From `start` until before `end`, `user` (an id) is on call instead; None: nobody."""

    id: str
    user: str | None
    start: datetime
    end: datetime


@dataclass
class Schedule:
    """Users (ids) on call in turns of `turn`, the first from `start` on; overrides come before, the latest added first."""

    id: str
    name: str
    users: list[str]
    start: datetime
    turn: timedelta = 7 * DAY
    overrides: list[Override] = field(default_factory=list)

    def on_call(self, at: datetime) -> str | None:
        """Who is on call at a time."""
        for override in reversed(self.overrides):
            if override.start <= at < override.end:
                return override.user
        return self.users[(at - self.start) // self.turn % len(self.users)] if self.users else None

    def changes(self, since: datetime, until: datetime) -> list[datetime]:
        """When, between the two, somebody else may begin to be on call."""
        turns = [self.start + self.turn * number for number in range((since - self.start) // self.turn + 1, (until - self.start) // self.turn + 1)]
        edges = [edge for override in self.overrides for edge in (override.start, override.end)]
        return sorted({edge for edge in [*(turns if len(self.users) > 1 else []), *edges] if since < edge < until})


@dataclass
class Level:
    """A rule of an escalation policy: `targets` are ids of users and schedules, all told at once; after `delay` the next level is."""

    id: str
    targets: list[str]
    delay: timedelta


@dataclass
class Policy:
    """An escalation policy. After its last level it begins again, `loops` times."""

    id: str
    name: str
    levels: list[Level]
    loops: int = 0


@dataclass
class Service:
    """A service. `acknowledgement_timeout` and `auto_resolve_timeout` are None where there is none; `urgency` is high, low, or severity_based: the event's."""

    id: str
    name: str
    policy: str
    routing_key: str
    created: datetime
    acknowledgement_timeout: timedelta | None = None
    auto_resolve_timeout: timedelta | None = None
    urgency: str = "high"


@dataclass
class Window:
    """A maintenance window of services (ids)."""

    id: str
    services: list[str]
    start: datetime
    end: datetime
    description: str
    created_by: str
    number: int

    def covers(self, service: str, at: datetime) -> bool:
        return service in self.services and self.start <= at < self.end


@dataclass(frozen=True)
class Priority:
    id: str
    name: str


@dataclass(frozen=True)
class Agent:
    """Who did something: a user, or a service by itself."""

    kind: Literal["user", "service"]
    id: str


@dataclass(frozen=True)
class Entry:
    """A log entry of an incident. `kind` as in its type: `trigger`, `acknowledge`, `escalate`, …; `channel` how it was done; `detail` what its type adds."""

    id: str
    kind: str
    at: datetime
    agent: Agent
    channel: str
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    id: str
    user: str
    content: str
    at: datetime


@dataclass
class Notification:
    """Somebody was told of an incident. `state` is ringing, or how that ended: answered, missed, stopped (it was not for them any more)."""

    id: str
    user: str
    incident: str
    channel: str
    at: datetime
    state: str = "ringing"
    ended: datetime | None = None


@dataclass
class Incident:
    """An incident. Times are when the next thing happens by itself, None: nothing of the kind."""

    id: str
    number: int
    key: str
    title: str
    service: str
    policy: str
    urgency: Urgency
    created: datetime
    status: Status = "triggered"
    body: str = ""
    priority: str | None = None
    level: int = 0
    """The level of its escalation policy, from 1; 0 once it was assigned to users directly."""
    loops: int = 0
    assignees: dict[str, datetime] = field(default_factory=dict)
    acknowledgers: dict[str, datetime] = field(default_factory=dict)
    escalate_at: datetime | None = None
    unacknowledge_at: datetime | None = None
    resolve_at: datetime | None = None
    told_until: dict[str, int] = field(default_factory=dict)
    """How many of each assignee's notification rules have been followed."""
    resolved: datetime | None = None
    reopened: datetime | None = None
    merged_into: str | None = None
    changed: datetime | None = None
    changed_by: Agent | None = None
    client: Json | None = None
    alerts: int = 0
    log: list[Entry] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.status != "resolved"


@dataclass
class Subscription:
    """A webhook subscription. There are several secrets while they are rotated: every one signs."""

    id: str
    url: str
    secrets: list[str]
    events: list[str]
    services: list[str] | None = None
    """Ids; None: the whole account."""
    description: str = ""
    active: bool = True
    disabled_until: datetime | None = None
    dropped: int = 0
    """Deliveries in a row that were dropped."""
