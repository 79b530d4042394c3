"""The deploy engine under random faults, crashes and colleagues: every seed is another run, and in each of them the invariants hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import failure
from tests.simulation.mutants import MUTANTS, hunt
from tests.simulation.run import play

SEEDS = int(os.environ.get("AIEC_SIM_SEEDS", "10"))
BATCH = 10
ENOUGH = 500
"""Runs within which every mutant must be found."""
FIRST, *OTHERS = MUTANTS


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_the_invariants_hold(first: int) -> None:
    for seed in range(first, min(first + BATCH, SEEDS)):
        report = play(seed)
        assert not report.problems, failure(report, "deploys")


@pytest.mark.slow
def test_a_seed_gives_the_same_run_always() -> None:
    """Whatever order sets and dictionaries have in a process."""
    first, second = (_replayed(3, hashes) for hashes in ("1", "2"))
    assert first == second
    assert first.splitlines()[:-1] == play(3).trace


def _replayed(seed: int, hashes: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed), "-v"]
    return subprocess.run(
        command, cwd=Path(__file__).parents[2], env=os.environ | {"PYTHONHASHSEED": hashes}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("name", [FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_an_engine_that_is_broken_on_purpose_is_found(name: str) -> None:
    assert hunt(MUTANTS[name], ENOUGH) is not None, f"an engine that {name} went unnoticed for {ENOUGH} runs"
