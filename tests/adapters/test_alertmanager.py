"""The adapter on the sandbox's Alertmanager and on a real one; and that what a real one sends is what our webhook takes."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from bot.adapters.alertmanager import AlertmanagerAlerting, open_alertmanager
from bot.core.alerting import Matcher
from bot.core.alerts import Notification, fingerprint
from bot.core.errors import AiecError, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from bot.entry.http import http_app
from bot.entry.webhooks import alertmanager_endpoint
from sandbox.alertmanager import Receiver
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.world import World
from tests.adapters.alertmanagers import TOKEN, Place, in_sandbox, real, until

QUICK = Receiver(name="aiec (eu)", group_by=("service",), group_wait=0.1, group_interval=0.5, repeat_interval=600.0)
GATEWAY = {"alertname": "HighErrorRate", "service": "gateway", "severity": "critical"}
SLOW = {"alertname": "SlowAnswers", "service": "gateway", "severity": "warning"}
REDIS = {"alertname": "RedisDown", "service": "redis", "severity": "critical"}


@pytest.fixture(params=["sandbox", "real"])
async def start(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts an Alertmanager: `await start(max_alerts=1)`."""
    program = os.environ.get("TEST_ALERTMANAGER")
    if request.param == "real" and not program:
        pytest.skip("TEST_ALERTMANAGER names no Alertmanager")
    async with AsyncExitStack() as stack:

        async def started(**changes: Any) -> tuple[Place, AlertmanagerAlerting]:
            receiver = QUICK.model_copy(update=changes)
            opened = in_sandbox(receiver) if request.param == "sandbox" else real(program or "", tmp_path, receiver)
            place = await stack.enter_async_context(opened)
            return place, await stack.enter_async_context(open_alertmanager(place.url))

        yield started


async def fires(place: Place, *labels: dict[str, str], ended: bool = False) -> None:
    begun = place.now() - timedelta(minutes=1)
    times = {"startsAt": begun.isoformat()} | ({"endsAt": (place.now() - timedelta(seconds=1)).isoformat()} if ended else {})
    async with httpx.AsyncClient() as client:
        alerts = [{"labels": one, "annotations": {"summary": one["alertname"]}, "generatorURL": "http://prometheus/graph", **times} for one in labels]
        (await client.post(f"{place.url}/api/v2/alerts", json=alerts)).raise_for_status()


async def test_alerts_that_fire(start: Callable[..., Any]) -> None:
    place, alerting = await start()
    assert await alerting.alerts() == []
    await fires(place, GATEWAY, SLOW, REDIS)
    assert {one.labels["alertname"] for one in await alerting.alerts()} == {"HighErrorRate", "SlowAnswers", "RedisDown"}
    (found,) = await alerting.alerts(labels={"service": "redis"})
    assert (found.status, found.labels, found.annotations, found.url) == ("firing", REDIS, {"summary": "RedisDown"}, "http://prometheus/graph")
    assert (found.fingerprint, found.ends_at) == (fingerprint(REDIS), None)
    assert abs(found.starts_at - place.now() + timedelta(minutes=1)) < timedelta(seconds=30)
    assert len(await alerting.alerts("aiec (eu)", {"service": "gateway"})) == 2
    assert await alerting.alerts("aiec") == []
    assert await alerting.alerts(labels={"service": 'a"b\\'}) == []
    await fires(place, REDIS, ended=True)
    assert await alerting.alerts(labels={"service": "redis"}) == []


async def test_what_was_left_out_of_a_notification_can_be_asked_for(start: Callable[..., Any]) -> None:
    place, alerting = await start(max_alerts=1)
    await fires(place, GATEWAY, SLOW)
    await until(place, lambda: bool(place.inbox.payloads), 20)
    (taken,) = await taken_by_our_webhook(place)
    assert (len(taken.alerts), taken.truncated, taken.receiver) == (1, 1, "aiec (eu)")
    assert {one.fingerprint for one in await alerting.alerts(taken.receiver, taken.group_labels)} == {fingerprint(GATEWAY), fingerprint(SLOW)}


async def test_our_webhook_takes_what_is_sent(start: Callable[..., Any]) -> None:
    place, _ = await start()
    await fires(place, GATEWAY)
    await until(place, lambda: bool(place.inbox.payloads), 20)
    await fires(place, GATEWAY, ended=True)
    await until(place, lambda: len(place.inbox.payloads) > 1, 20)
    firing, resolved = await taken_by_our_webhook(place)
    assert (firing.status, resolved.status) == ("firing", "resolved")
    assert firing.group_key == resolved.group_key == '{}:{service="gateway"}'
    one, same = firing.alerts[0], resolved.alerts[0]
    assert (one.fingerprint, one.starts_at) == (same.fingerprint, same.starts_at)
    assert one.fingerprint == fingerprint(GATEWAY)
    assert (one.ends_at, same.status) == (None, "resolved")
    assert same.ends_at is not None
    assert firing.external_url == place.url


