"""Incidents and pages under random faults, crashes and people: every seed is another hour of alerts, and in each of them the invariants hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import failure
from tests.simulation.incidents import play
from tests.simulation.mutants import INCIDENT_MUTANTS, hunt

SEEDS = int(os.environ.get("AIEC_SIM_INCIDENT_SEEDS", "2"))
BATCH = 5
ENOUGH = 100
"""Runs within which every mutant must be found."""


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_the_invariants_hold(first: int) -> None:
    for seed in range(first, min(first + BATCH, SEEDS)):
        report = play(seed)
        assert not report.problems, failure(report, "incidents")


@pytest.mark.slow
def test_a_seed_gives_the_same_run_always() -> None:
    """Whatever order sets and dictionaries have in a process."""
    first, second = (_replayed(3, hashes) for hashes in ("1", "2"))
    assert first == second
    assert first.splitlines()[:-1] == play(3).trace


def _replayed(seed: int, hashes: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--of", "incidents", "--seed", str(seed), "-v"]
    return subprocess.run(
        command, cwd=Path(__file__).parents[2], env=os.environ | {"PYTHONHASHSEED": hashes}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", INCIDENT_MUTANTS)
def test_an_engine_that_is_broken_on_purpose_is_found(name: str) -> None:
    assert hunt(INCIDENT_MUTANTS[name], ENOUGH, "incidents") is not None, f"an engine that {name} went unnoticed for {ENOUGH} runs"
