"""Killed in the middle of a rollback, a restart, a scaling: its successor ends it, and changes nothing twice."""

import asyncio
from pathlib import Path

import pytest

from sandbox.faults import Fault
from tests.crash.judge import ENDS, GATEWAY
from tests.crash.scene import PROD, Scene, staged

POINTS = {
    "rollback": ("rollback prod gateway", f"/{GATEWAY}", "answer", 2),  # after the dry runs of the plan and of the start
    "restart": ("restart prod gateway", f"/{GATEWAY}", "answer", 0),
    "scale": ("scale prod gateway 4", f"/{GATEWAY}/scale", "request", 0),
}
"""What is asked, and at which PATCH the process dies: before it is executed, or when it is executed and not answered."""


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
async def test_what_was_begun_is_ended_once(name: str, tmp_path: Path) -> None:
    asked, path, at, skip = POINTS[name]
    async with staged(tmp_path, f"sqlite:///{tmp_path / 'aiec.db'}") as scene:
        await changed_by_hand(scene)
        before = scene.deployment(GATEWAY)
        async with scene.running() as replica:
            fault = Fault(kind="kill", call=replica.kill, system="kubernetes", method="PATCH", path=path, at=at, skip=skip, times=1)
            met = scene.world.faults.add(fault)
            await scene.say("engineer", f"/aiec {asked}")
            await scene.press("lead", "Approve")
            message = await scene.ended(*ENDS)
            assert (replica.deaths, scene.world.faults.met(met)) == (1, 1), "the point was never reached"
        assert ENDS[0] in message.plain, scene.describe()
        after = scene.deployment(GATEWAY)
        changes = after["metadata"]["generation"] - before["metadata"]["generation"]
        assert changes == (2 if name == "scale" else 1)  # a Deployment counts its annotations too: the mark is one, the number another
        mark = "aiec.dev/scaled-by" if name == "scale" else "aiec.dev/operation"
        assert after["metadata"]["annotations"][mark] == "op-1"
        assert (scene.tag(GATEWAY), after["spec"]["replicas"]) == {"rollback": ("v1.1.0", 3), "restart": ("v1.2.0", 3), "scale": ("v1.2.0", 4)}[name]
        code, out, err = await scene.aiec("audit", "verify")
        assert code == 0, out + err


async def changed_by_hand(scene: Scene) -> None:
    """There is an earlier revision, and no autoscaler."""
    scene.world.kubernetes.delete("HorizontalPodAutoscaler", PROD, GATEWAY)
    workload = scene.deployment(GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.2.0"
    scene.world.kubernetes.apply(workload)
    while scene.deployment(GATEWAY)["status"].get("updatedReplicas") != 3 or scene.deployment(GATEWAY)["status"].get("availableReplicas") != 3:
        scene.world.kubernetes.play()
        await asyncio.sleep(0.05)
