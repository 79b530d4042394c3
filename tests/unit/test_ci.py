"""What is made of statuses, check runs and workflow runs: green or not, and did a workflow succeed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.ci import Answer, Seen, green, succeeded
from bot.core.codehost import Check, Run, Workflow
from bot.core.errors import Forbidden, Unavailable

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
SHA = "0123456789abcdef0123456789abcdef01234567"
TESTS, PERF = Workflow(1, "Tests", "tests.yml"), Workflow(2, "Performance", "performance-tests.yml")
DOWN = Unavailable("GitHub (api.github.com) cannot be asked: it does not answer in time.", "Look at it.")


def run(id: int, workflow: Workflow, conclusion: str | None, hours: float = 2, suite: int | None = None) -> Run:
    return Run(id, workflow.id, "whatever", conclusion, NOW - timedelta(hours=hours), f"https://github.com/runs/{id}", suite or 100 + id)


def seen(*runs: Run, checks: tuple[Check, ...] = (), workflows: tuple[Workflow, ...] = (TESTS, PERF)) -> Seen:
    return Seen("acme/shop", "v1.2.0", SHA, checks, workflows, runs)


def test_green_is_when_everything_is() -> None:
    answer = green(
        seen(run(1, TESTS, "success"), checks=(Check("ci/build", "success"), Check("scan", "neutral", suite=7), Check("docs", "skipped", suite=7))), ()
    )
    assert answer == Answer(True, "CI green (4 checks)")


@pytest.mark.parametrize("conclusion", ["failure", "error", "cancelled", "timed_out", "action_required", "stale", "startup_failure", "a word of next year"])
def test_any_other_end_is_not_green_and_is_named_with_its_link(conclusion: str) -> None:
    answer = green(seen(run(1, TESTS, "success"), checks=(Check("ci/build", conclusion, "https://ci/7"), Check("ci/scan", None))), ())
    assert answer.passes is False
    assert answer.said == f"CI of v1.2.0 (0123456) is not green: ci/build ({conclusion.replace('_', ' ')})"
    assert answer.hint.startswith("See https://ci/7. ")


def test_what_has_not_finished_is_named() -> None:
    answer = green(seen(run(1, TESTS, None), checks=(Check("ci/build", "success"), Check("ci/scan", None))), ())
    assert (answer.passes, answer.said) == (False, "CI of v1.2.0 (0123456) has not finished: ci/scan, Tests")


def test_a_commit_of_which_nobody_says_anything_is_not_green() -> None:
    assert (green(seen(), ()).passes, green(seen(), ()).said) == (False, "nothing has checked v1.2.0 (0123456) in acme/shop")


def test_where_everything_was_skipped_nothing_was_checked() -> None:
    answer = green(seen(run(1, TESTS, "skipped"), checks=(Check("docs", "neutral"),)), ())
    assert (answer.passes, answer.said) == (False, "everything that checks v1.2.0 (0123456) was skipped")


def test_of_several_runs_of_a_workflow_the_latest_counts() -> None:
    old, new = run(1, TESTS, "failure"), run(2, TESTS, "success")
    jobs = (Check("unit", "failure", suite=old.suite), Check("unit", "success", suite=new.suite))
    assert green(seen(new, old, checks=jobs), ()).passes
    assert green(seen(run(3, TESTS, "failure"), new, checks=jobs), ()).passes is False


def test_a_check_run_of_a_suite_that_is_no_run_counts() -> None:
    assert green(seen(run(1, TESTS, "success"), checks=(Check("unit", "failure", suite=999),)), ()).passes is False


@pytest.mark.parametrize("name", ["performance-tests", "performance-tests.yml", "Performance"])
def test_a_workflow_that_is_a_gate_is_no_part_of_ci(name: str) -> None:
    perf = run(2, PERF, "failure")
    found = seen(run(1, TESTS, "success"), perf, checks=(Check("load", "failure", suite=perf.suite),))
    assert green(found, {name}).passes
    assert green(found, {"another"}).said == "CI of v1.2.0 (0123456) is not green: Performance (failure)"


def test_many_that_failed_are_counted() -> None:
    answer = green(seen(checks=tuple(Check(f"check {number}", "failure") for number in range(9))), ())
    assert answer.said.endswith("check 0 (failure), check 1 (failure), check 2 (failure), check 3 (failure) and 5 more")


def test_a_version_without_a_tag_is_seen_and_does_not_pass() -> None:
    found = Seen("acme/shop", "v1.2.0", None)
    assert (green(found, ()).passes, green(found, ()).said) == (False, "acme/shop has no tag v1.2.0")
    assert succeeded(found, "tests", NOW).passes is False


@pytest.mark.parametrize("part", ["checks", "workflows", "runs"])
def test_a_part_that_was_not_seen_leaves_ci_unseen(part: str) -> None:
    found = replace(seen(run(1, TESTS, "success")), **{part: DOWN})
    answer = green(found, ())
    assert answer.passes is None
    assert answer.said == "CI of v1.2.0 was not seen: GitHub (api.github.com) cannot be asked: it does not answer in time"
    assert answer.hint == "Look at it."


def test_a_gate_needs_no_check_runs() -> None:
    found = Seen("acme/shop", "v1.2.0", SHA, Forbidden("no"), (TESTS,), (run(1, TESTS, "success"),))
    assert succeeded(found, "tests", NOW) == Answer(True, "Tests succeeded 2 h ago")


def test_nothing_was_seen() -> None:
    assert green(DOWN, ()).passes is None
    assert succeeded(DOWN, "tests", NOW).said.startswith("tests was not seen: GitHub")


@pytest.mark.parametrize(
    ("conclusion", "said"),
    [
        ("failure", "Performance did not succeed for v1.2.0 (0123456): failure, 3 h ago"),
        ("cancelled", "Performance did not succeed for v1.2.0 (0123456): cancelled, 3 h ago"),
        ("skipped", "Performance did not succeed for v1.2.0 (0123456): skipped, 3 h ago"),
        ("timed_out", "Performance did not succeed for v1.2.0 (0123456): timed out, 3 h ago"),
        (None, "Performance has been running for v1.2.0 (0123456) for 3 h"),
    ],
)
def test_only_success_lets_a_gate_pass(conclusion: str | None, said: str) -> None:
    answer = succeeded(seen(run(1, PERF, "success", 9), run(2, PERF, conclusion, 3), run(3, TESTS, "success")), "performance-tests", NOW)
    assert (answer.passes, answer.said) == (False, said)
    assert answer.hint.startswith("See https://github.com/runs/2. ")


def test_a_workflow_that_never_ran_on_the_commit_is_started_on_the_tag() -> None:
    answer = succeeded(seen(run(1, TESTS, "success")), "Performance", NOW)
    assert (answer.passes, answer.said) == (False, "Performance has never run for v1.2.0 (0123456)")
    assert "`gh workflow run performance-tests.yml --repo acme/shop --ref v1.2.0`" in answer.hint


def test_a_workflow_that_does_not_exist_is_named_with_the_nearest() -> None:
    answer = succeeded(seen(), "performance-test", NOW)
    assert (answer.passes, answer.said) == (False, "acme/shop has no workflow 'performance-test'; did you mean `performance-tests.yml`?")


def test_a_name_that_means_two_workflows_is_refused_and_a_file_wins_over_a_name() -> None:
    twins = (Workflow(1, "Tests", "a.yml"), Workflow(2, "Tests", "b.yml"), Workflow(3, "a", "c.yml"))
    assert succeeded(seen(workflows=twins), "Tests", NOW).said == "2 workflows of acme/shop are called 'Tests': a.yml, b.yml"
    assert succeeded(seen(run(1, twins[0], "success"), workflows=twins), "a", NOW).passes


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://ci.example.com/" + "x" * 400, "https://ci.example.com/a b", "", "ftp://ci.example.com"])
def test_only_a_link_to_a_web_page_is_shown(url: str) -> None:
    assert green(seen(checks=(Check("ci/build", "failure", url),)), ()).hint == "Mend it and deploy another version, or run it again."


def test_names_of_outsiders_are_cut_and_stay_on_one_line() -> None:
    answer = green(seen(checks=(Check("a\nb" + "c" * 200, "failure"),)), ())
    assert "a b" in answer.said
    assert len(answer.said) < 150
