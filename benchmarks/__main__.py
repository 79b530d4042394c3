"""`python -m benchmarks [NAME…]`: measures, prints a table, writes results.json."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import acknowledge, alerts, backup, escalations, idle, logs, postmortem, rollout, runbooks, start, status, trends
from benchmarks.result import Result, table, write

RESULTS = Path(__file__).with_name("results.json")

Benchmark = Callable[[], Awaitable[list[Result]]]
BENCHMARKS: dict[str, Benchmark] = {
    "start": start.measure,
    "acknowledge": acknowledge.measure,
    "rollout": rollout.slow,
    "crash": rollout.crash,
    "status": status.measure,
    "alerts": alerts.measure,
    "escalations": escalations.measure,
    "logs": logs.measure,
    "backup": backup.measure,
    "runbooks": runbooks.measure,
    "postmortem": postmortem.measure,
    "trends": trends.measure,
    "idle": idle.measure,
}


async def run(names: list[str]) -> list[Result]:
    """Measures one after the other, so that none disturbs another."""
    found: list[Result] = []
    for name in names:
        print(f"{name} … (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)", file=sys.stderr, flush=True)
        found += await BENCHMARKS[name]()
    return found


def main() -> int:
    """Exits 1 when a goal is not reached. Only a run of all of them replaces results.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    results = asyncio.run(run(names or [*BENCHMARKS]))
    print(table(results))
    if not names:
        write(results, RESULTS)
    return 1 if any(one.holds is False for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
