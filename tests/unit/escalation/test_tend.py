"""Incidents that nobody seems to look after: asked about once in a period, then given up by whoever was on them; never both at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.config_file import read
from bot.core.text import words
from bot.settings import SHIPPED
from escalation import book
from escalation.incident import Incident, State
from escalation.tend import Care, came_of, tend, tended

CONFIG = read(SHIPPED)
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def incident(state: State = State.ACKNOWLEDGED, **fields: Any) -> Incident:
    by = {"acknowledged_by": "engineer"} if state is not State.TRIGGERED else {}
    return Incident(number=1, title="", severity="SEV1", state=state, opened_at=NOW, opened_by="aiec", **({"active_at": NOW} | by | fields))


def test_whoever_is_silent_is_asked_once_and_then_let_go() -> None:
    one, seen = incident(), []
    for minute in range(61):
        cares = tend(one, CONFIG, after(minute))
        seen += [(minute, care) for care in cares]
        one = tended(one, cares, after(minute))
    assert seen == [(30, Care.ASK_IDLE), (60, Care.LET_GO)]
    assert (one.state, one.acknowledged_by) == (State.TRIGGERED, None)


def test_alerts_that_are_quiet_resolve_it_unless_somebody_is_on_it() -> None:
    quiet = {"quiet_since": NOW, "alerts": 2}
    assert tend(incident(State.TRIGGERED, **quiet), CONFIG, after(9)) == ()
    assert tend(incident(State.TRIGGERED, **quiet), CONFIG, after(10)) == (Care.RESOLVE,)
    assert tend(incident(State.TRIGGERED, **quiet, firing=1), CONFIG, after(10)) == ()
    asked = incident(**quiet)
    assert tend(asked, CONFIG, after(10)) == (Care.ASK_QUIET,)
    assert tend(tended(asked, (Care.ASK_QUIET,), after(10)), CONFIG, after(11)) == ()


def test_once_let_go_a_quiet_one_resolves_by_itself() -> None:
    one = incident(quiet_since=NOW, alerts=1)
    one = tended(one, tend(one, CONFIG, after(10)), after(10))
    one = tended(one, tend(one, CONFIG, after(40)), after(40))
    assert one.state is State.TRIGGERED
    assert tend(one, CONFIG, after(40)) == (Care.RESOLVE,)


def test_a_question_is_open_until_somebody_did_something_or_it_is_over() -> None:
    said = {
        "asked": incident(asked_at=after(30)),
        "answered": incident(active_at=after(40)),
        "resolved": incident(State.RESOLVED, resolved_by="lead", resolved_at=after(50)),
        "back": incident(State.TRIGGERED, asked_at=None),
        "merged": incident(State.MERGED, merged_into=2),
    }
    for care in (Care.ASK_IDLE, Care.ASK_QUIET):
        assert {name: words(text) if (text := came_of(one, care, after(30))) else None for name, one in said.items()} == {
            "asked": None,
            "answered": "Somebody did something about it at 03:40 UTC",
            "resolved": "Resolved by @lead at 03:50 UTC",
            "back": "It is triggered",
            "merged": "It belongs to #2 now",
        }
    updates = {
        "asked": incident(update_asked=True),
        "given": incident(told="slow", told_at=after(31), update_due=after(61)),
        "not owed yet": incident(told="slow", told_at=after(5), update_due=after(65)).model_copy(update={"severity": "SEV2"}),
        "not owed": incident(told="slow", told_at=after(5)),
    }
    assert {name: words(text) if (text := came_of(one, Care.ASK_UPDATE, after(30))) else None for name, one in updates.items()} == {
        "asked": None,
        "given": "The update was given at 03:31 UTC",
        "not owed yet": "It is SEV2 now · the next update is due 04:05 UTC",
        "not owed": "No update is due any more",
    }


def test_an_update_is_asked_for_once() -> None:
    one = incident(update_due=after(5))
    assert tend(one, CONFIG, after(4)) == ()
    assert tend(one, CONFIG, after(5)) == (Care.ASK_UPDATE,)
    assert tend(tended(one, (Care.ASK_UPDATE,), after(5)), CONFIG, after(20)) == ()


@given(
    st.sampled_from([State.TRIGGERED, State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED, State.CLOSED]),
    st.integers(-100, 100),
    st.none() | st.integers(-100, 100),
    st.none() | st.integers(-100, 100),
    st.none() | st.integers(-100, 100),
)
def test_what_is_due_is_when_something_is_to_be_done(state: State, active: int, asked: int | None, quiet: int | None, update: int | None) -> None:
    """`book.due` wakes the manager at a moment at which there is something to do, and not before."""
    given = {"asked_at": asked, "quiet_since": quiet, "update_due": update}
    one = incident(state, **{name: after(value) for name, value in given.items() if value is not None}).model_copy(update={"active_at": after(active)})
    at = book.due(CONFIG, one)
    if at is None:
        assert tend(one, CONFIG, after(100_000)) == ()
        return
    assert tend(one, CONFIG, at - timedelta(microseconds=1)) == ()
    assert tend(one, CONFIG, at) != ()
    moved = tended(one, tend(one, CONFIG, at), at)
    assert moved != one
    assert tend(moved, CONFIG, at) == () or moved.state is not one.state or Care.ASK_UPDATE in tend(moved, CONFIG, at)
