"""What PagerDuty tells: whatever comes twice, late or in another order changes nothing wrongly."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.pager import PagerIncident
from bot.core.pager_events import PagerEvent
from escalation.incident import Incident, State
from escalation.observe import Change, View, observe

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
LEVELS = {1: frozenset({"P1"}), 2: frozenset({"P2"}), 3: frozenset({"P3", "P1"})}
TRIGGERED = View(status="triggered", level=1, settled=True)
NEXT = {
    "triggered": {"incident.acknowledged": "acknowledged", "incident.resolved": "resolved", "incident.escalated": "triggered"},
    "acknowledged": {"incident.unacknowledged": "triggered", "incident.resolved": "resolved", "incident.escalated": "triggered"},
    "resolved": {"incident.reopened": "triggered"},
}
BECOMES = {"acknowledged": "acknowledged", "unacknowledged": "triggered", "reopened": "triggered", "resolved": "resolved", "merged": "resolved"}


def event(kind: str, minute: float = 1, **fields: Any) -> PagerEvent:
    given: dict[str, Any] = {"agent": "P1", "incident": "Q1", "key": None, "status": None, "assignees": (), "priority": None, "note": "", "title": ""}
    return PagerEvent(id=f"{kind}{minute}", type=kind, occurred_at=NOW + timedelta(minutes=minute), **(given | fields))


def state(status: str, **fields: Any) -> PagerIncident:
    given: dict[str, Any] = {
        "id": "Q1",
        "key": None,
        "title": "",
        "urgency": "high",
        "url": "",
        "service": "S",
        "policy": None,
        "assignees": (),
        "assigned_at": None,
        "acknowledged_by": (),
        "priority": None,
        "merged_into": None,
        "snoozed_until": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return PagerIncident(status=status, **(given | fields))  # type: ignore[arg-type]


def incident(status: str) -> Incident:
    return Incident(number=1, title="", severity="SEV1", state=State(status), opened_at=NOW, opened_by="aiec", active_at=NOW)


def fold(view: View, events: list[PagerEvent]) -> View:
    for one in events:
        status = view.status
        for change in observe(incident(status), view, one, LEVELS):
            status = BECOMES.get(change.kind, status)
        seen = max(one.occurred_at, view.seen_at or one.occurred_at)
        view = view.model_copy(update={"status": status, "seen_at": seen})
    return view


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[PagerEvent], str]:
    """What may happen to an incident in PagerDuty, and where it stands in the end."""
    status, happened = "triggered", []
    for minute in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(sorted(NEXT[status])))
        status = NEXT[status][kind]
        happened.append(event(kind, minute + 1, assignees=("P1",)))
    return happened, status


@settings(max_examples=400)
@given(histories(), st.randoms(use_true_random=False))
def test_in_any_order_and_repeated_it_ends_where_pagerduty_is(history: tuple[list[PagerEvent], str], random: Any) -> None:
    events, status = history
    delivered = [*events, *(random.choices(events, k=3) if events else [])]
    assert fold(TRIGGERED, events).status == status
    random.shuffle(delivered)
    assert fold(TRIGGERED, delivered).status == status


@given(histories())
def test_a_poll_finds_what_webhooks_have_lost(history: tuple[list[PagerEvent], str]) -> None:
    _, status = history
    for known in ("triggered", "acknowledged", "resolved"):
        view = TRIGGERED.model_copy(update={"status": known})
        found = known
        for change in observe(incident(known), view, state(status), LEVELS):
            found = BECOMES.get(change.kind, found)
        assert found == status
        assert observe(incident(status), view.model_copy(update={"status": status}), state(status), LEVELS) == ()


@pytest.mark.parametrize("status", ["triggered", "acknowledged", "resolved"])
def test_a_wish_that_is_on_its_way_stands_above_what_is_shown(status: str) -> None:
    for wanted in ("triggered", "acknowledged", "resolved"):
        assert observe(incident(wanted), View(status=wanted, level=1, settled=False), state(status), LEVELS) == ()


def test_an_old_answer_is_no_answer_to_a_later_page() -> None:
    view = View(status="triggered", level=1, settled=False, seen_at=NOW + timedelta(minutes=30))
    assert observe(incident("triggered"), view, event("incident.acknowledged", 5), LEVELS) == ()


def test_the_level_is_the_lowest_that_is_not_below_ours() -> None:
    def levels(view: View, *assignees: str) -> list[int]:
        return [one.level for one in observe(incident("triggered"), view, event("incident.escalated", assignees=assignees), LEVELS)]

    assert levels(TRIGGERED, "P2") == [2]
    assert levels(TRIGGERED, "P3") == [3]
    assert levels(TRIGGERED, "P1") == [], "our own first page"
    assert levels(TRIGGERED.model_copy(update={"level": 2}), "P1") == [3]
    assert levels(TRIGGERED.model_copy(update={"level": 2}), "P2") == [], "our own raise, told back"
    assert levels(TRIGGERED, "P9") == []


def test_whoever_escalates_after_an_answer_undoes_it() -> None:
    view = TRIGGERED.model_copy(update={"status": "acknowledged"})
    assert [one.kind for one in observe(incident("acknowledged"), view, event("incident.escalated", assignees=("P2",)), LEVELS)] == [
        "unacknowledged",
        "escalated",
    ]


def test_notes_of_ours_do_not_come_back_and_late_ones_still_count() -> None:
    view = TRIGGERED.model_copy(update={"seen_at": NOW + timedelta(hours=1)})
    assert observe(incident("triggered"), view, event("incident.annotated", note="[aiec] engineer: seen"), LEVELS) == ()
    assert observe(incident("triggered"), view, event("incident.annotated", note="seen"), LEVELS) == (Change(kind="noted", by="P1", text="seen"),)


def test_our_own_reassignment_is_no_news() -> None:
    view = TRIGGERED.model_copy(update={"people": ("P2",)})
    assert observe(incident("triggered"), view, event("incident.reassigned", assignees=("P2",)), LEVELS) == ()
    (change,) = observe(incident("triggered"), view, event("incident.reassigned", assignees=("P3",)), LEVELS)
    assert (change.kind, change.to) == ("reassigned", ("P3",))


def test_a_snooze_is_told_once() -> None:
    until = NOW + timedelta(hours=2)
    view = TRIGGERED.model_copy(update={"status": "acknowledged"})
    (change,) = observe(incident("acknowledged"), view, state("acknowledged", snoozed_until=until), LEVELS)
    assert (change.kind, change.until) == ("snoozed", until)
    again = view.model_copy(update={"snoozed_until": until})
    assert observe(incident("acknowledged"), again, state("acknowledged", snoozed_until=until), LEVELS) == ()


def test_merged_says_into_which_and_a_priority_counts_when_it_is_another() -> None:
    (change,) = observe(incident("triggered"), TRIGGERED, event("incident.resolved", merged_into="Q2"), LEVELS)
    assert (change.kind, change.text) == ("merged", "Q2")
    assert observe(incident("triggered"), TRIGGERED.model_copy(update={"priority": "P1"}), event("incident.priority_updated", priority="P1"), LEVELS) == ()
    (change,) = observe(incident("triggered"), TRIGGERED, event("incident.priority_updated", priority="P1"), LEVELS)
    assert (change.kind, change.text) == ("prioritised", "P1")
