"""The rules: what Prometheus would tell Alertmanager of figures and pods, and the control API over all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.world import Scenario, World

Json = dict[str, Any]
START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)
POD = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}}
SCENARIO: Scenario = {
    "kubernetes": [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": POD},
        }
    ],
    "metrics": [
        {"expression": "errors", "series": [{"labels": {"zone": "a"}, "value": 0.0}, {"labels": {"zone": "b"}, "value": 0.0}]},
        {"expression": "up", "series": [{"value": 1}]},
    ],
    "alerts": [
        {
            "alert": "Errors",
            "expression": "errors",
            "above": 0.5,
            "for": 60,
            "labels": {"severity": "critical", "service": "web"},
            "annotations": {"summary": "{{ $value }} errors/s in {{ $labels.zone }}"},
        },
        {"alert": "Down", "expression": "up", "below": 1, "labels": {"severity": "critical"}},
        {"alert": "Crashing", "unready": {"namespace": "shop", "waiting": "CrashLoopBackOff"}, "labels": {"severity": "critical"}},
        {"alert": "NotReady", "unready": {"namespace": "shop", "selector": "app=web"}, "for": 30, "labels": {"severity": "warning"}},
    ],
    "troubles": [
        {
            "name": "down",
            "title": "Down",
            "metric": {"expression": "up", "series": [{"value": 0}]},
            "metric_after": {"expression": "up", "series": [{"value": 1}]},
            "pods": {"namespace": "shop", "selector": "app=web", "fate": "unready"},
        },
        {"name": "storm", "title": "Storm", "alerts": [{"labels": {"alertname": f"S{number}"}} for number in range(3)]},
    ],
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build(SCENARIO, start=START)) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/_sandbox", timeout=5) as client:
        yield client


async def fires(client: httpx.AsyncClient) -> list[str]:
    return sorted(one["name"] for one in (await client.get("/alertmanager/alerts")).json())


async def passes(client: httpx.AsyncClient, seconds: float) -> None:
    assert (await client.post("/clock", json={"advance": seconds})).status_code == 200


async def figure(client: httpx.AsyncClient, expression: str, *series: Json) -> None:
    assert (await client.post("/prometheus/series", json={"expression": expression, "series": series})).status_code == 200


async def states(client: httpx.AsyncClient) -> dict[str, str]:
    return {rule["alert"]: rule["state"] for rule in (await client.get("/alertmanager/rules")).json()}


async def test_a_figure_above_its_limit_fires_after_its_time_and_ends_when_it_falls(client: httpx.AsyncClient) -> None:
    assert await states(client) == dict.fromkeys(["Errors", "Down", "Crashing", "NotReady"], "inactive")
    await figure(client, "errors", {"labels": {"zone": "a"}, "value": 0.75}, {"labels": {"zone": "b"}, "value": 0.1})
    await passes(client, 45)
    assert await fires(client) == []
    assert (await states(client))["Errors"] == "pending"
    await passes(client, 45)
    [alert] = (await client.get("/alertmanager/alerts")).json()
    assert (alert["name"], alert["severity"], alert["summary"]) == ("Errors", "critical", "0.75 errors/s in a")
    assert alert["labels"] == {"alertname": "Errors", "severity": "critical", "service": "web", "zone": "a"}
    assert alert["since"] == "2026-05-03T03:01:15+00:00"
    assert (await states(client))["Errors"] == "firing"
    await passes(client, 3600)
    assert await fires(client) == ["Errors"]
    await figure(client, "errors", {"labels": {"zone": "a"}, "value": 0.1})
    await passes(client, 16)
    assert await fires(client) == []


async def test_a_condition_that_passes_before_its_time_never_fires(client: httpx.AsyncClient) -> None:
    await figure(client, "errors", {"value": 1.0})
    await passes(client, 40)
    await figure(client, "errors", {"value": 0.0})
    await passes(client, 60)
    assert (await fires(client), (await states(client))["Errors"]) == ([], "inactive")


async def test_it_fires_all_the_time_through_two_days_in_one_jump(client: httpx.AsyncClient) -> None:
    await client.post("/alertmanager/receiver", json={"url": "http://127.0.0.1:9/"})
    await client.post("/alertmanager/mishap", json={"kind": "lose", "times": 1000})
    await figure(client, "up", {"value": 0})
    await passes(client, 20)
    await passes(client, 172800)
    [alert] = (await client.get("/alertmanager/alerts")).json()
    assert alert["since"] == "2026-05-03T03:00:15+00:00"
    told = [delivery["state"] for delivery in (await client.get("/alertmanager/deliveries")).json()]
    assert told == ["firing"] * 12  # at once, and then every four hours at the next look of its group


async def test_while_a_query_fails_alertmanager_hears_nothing_and_forgets(client: httpx.AsyncClient) -> None:
    await figure(client, "up", {"value": 0})
    await passes(client, 20)
    await client.post("/prometheus/series", json={"expression": "up", "error": {}})
    await passes(client, 150)
    assert await fires(client) == ["Down"]
    await passes(client, 120)
    assert await fires(client) == []
    await figure(client, "up", {"value": 0})
    await passes(client, 20)
    assert await fires(client) == ["Down"]


async def test_pods_may_be_told_apart_by_what_their_containers_wait_for(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    one, other = (pod["metadata"]["name"] for pod in sandbox.world.kubernetes.pods("shop"))
    sandbox.world.kubernetes.set_fate("shop", one, "crash")
    sandbox.world.kubernetes.set_fate("shop", other, "unready")
    await passes(client, 600)
    found = (await client.get("/alertmanager/alerts")).json()
    assert sorted((alert["name"], alert["labels"]["pod"]) for alert in found) == sorted([("Crashing", one), ("NotReady", one), ("NotReady", other)])


async def test_each_pod_that_is_not_ready_is_an_alert(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    pods = [pod["metadata"]["name"] for pod in sandbox.world.kubernetes.pods("shop")]
    sandbox.world.kubernetes.set_fate("shop", pods[0], "unready")
    await passes(client, 50)
    [alert] = (await client.get("/alertmanager/alerts")).json()
    assert alert["labels"] == {"alertname": "NotReady", "severity": "warning", "namespace": "shop", "pod": pods[0]}
    sandbox.world.kubernetes.set_fate("shop", pods[0], "ready")
    await passes(client, 20)
    assert await fires(client) == []


async def test_alerts_are_fired_and_resolved_by_hand_and_last_in_between(client: httpx.AsyncClient) -> None:
    answer = await client.post("/alertmanager/fire", json={"labels": {"alertname": "A", "severity": "info"}, "annotations": {"summary": "so"}})
    assert answer.json() == {"fingerprint": (await client.get("/alertmanager/alerts")).json()[0]["fingerprint"]}
    await passes(client, 7200)
    assert await fires(client) == ["A"]
    assert (await client.post("/alertmanager/resolve", json={"labels": {"alertname": "B"}})).json() == {"resolved": []}
    assert (await client.post("/alertmanager/resolve", json={"labels": {"alertname": "A"}})).json() == {"resolved": [answer.json()["fingerprint"]]}
    await passes(client, 1)
    assert await fires(client) == []
    refused = await client.post("/alertmanager/fire", json={"labels": {"a-b": "c"}})
    assert (refused.status_code, refused.json()) == (400, {"error": 'invalid label set: invalid name "a-b"'})


async def test_an_alert_is_silenced_for_a_time(client: httpx.AsyncClient) -> None:
    await client.post("/alertmanager/fire", json={"labels": {"alertname": "A"}})
    made = await client.post("/alertmanager/silences", json={"matchers": ["alertname=~A|B", "x!=y"], "seconds": 60, "by": "ana", "comment": "known"})
    [alert] = (await client.get("/alertmanager/alerts")).json()
    told = {"id": made.json()["id"], "by": "ana", "comment": "known", "until": "2026-05-03T03:01:00+00:00", "matchers": ["alertname=~A|B", "x!=y"]}
    assert alert["silenced"] == told
    assert (await client.get("/alertmanager/silences")).json() == [told]
    await passes(client, 61)
    assert (await client.get("/alertmanager/alerts")).json()[0]["silenced"] is None
    assert (await client.get("/alertmanager/silences")).json() == []


async def test_a_trouble_lasts_until_it_is_ended(client: httpx.AsyncClient) -> None:
    def on(listed: list[Json]) -> list[str]:
        return [one["name"] for one in listed if one["on"]]

    await client.post("/troubles/down", json={"on": True})
    await client.post("/troubles/storm", json={"on": True})
    await passes(client, 600)
    assert await fires(client) == ["Down", "NotReady", "NotReady", "S0", "S1", "S2"]
    assert on((await client.get("/troubles")).json()) == ["down", "storm"]
    await client.post("/troubles/down", json={"on": False})
    await client.post("/troubles/storm", json={"on": False})
    await passes(client, 60)
    assert await fires(client) == []
    assert on((await client.get("/troubles")).json()) == []


async def test_a_receiver_is_told_over_http_and_its_settings_are_changed(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await sandbox.alerts_to("http://127.0.0.1:9/", "secret")
    assert (await client.post("/alertmanager/receiver", json={"group_wait": 1})).json()["group_wait"] == 1
    assert "token" not in (await client.get("/alertmanager/receiver")).json()
    assert sandbox.world.alertmanager.receiver.token == "secret"
    await client.post("/alertmanager/mishap", json={"kind": "lose"})
    await client.post("/alertmanager/fire", json={"labels": {"alertname": "A"}})
    await client.post("/alertmanager/fire", json={"labels": {"alertname": "B"}})
    await passes(client, 1)
    await sandbox.delivered()
    first, second = (await client.get("/alertmanager/deliveries")).json()
    assert (first["mishap"], first["answer"], first["group_key"]) == ("lose", 200, '{}:{alertname="A"}')
    assert (second["mishap"], second["answer"], second["over"]) == (None, None, True)
    assert (await client.post("/alertmanager/mishap", json={"kind": "explode"})).status_code == 400


async def test_faults_meet_the_api(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await client.post("/faults", json={"kind": "status", "system": "alertmanager", "status": 503})
    async with httpx.AsyncClient() as other:
        assert (await other.get(f"{sandbox.urls['alertmanager']}/api/v2/alerts")).status_code == 503


async def test_a_reset_forgets_alerts_and_still_tells_the_receiver(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    arrived = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        await sandbox.alerts_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await client.post("/alertmanager/fire", json={"labels": {"alertname": "A"}})
        await client.post("/reset")
        assert await fires(client) == []
        await client.post("/alertmanager/fire", json={"labels": {"alertname": "B"}})
        await passes(client, 31)
        async with asyncio.timeout(10):
            await arrived.wait()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"alert": "A"}, "either an expression or unready pods"),
        ({"alert": "A", "expression": "x"}, "a limit, either above or below"),
        ({"alert": "A", "expression": "x", "above": 1, "labels": {"a-b": ""}}, "which is no name"),
    ],
)
def test_a_wrong_rule_is_refused(rule: Json, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        World.build({"alerts": [rule]})
