"""What PagerDuty tells of an incident, by webhook or when asked, as the changes that it means for ours. Pure; repeated and out of order it changes nothing.

What is older than the newest state that was seen, or than our own last change, tells nothing new; while a wish of ours is on its way, a state tells nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from bot.core.data import Frozen
from bot.core.pager import PagerIncident
from bot.core.pager_events import PagerEvent
from escalation.book import OUR_NOTE
from escalation.incident import Incident, State

Levels = Mapping[int, frozenset[str]]
"""PagerDuty ids of those on call, by level."""


class View(Frozen):
    """What we know of a page: what is wanted of PagerDuty, whether it is there (`settled`), and the moment of the newest state, seen or made by us."""

    status: str
    level: int
    settled: bool
    people: tuple[str, ...] = ()
    priority: str | None = None
    seen_at: datetime | None = None
    snoozed_until: datetime | None = None


class Change(Frozen):
    """One change: what, by whom (a PagerDuty user's id; None: a program or a timer), and what belongs to it."""

    kind: Literal["acknowledged", "unacknowledged", "escalated", "reassigned", "snoozed", "resolved", "reopened", "merged", "noted", "prioritised"]
    by: str | None = None
    level: int = 0
    to: tuple[str, ...] = ()
    text: str = ""
    until: datetime | None = None


def observe(incident: Incident | None, view: View, seen: PagerIncident | PagerEvent, levels: Levels) -> tuple[Change, ...]:
    """Returns what it means for an incident of ours, and for its page; `incident` is None for a page outside incidents."""
    return _event(incident, view, seen, levels) if isinstance(seen, PagerEvent) else _state(incident, view, seen)


def _event(incident: Incident | None, view: View, event: PagerEvent, levels: Levels) -> tuple[Change, ...]:
    if event.type == "incident.annotated":
        ours = event.note.startswith(OUR_NOTE) or not event.note.strip()
        return () if ours else (Change(kind="noted", by=event.agent, text=event.note),)
    if view.seen_at is not None and event.occurred_at < view.seen_at:
        return ()
    match event.type:
        case "incident.acknowledged":
            return _acknowledged(view, event.agent)
        case "incident.unacknowledged":
            return _unacknowledged(incident, view)
        case "incident.escalated":
            return _escalated(view, event, levels)
        case "incident.reassigned" | "incident.delegated":
            ours = bool(view.people) and {*view.people} == {*event.assignees}
            return () if ours or not event.assignees else (Change(kind="reassigned", by=event.agent, to=event.assignees),)
        case "incident.resolved":
            return _resolved(view, event.agent, event.merged_into)
        case "incident.reopened":
            # That it was over in between may be told later; the answer from before that is none any more.
            return _reopened(view, event.agent) or _unacknowledged(incident, view)
        case "incident.priority_updated" | "incident.priority_changed":
            return _prioritised(view, event.priority, event.agent)
        case _:
            return ()


def _state(incident: Incident | None, view: View, seen: PagerIncident) -> tuple[Change, ...]:
    """A poll sees where it stands, not what happened."""
    if not view.settled:
        return ()
    found: list[Change] = []
    by = next(iter(seen.acknowledged_by), None)
    match seen.status:
        case "acknowledged":
            found += _acknowledged(view, by)
        case "resolved":
            found += _resolved(view, None, seen.merged_into)
        case "triggered":
            found += _unacknowledged(incident, view)
    if seen.status == "acknowledged" and seen.snoozed_until is not None and seen.snoozed_until != view.snoozed_until:
        found.append(Change(kind="snoozed", by=by, until=seen.snoozed_until))
    if seen.status != "resolved":
        found += _prioritised(view, seen.priority, None)
    return tuple(found)


def _acknowledged(view: View, by: str | None) -> tuple[Change, ...]:
    """One that is over here was opened again before, which we have not heard of."""
    return (*_reopened(view, by), Change(kind="acknowledged", by=by)) if view.status == "triggered" or _reopened(view, by) else ()


def _unacknowledged(incident: Incident | None, view: View) -> tuple[Change, ...]:
    """Its acknowledgement ran out there, and PagerDuty calls again by itself; mitigated or not, somebody has to look."""
    answered = incident is None or incident.state in (State.ACKNOWLEDGED, State.MITIGATED)
    return (Change(kind="unacknowledged"),) if view.status == "acknowledged" and answered else _reopened(view, None)


def _escalated(view: View, event: PagerEvent, levels: Levels) -> tuple[Change, ...]:
    """Which level it was is told only by who is assigned now. Where somebody stands on several levels, it is the lowest that is not below ours."""
    there = {*event.assignees}
    level = next((level for level in sorted(levels) if level >= view.level and levels[level] & there), 0)
    changes: list[Change] = [*_reopened(view, event.agent)]
    if view.status == "acknowledged" and view.settled:
        changes.append(Change(kind="unacknowledged", by=event.agent))
    if level > view.level:
        changes.append(Change(kind="escalated", by=event.agent, level=level, to=event.assignees))
    return tuple(changes)


def _resolved(view: View, by: str | None, into: str | None) -> tuple[Change, ...]:
    if view.status == "resolved":
        return ()
    return (Change(kind="merged", by=by, text=into),) if into else (Change(kind="resolved", by=by),)


def _reopened(view: View, by: str | None) -> tuple[Change, ...]:
    return (Change(kind="reopened", by=by),) if view.status == "resolved" and view.settled else ()


def _prioritised(view: View, priority: str | None, by: str | None) -> tuple[Change, ...]:
    return (Change(kind="prioritised", by=by, text=priority),) if priority is not None and priority != view.priority else ()
