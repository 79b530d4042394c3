"""The cluster as part of the sandbox: reached below its prefix, behind faults, on the shared clock, behind the health URLs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.world import Scenario, World

PODS = "/kubernetes/api/v1/namespaces/shop/pods"
DEPLOYMENT = "/kubernetes/apis/apps/v1/namespaces/shop/deployments/web"


def deployment() -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "shop/web:v1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    scenario: Scenario = {"kubernetes": [deployment()], "health": {"prod": {"namespace": "shop", "selector": "app=web"}}}
    async with Sandbox(World.build(scenario, seed=7)) as running:
        yield running


async def set_image(client: httpx.AsyncClient, image: str) -> httpx.Response:
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    return await client.patch(DEPLOYMENT, content=json.dumps(patch), headers={"Content-Type": "application/json-patch+json"})


async def test_the_scenarios_pods_are_ready_at_the_start(client: httpx.AsyncClient) -> None:
    status = (await client.get(DEPLOYMENT)).json()["status"]
    assert (status["readyReplicas"], status["availableReplicas"]) == (2, 2)
    assert (await client.get("/_sandbox/kubernetes/state")).json()["workloads"][0]["name"] == "web"


async def test_health_urls_answer_while_a_pod_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/platform/prod/health")).status_code == 200
    scaled = await client.patch(DEPLOYMENT, content=b'{"spec":{"replicas":0}}', headers={"Content-Type": "application/merge-patch+json"})
    assert scaled.status_code == 200
    await client.post("/_sandbox/clock", json={"advance": 60})
    assert (await client.get("/platform/prod/health")).status_code == 503


async def test_the_clock_moves_a_rollout(client: httpx.AsyncClient) -> None:
    await client.post("/_sandbox/kubernetes/ready_after", json={"seconds": 300})
    assert (await set_image(client, "shop/web:v2")).status_code == 200
    await client.post("/_sandbox/clock", json={"advance": 60})
    assert (await client.get(DEPLOYMENT)).json()["status"]["unavailableReplicas"] == 1
    await client.post("/_sandbox/clock", json={"advance": 3600})
    status = (await client.get(DEPLOYMENT)).json()["status"]
    assert (status["updatedReplicas"], status["readyReplicas"], status["replicas"]) == (2, 2, 2)


async def test_a_refused_patch_is_not_executed_and_a_lost_answer_is(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.faults.add(Fault(kind="status", system="kubernetes", method="PATCH", status=500, times=1))
    refused = await set_image(client, "shop/web:v2")
    assert (refused.status_code, refused.json()["kind"], refused.json()["reason"]) == (500, "Status", "InternalError")
    assert image(sandbox) == "shop/web:v1"
    sandbox.world.faults.add(Fault(kind="drop_after", system="kubernetes", method="PATCH", times=1))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await set_image(client, "shop/web:v3")
    assert image(sandbox) == "shop/web:v3"


def image(sandbox: Sandbox) -> str:
    found = sandbox.world.kubernetes.get("Deployment", "shop", "web")
    assert found is not None
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


async def drained(lines: AsyncIterator[str]) -> None:
    async for _ in lines:
        pass


async def test_a_watch_ends_when_its_connection_breaks(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    async with client.stream("GET", PODS, params={"watch": "true"}) as stream:
        lines = stream.aiter_lines()
        assert json.loads(await asyncio.wait_for(anext(lines), 5))["type"] == "ADDED"
        sandbox.disconnect()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await asyncio.wait_for(drained(lines), 5)


async def test_a_fault_can_meet_watches_alone(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.faults.add(Fault(kind="drop_after", system="kubernetes", path=r"\?.*watch=true"))
    assert (await client.get(PODS)).status_code == 200
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get(PODS, params={"watch": "true"})


async def test_a_reset_undoes_what_was_done_to_the_cluster(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await set_image(client, "shop/web:v2")
    await client.post("/_sandbox/reset")
    assert image(sandbox) == "shop/web:v1"


def test_the_same_seed_gives_the_same_pods() -> None:
    def names(seed: int) -> list[str]:
        return sorted(pod["metadata"]["name"] for pod in World.build({"kubernetes": [deployment()]}, seed).kubernetes.pods("shop"))

    assert names(1) == names(1) != names(2)
