"""A deploy by aiec against `kubectl set image` and `kubectl rollout status`, at the same time, on the same cluster, of equal Deployments."""

import asyncio
import os
import statistics
import time

from benchmarks.place import Place, Platform, place
from benchmarks.result import Result

OURS, THEIRS = "bench-ours", "bench-kubectl"
SLOW = tuple(f"v2.{number}.0-slow" for number in range(9))
CRASH = tuple(f"v3.{number}.0-crash" for number in range(9))


async def slow(*, rounds: int = 3) -> list[Result]:
    """Measures from the approval to the end of a rollout of pods that take 8 s each, two of them after another."""
    platform = Platform((OURS,), others=(THEIRS,), replicas=2, tags=SLOW, approvals=1, real="TEST_KUBECONFIG" in os.environ)
    ours, theirs = [], []
    async with place(platform) as here:
        for number, version in enumerate(SLOW[:rounds], 1):
            mine, other = await asyncio.gather(_approved(here, number, version, "done"), _kubectl(here, version))
            ours.append(mine)
            theirs.append(other)
            await _settled(here)
    return [Result("approve to complete, a rollout of slow pods (2 × 8 s)", "s", statistics.median(ours), statistics.median(theirs), 1.1, relative=True)]


async def crash(*, rounds: int = 3, deadline: int = 60) -> list[Result]:
    """Measures from the approval until the cause of a crash is named; kubectl gives up, without a cause, at the Deployment's deadline."""
    platform = Platform((OURS,), others=(THEIRS,), replicas=2, tags=CRASH, approvals=1, deadline=deadline, real="TEST_KUBECONFIG" in os.environ)
    ours = []
    async with place(platform) as here:
        peer = asyncio.create_task(_kubectl(here, CRASH[0]))
        for number, version in enumerate(CRASH[:rounds], 1):
            ours.append(await _approved(here, number, version, "undoing", "rolled_back", "failed"))
            await here.reaches(number, "rolled_back")
        theirs = await peer
    return [Result(f"cause of a crash named (kubectl: deadline of {deadline} s, no cause)", "s", statistics.median(ours), theirs)]


async def _approved(here: Place, number: int, version: str, *states: str) -> float:
    await here.engineer.acknowledged(f"deploy {OURS} {version}")
    await here.reaches(number, "waiting")
    started = time.perf_counter()
    await here.lead.acknowledged(f"approve op-{number}")
    return await here.reaches(number, *states) - started


async def _kubectl(here: Place, version: str) -> float:
    """Returns the seconds that both commands take; a rollout that does not end well is waited for too."""
    started = time.perf_counter()
    await here.kubectl("-n", THEIRS, "set", "image", "deployment/web", f"web=ghcr.io/bench/web:{version}")
    try:
        await here.kubectl("-n", THEIRS, "rollout", "status", "deployment/web")
    except RuntimeError as error:
        if "exceeded its progress deadline" not in str(error):
            raise
    return time.perf_counter() - started


async def _settled(here: Place) -> None:
    """Waits for old pods to be gone, so that the next round begins as the first did."""
    for namespace in (OURS, THEIRS):
        async with asyncio.timeout(60):
            while len((await here.kubectl("-n", namespace, "get", "pods", "-o", "name")).split()) != 2:
                await asyncio.sleep(0.5)
