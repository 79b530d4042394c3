"""PagerDuty in the running sandbox: what people do on the control API, faults, and webhooks that really arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.world import World
from tests.unit.sandbox.pagerduty.account_driver import SETTING, START

HEADERS = {"Authorization": "Token token=key", "From": "ana@example.com", "Accept": "application/vnd.pagerduty+json;version=2"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build({"pagerduty": SETTING}, start=START)) as running:
        yield running


class Driver(httpx.AsyncClient):
    """A client of the control API and of the REST API."""

    async def does(self, path: str, **body: Any) -> Any:
        answer = await self.post(f"/_sandbox/pagerduty/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def opens(self) -> str:
        incident = {"type": "incident", "title": "Checkout is slow", "service": {"id": "PSHOP", "type": "service_reference"}}
        answer = await self.post("/pagerduty/incidents", json={"incident": incident}, headers=HEADERS)
        return str(answer.json()["incident"]["id"])

    async def status(self, incident: str) -> str:
        return str((await self.get(f"/pagerduty/incidents/{incident}", headers=HEADERS)).json()["incident"]["status"])

    async def state(self) -> Any:
        return (await self.get("/_sandbox/pagerduty/state")).json()

    async def ringing(self) -> list[str]:
        return [phone["name"] for phone in (await self.state())["phones"] if phone["ringing"]]


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Driver]:
    async with Driver(base_url=sandbox.url, timeout=5) as client:
        yield client


class App:
    """An HTTP server that webhooks are sent to; it answers `status` and keeps the bodies."""

    def __init__(self) -> None:
        self.status = 200
        self.events: list[Any] = []
        self.headers: list[dict[str, str]] = []

    async def __aenter__(self) -> App:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/webhooks/pagerduty"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.headers.append(headers)
        self.events.append(json.loads(body)["event"])
        writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()
        await writer.wait_closed()

    @property
    def news(self) -> list[str]:
        return [event["event_type"].removeprefix("incident.") for event in self.events]


async def test_a_phone_rings_and_its_owner_acknowledges(client: Driver) -> None:
    one = await client.opens()
    assert await client.ringing() == ["Ana"]
    await client.does("acknowledge", user="Ana", incident=one)
    assert (await client.ringing(), await client.status(one)) == ([], "acknowledged")
    await client.does("resolve", user="PBEN", incident="1")
    assert await client.status(one) == "resolved"


async def test_who_cannot_hands_it_on(client: Driver) -> None:
    one = await client.opens()
    assert await client.does("escalate", user="Ana", incident=one) == {"level": 2}
    assert await client.ringing() == ["Ben", "Cai"]
    refused = await client.post("/_sandbox/pagerduty/escalate", json={"user": "Ben", "incident": one})
    assert (refused.status_code, refused.json()) == (400, {"error": "nobody is on call after this level"})
    assert (await client.get("/_sandbox/pagerduty/incidents")).json()["incidents"][0]["level"] == 2


async def test_who_does_not_hear_it_has_missed_it(client: Driver) -> None:
    await client.opens()
    assert await client.does("miss", user="Ana") == {"missed": 1}
    assert await client.ringing() == []
    await client.post("/_sandbox/clock", json={"advance": 120})
    assert await client.ringing() == ["Ana"]


async def test_time_moves_by_the_clock_of_the_sandbox(client: Driver) -> None:
    one = await client.opens()
    await client.post("/_sandbox/clock", json={"advance": 600})
    state = await client.state()
    assert [phone["name"] for phone in state["phones"] if phone["ringing"]] == ["Ben", "Cai"]
    assert state["phones"][0]["missed"] == [{"incident": one, "number": 1, "title": "Checkout is slow", "times": 3}]
    assert [(level["level"], level["minutes"], level["people"]) for level in state["levels"]] == [(1, 10, ["PANA"]), (2, 20, ["PBEN", "PCAI"])]


async def test_somebody_else_is_put_on_call_or_nobody(client: Driver) -> None:
    await client.does("oncall", schedule="First", user="Cai")
    assert (await client.state())["levels"][0]["people"] == ["PCAI"]
    await client.does("oncall", schedule="PFIRST", user=None)
    assert (await client.state())["levels"][0]["people"] == []
    await client.opens()
    assert await client.ringing() == ["Ben", "Cai"]
    assert (await client.post("/_sandbox/pagerduty/oncall", json={"schedule": "none", "user": None})).status_code == 404


async def test_maintenance_is_begun_and_ended(client: Driver) -> None:
    await client.does("maintenance", service="PSHOP", seconds=600)
    assert (await client.state())["maintenance"] == ["Shop"]
    await client.does("maintenance", service="PSHOP", seconds=0)
    assert (await client.state())["maintenance"] == []
    assert await client.opens()


async def test_things_are_taken_away(client: Driver) -> None:
    await client.opens()
    await client.does("remove_user", user="Ana")
    assert await client.ringing() == []
    await client.does("limits", rest=1)
    assert (await client.get("/pagerduty/users", headers=HEADERS)).status_code == 429
    assert [user["id"] for user in (await client.get("/pagerduty/users", headers=HEADERS)).json()["users"]] == ["PBEN", "PCAI"]
    await client.does("remove_service", service="PSHOP")
    assert (await client.get("/pagerduty/services/PSHOP", headers=HEADERS)).status_code == 404
    await client.does("revoke", token="key")
    assert (await client.get("/pagerduty/users", headers=HEADERS)).status_code == 401
    assert (await client.post("/_sandbox/pagerduty/remove_user", json={"user": "nobody"})).status_code == 404


async def test_faults_are_met_in_pagerdutys_words(client: Driver) -> None:
    await client.post("/_sandbox/faults", json={"kind": "status", "system": "pagerduty", "path": "^/incidents", "status": 429, "times": 1})
    answer = await client.get("/pagerduty/incidents", headers=HEADERS)
    assert (answer.status_code, answer.json()) == (429, {"error": {"message": "Rate Limit Exceeded", "code": 2020}})
    assert (await client.get("/pagerduty/incidents", headers=HEADERS)).status_code == 200


async def test_webhooks_arrive_and_are_sent_again(sandbox: Sandbox, client: Driver) -> None:
    async with App() as app:
        await sandbox.webhooks_to(app.url)
        await client.does("webhooks/subscription", secrets=["one", "two"])
        app.status = 503
        one = await client.opens()
        await client.does("acknowledge", user="Ana", incident=one)
        await sandbox.delivered()
        assert app.news == ["triggered"]
        waiting = (await client.get("/_sandbox/pagerduty/webhooks")).json()["waiting"]
        assert [(entry["type"], entry["attempts"]) for entry in waiting] == [("incident.triggered", 1), ("incident.acknowledged", 0)]
        app.status = 202
        await client.post("/_sandbox/clock", json={"advance": 5})
        await sandbox.delivered()
        assert app.news == ["triggered", "triggered", "acknowledged"]
        assert app.headers[0]["x-webhook-id"] == app.headers[1]["x-webhook-id"]
        assert app.headers[2]["x-pagerduty-signature"].count("v1=") == 2
        await client.post("/_sandbox/clock", json={"advance": 600})
        await client.does("escalate", user="Ana", incident=one)
        await client.does("webhooks/replay")
        await sandbox.delivered()
        assert app.news[3:] == ["escalated", "acknowledged"]


async def test_webhooks_go_on_after_a_reset(sandbox: Sandbox, client: Driver) -> None:
    async with App() as app:
        await sandbox.webhooks_to(app.url)
        await client.post("/_sandbox/reset")
        await client.does("webhooks/trouble", kind="drop", times=1)
        one = await client.opens()
        await client.does("acknowledge", user="Ana", incident=one)
        await sandbox.delivered()
        assert app.news == ["acknowledged"]


async def test_time_alone_sends_webhooks(sandbox: Sandbox, client: Driver) -> None:
    async with App() as app:
        await sandbox.webhooks_to(app.url)
        await client.opens()
        sandbox.world.clock.advance(600)
        async with asyncio.timeout(10):
            while app.news != ["triggered", "escalated"]:
                await asyncio.sleep(0.05)
