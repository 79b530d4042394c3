"""The adapter on the sandbox's PagerDuty: who is paged, what is read back, and what is said when something is wrong."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from bot.adapters.pagerduty import PagerDutyPager, open_connection
from bot.adapters.pagerduty.connection import connection
from bot.core.errors import AiecError, Conflict, Forbidden, Invalid, NotFound, Refused, Throttled, Unauthenticated, Unavailable
from bot.core.pager import LevelSetup, Page, Shift
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.world import World

START = datetime(2026, 11, 25, 3, 12, tzinfo=UTC)
SETTING = {
    "users": [
        {"id": "PENGINEER", "name": "Engineer", "email": "engineer@example.com"},
        {"id": "PSENIOR", "name": "Senior", "email": "senior@example.com"},
        {"id": "PBOT", "name": "aiec", "email": "aiec@example.com"},
    ],
    "policies": [
        {"id": "PPOLICY", "name": "default", "loops": 2, "levels": [{"targets": ["PENGINEER"], "minutes": 20}, {"targets": ["PSENIOR"], "minutes": 40}]}
    ],
    "services": [
        {"id": "PSERVICE", "name": "aiecommerce", "policy": "PPOLICY", "routing_key": "R0UTING", "acknowledgement_timeout": 1800},
        {"id": "POTHER", "name": "another", "policy": "PPOLICY", "routing_key": "R1"},
    ],
}
PAGE = Page(key="aiec-42", title="#42 SEV1 gateway:\nerror rate 12 %", body="Suspect: v1.2.0", level=1, service="gateway")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build({"pagerduty": SETTING}, start=START)) as found:
        yield found


@asynccontextmanager
async def opened(sandbox: Sandbox, **changes: Any) -> AsyncIterator[PagerDutyPager]:
    given = {"token": "pagerduty-sandbox", "sender": "aiec@example.com", "routing_key": "R0UTING", "service": "PSERVICE", "policy": "PPOLICY"} | changes
    urls = {"api_url": sandbox.urls["pagerduty"], "events_url": sandbox.urls["pagerduty_events"]} | given.pop("urls", {})
    limit = given.pop("time_limit", timedelta(seconds=5))
    async with open_connection(given["token"], given["sender"], given["routing_key"], time_limit=limit, **urls) as found:
        yield PagerDutyPager(found, given["service"], given["policy"])


@pytest.fixture
async def pager(sandbox: Sandbox) -> AsyncIterator[PagerDutyPager]:
    async with opened(sandbox) as found:
        yield found


def fault(sandbox: Sandbox, **rule: Any) -> None:
    sandbox.world.faults.add(Fault.model_validate({"system": "pagerduty", **rule}))


async def test_a_page_rings_and_can_be_read_back(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(PAGE)
    assert [one.incident for one in sandbox.world.pagerduty.ringing("PENGINEER")] == [id]
    found = await pager.read(id)
    assert found is not None
    assert (found.id, found.key, found.status, found.title) == (id, "aiec-42", "triggered", "#42 SEV1 gateway: error rate 12 %")
    assert (found.urgency, found.service, found.policy, found.priority) == ("high", "PSERVICE", "PPOLICY", None)
    assert (found.assignees, found.acknowledged_by, found.merged_into, found.snoozed_until) == (("PENGINEER",), (), None, None)
    assert found.created_at == found.updated_at == START
    assert found.url.endswith(f"/incidents/{id}")
    assert sandbox.world.pagerduty.incidents[id].body == "Suspect: v1.2.0"
    assert await pager.find("aiec-42") == found


async def test_the_same_page_again_is_the_same_incident_and_rings_nobody_twice(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    first = await pager.open(PAGE)
    assert await pager.open(PAGE) == first
    assert len(sandbox.world.pagerduty.incidents) == 1
    assert len(sandbox.world.pagerduty.notifications) == 1
    await pager.resolve(first)
    assert await pager.open(PAGE) != first


async def test_a_page_whose_answer_was_lost_is_adopted(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    fault(sandbox, kind="drop_after", method="POST", times=1)
    with pytest.raises(Unavailable, match="PagerDuty cannot be asked"):
        await pager.open(PAGE)
    assert await pager.open(PAGE) in sandbox.world.pagerduty.incidents
    assert len(sandbox.world.pagerduty.incidents) == 1


async def test_a_page_begins_at_its_level_also_when_it_was_interrupted_before(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    later = Page(key="aiec-43", title="gateway", body="", level=2, service=None)
    fault(sandbox, kind="drop", method="PUT", times=1)
    with pytest.raises(Unavailable):
        await pager.open(later)
    id = await pager.open(later)
    assert [one.incident for one in sandbox.world.pagerduty.ringing("PSENIOR")] == [id]
    await pager.open(later)
    assert len([one for one in sandbox.world.pagerduty.notifications if one.user == "PSENIOR"]) == 1


async def test_who_was_called_for_an_earlier_page_is_called_for_this_one(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(replace(PAGE, level=2))
    first = await pager.read(id)
    assert first is not None
    assert first.assigned_at is not None
    sandbox.world.clock.advance(60)
    for since, calls in ((first.assigned_at, 1), (sandbox.world.clock.now(), 2), (sandbox.world.clock.now(), 2)):
        assert await pager.open(replace(PAGE, level=2, since=since)) == id
        assert sum(entry.kind == "escalate" for entry in sandbox.world.pagerduty.incidents[id].log) == calls


async def test_a_page_to_people(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(Page(key="aiec-44", title="gateway", body="", level=1, service=None, to=("PSENIOR",), priority="P1"))
    found = await pager.read(id)
    assert found is not None
    assert (found.assignees, found.priority) == (("PSENIOR",), "P1")
    assert await pager.open(Page(key="aiec-44", title="gateway", body="", level=1, service=None, to=("PENGINEER",))) == id
    assert [one.incident for one in sandbox.world.pagerduty.ringing("PENGINEER")] == [id]


async def test_an_acknowledged_page_is_adopted_as_it_is(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(PAGE)
    await pager.acknowledge(id)
    assert await pager.open(Page(key="aiec-42", title="gateway", body="", level=2, service=None)) == id
    found = await pager.read(id)
    assert found is not None
    assert found.status == "acknowledged"


async def test_an_acknowledgement_is_somebodys(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(PAGE)
    await pager.acknowledge(id, "engineer@example.com")
    found = await pager.read(id)
    assert found is not None
    assert (found.status, found.acknowledged_by) == ("acknowledged", ("PENGINEER",))
    assert found.snoozed_until == START + timedelta(minutes=30)
    assert sandbox.world.pagerduty.ringing("PENGINEER") == []


async def test_somebody_whom_pagerduty_does_not_know_is_stood_for(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(PAGE)
    await pager.acknowledge(id, "stranger@example.com")
    found = await pager.read(id)
    assert found is not None
    assert found.acknowledged_by == ("PBOT",)


async def test_a_level_is_raised_also_after_an_acknowledgement(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(PAGE)
    await pager.acknowledge(id)
    await pager.raise_level(id, 2)
    found = await pager.read(id)
    assert found is not None
    assert (found.status, found.assignees) == ("triggered", ("PSENIOR",))
    with pytest.raises(Invalid, match="Escalation level is invalid"):
        await pager.raise_level(id, 9)


async def test_people_are_paged_instead_and_notes_and_priorities_are_kept(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(PAGE)
    await pager.reassign(id, ["PSENIOR", "PENGINEER"])
    await pager.note(id, "rolled back", "senior@example.com")
    await pager.prioritise(id, "P2")
    found = await pager.read(id)
    assert found is not None
    assert ({*found.assignees}, found.priority) == ({"PSENIOR", "PENGINEER"}, "P2")
    assert [(note.user, note.content) for note in sandbox.world.pagerduty.incidents[id].notes] == [("PSENIOR", "rolled back")]
    assert await pager.priorities() == ("P1", "P2", "P3", "P4", "P5")
    with pytest.raises(Invalid, match="has no priority") as caught:
        await pager.prioritise(id, "P9")
    assert "P1, P2" in caught.value.hint
    await pager.prioritise(id, None)
    cleared = await pager.read(id)
    assert cleared is not None
    assert cleared.priority is None


async def test_nothing_opens_a_resolved_incident_again(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    id = await pager.open(PAGE)
    await pager.resolve(id, "engineer@example.com")
    await pager.resolve(id)
    for attempt in (pager.acknowledge(id), pager.raise_level(id, 2), pager.reassign(id, ["PSENIOR"])):
        with pytest.raises(Conflict, match="resolved"):
            await attempt
    found = await pager.read(id)
    assert found is not None
    assert (found.status, found.assignees) == ("resolved", ())


async def test_merged_incidents_say_into_what(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    await pager.signal(PAGE)
    await pager.signal(Page(key="aiec-43", title="gateway", body="", level=1, service=None))
    one, other = await pager.find("aiec-42"), await pager.find("aiec-43")
    assert one is not None
    assert other is not None
    await pager.merge(one.id, [other.id])
    merged = await pager.read(other.id)
    assert merged is not None
    assert (merged.status, merged.merged_into) == ("resolved", one.id)


async def test_what_is_not_there_is_none(pager: PagerDutyPager) -> None:
    assert await pager.read("QNOWHERE") is None
    assert await pager.read("../users") is None
    assert await pager.find("aiec-1") is None
    assert await pager.find("") is None
    with pytest.raises(NotFound, match="no incident"):
        await pager.acknowledge("QNOWHERE")


async def test_the_newest_of_a_key_is_found_however_old_it_is(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    first = await pager.open(PAGE)
    await pager.resolve(first)
    sandbox.world.clock.advance(60)
    second = await pager.open(PAGE)
    await pager.resolve(second)
    sandbox.world.clock.advance(90 * 86_400)
    found = await pager.find("aiec-42")
    assert found is not None
    assert found.id == second


async def test_open_ones_and_those_that_changed(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    ids = [await pager.open(Page(key=f"aiec-{number}", title="x", body="", level=1, service=None)) for number in range(3)]
    await pager.resolve(ids[0])
    sandbox.world.clock.advance(3_600)
    await pager.resolve(ids[1])
    sandbox.world.clock.advance(60 * 86_400)
    async with opened(sandbox, service="POTHER") as other:
        await other.open(Page(key="aiec-9", title="x", body="", level=1, service=None))
    assert {one.id for one in await pager.recent(START + timedelta(minutes=30))} == {ids[1], ids[2]}
    assert {one.id for one in await pager.recent(START)} == {*ids}
    assert {one.id for one in await pager.recent(START + timedelta(days=90))} == {ids[2]}


async def test_a_long_list_comes_in_pages(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    for number in range(105):
        await pager.open(Page(key=f"aiec-{number}", title="x", body="", level=1, service=None))
    assert len({one.id for one in await pager.recent(START)}) == 105


async def test_who_is_on_call(pager: PagerDutyPager) -> None:
    shifts = await pager.on_call(START, START + timedelta(hours=1))
    assert shifts == [Shift(1, "PENGINEER", "Engineer", None, None), Shift(2, "PSENIOR", "Senior", None, None)]


async def test_the_setup(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    setup = await pager.setup()
    assert setup.levels == (LevelSetup(timedelta(minutes=20), ("PENGINEER",)), LevelSetup(timedelta(minutes=40), ("PSENIOR",)))
    assert (setup.urgency, setup.loops, setup.status, setup.name, setup.service_policy) == ("high", 2, "active", "aiecommerce", "PPOLICY")
    assert (setup.acknowledge_timeout, setup.auto_resolve) == (timedelta(minutes=30), None)
    async with opened(sandbox, service="PGONE") as other:
        with pytest.raises(NotFound, match="no service") as caught:
            await other.setup()
        assert "escalation.pagerduty.service" in caught.value.hint
    async with opened(sandbox, policy="PGONE") as other:
        with pytest.raises(NotFound, match="no escalation policy"):
            await other.setup()


async def test_a_maintenance_window_is_made_once_and_ended(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    window = ("postgres upgrade (op-142)", START - timedelta(minutes=1), START + timedelta(hours=4), ["PSERVICE"])
    fault(sandbox, kind="drop_after", method="POST", times=1)
    with pytest.raises(Unavailable):
        await pager.maintain(*window)
    id = await pager.maintain(*window)
    assert [*sandbox.world.pagerduty.windows] == [id]
    assert (await pager.setup()).status == "maintenance"
    with pytest.raises(Invalid, match="maintenance"):
        await pager.open(PAGE)
    await pager.end_maintenance(id)
    await pager.end_maintenance(id)
    assert (await pager.setup()).status == "active"
    await pager.open(PAGE)


async def test_an_event_pages_when_the_rest_api_does_not(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    fault(sandbox, kind="status", status=503, path="^/incidents")
    with pytest.raises(Unavailable):
        await pager.open(PAGE)
    await pager.signal(PAGE)
    await pager.signal(PAGE)
    assert [(one.key, one.title) for one in sandbox.world.pagerduty.incidents.values()] == [("aiec-42", "#42 SEV1 gateway: error rate 12 %")]
    assert len(sandbox.world.pagerduty.ringing("PENGINEER")) == 1


async def test_what_is_wrong_with_events(sandbox: Sandbox) -> None:
    async with opened(sandbox, routing_key=None) as pager:
        with pytest.raises(Refused, match="PAGERDUTY_ROUTING_KEY is not set"):
            await pager.signal(PAGE)
    async with opened(sandbox, routing_key="WRONG") as pager:
        with pytest.raises(Invalid, match="Invalid routing key") as caught:
            await pager.signal(PAGE)
        assert "PAGERDUTY_ROUTING_KEY" in caught.value.hint
    sandbox.world.pagerduty.events_limited = 1
    async with opened(sandbox) as pager:
        with pytest.raises(Throttled):
            await pager.signal(PAGE)


async def test_a_token_and_a_sender_that_are_no_good(sandbox: Sandbox) -> None:
    async with opened(sandbox, token="revoked") as pager:
        with pytest.raises(Unauthenticated, match="does not accept the API token") as caught:
            await pager.read("Q1")
        assert "PAGERDUTY_API_TOKEN" in caught.value.hint
    for sender in ("nobody@example.com", None):
        async with opened(sandbox, sender=sender) as pager:
            with pytest.raises(Invalid, match="knows no user with the e-mail address") as refused:
                await pager.open(PAGE)
            assert "PAGERDUTY_FROM" in refused.value.hint
            assert await pager.user() is None


async def test_users_by_their_address(pager: PagerDutyPager) -> None:
    assert await pager.user() == "PBOT"
    assert await pager.user("Engineer@example.com") == "PENGINEER"
    assert await pager.user("gineer@example.com") is None


async def test_subscriptions_of_our_service(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    webhooks = sandbox.world.pagerduty.webhooks
    webhooks.subscribe("https://aiec.example.com/webhooks/pagerduty", "secret", ["incident.acknowledged"], ["PSERVICE"], "PW1")
    webhooks.subscribe("https://else.example.com/", "secret", ["incident.resolved"], ["POTHER"], "PW2")
    webhooks.subscribe("https://account.example.com/", "secret", ["incident.resolved"], None, "PW3")
    webhooks.subscriptions["PW3"].active = False
    found = await pager.subscriptions()
    assert [(one.id, one.url, one.active, one.events) for one in found] == [
        ("PW1", "https://aiec.example.com/webhooks/pagerduty", True, ("incident.acknowledged",)),
        ("PW3", "https://account.example.com/", False, ("incident.resolved",)),
    ]


async def test_throttling_says_for_how_long_and_nothing_sleeps(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    sandbox.world.pagerduty.limited = 1
    started = asyncio.get_running_loop().time()
    with pytest.raises(Throttled, match="asks to wait 30 s") as caught:
        await pager.read("Q1")
    assert caught.value.retry_after == timedelta(seconds=30)
    assert asyncio.get_running_loop().time() - started < 1.5, "the vendor's client would have slept for 3 s"
    assert await pager.read("Q1") is None


@pytest.mark.parametrize("kind", ["status", "drop", "garbage", "hang"])
async def test_no_answer_is_unavailable_once(sandbox: Sandbox, kind: str) -> None:
    async with opened(sandbox, time_limit=timedelta(seconds=0.5)) as pager:
        fault(sandbox, kind=kind, times=1, **({"status": 502} if kind == "status" else {}))
        with pytest.raises(Unavailable, match="PagerDuty") as caught:
            await pager.on_call(START, START)
        assert "status.pagerduty.com" in caught.value.hint
        assert len(await pager.on_call(START, START)) == 2, "it was not tried again: the fault was met once"


async def test_nobody_listens(sandbox: Sandbox) -> None:
    async with opened(sandbox, urls={"api_url": "http://127.0.0.1:1"}) as pager:
        with pytest.raises(Unavailable, match="it refuses the connection"):
            await pager.read("Q1")
    async with opened(sandbox, urls={"api_url": "https://pagerduty.invalid"}) as pager:
        with pytest.raises(Unavailable, match="its name cannot be resolved"):
            await pager.read("Q1")
    async with opened(sandbox, urls={"api_url": sandbox.urls["pagerduty"].replace("http:", "https:")}) as pager:
        with pytest.raises(Unavailable, match="does not speak TLS"):
            await pager.read("Q1")


async def test_many_calls_at_once_are_all_answered(sandbox: Sandbox, pager: PagerDutyPager) -> None:
    found = await asyncio.gather(*(pager.open(Page(key=f"aiec-{number}", title="x", body="", level=1, service=None)) for number in range(20)))
    assert {*found} == {*sandbox.world.pagerduty.incidents}


async def inline(work: Any, /) -> Any:
    return work()


@pytest.mark.parametrize("page", [PagerDutyPager.open, PagerDutyPager.signal])
@pytest.mark.parametrize("status", [None, 429, 503])
async def test_a_call_is_one_request_whatever_the_vendors_client_would_do(page: Any, status: int | None) -> None:
    asked = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        if status is None:
            raise httpx2.ConnectError("nobody listens", request=request)
        return httpx2.Response(status, stream=httpx2.ByteStream(b"{}"))

    pager = PagerDutyPager(connection("token", None, "key", inline, transport=httpx2.MockTransport(respond)), "PSERVICE", "PPOLICY")
    with pytest.raises(Unavailable):
        await page(pager, PAGE)
    assert len(asked) == 1


def answering(status: int, body: Any, headers: dict[str, str] | None = None) -> PagerDutyPager:
    """PagerDuty that answers everything with this; the calls are made without threads."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        assert threading.current_thread() is threading.main_thread()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        # As from the network: not read yet.
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(content))

    return PagerDutyPager(connection("token", None, "key", inline, transport=httpx2.MockTransport(respond)), "PSERVICE", "PPOLICY")


