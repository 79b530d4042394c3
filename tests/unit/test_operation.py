"""The state machine of operations: what people may do to one, and where it ends."""

from datetime import timedelta

import pytest

from bot.core.errors import Refused
from bot.core.operation import SETTLED, Operation, Phase, Run, Stage, cancel, current, expire, fail, settle
from bot.core.outcome import Failed
from tests.unit.operations import ENGINEER, LEAD, SENIOR, START, operation

LATER = START + timedelta(minutes=1)
FAILURE = Failed(code="CrashLoopBackOff", why="it crashes")


def at(*stages: Stage, waves: tuple[int, ...] = (), phase: Phase = Phase.UNDOING, **changes: object) -> Operation:
    """An operation with a step at each of the stages."""
    found = operation(*(waves or range(len(stages))))
    return found.model_copy(update={"phase": phase, "runs": tuple(Run(stage=stage) for stage in stages), **changes})


# ---- approvals


def test_an_approval_of_somebody_else_is_enough() -> None:
    approved = operation().approve(LEAD, "", START)
    assert (approved.approved, [given.by for given in approved.approvals]) == (True, ["lead"])
    assert approved.phase is Phase.WAITING


def test_two_approvals_are_of_two_people() -> None:
    once = operation(approvals=2).approve(LEAD, "", START)
    assert not once.approved
    with pytest.raises(Refused, match="You have approved op-7 already; it waits for one approval of others"):
        once.approve(LEAD, "", START)
    twice = once.approve(SENIOR, "", START)
    assert twice.approved
    with pytest.raises(Refused, match=r"You have approved op-7 already\.$"):  # pressed twice: it waits for nobody
        twice.approve(SENIOR, "", START)


def test_ones_own_an_expired_one_and_another_plans_are_refused() -> None:
    waiting = operation()
    with pytest.raises(Refused, match="your own request"):
        waiting.approve(ENGINEER, "", START)
    with pytest.raises(Refused, match="expired at 09:30 UTC"):
        waiting.approve(LEAD, "", waiting.expires_at)
    with pytest.raises(Refused, match="belongs to another plan"):
        waiting.approve(LEAD, "0" * 64, START)
    assert waiting.approve(LEAD, waiting.plan.hash, START).approved


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.WAITING])
def test_only_what_waits_can_be_approved(phase: Phase) -> None:
    with pytest.raises(Refused, match=f"is {phase.value.replace('_', ' ')}"):
        at(Stage.PENDING, phase=phase).approve(LEAD, "", START)


def test_one_that_needs_nobody_is_approved_as_it_stands() -> None:
    assert operation(approvals=0).approved


def test_a_waiting_one_expires_with_the_reason_that_kept_it() -> None:
    waiting = operation()
    assert expire(waiting, waiting.expires_at - timedelta(seconds=1)) == waiting
    over = expire(waiting, waiting.expires_at)
    assert (over.phase, over.because, over.ended_at) == (Phase.EXPIRED, "nobody approved it in time", waiting.expires_at)
    held_up = waiting.approve(LEAD, "", START).model_copy(update={"because": "the cluster did not answer"})
    assert expire(held_up, waiting.expires_at).because == "it could not start in time: the cluster did not answer"


# ---- the way forward and back


def test_waves_go_one_after_the_other_and_back_in_the_opposite_order() -> None:
    waves = (0, 0, 1)
    forward = at(Stage.DONE, Stage.APPLIED, Stage.PENDING, waves=waves, phase=Phase.RUNNING)
    assert current(forward) == [1]
    assert current(at(Stage.DONE, Stage.DONE, Stage.PENDING, waves=waves, phase=Phase.RUNNING)) == [2]
    assert current(at(Stage.DONE, Stage.FAILED, Stage.DONE, waves=waves)) == [2]
    assert current(at(Stage.DONE, Stage.FAILED, Stage.UNDONE, waves=waves)) == [0, 1]
    assert current(at(Stage.DONE, Stage.FAILED, Stage.PENDING, waves=waves)) == [0, 1]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.RUNNING, Phase.UNDOING)])
def test_nothing_moves_in_one_that_does_not_run(phase: Phase) -> None:
    assert current(at(Stage.PENDING, Stage.APPLIED, phase=phase)) == []


def test_a_failure_is_undone_where_the_plan_says_so_and_the_first_one_is_kept() -> None:
    running = at(Stage.FAILED, phase=Phase.RUNNING)
    undoing = fail(running, FAILURE, LATER)
    assert (undoing.phase, undoing.failure) == (Phase.UNDOING, FAILURE)
    assert fail(undoing.model_copy(update={"phase": Phase.RUNNING}), Failed(code="Other", why="another"), LATER).failure == FAILURE
    left = fail(at(Stage.FAILED, phase=Phase.RUNNING, plan=operation(undo_on_failure=False).plan), FAILURE, LATER)
    assert (left.phase, left.ended_at) == (Phase.FAILED, LATER)


ENDS = [
    ((Stage.DONE, Stage.DONE), Phase.RUNNING, {}, Phase.DONE),
    ((Stage.DONE, Stage.APPLIED), Phase.RUNNING, {}, Phase.RUNNING),
    ((Stage.UNDONE, Stage.PENDING), Phase.UNDOING, {"failure": FAILURE}, Phase.ROLLED_BACK),
    ((Stage.UNDONE, Stage.PENDING), Phase.UNDOING, {"cancelled_by": "lead"}, Phase.CANCELLED),
    ((Stage.UNDONE, Stage.PENDING), Phase.UNDOING, {"cancelled_by": "lead", "failure": FAILURE}, Phase.ROLLED_BACK),
    ((Stage.UNDONE, Stage.KEPT), Phase.UNDOING, {"cancelled_by": "lead"}, Phase.FAILED),
    ((Stage.UNDONE, Stage.UNDO_FAILED), Phase.UNDOING, {"failure": FAILURE}, Phase.FAILED),
    ((Stage.UNDONE, Stage.UNDO_APPLIED), Phase.UNDOING, {"failure": FAILURE}, Phase.UNDOING),
]


@pytest.mark.parametrize(("stages", "phase", "changes", "end"), ENDS)
def test_it_ends_when_all_its_steps_have_got_where_they_were_going(stages, phase, changes, end) -> None:
    settled = settle(at(*stages, phase=phase, **changes), LATER)
    assert (settled.phase, settled.ended_at) == (end, LATER if end.over else None)


def test_a_step_that_is_settled_is_not_moved_any_more() -> None:
    for stage in Stage:
        assert (current(at(stage)) == []) is (stage in SETTLED)


# ---- cancelling


def test_a_waiting_one_ends_at_once_and_a_running_one_is_undone_first() -> None:
    waiting = cancel(operation(), LEAD, LATER)
    assert (waiting.phase, waiting.cancelled_by, waiting.ended_at) == (Phase.CANCELLED, "lead", LATER)
    running = cancel(at(Stage.APPLIED, phase=Phase.RUNNING), LEAD, LATER)
    assert (running.phase, running.cancelled_by, running.ended_at) == (Phase.UNDOING, "lead", None)


def test_what_is_being_undone_or_over_cannot_be_cancelled() -> None:
    with pytest.raises(Refused, match="being undone already"):
        cancel(at(Stage.APPLIED), LEAD, LATER)
    for phase in Phase:
        if phase.over:
            with pytest.raises(Refused, match="is over"):
                cancel(at(Stage.DONE, phase=phase), LEAD, LATER)
