"""Who is on call: what PagerDuty said, cached for days ahead, dated overrides over it, and the people of aiec.yaml where it has said nothing.

PagerDuty has one policy for us. It stands for the first one of aiec.yaml; people of any other are paged there by themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from sqlmodel import col, select

from bot.core.config import Config
from bot.core.foreign import moment
from bot.core.pager import Shift
from bot.store.incident_tables import OnCallRow, OverrideRow
from bot.store.transaction import Transaction
from escalation.ladder import Ladder, Roster

HORIZON = timedelta(days=8)
"""How far ahead PagerDuty is asked."""
FRESH = timedelta(minutes=15)
"""After that, what PagerDuty said is called old."""


class Source(StrEnum):
    """Where it is known from who is on call."""

    PAGERDUTY = "PagerDuty"
    CACHE = "PagerDuty, which is silent"
    FILE = "aiec.yaml"
    OVERRIDE = "override"


@dataclass(frozen=True)
class OnCall:
    """Who is on call at a level. `users`: their PagerDuty ids, as far as they have one. `direct`: PagerDuty would page somebody else for this level, so that
    these users are to be paged themselves. `until`: when somebody else is, None when that is not known."""

    level: int
    people: tuple[str, ...]
    users: tuple[str, ...]
    source: Source
    direct: bool = False
    until: datetime | None = None


@dataclass(frozen=True)
class Known:
    """What is known for a policy: PagerDuty's shifts with the time of its answer (None: it has never answered, or is not asked), and overrides."""

    shifts: tuple[Shift, ...] = ()
    fetched_at: datetime | None = None
    overrides: tuple[OverrideRow, ...] = ()

    def covers(self, at: datetime) -> bool:
        """Returns whether PagerDuty has said who is on call then."""
        return self.fetched_at is not None and self.fetched_at - timedelta(minutes=1) <= at < self.fetched_at + HORIZON


def mirrored(config: Config) -> str | None:
    """Returns the policy that PagerDuty's stands for."""
    escalation = config.escalation
    return next(iter(escalation.policies)) if escalation and escalation.pagerduty and escalation.policies else None


def known(tx: Transaction, policy: str) -> Known:
    """Returns what our records know for a policy."""
    row = tx.get(OnCallRow, policy)
    overrides = tx.all(select(OverrideRow).where(OverrideRow.policy == policy, col(OverrideRow.ends_at) > tx.now).order_by(col(OverrideRow.id)))
    shifts = tuple(_shift(one) for one in row.shifts) if row else ()
    return Known(shifts, row.fetched_at if row else None, tuple(overrides))


def on_call(config: Config, ladder: Ladder, facts: Known, at: datetime, now: datetime) -> dict[int, OnCall]:
    """Returns who is on call at each level at that moment; a level where nobody is has no people."""
    named = {person.pagerduty: name for name, person in config.people.items() if person.pagerduty}
    by_pagerduty = ladder.name == mirrored(config) and facts.covers(at)
    there = [shift for shift in facts.shifts if (shift.start is None or shift.start <= at) and (shift.end is None or at < shift.end)] if by_pagerduty else []
    source = Source.PAGERDUTY if facts.fetched_at is not None and now - facts.fetched_at <= FRESH else Source.CACHE
    found: dict[int, OnCall] = {}
    for level in range(1, ladder.last + 1):
        shifts = [shift for shift in there if shift.level == level]
        override = next((one for one in reversed(facts.overrides) if one.level == level and one.starts_at <= at < one.ends_at), None)
        if override is not None:
            found[level] = _named(config, level, (override.person,), Source.OVERRIDE, direct=True, until=override.ends_at)
        elif by_pagerduty and there:
            people = tuple(dict.fromkeys(named.get(shift.user, shift.name or shift.user) for shift in shifts))
            ends = min((shift.end for shift in shifts if shift.end is not None), default=None)
            found[level] = OnCall(level, people, tuple(dict.fromkeys(shift.user for shift in shifts)), source, until=ends)
        else:
            # Also where PagerDuty knows nobody at all: whoever stands in the file is better than silence.
            found[level] = _named(config, level, ladder.rung(level).people, Source.FILE, direct=ladder.name != mirrored(config))
    return found


def roster(found: Mapping[int, OnCall]) -> Roster:
    """Returns who is on call as the ladder wants it."""
    return {level: one.people for level, one in found.items() if one.people}


def next_on_call(config: Config, ladder: Ladder, facts: Known, level: int, now: datetime) -> OnCall | None:
    """Returns who is on call at a level after whoever is now, as far as that is known."""
    current = on_call(config, ladder, facts, now, now)[level]
    for at in changes(facts, now, now + HORIZON):
        later = on_call(config, ladder, facts, at, now)[level]
        if later.people != current.people:
            return later
    return None


def changes(facts: Known, start: datetime, end: datetime) -> list[datetime]:
    """Returns the moments after `start` and before `end` at which somebody comes or goes."""
    moments = {at for shift in facts.shifts for at in (shift.start, shift.end)} | {at for one in facts.overrides for at in (one.starts_at, one.ends_at)}
    return sorted(at for at in moments if at is not None and start < at < end)


@dataclass(frozen=True)
class Gap:
    """Nobody is on call at a level in that time."""

    level: int
    start: datetime
    end: datetime


def gaps(config: Config, ladder: Ladder, facts: Known, start: datetime, end: datetime) -> list[Gap]:
    """Returns when nobody is on call at which level, in order of time. What PagerDuty has not been asked about is no gap."""
    found: list[Gap] = []
    moments = [start, *changes(facts, start, end), end]
    for level in range(1, ladder.last + 1):
        for at, until in pairwise(moments):
            empty = not on_call(config, ladder, facts, at, start)[level].people
            if empty and found and found[-1].level == level and found[-1].end == at:
                found[-1] = Gap(level, found[-1].start, until)
            elif empty:
                found.append(Gap(level, at, until))
    return sorted(found, key=lambda gap: (gap.start, gap.level))


def shift_document(shift: Shift) -> dict[str, Any]:
    """Returns a shift as it is stored."""
    start, end = (at.isoformat() if at else None for at in (shift.start, shift.end))
    return {"level": shift.level, "user": shift.user, "name": shift.name, "start": start, "end": end}


def people_of(config: Config, users: Sequence[str], facts: Known) -> tuple[str, ...]:
    """Returns the names of PagerDuty users: those of aiec.yaml, else how PagerDuty calls them, else their ids."""
    named = {person.pagerduty: name for name, person in config.people.items() if person.pagerduty}
    there = {shift.user: shift.name for shift in facts.shifts}
    return tuple(named.get(user) or there.get(user) or user for user in users)


def _named(config: Config, level: int, people: tuple[str, ...], source: Source, *, direct: bool, until: datetime | None = None) -> OnCall:
    ids = [config.people[name].pagerduty for name in people if name in config.people]
    users = tuple(id for id in ids if id)
    return OnCall(level, people, users, source, direct=direct and bool(users), until=until)


def _shift(document: Mapping[str, Any]) -> Shift:
    return Shift(int(document["level"]), str(document["user"]), str(document["name"]), moment(document["start"]), moment(document["end"]))
