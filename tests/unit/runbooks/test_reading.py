"""From Markdown to a runbook: what its parts become, and what is said of mistakes, with the line."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from runbooks.model import ESCALATE, said, typed
from runbooks.reading import read
from tests.unit.runbooks.texts import PLAIN, runbook, text, wrong


def test_headings_are_steps_and_lists_are_their_settings_and_choices() -> None:
    found = runbook(PLAIN)
    look, back, more = found.steps
    assert (found.title, found.intro, found.alerts) == ("Service outage", "When customers cannot buy.", ({"alertname": "HighErrorRate"},))
    assert [(one.title, one.line, one.kind) for one in found.steps] == [("Look at it", 11, "look"), ("Go back", 24, "change"), ("More pods", 36, "change")]
    assert look.prose == "Read what it says. **Note**: it is quick.\n\n- this is prose"
    assert [(one.label, one.to) for one in look.choices] == [("It began with a deploy", "go-back"), ("There are too few pods", "more-pods")]
    assert (back.command, back.approval, back.timeout, back.on_failure) == ("rollback $environment $service", 1, timedelta(minutes=15), ESCALATE)
    assert back.check is not None
    assert (back.check.must, back.check.value) == ("be below", "0.1")
    assert (found.after(0), found.after(1), found.after(2)) == (1, None, None)
    assert more.prose == "```sql\n## this is no heading\n```"
    assert more.check is not None
    assert (more.check.ask, more.check.must, more.check.value) == ("pods $environment $service", "show", "4 of 4")
    assert more.on_failure == "go-back"


def test_a_value_is_one_word_whatever_is_in_it() -> None:
    values = {"service": "gateway --emergency now", "environment": "--contain"}
    given_ = said("rollback $environment $service --to 3", values)
    assert [(one.text, one.quoted) for one in given_] == [
        ("rollback", False),
        ("--contain", True),
        ("gateway --emergency now", True),
        ("--to", False),
        ("3", False),
    ]
    assert typed("rollback $environment $service", values) == 'rollback --contain "gateway --emergency now"'


def test_variables_are_told_from_the_dollars_of_regular_expressions() -> None:
    assert runbook(PLAIN).needs(1) == ("environment", "service")
    assert runbook(PLAIN).needs(2) == ("environment", "service", "pods")


STEP = "# T\n\n## Look\n\n{}\n"


@pytest.mark.parametrize(
    ("body", "line", "sentence"),
    [
        ("", 1, "it has no title"),
        ("# T\n\nprose\n", 1, "it has no steps"),
        ("# T\n\n## A\n\n# U\n", 5, "a second title"),
        ("# T\n\n## A\n\n## a\n", 5, "*a* is the heading of another step too, in line 3"),
        ("# T\n\n## ???\n", 3, "a step's heading has words in it"),
        (STEP.format("```aiec\n```"), 5, "holds none"),
        (STEP.format("```aiec\nstatus prod\nstatus staging\n```"), 5, "holds 2"),
        (STEP.format("```aiec\nstatus prod\n```\n\n```aiec\nstatus staging\n```"), 9, "has a command already, in line 6"),
        ("# T\n\n```aiec\nstatus prod\n```\n\n## A\n", 3, "it stands below a `##` heading"),
        (STEP.format("- **Chek**: `a` shows `b`"), 5, "*Chek* is no setting of a step; did you mean `Check`?"),
        (STEP.format("- **Timeout**: soon"), 5, "Timeout: expected a duration such as 90s, 15m, 2h, 3d or 1h30m, found *soon*"),
        (STEP.format("- **Timeout**: 0s"), 5, "longer than 0s"),
        (STEP.format("- **Timeout**: 5m\n- **Timeout**: 6m"), 6, "*Timeout* is set twice"),
        (STEP.format("- **Approval**: none"), 5, "never waive one"),
        (STEP.format("- **Approval**: 0"), 5, "never waive one"),
        (STEP.format("- **Check**: all is well"), 5, "Check: a check is written"),
        (STEP.format("- **Check**: `up` is below x"), 5, "a check is written"),
        (STEP.format("- **Check**: `up` is below `x`"), 5, "*x* is not a number"),
        (STEP.format("- **On failure**: panic"), 5, "On failure: expected `go to [a heading](#a-heading)`, `stop` or `escalate`, found *panic*"),
        (STEP.format("- **Then**: go to [Lok](#lok)"), 5, "there is no step *lok*; did you mean `Look`?"),
        (STEP.format("- [Yes](#nowhere)"), 5, "there is no step *nowhere*"),
        (STEP.format("- [Yes](#look)\n- **Then**: end"), 6, "has choices, which say already where it goes on"),
        ("---\nalerts: x\n---\n# T\n\n## A\n", 2, "alerts: expected a list of labels"),
        ("---\nalerts:\n  - {a: 1}\n---\n# T\n\n## A\n", 3, "alerts: expected labels and their values"),
        ("---\nalert: []\n---\n# T\n\n## A\n", 2, "there is no `alert`; did you mean `alerts`?"),
        ("---\nvariables:\n  service: {ask: x, example: y}\n---\n# T\n\n## A\n", 3, "`service` is filled in from the incident"),
        ("---\nvariables:\n  pods: {ask: x}\n---\n# T\n\n## A\n", 3, "pods: expected how to ask for it and an example"),
        ("---\nprivate: yes\n---\n# T\n\n## A\n", 2, "private: expected true or false"),
        ("---\na: [\n---\n# T\n\n## A\n", 2, "expected"),
        ("---\n# T\n\n## A\n", 1, "never closed by a line of `---`"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(body: str, line: int, sentence: str) -> None:
    _, problems = read(body, "test")
    assert any(one.line == line and sentence in one.text for one in problems), problems


@pytest.mark.parametrize(
    ("body", "line", "sentence"),
    [
        (STEP.format("```aiec\nrolback prod gateway\n```"), 6, "*rolback* is not a command; did you mean `rollback`?"),
        (STEP.format("```aiec\nrollback $environment gatewey\n```"), 6, "*gatewey* is not a service that can be deployed; did you mean `gateway`?"),
        (STEP.format("```aiec\nscale prod gateway four\n```"), 6, "*four* is not a whole number"),
        (STEP.format("```aiec\ndeploy prod\n```"), 6, "`deploy` needs `<version>`"),
        (STEP.format('```aiec\nincident note #42 "open\n```'), 6, "is never closed"),
        (STEP.format("```aiec\napprove op-1\n```"), 6, "No step decides on an operation, or runs a runbook."),
        (STEP.format("```aiec\nrunbook start service-outage\n```"), 6, "No step decides on an operation, or runs a runbook."),
        (STEP.format("```aiec\nscale prod gateway $pods\n```"), 6, "nobody gives `$pods`"),
        (STEP.format("```aiec\nscale prod $servce 4\n```"), 6, "nobody gives `$servce`; did you mean `service`?"),
        (STEP.format("```aiec\nstatus prod\n```\n\n- **Approval**: one person"), 9, "an approval belongs to a step that changes something"),
        (STEP.format("- **Check**: `restart prod gateway` shows `x`"), 5, "`restart prod gateway` is no look: a check only reads"),
        (STEP.format("- **Check**: `statsu prod` shows `x`"), 5, "did you mean `status`?"),
        ("---\nvariables:\n  pods: {ask: x, example: y}\n---\n# T\n\n## A\n", 3, "`pods` is asked for, and no step needs it"),
        ("# T\n\n## A\n\n- **Then**: end\n\n## B\n", 7, "nothing leads to *B*"),
        ("# T\n\n## A\n\n```aiec\nstatus prod\n```\n\n- **On failure**: go to [A](#a)\n", 3, "it goes round for ever and asks nobody: *A* → *A*"),
        (
            "# T\n\n## A\n\n```aiec\nstatus prod\n```\n\n- **Check**: `pods prod` shows `x`\n\n"
            "## B\n\n```aiec\npods prod\n```\n\n- **On failure**: go to [A](#a)\n",
            3,
            "it goes round for ever and asks nobody: *A* → *B* → *A*",
        ),
    ],
)
def test_what_cannot_be_run_is_said_with_its_line(body: str, line: int, sentence: str) -> None:
    assert any(at == line and sentence in said_ for at, said_ in wrong(body)), wrong(body)


def test_going_back_where_a_person_decides_is_no_loop() -> None:
    assert wrong("# T\n\n## A\n\n- [Again](#a)\n- [On](#b)\n\n## B\n\n```aiec\nrestart prod gateway\n```\n\n- **On failure**: go to [A](#a)\n") == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    body = "# T\n\n## A\n\n- **Timeout**: soon\n- **Chek**: x\n\n## B\n\n- [C](#c)\n"
    assert [line for line, _ in wrong(body)] == [5, 6, 10]


def test_windows_line_ends_and_a_mark_of_byte_order_change_nothing() -> None:
    assert read("\ufeff" + text(PLAIN).replace("\n", "\r\n"), "test")[0] == read(text(PLAIN), "test")[0]


@settings(deadline=None)  # the machine may be busy
@given(some.text(alphabet="#-*`[]()$ \n:a1aiec", max_size=200))
def test_whatever_it_is_given_it_says_something_and_never_fails(body: str) -> None:
    found, problems = read(body, "test")
    assert (found is None) == bool(problems)
    assert all(1 <= one.line <= body.count("\n") + 1 for one in problems)
