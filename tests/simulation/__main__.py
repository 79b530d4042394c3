"""`python -m tests.simulation --seed N -v` replays one run; `--seeds 1000 --jobs 2` plays many and stops at the first that fails."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext

from tests.simulation import incidents, run
from tests.simulation.stage import Report

SHOWN = 60
PARTS = {"deploys": run.play, "incidents": incidents.play}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--of", choices=[*PARTS], default="deploys", help="what is simulated")
    parser.add_argument("--seed", type=int, help="play this one")
    parser.add_argument("--seeds", type=int, default=100, help="play so many")
    parser.add_argument("--first", type=int, default=0, help="from this one on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep-going", action="store_true", help="play them all, whatever fails")
    parser.add_argument("-v", "--verbose", action="store_true", help="print each line as it happens")
    chosen = parser.parse_args()
    play = PARTS[chosen.of]
    if chosen.seed is not None:
        report = play(chosen.seed, verbose=chosen.verbose)
        print(failure(report, chosen.of) if report.problems else f"seed {chosen.seed} holds: {len(report.trace)} lines")
        return 1 if report.problems else 0
    began, failed, endings = time.perf_counter(), 0, Counter[str]()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    # Alone, without a pool: that would play its chunk to the end after a seed has failed.
    with ProcessPoolExecutor(chosen.jobs) if chosen.jobs > 1 else nullcontext() as pool:
        for report in pool.map(play, seeds, chunksize=5) if pool else map(play, seeds):
            endings += report.endings
            if report.problems:
                failed += 1
                print(f"seed {report.seed}: {report.problems[0]}" if chosen.keep_going else failure(report, chosen.of), flush=True)
                if not chosen.keep_going:
                    if pool:
                        pool.shutdown(wait=False, cancel_futures=True)
                    return 1
    seconds = time.perf_counter() - began
    said = ", ".join(f"{count} {end}" for end, count in endings.most_common())
    print(f"{len(seeds)} seeds, {failed} failed, {len(seeds) / seconds:.1f} a second; {chosen.of}: {said}")
    return 1 if failed else 0


def failure(report: Report, of: str) -> str:
    """What a person needs to see of a run that failed, and how to see all of it."""
    lines = ["…", *report.trace[-SHOWN:]] if len(report.trace) > SHOWN else report.trace
    problems = "\n".join(f"  {problem}" for problem in report.problems)
    return "\n".join((f"seed {report.seed} fails:", problems, *lines, f"replay: python -m tests.simulation --of {of} --seed {report.seed} -v"))


if __name__ == "__main__":
    sys.exit(main())
