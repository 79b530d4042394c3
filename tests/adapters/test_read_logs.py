"""Reading logs as they come, in the sandbox and on a real API server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from bot.adapters.kubernetes import connect
from bot.core.errors import Forbidden, NotFound
from bot.core.ports import Cluster
from tests.adapters.conftest import Kubernetes, in_sandbox, with_token
from tests.adapters.test_kubernetes import deployment, pods, restarted

STAMPED = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d) \S.*")


async def running(kubernetes: Kubernetes, tag: str = "v1.0.0") -> str:
    await kubernetes.create(deployment(tag=tag))
    wanted = restarted if tag.endswith("crash") else lambda found: any(one["ready"] for pod in found for one in pod["status"].get("containerStatuses", []))
    (pod,) = await pods(kubernetes, "web", wanted)
    return str(pod["metadata"]["name"])


async def text(cluster: Cluster, pod: str, **how: object) -> bytes:
    async with asyncio.timeout(20):
        return b"".join([piece async for piece in cluster.read_logs(pod, container="app", **how)])  # type: ignore[arg-type]


async def test_each_line_has_its_time_and_the_last_ones_can_be_asked_for(kubernetes: Kubernetes) -> None:
    name = await running(kubernetes)
    lines = (await text(kubernetes.cluster, name)).splitlines()
    assert lines
    assert all(STAMPED.fullmatch(line) for line in lines)
    assert (await text(kubernetes.cluster, name, tail=1)).splitlines() == lines[-1:]


async def test_the_log_before_a_restart(kubernetes: Kubernetes) -> None:
    name = await running(kubernetes, "v1.0.0-crash")
    assert (await text(kubernetes.cluster, name, previous=True, tail=1)).rstrip().endswith(b"KeyError: 'PAYMENTS_URL'")


async def test_a_pod_that_is_not_there_is_not_found(kubernetes: Kubernetes) -> None:
    with pytest.raises(NotFound, match="nothing"):
        await text(kubernetes.cluster, "nothing")


async def test_a_log_that_is_not_there_yet_is_not_found_in_the_kubelets_words(tmp_path: Path) -> None:
    async with in_sandbox(tmp_path) as place:  # the control plane's pods have a log whatever becomes of them
        await place.create(deployment(tag="v1.0.0-missing"))
        (pod,) = await pods(place, "web", lambda found: any("waiting" in one["state"] for pod in found for one in pod["status"].get("containerStatuses", [])))
        with pytest.raises(NotFound, match=r'^container "app" in pod "web-\S+" is waiting to start'):
            await text(place.cluster, pod["metadata"]["name"])


async def test_without_the_right_the_rule_that_gives_it_is_named(kubernetes: Kubernetes) -> None:
    name = await running(kubernetes)
    kubeconfig = with_token(kubernetes.kubeconfig, await kubernetes.token(("", "pods", ["get", "list"])))
    cluster = await connect(str(kubeconfig), None, kubernetes.namespace, "test")
    try:
        with pytest.raises(Forbidden) as refused:
            await text(cluster, name)
    finally:
        await cluster.close()
    assert refused.value.hint == 'Add this rule to aiec\'s role: {apiGroups: [""], resources: ["pods/log"], verbs: ["get"]}'
