"""PagerDuty as the bot sees it: the pages that go out, the incidents they become there, who is on call, and how the escalation is set up.

Times are UTC, ids are PagerDuty's own. `by` is the e-mail address of the PagerDuty user in whose name something is done; None: of PAGERDUTY_FROM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

Status = Literal["triggered", "acknowledged", "resolved"]


@dataclass(frozen=True)
class Page:
    """Somebody is to be woken. `key` makes it one page however often it is sent; `level` counts from 1; `service` is the one of aiec.yaml that it is about.

    `to`: PagerDuty user ids, who are paged instead of the escalation policy. `since`: only who was called from then on counts as called for it (None: who is
    called is). `priority`: a name of `Pager.priorities`.
    """

    key: str
    title: str
    body: str
    level: int
    service: str | None
    to: tuple[str, ...] = ()
    priority: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class PagerIncident:
    """An incident as PagerDuty has it now. `service`, `policy`, `assignees` and `acknowledged_by` are ids, `priority` is a name.

    `key` is None where PagerDuty tells none (incidents that alerts have joined). `merged_into`: the incident that stands for this resolved one.
    `assigned_at`: when it was last given to somebody, who was called then.
    `snoozed_until`: when an acknowledged one becomes triggered again by itself, by a snooze or by the service's acknowledgement timeout.
    """

    id: str
    key: str | None
    status: Status
    title: str
    urgency: Literal["high", "low"]
    url: str
    service: str
    policy: str | None
    assignees: tuple[str, ...]
    assigned_at: datetime | None
    acknowledged_by: tuple[str, ...]
    priority: str | None
    merged_into: str | None
    snoozed_until: datetime | None
    created_at: datetime
    updated_at: datetime

    def called(self, since: datetime | None) -> bool:
        """Returns whether those whom it is assigned to were called from that moment on; PagerDuty tells whole seconds."""
        return since is None or (self.assigned_at is not None and self.assigned_at >= since.replace(microsecond=0))


@dataclass(frozen=True)
class Shift:
    """A PagerDuty user on call at a level of the policy; without `start` and `end` always."""

    level: int
    user: str
    name: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class LevelSetup:
    """A level of PagerDuty's policy: how long it waits for an answer, and the ids of the users who are on call there now."""

    delay: timedelta
    users: tuple[str, ...]


@dataclass(frozen=True)
class Setup:
    """The service and the escalation policy as they are configured at PagerDuty.

    `urgency`: `high` or `low` for all incidents, `severity_based`, or `support_hours` (it depends on the hour); the timeouts are None where there is none;
    `loops`: how often the policy is repeated; `service_policy`: the policy that the service has by itself, which pages by Events v2 go to.
    """

    levels: tuple[LevelSetup, ...]
    urgency: str
    acknowledge_timeout: timedelta | None
    auto_resolve: timedelta | None
    loops: int
    status: Literal["active", "maintenance", "disabled"]
    name: str
    service_policy: str | None = None


@dataclass(frozen=True)
class Subscription:
    """A webhook subscription that covers our service. Without `active` nothing is delivered: PagerDuty or a person has switched it off."""

    id: str
    url: str
    active: bool
    events: tuple[str, ...]


class Pager(Protocol):
    """One service and one escalation policy of PagerDuty. What is said of errors in `bot.core.ports` holds here too."""

    async def open(self, page: Page) -> str:
        """Pages by opening an incident, and returns its id. An open incident of the same key is adopted, never doubled, and brought to the page's level."""
        ...

    async def read(self, id: str) -> PagerIncident | None:
        """Returns the incident, or None when there is none with this id."""
        ...

    async def find(self, key: str) -> PagerIncident | None:
        """Returns the newest incident with that `incident_key`, open or not."""
        ...

    async def raise_level(self, id: str, level: int) -> None:
        """Pages that level of the policy now, also after an acknowledgement. Raises Conflict when the incident is resolved."""
        ...

    async def acknowledge(self, id: str, by: str | None = None) -> None:
        """Ends the paging. Raises Conflict when the incident is resolved: writing to it would open it again."""
        ...

    async def resolve(self, id: str, by: str | None = None) -> None:
        """Does nothing to an incident that is resolved already."""
        ...

    async def reassign(self, id: str, users: Sequence[str]) -> None:
        """Pages these users instead of the policy, which PagerDuty then no longer follows. Raises Conflict when the incident is resolved."""
        ...

    async def note(self, id: str, text: str, by: str | None = None) -> None:
        """Adds a note; each call adds one."""
        ...

    async def prioritise(self, id: str, priority: str | None) -> None:
        """Sets the priority of that name, or takes it away. Raises Invalid when there is none of that name. Does not open a resolved incident."""
        ...

    async def merge(self, into: str, ids: Sequence[str]) -> None:
        """Resolves the incidents `ids` into another one."""
        ...

    async def recent(self, since: datetime) -> list[PagerIncident]:
        """Returns the open incidents of our service, and those of it that changed since then."""
        ...

    async def on_call(self, since: datetime, until: datetime) -> list[Shift]:
        """Returns who is on call in that time, by level."""
        ...

    async def signal(self, page: Page) -> None:
        """Pages by an event (Events v2), whose `dedup_key` is the page's key: the way that is left when `open` fails. Who is paged is the service's matter."""
        ...

    async def maintain(self, description: str, start: datetime, end: datetime, services: Sequence[str]) -> str:
        """Opens a maintenance window, in which these services open no incidents, and returns its id. An equal one that is there already is adopted."""
        ...

    async def end_maintenance(self, id: str) -> None:
        """Ends the window now. Does nothing when it has ended."""
        ...

    async def setup(self) -> Setup:
        """Returns how service and policy are configured. Raises NotFound with the one that does not exist."""
        ...

    async def priorities(self) -> tuple[str, ...]:
        """Returns the names of the account's priorities, the highest first; none where the account has not enabled them."""
        ...

    async def user(self, email: str | None = None) -> str | None:
        """Returns the id of the PagerDuty user with this e-mail address (None: PAGERDUTY_FROM), or None when there is none."""
        ...

    async def subscriptions(self) -> list[Subscription]:
        """Returns the webhook subscriptions that our service's events go to."""
        ...
