"""An escalation policy as it stood when an incident began, and the pure decision of whom to page next.

The minutes of a level are how long it has to answer. A late look pages once and counts from now: never a burst after downtime, and never silence.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.core.config import Policy
from bot.core.data import Frozen

UNMANNED_AGAIN_AFTER = timedelta(minutes=5)
"""When it is looked again for somebody to page where nobody is on call at any level."""

Roster = Mapping[int, tuple[str, ...]]
"""Who is on call now, by level (from 1): names of `people`."""


class Rung(Frozen):
    name: str
    answer_within: timedelta
    people: tuple[str, ...]


class Ladder(Frozen):
    """A policy's snapshot. `name` is its key in aiec.yaml."""

    name: str
    rungs: tuple[Rung, ...]
    repeat_last: bool = True

    @property
    def last(self) -> int:
        return len(self.rungs)

    def rung(self, level: int) -> Rung:
        """Returns a level, counted from 1."""
        return self.rungs[level - 1]


class Position(Frozen):
    """How far an incident's paging is. `level` 0: nobody was paged yet. Without a `next_at` it stands still (acknowledged, or over)."""

    level: int = 0
    rounds: int = 0
    asked: tuple[str, ...] = ()
    paged_at: datetime | None = None
    next_at: datetime | None = None


class Skip(Frozen):
    """A level that was passed over: `nobody` is on call there, or the `same` people were asked just before."""

    level: int
    because: str


class Step(Frozen):
    """What a look made of it. `level`: who is paged now, if anybody; `people` by name; `unmanned`: nobody is on call at any level, and it must be shouted."""

    position: Position
    level: int | None = None
    people: tuple[str, ...] = ()
    skipped: tuple[Skip, ...] = ()
    unmanned: bool = False


def ladder_of(name: str, policy: Policy) -> Ladder:
    """Returns the snapshot of a policy."""
    rungs = tuple(Rung(name=level.name, answer_within=level.answer_within, people=level.people) for level in policy.levels)
    return Ladder(name=name, rungs=rungs, repeat_last=policy.repeat_last)


def begin(now: datetime) -> Position:
    """Returns where paging begins: the first level, at once."""
    return Position(next_at=now)


def stop(position: Position) -> Position:
    """Returns the position as it stands when somebody has answered."""
    return position.model_copy(update={"next_at": None})


def resume(position: Position, now: datetime) -> Position:
    """Returns the position when whoever answered is gone again: the level that he answered for is paged anew, and at once."""
    return Position(level=max(position.level - 1, 0), rounds=position.rounds, next_at=now)


def hurry(position: Position, level: int, now: datetime) -> Position | None:
    """Returns the position when somebody wants the next level at once. None: another level than `level` was paged last, so that he saw something old."""
    return position.model_copy(update={"next_at": now}) if position.level == level else None


def seen_at(ladder: Ladder, position: Position, level: int, now: datetime, asked: tuple[str, ...] = ()) -> Position:
    """Returns the position when somebody else (PagerDuty itself) has paged a level: ours follows it, and pages nobody again. An older level changes nothing."""
    if level <= position.level or level > ladder.last:
        return position
    return position.model_copy(update={"level": level, "paged_at": now, "asked": asked, "next_at": now + ladder.rung(level).answer_within})


def due(position: Position, now: datetime) -> bool:
    """Returns whether something has to be decided: the time to answer is over, or the clock was set back, so that nobody knows how much of it is."""
    if position.next_at is None:
        return False
    if position.paged_at is None:
        return not now < position.next_at <= now + UNMANNED_AGAIN_AFTER
    return not position.paged_at <= now < position.next_at


def advance(ladder: Ladder, roster: Roster, position: Position, now: datetime) -> Step:
    """Decides what is due: whom to page now, and when to look again.

    When the clock was set back since the last page, the time to answer begins anew: somebody was paged, and silence must not last for as long as that leap.
    """
    if not due(position, now):
        return Step(position=position)
    if position.paged_at is not None and now < position.paged_at:
        return Step(position=position.model_copy(update={"paged_at": now, "next_at": now + ladder.rung(max(position.level, 1)).answer_within}))
    skipped: list[Skip] = []
    for level in range(position.level + 1, ladder.last + 1):
        people = roster.get(level, ())
        if not people:
            skipped.append(Skip(level=level, because="nobody"))
        elif position.asked and set(people) <= set(position.asked):
            skipped.append(Skip(level=level, because="same"))
        else:
            return _page(ladder, level, people, position, now, skipped)
    if position.rounds and position.paged_at is not None and not ladder.repeat_last:
        return Step(position=stop(position), skipped=tuple(skipped))
    # Nobody new is left above: the highest level that has anybody is asked again.
    again = next((level for level in range(ladder.last, 0, -1) if roster.get(level)), None)
    if again is None:
        return Step(position=position.model_copy(update={"next_at": now + UNMANNED_AGAIN_AFTER}), skipped=tuple(skipped), unmanned=True)
    return _page(ladder, again, roster[again], position, now, skipped)


def _page(ladder: Ladder, level: int, people: tuple[str, ...], position: Position, now: datetime, skipped: list[Skip]) -> Step:
    after = Position(level=level, rounds=position.rounds + 1, asked=people, paged_at=now, next_at=now + ladder.rung(level).answer_within)
    return Step(position=after, level=level, people=people, skipped=tuple(skipped))
