"""The control API: clock, faults, reset, and its own documentation."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.world import World


async def test_the_clock_is_read_and_moved(client: httpx.AsyncClient) -> None:
    assert (await client.get("/_sandbox/clock")).json() == {"now": "2026-05-03T03:00:00+00:00"}
    assert (await client.post("/_sandbox/clock", json={"advance": 90})).json() == {"now": "2026-05-03T03:01:30+00:00"}
    assert (await client.post("/_sandbox/clock", json={"advance_to": "2026-05-03T05:00:00+01:00"})).json() == {"now": "2026-05-03T04:00:00+00:00"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "either advance"),
        ({"advance": 1, "advance_to": "2026-05-03T05:00:00Z"}, "either advance"),
        ({"advance": -1}, "backwards"),
        ({"advance_to": "2020-01-01T00:00:00Z"}, "backwards"),
        ({"advance_to": "2026-05-03T05:00:00"}, "timezone"),
        ({"forward": 5}, "forward"),
    ],
)
async def test_a_wrong_move_is_refused(client: httpx.AsyncClient, body: dict[str, object], says: str) -> None:
    answer = await client.post("/_sandbox/clock", json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert (await client.get("/_sandbox/clock")).json() == {"now": "2026-05-03T03:00:00+00:00"}


async def test_faults_are_added_listed_and_withdrawn(client: httpx.AsyncClient) -> None:
    added = await client.post("/_sandbox/faults", json={"kind": "status", "system": "registry", "status": 503, "times": 2, "name": "down"})
    assert added.json() == {"name": "down", "met": 0, "kind": "status", "system": "registry", "times": 2}
    assert (await client.get("/v2/")).status_code == 503
    assert [(rule["name"], rule["met"]) for rule in (await client.get("/_sandbox/faults")).json()] == [("down", 1)]
    assert (await client.delete("/_sandbox/faults/down")).status_code == 200
    assert (await client.get("/v2/")).status_code == 200
    assert (await client.delete("/_sandbox/faults/down")).status_code == 404


async def test_faults_do_not_meet_the_control_api(client: httpx.AsyncClient) -> None:
    await client.post("/_sandbox/faults", json={"kind": "drop"})
    assert (await client.delete("/_sandbox/faults")).status_code == 200
    assert (await client.get("/_sandbox/faults")).json() == []


async def test_a_wrong_fault_is_refused(client: httpx.AsyncClient) -> None:
    for body in ({"kind": "explode"}, ["drop"]):
        answer = await client.post("/_sandbox/faults", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert (await client.post("/_sandbox/faults", content=b"{")).status_code == 400


async def test_reset_makes_the_world_as_it_was(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await client.post("/_sandbox/clock", json={"advance": 3600})
    await client.post("/_sandbox/registry/remove", json={"name": "team/gateway"})
    await client.post("/_sandbox/faults", json={"kind": "drop", "system": "prometheus"})
    before = sandbox.world
    assert (await client.post("/_sandbox/reset")).status_code == 200
    assert sandbox.world is not before
    assert (await client.get("/_sandbox/clock")).json() == {"now": "2026-05-03T03:00:00+00:00"}
    assert (await client.get("/v2/team/gateway/tags/list")).json()["tags"] == ["v1.0.0", "v1.1.0"]
    assert (await client.get("/_sandbox/faults")).json() == []


async def test_the_scenario_can_be_read(client: httpx.AsyncClient) -> None:
    read = (await client.get("/_sandbox/scenario")).json()
    assert read["seed"] == 7
    assert read["scenario"]["images"] == [{"name": "team/gateway", "tags": ["v1.0.0", "v1.1.0"]}]


async def test_every_route_is_documented(client: httpx.AsyncClient) -> None:
    entries = (await client.get("/_sandbox/")).json()
    assert {(entry["method"], entry["path"]) for entry in entries} >= {
        ("POST", "/_sandbox/clock"),
        ("POST", "/_sandbox/faults"),
        ("POST", "/_sandbox/registry/images"),
        ("POST", "/_sandbox/prometheus/series"),
        ("POST", "/_sandbox/platform/health"),
    }
    assert [entry["path"] for entry in entries if not entry["text"]] == []
    page = await client.get("/_sandbox/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.headers["content-type"].startswith("text/html")
    assert all(entry["path"] in page.text for entry in entries)


@pytest.mark.parametrize(("origin", "status"), [("https://elsewhere.example", 403), ("null", 403), (None, 200)])
async def test_other_peoples_pages_are_refused(client: httpx.AsyncClient, origin: str | None, status: int) -> None:
    headers = {"Origin": origin} if origin else {}
    assert (await client.post("/_sandbox/clock", json={"advance": 60}, headers=headers)).status_code == status


async def test_a_strangers_name_for_loopback_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Host": "rebound.example", "Origin": "http://rebound.example"}
    assert (await client.post("/_sandbox/clock", json={"advance": 60}, headers=headers)).status_code == 403


async def test_the_own_page_is_not_refused(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    answer = await client.post("/_sandbox/clock", json={"advance": 60}, headers={"Origin": sandbox.url})
    assert answer.status_code == 200


def test_an_unknown_part_of_a_scenario_is_named() -> None:
    with pytest.raises(ValueError, match="a scenario has no imagse"):
        World.build({"imagse": []})  # type: ignore[typeddict-unknown-key]


async def test_two_worlds_of_the_same_seed_are_the_same(sandbox: Sandbox) -> None:
    other = sandbox.world.again()
    assert other.clock.now() == sandbox.world.clock.now()
    assert other.registry.begin_upload("a") == sandbox.world.registry.begin_upload("a")
    sandbox.world.clock.advance(timedelta(hours=1).total_seconds())
    assert other.clock.now() != sandbox.world.clock.now()
