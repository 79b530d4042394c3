"""The public health URLs of the platform."""

from __future__ import annotations

import time

import httpx
import pytest

from sandbox.platform import Answer
from sandbox.server import Sandbox


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live"])
async def test_everything_is_healthy_unless_told_otherwise(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/platform/prod{path}")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/platform/nowhere/health", "/platform/prod/metrics"])
async def test_nothing_else_is_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_one_path_or_all_of_them_can_be_told(client: httpx.AsyncClient) -> None:
    await client.post("/_sandbox/platform/health", json={"environment": "prod", "path": "/health/ready", "status": 503})
    assert [(await client.get(f"/platform/prod{path}")).status_code for path in ("/health", "/health/ready")] == [200, 503]
    assert (await client.get("/platform/prod/health/ready")).json() == {"status": "unavailable"}
    await client.post("/_sandbox/platform/health", json={"environment": "prod", "status": 500})
    listed = (await client.get("/_sandbox/platform/health")).json()
    assert listed["prod"]["/health/live"] == {"status": 500, "latency": 0.0}
    await client.post("/_sandbox/platform/health", json={"environment": "prod"})
    assert (await client.get("/platform/prod/health")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [({"environment": "nowhere"}, 404), ({"environment": "prod", "path": "/x"}, 404), ({"environment": "prod", "status": 99}, 400), ({}, 400)],
)
async def test_what_is_not_there_cannot_be_told(client: httpx.AsyncClient, body: dict[str, object], status: int) -> None:
    answer = await client.post("/_sandbox/platform/health", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_an_answer_can_be_slow(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.world.platform.tell("prod", Answer(latency=0.2), "/health")
    began = time.monotonic()
    assert (await client.get("/platform/prod/health")).status_code == 200
    assert time.monotonic() - began >= 0.2


async def test_without_ready_pods_a_load_balancer_answers_503(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    ready = False
    sandbox.world.platform.add("staging", ready=lambda: ready)
    assert (await client.get("/platform/staging/health/live")).status_code == 503
    ready = True
    assert (await client.get("/platform/staging/health/live")).status_code == 200
    sandbox.world.platform.tell("staging", Answer(status=500), "/health")
    ready = False
    assert (await client.get("/platform/staging/health")).status_code == 500
