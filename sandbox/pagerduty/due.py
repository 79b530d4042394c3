"""What happens by itself: notifications, escalations, acknowledgements and snoozes that run out, incidents that resolve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sandbox.pagerduty import lifecycle, phones
from sandbox.pagerduty.state import Incident

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty


@dataclass(frozen=True)
class Due:
    """Something that happens at a time."""

    at: datetime
    happen: Callable[[], None]


def nearest(account: PagerDuty) -> Due | None:
    """What happens next, or None. Of several at once: people are told before an incident goes on to others."""
    found = [(one.at, order, number, one) for number, incident in enumerate(account.incidents.values()) for order, one in enumerate(_of(account, incident))]
    return min(found, key=lambda entry: entry[:3])[3] if found else None


def _of(account: PagerDuty, incident: Incident) -> Iterator[Due]:
    if not incident.open:
        return
    if incident.status == "triggered":
        for user, since in incident.assignees.items():
            rules = phones.rules(account, incident, user)
            followed = incident.told_until.get(user, 0)
            if followed < len(rules):
                yield Due(since + timedelta(minutes=rules[followed].minutes), partial(phones.tell, account, incident, user))
    if incident.unacknowledge_at is not None:
        yield Due(incident.unacknowledge_at, partial(lifecycle.unacknowledge, account, incident))
    if incident.resolve_at is not None:
        yield Due(incident.resolve_at, partial(lifecycle.resolve_by_itself, account, incident))
    if incident.escalate_at is not None:
        yield Due(incident.escalate_at, partial(lifecycle.escalate_by_itself, account, incident))
