"""kill -9 at points that only the far end can choose: before it does what it was asked, before its answer is known, after it.

Each deploy ends as it should, exactly once. `make test` takes one of the points, CI all of them.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.faults import Fault
from tests.crash.judge import CRASHING, ENDS, GATEWAY, GOOD, RECOMMENDATION, generations, judge
from tests.crash.scene import staged

TOGETHER = 3


@dataclass(frozen=True)
class Point:
    """Where the process dies: at the request `skip` + 1 of this kind; `at` as in a `kill` fault."""

    system: str
    method: str
    path: str
    at: str
    skip: int = 0
    asked: str = GOOD

    def __str__(self) -> str:
        return f"{self.at} {self.method} {self.system} {self.path} +{self.skip} of {self.asked[:20]}"


def points(system: str, method: str, path: str, *skips: int, asked: str = GOOD) -> list[Point]:
    return [Point(system, method, path, at, skip, asked) for skip in skips or (0,) for at in ("request", "answer", "done")]


ALL = [
    *points("kubernetes", "PATCH", GATEWAY),
    *points("kubernetes", "PATCH", RECOMMENDATION),
    *points("kubernetes", "PATCH", GATEWAY, 0, 1, asked=CRASHING),
    *points("kubernetes", "GET", "/pods", 0, 4, 8),
    *points("slack", "POST", "chat.postMessage"),
    *points("slack", "POST", "chat.update", 0, 1, 3),
    *points("slack", "POST", "commands"),
    *points("slack", "POST", "chat.postMessage", 1, asked=CRASHING),
    *points("slack", "POST", "completeUploadExternal"),
    *points("registry", "HEAD", "manifests", 0, 2),
    *points("platform", "GET", "health", 0, 3),
]


async def test_a_process_that_is_killed_when_it_has_changed_something_knows_it_after_its_restart(tmp_path):
    await survive(Point("kubernetes", "PATCH", GATEWAY, "answer"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [ALL[first : first + TOGETHER] for first in range(0, len(ALL), TOGETHER)], ids=lambda chosen: str(chosen[0]))
async def test_a_process_that_is_killed_finishes_after_its_restart_what_it_began(tmp_path, chosen):
    ends = await asyncio.gather(*(survive(point, tmp_path / str(number)) for number, point in enumerate(chosen)), return_exceptions=True)
    failures = {str(point): end for point, end in zip(chosen, ends, strict=True) if end is not None}
    assert not failures, "\n\n".join(f"{point}\n{error}" for point, error in failures.items())


async def survive(point: Point, folder: Path) -> None:
    url = f"sqlite:///{folder / 'aiec.db'}"
    async with staged(folder, url) as scene:
        before = generations(scene)
        async with scene.running() as replica:
            fault = Fault(kind="kill", call=replica.kill, system=point.system, method=point.method, path=point.path, at=point.at, skip=point.skip, times=1)
            name = scene.world.faults.add(fault)
            await scene.say("engineer", f"/aiec {point.asked}")
            await scene.press("lead", "Approve")
            await scene.ended(*ENDS)
            assert (replica.deaths, scene.world.faults.met(name)) == (1, 1), "the point was never reached"
        await judge(scene, point.asked, before)
