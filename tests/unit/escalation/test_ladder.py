"""The ladder: never silence, never a burst, nobody asked twice in a row, whatever the roster and the clock do."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from escalation.ladder import UNMANNED_AGAIN_AFTER, Ladder, Position, Rung, Step, advance, begin, due, hurry, resume, seen_at, stop

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
MINUTES = (15, 30, 60, 120)
GUIDE = Ladder(name="default", rungs=tuple(Rung(name=f"L{n}", answer_within=timedelta(minutes=m), people=()) for n, m in enumerate(MINUTES, 1)))
MANNED = {1: ("engineer",), 2: ("senior",), 3: ("lead", "manager"), 4: ("cto",)}

rosters = st.dictionaries(st.integers(1, 4), st.lists(st.sampled_from(["ana", "bob", "eve"]), min_size=1, max_size=2, unique=True).map(tuple), max_size=4)
leaps = st.lists(st.integers(-400, 4000).map(lambda minutes: timedelta(minutes=minutes)), min_size=1, max_size=30)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_the_guide_is_followed_for_ever() -> None:
    position, paged = begin(NOW), []
    for minute in range(600):
        step = advance(GUIDE, MANNED, position, after(minute))
        paged += [(minute, step.level, step.people)] if step.level else []
        position = step.position
    assert paged == [
        (0, 1, ("engineer",)),
        (15, 2, ("senior",)),
        (45, 3, ("lead", "manager")),
        (105, 4, ("cto",)),
        (225, 4, ("cto",)),
        (345, 4, ("cto",)),
        (465, 4, ("cto",)),
        (585, 4, ("cto",)),
    ]


def test_a_late_look_pages_one_level_and_counts_from_now() -> None:
    position = advance(GUIDE, MANNED, begin(NOW), NOW).position
    step = advance(GUIDE, MANNED, position, after(600))
    assert (step.level, step.people, step.position.next_at) == (2, ("senior",), after(630))
    assert advance(GUIDE, MANNED, step.position, after(600)) == Step(position=step.position)


def test_somebody_on_two_levels_is_asked_once_and_the_next_level_starts_at_once() -> None:
    both = {**MANNED, 2: ("engineer",)}
    position = advance(GUIDE, both, begin(NOW), NOW).position
    step = advance(GUIDE, both, position, after(15))
    assert (step.level, [(skip.level, skip.because) for skip in step.skipped]) == (3, [(2, "same")])


def test_an_unmanned_level_is_skipped_upward() -> None:
    step = advance(GUIDE, {3: ("lead",)}, begin(NOW), NOW)
    assert (step.level, [(skip.level, skip.because) for skip in step.skipped]) == (3, [(1, "nobody"), (2, "nobody")])


def test_nobody_at_all_is_shouted_and_looked_at_again() -> None:
    step = advance(GUIDE, {}, begin(NOW), NOW)
    assert step.unmanned
    assert step.position.next_at == NOW + UNMANNED_AGAIN_AFTER
    assert advance(GUIDE, MANNED, step.position, NOW + UNMANNED_AGAIN_AFTER).level == 1


def test_without_repetition_the_last_level_is_paged_once() -> None:
    once = GUIDE.model_copy(update={"repeat_last": False})
    last = Position(level=4, rounds=4, asked=("cto",), paged_at=NOW, next_at=after(120))
    assert advance(once, MANNED, last, after(120)).position.next_at is None
    highest = Position(level=3, rounds=3, asked=("lead", "manager"), paged_at=NOW, next_at=after(60))
    assert advance(once, {1: ("engineer",), 3: ("lead", "manager")}, highest, after(60)).position.next_at is None


def test_whoever_answered_and_fell_silent_is_paged_anew() -> None:
    answered = stop(Position(level=2, rounds=2, asked=("senior",), paged_at=NOW, next_at=after(30)))
    assert not due(answered, after(10_000))
    step = advance(GUIDE, MANNED, resume(answered, after(60)), after(60))
    assert (step.level, step.people, step.position.rounds) == (2, ("senior",), 3)


def test_hurry_counts_only_for_the_level_that_was_seen() -> None:
    position = advance(GUIDE, MANNED, begin(NOW), NOW).position
    assert hurry(position, 0, after(1)) is None
    hurried = hurry(position, 1, after(1))
    assert hurried is not None
    assert advance(GUIDE, MANNED, hurried, after(1)).level == 2


def test_a_level_that_pagerduty_paged_is_followed_and_never_backward() -> None:
    position = advance(GUIDE, MANNED, begin(NOW), NOW).position
    followed = seen_at(GUIDE, position, 2, after(14), ("senior",))
    assert advance(GUIDE, MANNED, followed, after(15)).level is None
    assert advance(GUIDE, MANNED, followed, after(44)).level == 3
    assert seen_at(GUIDE, followed, 1, after(14)) == followed


@given(rosters, leaps)
def test_never_silence_never_two_pages_for_a_look(roster: dict[int, tuple[str, ...]], leaps: list[timedelta]) -> None:
    """However the clock leaps, somebody is paged within a level's time after the last page, counted on the clock as it is now."""
    position, now = begin(NOW), NOW
    for leap in leaps:
        step = advance(GUIDE, roster, position, now)
        assert step.position.next_at is not None
        assert step.position.rounds - position.rounds == (1 if step.level else 0)
        assert step.unmanned == (due(position, now) and not roster and not (position.paged_at and now < position.paged_at))
        if step.level:
            assert step.people == roster[step.level]
            assert step.position.next_at == now + GUIDE.rung(step.level).answer_within
            if set(step.people) <= set(position.asked):
                others = [people for level, people in roster.items() if level > position.level]
                assert all(set(people) <= set(position.asked) for people in others), "asked twice in a row only where nobody else is left above"
        longest = GUIDE.rung(max(step.position.level, 1)).answer_within if step.position.rounds else UNMANNED_AGAIN_AFTER
        assert now < step.position.next_at <= now + longest
        assert advance(GUIDE, roster, step.position, now) == Step(position=step.position), "a second look at the same moment does nothing"
        position, now = step.position, now + leap


@given(st.integers(0, 4), st.integers(-300, 300), st.integers(-300, 300), st.booleans())
def test_due_tells_what_advance_does(level: int, paged: int, next_at: int, started: bool) -> None:
    position = Position(level=level, paged_at=after(paged) if started else None, next_at=after(next_at))
    assert due(position, NOW) == (advance(GUIDE, MANNED, position, NOW).position != position)