async def test_a_silence_holds_alerts_back_until_it_expires(start: Callable[..., Any]) -> None:
    place, alerting = await start()
    await fires(place, GATEWAY, REDIS)
    now = place.now()
    matchers = [Matcher("service", "gate.*", regex=True), Matcher("severity", "info", equal=False)]
    id = await alerting.silence(matchers, now - timedelta(minutes=1), now + timedelta(hours=1), "engineer", "#42: known")
    (silence,) = await alerting.silences()
    assert (silence.id, {*silence.matchers}, silence.author, silence.comment, silence.state) == (id, {*matchers}, "engineer", "#42: known", "active")
    assert abs(silence.end - now - timedelta(hours=1)) < timedelta(seconds=1)
    assert {one.labels["service"] for one in await alerting.alerts()} == {"redis"}
    assert {one.labels["service"] for one in await alerting.alerts(suppressed=True)} == {"gateway", "redis"}
    await alerting.expire(id)
    assert {one.labels["service"] for one in await alerting.alerts()} == {"gateway", "redis"}
    assert await alerting.silences() == []


async def test_a_silence_that_is_made_again_is_the_same_and_one_that_has_ended_stays_so(start: Callable[..., Any]) -> None:
    place, alerting = await start()
    later, end = place.now() + timedelta(hours=1), place.now() + timedelta(hours=2)
    given = ([Matcher("service", "redis")], later, end, "engineer", "maintenance (op-142)")
    id = await alerting.silence(*given)
    assert await alerting.silence(*given) == id
    assert [one.state for one in await alerting.silences()] == ["pending"]
    await alerting.expire(id)
    await alerting.expire(id)
    assert await alerting.silence(*given) != id


async def test_what_is_refused(start: Callable[..., Any]) -> None:
    place, alerting = await start()
    now: datetime = place.now()
    with pytest.raises(Invalid, match="Alertmanager refuses that"):
        await alerting.silence([Matcher("service", "(", regex=True)], now, now + timedelta(hours=1), "engineer", "x")
    with pytest.raises(Invalid):
        await alerting.silence([Matcher("service", "redis")], now, now - timedelta(hours=1), "engineer", "x")
    with pytest.raises(NotFound, match="no silence"):
        await alerting.expire("6f4bd5b9-3e1c-4bd8-9c4e-31f0bd3e0f53")


async def test_it_tells_its_version(start: Callable[..., Any]) -> None:
    _, alerting = await start()
    assert (await alerting.ready()).startswith("0.")


async def taken_by_our_webhook(place: Place) -> list[Notification]:
    """Sends what the receiver got, as it came, to our endpoint."""
    taken: list[Notification] = []

    class Hooks:
        async def alerts(self, notification: Notification) -> None:
            taken.append(notification)

        async def pager(self, event: Any) -> None: ...

        async def failed(self, sender: str, error: Exception) -> None: ...

    async def readiness() -> list[Any]:
        return []

    app = http_app(readiness=readiness, metrics=CollectorRegistry(), alertmanager=alertmanager_endpoint(Hooks(), TOKEN))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://aiec") as client:
        for body, (headers, _) in zip(place.inbox.bodies, place.inbox.requests, strict=True):
            sent = {name: headers[name] for name in ("authorization", "content-type", "user-agent")}
            assert (await client.post("/webhooks/alertmanager", content=body, headers=sent)).status_code == 200
    return taken


@pytest.mark.parametrize("kind", ["status", "hang", "drop", "garbage"])
async def test_no_answer_is_unavailable(kind: str) -> None:
    async with Sandbox(World.build({})) as sandbox, open_alertmanager(sandbox.urls["alertmanager"], time_limit=timedelta(seconds=0.5)) as alerting:
        sandbox.world.faults.add(Fault.model_validate({"kind": kind, "system": "alertmanager", **({"status": 503} if kind == "status" else {})}))
        with pytest.raises(Unavailable, match="Alertmanager"):
            await alerting.alerts()


@asynccontextmanager
async def answering(status: int, body: bytes) -> AsyncIterator[tuple[AlertmanagerAlerting, list[httpx.Request]]]:
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, content=body)

    async with open_alertmanager("https://user:pass@alerts.example.com/prefix", transport=httpx.MockTransport(respond)) as alerting:
        yield alerting, asked


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (401, b"", Unauthenticated, "does not accept our credentials"),
        (403, b"no", Forbidden, "does not let us do that"),
        (400, b'"bad matcher format: x"', Invalid, "bad matcher format: x"),
        (422, b'{"code":602,"message":"createdBy in body is required"}', Invalid, "createdBy in body is required"),
        (500, b'"boom"', Unavailable, "boom"),
        (301, b"", Unavailable, "HTTP 301"),
        (200, b"<html>", Unavailable, "cannot be read"),
        (200, b'[{"id": "1"}]', Unavailable, "cannot be read"),
    ],
)
async def test_every_answer_is_an_error_of_ours(status: int, body: bytes, error: type[AiecError], text: str) -> None:
    async with answering(status, body) as (alerting, asked):
        with pytest.raises(error) as caught:
            await alerting.silences()
    assert text in caught.value.text
    assert "pass" not in caught.value.text
    assert (asked[0].url.path, asked[0].headers["authorization"]) == ("/prefix/api/v2/silences", "Basic dXNlcjpwYXNz")
