"""Deploys of StatefulSets and DaemonSets, on the sandbox and on a real cluster: brought up, put back when they fail, and what holds a rollout up said."""

from pathlib import Path
from typing import Any

import pytest

from bot.core.operation import Phase
from bot.core.workload import container_image, readiness
from tests.adapters.conftest import Kubernetes, kubernetes
from tests.stories.test_fates import IMAGE, asks, bot_on, ends, web

__all__ = ["kubernetes"]

Json = dict[str, Any]


def workload(kind: str, **spec: Any) -> Json:
    """A workload of that kind that runs the first version."""
    described = {**web(), "kind": kind}
    kept = {"selector", "template"} | ({"replicas"} if kind == "StatefulSet" else set())
    described["spec"] = (
        {key: value for key, value in described["spec"].items() if key in kept} | ({"serviceName": "web"} if kind == "StatefulSet" else {}) | spec
    )
    return described


async def is_up(place: Kubernetes, kind: str) -> Json:
    """Waits until all pods are ready, and returns the workload."""
    for _ in range(150):
        found = await place.cluster.get(kind, "web")
        if found:
            ready, wanted = readiness(found)
            if wanted > 0 and ready == wanted and found["status"].get("observedGeneration") == found["metadata"]["generation"]:
                return found
        await place.passes(0.2)
    raise AssertionError(f"{kind} web did not come up: {found}")


async def tags(place: Kubernetes) -> set[str]:
    pods = await place.cluster.list("Pod", labels="app=web")
    return {one["spec"]["containers"][0]["image"].partition("@")[0].rpartition(":")[2] for one in pods}


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_a_good_version_comes_up(kind: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload(kind))
    await is_up(kubernetes, kind)
    async with bot_on(kubernetes, tmp_path, kind=kind) as bot:
        await asks(bot, "ana", "deploy test v2.0.0-good")
        await asks(bot, "rui", "approve op-1")
        found = await ends(bot, kubernetes, 90)
    assert found.phase is Phase.DONE, found.failure
    assert await tags(kubernetes) == {"v2.0.0-good"}


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(("fate", "code"), [("missing", "ImageNotFound"), ("crash", "CrashLoopBackOff")])
async def test_a_bad_version_is_put_back_and_no_pod_of_it_is_left(kind: str, fate: str, code: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload(kind))
    await is_up(kubernetes, kind)
    async with bot_on(kubernetes, tmp_path, kind=kind) as bot:
        await asks(bot, "ana", f"deploy test v2.0.0-{fate}")
        await asks(bot, "rui", "approve op-1")
        found = await ends(bot, kubernetes, 90)
    assert (found.phase, found.failure.code if found.failure else "") == (Phase.ROLLED_BACK, code), [run.text for run in found.runs]
    after = await is_up(kubernetes, kind)
    assert container_image(after, "web") == f"{IMAGE}:v1.0.0"
    assert await tags(kubernetes) == {"v1.0.0"}


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_pods_that_are_only_replaced_by_hand_are_said(kind: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload(kind, updateStrategy={"type": "OnDelete"}))
    await is_up(kubernetes, kind)
    async with bot_on(kubernetes, tmp_path, kind=kind) as bot:
        await asks(bot, "ana", "deploy test v2.0.0-good")
        await asks(bot, "rui", "approve op-1")
        found = await ends(bot, kubernetes, 60)
    assert found.failure is not None
    assert found.failure.code == "OnDelete"
    assert container_image(await is_up(kubernetes, kind), "web") == f"{IMAGE}:v1.0.0"
    assert await tags(kubernetes) == {"v1.0.0"}


async def test_a_partition_keeps_the_pods_below_it(kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("StatefulSet", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}))
    await is_up(kubernetes, "StatefulSet")
    async with bot_on(kubernetes, tmp_path, kind="StatefulSet") as bot:
        await asks(bot, "ana", "deploy test v2.0.0-good")
        await asks(bot, "rui", "approve op-1")
        found = await ends(bot, kubernetes, 90)
    assert found.phase is Phase.DONE, found.failure
    assert await tags(kubernetes) == {"v1.0.0", "v2.0.0-good"}