def said(message: str, *errors: str) -> dict[str, Any]:
    return {"error": {"code": 2001, "message": message, "errors": [*errors]}}


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (400, said("Invalid Input Provided", "Title can't be blank"), Invalid, "Invalid Input Provided: Title can't be blank"),
        (401, b"", Unauthenticated, "does not accept the API token"),
        (402, said("Account does not have the abilities"), Forbidden, "plan of this account does not include that"),
        (403, said("Access Denied"), Forbidden, "does not let the API token do that"),
        (409, said("Conflict"), Conflict, "Conflict"),
        (500, b"<html>", Unavailable, "HTTP 500"),
        (302, b"", Unavailable, "HTTP 302"),
        (200, b"<html>a login page</html>", Unavailable, "not its own"),
        (200, [], Unavailable, "not its own"),
        (200, {"users": []}, Unavailable, "not its own"),
        (200, {"incident": {"id": "Q1"}}, Unavailable, "cannot be read"),
        (200, {"incident": "Q1"}, Unavailable, "cannot be read"),
    ],
)
async def test_every_answer_is_an_error_of_ours(status: int, body: Any, error: type[AiecError], text: str) -> None:
    with pytest.raises(error) as caught:
        await answering(status, body).read("Q1")
    assert text in caught.value.text


async def test_what_is_written_to_has_to_be_there() -> None:
    with pytest.raises(NotFound, match="has no such thing"):
        await answering(404, said("Not Found")).merge("Q1", ["Q2"])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 30), ({"retry-after": "7"}, 7), ({"ratelimit-reset": "12"}, 12), ({"retry-after": "soon"}, 30), ({"retry-after": "999999"}, 3600)],
)
async def test_how_long_to_wait(headers: dict[str, str], seconds: int) -> None:
    with pytest.raises(Throttled) as caught:
        await answering(429, said("Rate Limit Exceeded"), headers).read("Q1")
    assert caught.value.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("body", [{"oncalls": None}, {}, {"oncalls": [{"user": None}], "more": False}, {"incidents": []}])
async def test_lists_that_cannot_be_read(body: Any) -> None:
    with pytest.raises(Unavailable):
        await answering(200, body).on_call(START, START)


async def test_a_list_that_never_ends_ends() -> None:
    assert await answering(200, {"oncalls": [], "more": True}).on_call(START, START) == []
    shift = {"escalation_level": 1, "user": {"id": "P1", "summary": "One"}, "start": None, "end": None}
    assert len(await answering(200, {"oncalls": [shift] * 100, "more": True}).on_call(START, START)) == 10_000


async def test_an_account_without_priorities() -> None:
    assert await answering(402, said("Account does not have the abilities")).priorities() == ()
    assert await answering(404, said("Not Found")).priorities() == ()
    with pytest.raises(Forbidden):
        await answering(403, said("Access Denied")).priorities()
