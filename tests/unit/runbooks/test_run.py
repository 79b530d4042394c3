"""A run as a state machine: what an answer, a check and time make of it."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.core.card import CheckResult, Verdict
from bot.core.errors import Refused
from bot.core.plan import Plan, demanding
from bot.core.request import Actor
from runbooks import run as runs
from runbooks.card import run_card
from runbooks.model import Runbook
from runbooks.prose import lines
from runbooks.run import Answer, Reading, Run, Stage, State
from tests.unit.runbooks.texts import runbook

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
ENGINEER, LEAD = Actor(name="engineer", slack="U0ENGINEER"), Actor(name="lead", slack="U0LEAD")
BOOK = runbook(
    """\
# T

## Change

```aiec
restart prod gateway
```

- **Timeout**: 5m
- **Check**: `up` is above 0
{}

## Look

```aiec
pods prod
```

## Tell

- **Due**: 72h after it began
""".replace("{}", "- **On failure**: go to [Tell](#tell)")
)


def begun(book: Runbook = BOOK, at: datetime = NOW) -> Run:
    return runs.begin(7, book, 42, ENGINEER, {"environment": "prod", "service": ""}, "incident:42", NOW, at)


def on_failure(what: str) -> Runbook:
    return runbook(f"# T\n\n## Change\n\n```aiec\nrestart prod gateway\n```\n\n- **On failure**: {what}\n\n## Next\n")


def test_a_change_waits_for_a_person_its_operation_and_its_check() -> None:
    run = begun()
    assert (run.stage, run.look_at) == (Stage.READY, None)
    run = runs.press(run, BOOK, LEAD, NOW)
    assert (run.stage, run.request, run.asker) == (Stage.ASKED, "run-7.1.1", LEAD)
    run = runs.answered(run, BOOK, Answer(state="waiting", text="waits", operation="op-1", plan="abc"), NOW)
    assert (run.stage, run.approve, run.deadline) == (Stage.ASKED, "abc", None)  # an approval has a time of its own
    run = runs.answered(run, BOOK, Answer(state="running", text="runs", operation="op-1"), NOW)
    assert run.deadline == NOW + timedelta(minutes=5)
    run = runs.answered(run, BOOK, Answer(state="done", text="done", operation="op-1"), NOW)
    assert (run.stage, run.look_at) == (Stage.CHECKING, NOW)
    run = runs.checked(run, BOOK, Reading(holds=False, text="it is 0"), NOW)
    assert (run.stage, run.look_at) == (Stage.CHECKING, NOW + runs.CHECK_EVERY)
    run = runs.checked(run, BOOK, Reading(holds=True, text="it is 1"), NOW)
    assert (run.step, run.did[0].how, run.did[0].by, run.did[0].text) == (1, "done", "lead", "it is 1")
    assert (run.stage, run.look_at) == (Stage.READY, NOW)  # a look runs by itself


def test_a_change_that_takes_longer_than_it_may_is_failed_and_said_to_be_under_way() -> None:
    run = runs.press(begun(), BOOK, ENGINEER, NOW)
    run = runs.answered(run, BOOK, Answer(state="running", operation="op-1"), NOW)
    run = runs.answered(run, BOOK, Answer(state="running", operation="op-1"), NOW + timedelta(minutes=5))
    assert (BOOK.steps[run.step].title, run.did[0].how) == ("Tell", "failed")
    assert "op-1 is still under way" in run.did[0].text


def test_a_check_that_never_holds_fails_when_its_time_is_over() -> None:
    run = runs.press(begun(), BOOK, ENGINEER, NOW)
    run = runs.answered(run, BOOK, Answer(state="done", operation="op-1"), NOW)
    run = runs.checked(run, BOOK, Reading(holds=False, text="it is 0"), NOW + timedelta(minutes=5))
    assert (BOOK.steps[run.step].title, run.did[0].text) == ("Tell", "it is 0")


@pytest.mark.parametrize(
    ("what", "state", "stage", "asked"),
    [("stop", State.STOPPED, Stage.ASKED, ""), ("escalate", State.RUNNING, Stage.FAILED, "run-7.1.2"), ("go to [Next](#next)", State.RUNNING, Stage.READY, "")],
)
def test_what_fails_goes_where_the_step_says(what: str, state: State, stage: Stage, asked: str) -> None:
    book = on_failure(what)
    run = runs.press(begun(book), book, ENGINEER, NOW)
    run = runs.answered(run, book, Answer(state="undone", text="it crashed", operation="op-1"), NOW)
    assert (run.state, run.stage, run.request) == (state, stage, asked)


def test_without_a_word_a_person_decides_and_a_denial_leaves_the_step_where_it_is() -> None:
    book = runbook("# T\n\n## Change\n\n```aiec\nrestart prod gateway\n```\n")
    asked = runs.press(begun(book), book, ENGINEER, NOW)
    failed = runs.answered(asked, book, Answer(state="refused", text="frozen"), NOW)
    assert [one.label for one in run_card(failed, book).actions] == ["Run again", "Skip", "Take over", "Stop"]
    denied = runs.answered(asked, book, Answer(state="denied", text="engineer: not granted"), NOW)
    assert [one.label for one in run_card(denied, book).actions] == ["Run", "Skip", "Take over", "Stop"]
    assert runs.press(denied, book, LEAD, NOW).asker == LEAD
    escalated = runs.answered(failed.model_copy(update={"request": "run-7.1.2"}), book, Answer(state="answered", text="L2 is paged"), NOW)
    assert (escalated.request, escalated.trouble) == ("", "frozen. L2 is paged")


def test_nothing_moves_while_something_is_under_way() -> None:
    run = runs.press(begun(), BOOK, ENGINEER, NOW)
    for move in (runs.press, runs.skip):
        with pytest.raises(Refused, match="engineer has run"):
            move(run, BOOK, LEAD, NOW)
    with pytest.raises(Refused, match="engineer has run"):
        runs.back(run, BOOK, NOW)
    with pytest.raises(Refused, match="at its first step"):
        runs.back(begun(), BOOK, NOW)
    with pytest.raises(Refused, match="is over"):
        runs.skip(runs.end(run, State.DONE, "lead", NOW), BOOK, LEAD, NOW)


def test_reminders_come_a_day_and_four_hours_before_and_when_it_is_over_each_once() -> None:
    run, due = begun(), NOW + timedelta(hours=72)
    assert runs.next_at(run, BOOK) == due - timedelta(hours=24)
    assert runs.reminders(run, BOOK, due - timedelta(hours=25))[1] == []
    run, said = runs.reminders(run, BOOK, due - timedelta(hours=3))
    assert [(place, at) for place, at, _ in said] == [(2, due)]  # two were due: the later one is said
    assert runs.reminders(run, BOOK, due - timedelta(hours=2))[1] == []
    assert runs.next_at(run, BOOK) == due
    run, said = runs.reminders(run, BOOK, due + timedelta(days=9))
    assert len(said) == 1
    assert runs.next_at(run, BOOK) is None


def test_what_was_near_when_it_began_is_not_reminded_of_again() -> None:
    run = begun(at=NOW + timedelta(hours=70))
    assert runs.next_at(run, BOOK) == NOW + timedelta(hours=72)


def test_a_step_may_add_an_approval_and_never_waives_one() -> None:
    alone = CheckResult(check="approval", verdict=Verdict.WARNING, text="needs no approval")
    plan = Plan(command="restart", environment="prod", title="Restart", steps=(), checks=(alone,), alone="#42", approvals=0)
    more = demanding(plan, 1)
    assert (more.approvals, more.alone, more.checks, more.hash) == (1, "", (), plan.hash)
    assert demanding(plan.model_copy(update={"approvals": 2}), 1).approvals == 2
    assert demanding(plan, 0) is plan


def test_prose_is_shown_with_what_is_marked_in_it() -> None:
    shown = lines("Read **this**\nand `that`.\n\n- [one](https://example.com)\n- [two](#two)\n\n```sql\nSELECT 1;\n```\n")
    assert [["".join(getattr(span, "text", span) for span in line)] for line in shown] == [["Read this and that."], ["• one"], ["• two"], ["SELECT 1;"]]
