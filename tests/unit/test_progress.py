"""How a step goes on after each thing that can happen to it, and that an operation always ends, with nothing of ours left behind unnoticed."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import Conflict, Throttled, Unavailable
from bot.core.operation import Operation, Phase, Run, Stage, cancel, current, fail, settle
from bot.core.outcome import Done, Failed, Waiting
from bot.core.progress import GIVE_UP_AFTER, LOOK_EVERY, RETRY_AT_MOST_EVERY, Move, applied, given_up, intend, looked, put_back, unanswered
from tests.unit.operations import LEAD, START, operation

SILENT = Unavailable("it does not answer")
FAILURE = Failed(code="CrashLoopBackOff", why="it crashes")


def test_the_intent_is_written_for_the_steps_of_the_wave_that_acts_next() -> None:
    running = operation(0, 0, 1).start(START)
    assert [run.stage for run in intend(running).runs] == [Stage.INTENDED, Stage.INTENDED, Stage.PENDING]
    assert intend(intend(running)) == intend(running)
    assert intend(operation(0)) == operation(0)


def test_what_was_not_changed_by_us_is_left_and_what_may_be_ours_is_looked_at() -> None:
    found = operation(0, 0, 0, 0).model_copy(
        update={
            "phase": Phase.UNDOING,
            "runs": (Run(stage=Stage.DONE, ours=True), Run(stage=Stage.DONE), Run(stage=Stage.INTENDED), Run(stage=Stage.FAILED)),
        }
    )
    assert [run.stage for run in intend(found).runs] == [Stage.UNDO_INTENDED, Stage.UNDONE, Stage.UNDO_INTENDED, Stage.UNDONE]


def test_looking_remembers_what_was_seen_and_forgets_a_silence() -> None:
    silent = unanswered(Run(stage=Stage.APPLIED), SILENT, START).run
    waiting = looked(silent, Waiting(text="1 of 3", progress=(1, 3)), {"crash": START})
    assert (waiting.wait, waiting.failure) == (LOOK_EVERY, None)
    assert (waiting.run.seen, waiting.run.tries, waiting.run.progress, waiting.run.text) == ({"crash": START}, 0, (1, 3), "1 of 3")


@pytest.mark.parametrize(
    ("stage", "outcome", "then"),
    [
        (Stage.APPLIED, Done(text=""), Stage.DONE),
        (Stage.UNDO_APPLIED, Done(text=""), Stage.UNDONE),
        (Stage.APPLIED, FAILURE, Stage.FAILED),
        (Stage.UNDO_APPLIED, FAILURE, Stage.UNDO_FAILED),
    ],
)
def test_an_outcome_moves_the_step_on_at_once(stage, outcome, then) -> None:
    move = looked(Run(stage=stage, ours=True, seen={"crash": START}, tries=3), outcome, {})
    assert (move.run.stage, move.run.ours, move.run.seen, move.run.tries, move.wait) == (then, True, {}, 0, timedelta())


def test_a_silence_is_asked_again_ever_more_rarely_and_given_up_after_a_while() -> None:
    run, now, pauses = Run(stage=Stage.INTENDED), START, []
    while True:
        move = unanswered(run, SILENT, now)
        if move.failure is not None:
            break
        pauses.append(move.wait.total_seconds())
        run, now = move.run, now + move.wait
    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert set(pauses[5:]) == {RETRY_AT_MOST_EVERY.total_seconds()}
    assert GIVE_UP_AFTER <= now - START < GIVE_UP_AFTER + RETRY_AT_MOST_EVERY
    assert (move.run.stage, move.failure.code) == (Stage.FAILED, "unavailable")


def test_a_far_end_that_asks_to_wait_is_waited_for() -> None:
    assert unanswered(Run(stage=Stage.APPLIED), Throttled("too many", timedelta(seconds=77)), START).wait == timedelta(seconds=77)


def test_a_second_silence_is_counted_anew() -> None:
    first = unanswered(Run(stage=Stage.APPLIED), SILENT, START).run
    between = looked(first, Waiting(text="1 of 3"), {}).run
    assert unanswered(between, SILENT, START + GIVE_UP_AFTER).failure is None
    assert unanswered(first, SILENT, START + GIVE_UP_AFTER).failure is not None


def test_a_change_that_fell_silent_may_be_ours_and_one_that_was_refused_is_not() -> None:
    silent = unanswered(unanswered(Run(stage=Stage.INTENDED), SILENT, START).run, SILENT, START + GIVE_UP_AFTER)
    refused = given_up(Run(stage=Stage.INTENDED), FAILURE)
    looking = given_up(Run(stage=Stage.APPLIED), FAILURE, unsure=True)
    assert [(move.run.stage, move.run.ours) for move in (silent, refused, looking)] == [(Stage.FAILED, True), (Stage.FAILED, False), (Stage.FAILED, False)]


# ---- a whole operation in a world of chance


RESULTS = ("acts", "was there", "refused", "silent", "defect", "waits", "done", "fails", "kept", "conflict")


class Fate:
    """What happens at every visit, as drawn; afterwards everything goes well."""

    def __init__(self, drawn: list[str]) -> None:
        self.drawn = drawn
        self.may_be_ours: set[int] = set()
        self.undo_tried: set[int] = set()
        self.now = START

    def move(self, index: int, run: Run) -> Move:
        result = self.drawn.pop() if self.drawn else "acts" if run.stage in (Stage.INTENDED, Stage.UNDO_INTENDED) else "done"
        if run.stage is Stage.UNDO_INTENDED:
            self.undo_tried.add(index)
        if result == "silent":
            self.may_be_ours |= {index} if run.stage is Stage.INTENDED else set()
            self.now += GIVE_UP_AFTER / 3
            return unanswered(run, SILENT, self.now)
        if result == "defect":
            self.may_be_ours |= {index} if run.stage is Stage.INTENDED else set()
            return given_up(run, Failed(code="defect", why="a defect"), unsure=True)
        match run.stage:
            case Stage.INTENDED:
                if result in ("refused", "fails", "conflict") and index not in self.may_be_ours:
                    return given_up(run, FAILURE)
                ours = result != "was there" or index in self.may_be_ours
                self.may_be_ours |= {index} if ours else set()
                return applied(run, ours, self.now)
            case Stage.UNDO_INTENDED:
                if result == "conflict":
                    return unanswered(run, Conflict("somebody was faster"), self.now)
                return put_back(run, "somebody else changed it" if result == "kept" else "", self.now)
            case _:
                outcome = {"waits": Waiting(text=""), "fails": FAILURE}.get(result, Done(text=""))
                return looked(run, outcome, {})


def advance(found: Operation, fate: Fate) -> Operation:
    """What the manager makes of one visit."""
    intended = intend(found)
    after = intended
    for index in current(intended):
        move = fate.move(index, intended.runs[index])
        after = after.with_run(index, move.run)
        if move.failure is not None and after.phase is Phase.RUNNING:
            after = fail(after, move.failure, fate.now)
    return settle(after, fate.now)


def check(before: Operation, after: Operation) -> None:
    """What must hold after every visit."""
    waves = [step.wave for step in after.plan.steps]
    for index, run in enumerate(after.runs):
        if run.stage is not Stage.PENDING and after.phase is Phase.RUNNING:
            assert all(other.stage is Stage.DONE for other, wave in zip(after.runs, waves, strict=True) if wave < waves[index])
        if run.stage in (Stage.UNDO_INTENDED, Stage.UNDO_APPLIED):
            later = [other.stage for other, wave in zip(after.runs, waves, strict=True) if wave > waves[index]]
            assert all(stage in (Stage.PENDING, Stage.UNDONE, Stage.KEPT, Stage.UNDO_FAILED) for stage in later)
        if before.runs[index].stage is Stage.PENDING:
            assert run.stage not in (Stage.UNDO_INTENDED, Stage.UNDO_APPLIED, Stage.UNDONE), "nothing was done there"


@given(
    waves=st.lists(st.integers(0, 2), min_size=1, max_size=4),
    drawn=st.lists(st.sampled_from(RESULTS), max_size=25),
    cancelled_at=st.none() | st.integers(0, 12),
    undoes=st.booleans(),
)
def test_an_operation_always_ends_and_what_may_be_ours_is_never_left_unnoticed(waves, drawn, cancelled_at, undoes) -> None:
    found, fate = operation(*waves, undo_on_failure=undoes).start(START), Fate(drawn)
    for visit in range(200):
        if found.phase.over:
            break
        if visit == cancelled_at and found.phase is Phase.RUNNING:
            found = cancel(found, LEAD, fate.now)
        before, found = found, advance(found, fate)
        check(before, found)
    assert found.phase.over
    stages = [run.stage for run in found.runs]
    if found.phase is Phase.DONE:
        assert set(stages) == {Stage.DONE}
    elif found.phase in (Phase.ROLLED_BACK, Phase.CANCELLED):
        assert set(stages) <= {Stage.PENDING, Stage.UNDONE}
        assert fate.may_be_ours <= fate.undo_tried
    else:
        assert not undoes or {Stage.KEPT, Stage.UNDO_FAILED} & set(stages)
