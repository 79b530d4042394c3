"""The benchmarks' own machinery, with tiny numbers: that they measure, not what they measure."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from benchmarks import acknowledge, alerts, idle, rollout, start, status
from benchmarks.__main__ import BENCHMARKS
from benchmarks.process import running
from benchmarks.result import Result, figure, table, write


@pytest.fixture
def kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KUBECONFIG", raising=False)
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl")


def test_a_goal_is_of_the_figure_or_of_the_ratio() -> None:
    assert Result("x", "ms", 240, 30, 250).holds is True
    assert Result("x", "ms", 260, 300, 250).holds is False
    assert Result("x", "s", 18, 16, 1.1, relative=True).holds is False
    assert Result("x", "s", 17, 16, 1.1, relative=True).holds is True
    assert Result("x", "s", 17, None, 1.1, relative=True).holds is None
    assert Result("x", "s", 17).holds is None


def test_results_are_written_as_scripts_read_them(tmp_path: Path) -> None:
    write([Result("idle memory", "MiB", 100.0, 50.0, 150), Result("idle: commits", "a minute", 12)], tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text()) == [
        {"name": "idle memory", "unit": "MiB", "ours": 100.0, "peer": 50.0, "ratio": 2.0, "goal": "≤ 150 MiB", "holds": True},
        {"name": "idle: commits", "unit": "a minute", "ours": 12, "peer": None, "ratio": None, "goal": None, "holds": None},
    ]


def test_the_table_has_a_line_for_each_result() -> None:
    lines = table([Result("a rollout", "s", 16.42, 16.0, 1.1, relative=True), Result("requests", "a minute", 0)]).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["a rollout", "16.4", "16", "1.03", "s", "≤ 1.1×", "yes"]
    assert [cell.strip() for cell in lines[3].strip("|").split("|")] == ["requests", "0", "–", "–", "a minute", "", ""]
    assert len({len(line) for line in lines}) == 1
    assert figure(1234.5) == "1234"


def test_percentiles_are_in_milliseconds() -> None:
    assert acknowledge.percentile([0.001 * number for number in range(101)], 99) == pytest.approx(99)


async def test_a_process_that_ends_at_once_is_said_with_its_words() -> None:
    with pytest.raises(RuntimeError, match="ended with"):
        async with running("benchmarks.bolt_app", ready="http://127.0.0.1:1/"):
            pass


@pytest.mark.slow
async def test_acknowledgements_are_measured() -> None:
    p99, median = await acknowledge.measure(at_once=2, rounds=2, rollouts=1)
    assert 0 < median.ours <= p99.ours
    assert p99.peer is not None
    assert p99.wanted == "≤ 250 ms"


@pytest.mark.slow
async def test_the_start_and_what_is_idle_are_measured() -> None:
    found = await asyncio.gather(start.measure(rounds=1, rest=0.1), idle.measure(seconds=2, warm=0.5))
    figures = {one.name: one.ours for results in found for one in results}
    assert figures["start to ready"] > 0
    assert figures["idle memory"] > 10
    assert figures["idle: SQL statements"] > 0
    assert figures["idle: requests to the API server"] == 0


@pytest.mark.slow
async def test_alerts_are_measured() -> None:
    median, lost, pages, called = await alerts.measure(many=400, seconds=2, rounds=2)
    assert median.ours > 0
    assert (lost.ours, pages.ours) == (0, 2)
    assert called.ours > 0


@pytest.mark.slow
@pytest.mark.usefixtures("kubectl")
async def test_status_is_measured() -> None:
    (found,) = await status.measure(deployments=3, pods=6, rounds=1)
    assert found.name == "status of 3 deployments with 6 pods"
    assert found.ratio is not None


@pytest.mark.slow
@pytest.mark.usefixtures("kubectl")
async def test_a_rollout_is_measured_beside_kubectl() -> None:
    (found,) = await rollout.slow(rounds=1)
    assert found.ours >= 16
    assert found.peer is not None
    assert found.peer >= 16


def test_every_benchmark_can_be_asked_for() -> None:
    assert {*BENCHMARKS} == {
        "start",
        "acknowledge",
        "rollout",
        "crash",
        "status",
        "alerts",
        "escalations",
        "logs",
        "backup",
        "runbooks",
        "postmortem",
        "trends",
        "idle",
    }
