"""PagerDuty's own client on the sandbox's server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pagerduty
import pytest

from sandbox.server import Sandbox
from sandbox.world import World
from tests.unit.sandbox.pagerduty.account_driver import SETTING, START

SERVICE = {"id": "PSHOP", "type": "service_reference"}


class Plain(httpx2.HTTPTransport):
    """The client takes https URLs alone; this transport speaks plain HTTP to them."""

    def handle_request(self, request: Any) -> Any:
        request.url = request.url.copy_with(scheme="http")
        return super().handle_request(request)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build({"pagerduty": SETTING}, start=START)) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Any]:
    url = sandbox.urls["pagerduty"].replace("http:", "https:")
    made = pagerduty.RestApiV2Client("key", default_from="ana@example.com", base_url=url, transport=Plain(), trust_env=False)
    yield made
    made.close()


async def test_an_incident_from_opening_to_resolving(sandbox: Sandbox, client: Any) -> None:
    def story() -> Any:
        made = client.rpost("/incidents", json={"type": "incident", "title": "Checkout is slow", "service": SERVICE, "incident_key": "k"})
        assert client.rget(f"/incidents/{made['id']}")["status"] == "triggered"
        client.rput(f"/incidents/{made['id']}", json={"type": "incident_reference", "escalation_level": 2})
        client.rput("/incidents", json=[{"id": made["id"], "type": "incident_reference", "status": "acknowledged"}])
        client.rpost(f"/incidents/{made['id']}/notes", json={"content": "looking at it"})
        client.rput(f"/incidents/{made['id']}", json={"type": "incident_reference", "status": "resolved"})
        return list(client.iter_all("/incidents", params={"statuses": ["resolved"]})), list(client.iter_incident_notes(made["id"]))

    found, notes = await asyncio.to_thread(story)
    assert [(one["title"], one["incident_key"], one["status"]) for one in found] == [("Checkout is slow", "k", "resolved")]
    assert [note["channel"]["summary"] for note in notes] == ["looking at it"]


async def test_what_the_client_finds_and_counts(client: Any) -> None:
    def story() -> None:
        for number in range(7):
            client.rpost("/incidents", json={"type": "incident", "title": str(number), "service": SERVICE})
        assert [one["title"] for one in client.iter_all("/incidents", page_size=3)] == ["0", "1", "2", "3", "4", "5", "6"]
        assert client.get_total("/incidents") == 7
        assert client.find("users", "ben@example.com", attribute="email")["id"] == "PBEN"
        assert [one["user"]["id"] for one in client.list_all("/oncalls", params={"escalation_policy_ids": ["PLADDER"]})] == ["PANA", "PBEN", "PCAI"]
        assert client.rget("/services/PSHOP")["name"] == "Shop"
        assert client.account_has_ability("urgencies")
        assert client.subdomain == "acme"
        window = {"type": "maintenance_window", "start_time": "2026-11-25T03:00:00Z", "end_time": "2026-11-25T04:00:00Z", "services": [SERVICE]}
        made = client.rpost("/maintenance_windows", json=window)
        client.delete(f"/maintenance_windows/{made['id']}")
        assert [one["id"] for one in client.iter_all("/webhook_subscriptions")] == ["PHOOK"]

    await asyncio.to_thread(story)


async def test_what_the_client_makes_of_errors(sandbox: Sandbox, client: Any) -> None:
    def story() -> None:
        with pytest.raises(pagerduty.HttpError) as missing:
            client.rget("/incidents/QNONE")
        assert missing.value.response.json()["error"]["code"] == 2100
        client.retry[429] = 1
        client.sleep_timer = 0.01
        sandbox.world.pagerduty.limited = 2
        with pytest.raises(pagerduty.HttpError) as limited:
            client.rget("/services/PSHOP")
        assert limited.value.response.status_code == 429
        sandbox.world.pagerduty.tokens.clear()
        with pytest.raises(pagerduty.HttpError, match="401"):
            client.rget("/services/PSHOP")

    await asyncio.to_thread(story)


async def test_events_by_the_client(sandbox: Sandbox) -> None:
    url = sandbox.urls["pagerduty_events"].replace("http:", "https:")

    def story() -> str:
        with pagerduty.EventsApiV2Client("route", base_url=url, transport=Plain(), trust_env=False) as events:
            key = events.trigger("Disk full", "db-1")
            events.acknowledge(key)
            events.resolve(key)
            return str(key)

    key = await asyncio.to_thread(story)
    incident = sandbox.world.pagerduty.incident(key)
    assert (incident.title, [entry.kind for entry in incident.log]) == ("Disk full", ["trigger", "acknowledge", "resolve"])
