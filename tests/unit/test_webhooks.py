"""Alertmanager's and PagerDuty's webhooks over HTTP: who is let in, what is stored, and what the sender is told."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from bot.core.alerts import Notification
from bot.core.errors import Unavailable
from bot.core.pager_events import PagerEvent
from bot.entry.http import LARGEST_BODY, LARGEST_NOTIFICATION, http_app, serve
from bot.entry.webhooks import AT_ONCE, OLDEST_EVENT, alertmanager_endpoint, pagerduty_endpoint
from sandbox.clock import Clock

NOW = datetime(2026, 11, 25, 3, 12, tzinfo=UTC)
TOKEN = "a token of tests"
OLD, NEW = "the old secret", "the new secret"
ALERTS, EVENTS = "/webhooks/alertmanager", "/webhooks/pagerduty"


class Recorder:
    """Takes what comes in, at once or after `gate` opens, or fails as `failure` says."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []
        self.events: list[PagerEvent] = []
        self.failure: Exception | None = None
        self.failed_at: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def alerts(self, notification: Notification) -> None:
        await self._ready()
        self.notifications.append(notification)

    async def pager(self, event: PagerEvent) -> None:
        await self._ready()
        self.events.append(event)

    async def failed(self, sender: str, error: Exception) -> None:
        self.failed_at.append((sender, type(error).__name__))

    async def _ready(self) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def hooks() -> Recorder:
    return Recorder()


async def _nothing() -> list[Any]:
    return []


@pytest.fixture
async def client(hooks: Recorder) -> AsyncIterator[httpx.AsyncClient]:
    app = http_app(
        readiness=_nothing,
        metrics=CollectorRegistry(),
        alertmanager=alertmanager_endpoint(hooks, TOKEN),
        pagerduty=pagerduty_endpoint(hooks, [NEW, OLD], Clock.manual(NOW)),
    )
    async with serve(app, "127.0.0.1", 0) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as found:
        yield found


def notification(count: int = 1, **changes: Any) -> dict[str, Any]:
    alerts = [{"status": "firing", "labels": {"alertname": f"A{number}"}, "startsAt": "2026-11-25T03:11:00Z"} for number in range(count)]
    return {"version": "4", "receiver": "aiec", "status": "firing", "groupKey": "{}:{}", "alerts": alerts} | changes


def event(**changes: Any) -> dict[str, Any]:
    data = {"type": "incident", "id": "Q1", "status": "acknowledged", "title": "gateway", "assignees": [], "incident_key": "aiec-42"}
    return {"event": {"id": "01A", "event_type": "incident.acknowledged", "occurred_at": "2026-11-25T03:11:58.5Z", "agent": None, "data": data} | changes}


def bearer(token: str = TOKEN, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


def sign(body: bytes, *secrets: str) -> dict[str, str]:
    return {"X-PagerDuty-Signature": ",".join("v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets)}


async def deliver(client: httpx.AsyncClient, given: Any, *secrets: str) -> httpx.Response:
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    return await client.post(EVENTS, content=body, headers=sign(body, *secrets))


async def test_a_hundred_alerts_in_one_notification(client: httpx.AsyncClient, hooks: Recorder) -> None:
    response = await client.post(ALERTS, json=notification(100), headers=bearer())
    assert (response.status_code, response.json()) == (200, {"ok": True})
    assert [alert.labels["alertname"] for alert in hooks.notifications[0].alerts] == [f"A{number}" for number in range(100)]


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer a token of test", f"Bearer {TOKEN}s", f"Basic {TOKEN}", TOKEN, "Bearer \xff", f"Bearer {TOKEN}, Bearer {TOKEN}"]
)
async def test_without_the_token_nothing_is_read(client: httpx.AsyncClient, hooks: Recorder, authorization: str | None) -> None:
    headers = [(b"Authorization", authorization.encode("latin-1"))] if authorization is not None else []
    response = await client.post(ALERTS, content=b"not even JSON", headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert hooks.notifications == []


async def test_the_scheme_is_written_as_one_likes(client: httpx.AsyncClient, hooks: Recorder) -> None:
    assert (await client.post(ALERTS, json=notification(), headers=bearer(scheme="bearer"))).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"version": "4"', b"\xff\xfe", b"alertname=A", b"[" * 100_000, b'{"version": "3", "alerts": []}', b"[]", b"null"]
)
async def test_what_can_never_be_a_notification_is_400(client: httpx.AsyncClient, hooks: Recorder, body: bytes) -> None:
    response = await client.post(ALERTS, content=body, headers=bearer())
    assert response.status_code == 400
    assert response.json()["error"] in ("The body is not JSON.", "That is not a notification of Alertmanager's webhook, version 4.")
    assert hooks.notifications == []


async def test_a_large_notification_is_taken_and_an_oversized_one_is_not(client: httpx.AsyncClient, hooks: Recorder) -> None:
    large = json.dumps(notification(padding="x" * 2 * LARGEST_BODY)).encode()
    assert (await client.post(ALERTS, content=large, headers=bearer())).status_code == 200
    oversized = json.dumps(notification(padding="x" * LARGEST_NOTIFICATION)).encode()
    assert (await client.post(ALERTS, content=oversized, headers=bearer())).status_code == 413
    body = json.dumps(event(padding="x" * LARGEST_BODY)).encode()
    assert (await client.post(EVENTS, content=body, headers=sign(body, NEW))).status_code == 413
    assert (len(hooks.notifications), len(hooks.events)) == (1, 0)


async def test_a_body_that_ends_early_is_stored_by_nobody_and_the_next_one_is(client: httpx.AsyncClient, hooks: Recorder) -> None:
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    head = f"POST {ALERTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 500\r\n\r\n"
    writer.write(head.encode() + b'{"version": "4", "alerts": [')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await client.post(ALERTS, json=notification(), headers=bearer())).status_code == 200
    assert len(hooks.notifications) == 1


@pytest.mark.parametrize("failure", [Unavailable("The database cannot be used: it is locked."), RuntimeError("a mistake of ours")])
async def test_what_goes_wrong_on_our_side_is_asked_for_again(client: httpx.AsyncClient, hooks: Recorder, failure: Exception) -> None:
    hooks.failure = failure
    for response in (await client.post(ALERTS, json=notification(), headers=bearer()), await deliver(client, event(), NEW)):
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert "mistake" not in response.text
    assert hooks.failed_at == ([("Alertmanager", "RuntimeError"), ("PagerDuty", "RuntimeError")] if isinstance(failure, RuntimeError) else [])
    hooks.failure = None
    assert (await client.post(ALERTS, json=notification(), headers=bearer())).status_code == 200


async def test_a_store_that_does_not_answer_is_waited_for_for_a_second(client: httpx.AsyncClient, hooks: Recorder) -> None:
    hooks.gate.clear()
    started = asyncio.get_running_loop().time()
    assert (await client.post(ALERTS, json=notification(), headers=bearer())).status_code == 503
    assert asyncio.get_running_loop().time() - started >= 1
    assert hooks.notifications == []


async def test_too_many_at_once_are_asked_to_come_again_and_none_is_lost(client: httpx.AsyncClient, hooks: Recorder) -> None:
    hooks.gate.clear()
    posts = [asyncio.create_task(client.post(ALERTS, json=notification(), headers=bearer())) for _ in range(AT_ONCE + 8)]
    done, _ = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
    assert {post.result().status_code for post in done} == {503}
    hooks.gate.set()
    answers = [response.status_code for response in await asyncio.gather(*posts)]
    assert answers.count(200) == len(hooks.notifications)
    assert {*answers} == {200, 503}
    assert (await client.post(ALERTS, json=notification(), headers=bearer())).status_code == 200


async def test_an_event_of_pagerduty(client: httpx.AsyncClient, hooks: Recorder) -> None:
    assert (await deliver(client, event(), NEW)).status_code == 200
    (taken,) = hooks.events
    assert (taken.id, taken.incident, taken.status, taken.key) == ("01A", "Q1", "acknowledged", "aiec-42")


@pytest.mark.parametrize("secrets", [(OLD,), (NEW,), ("another", OLD), (NEW, OLD)])
async def test_one_of_several_signatures_with_one_of_several_secrets_is_enough(client: httpx.AsyncClient, hooks: Recorder, secrets: tuple[str, ...]) -> None:
    assert (await deliver(client, event(), *secrets)).status_code == 200
    assert len(hooks.events) == 1


async def test_forged_and_unsigned_events_are_refused(client: httpx.AsyncClient, hooks: Recorder) -> None:
    body, other = json.dumps(event()).encode(), json.dumps(event(id="01B")).encode()
    good = sign(body, NEW)["X-PagerDuty-Signature"]
    forged = ["", "v1=", "v1=" + "0" * 64, good.replace("v1=", "v0="), good.removeprefix("v1="), good[:-1], good.upper(), "v1=\xff", ",,,"]
    for signature in forged:
        response = await client.post(EVENTS, content=body, headers=[(b"X-PagerDuty-Signature", signature.encode("latin-1"))])
        assert response.status_code == 401, signature
    assert (await client.post(EVENTS, content=other, headers=sign(body, NEW))).status_code == 401
    assert (await client.post(EVENTS, content=body)).status_code == 401
    assert (await deliver(client, event(), "a secret of nobody")).status_code == 401
    assert hooks.events == []


async def test_the_signature_is_of_the_bytes_as_they_came(client: httpx.AsyncClient, hooks: Recorder) -> None:
    body = json.dumps(event(), indent=3).encode() + b"\n"
    assert (await client.post(EVENTS, content=body, headers=sign(body, NEW))).status_code == 200


async def test_an_event_that_pagerduty_would_have_given_up_is_refused_and_one_that_it_retries_is_not(client: httpx.AsyncClient, hooks: Recorder) -> None:
    assert (await deliver(client, event(occurred_at=(NOW - timedelta(hours=48)).isoformat()), NEW)).status_code == 200
    assert (await deliver(client, event(occurred_at=(NOW - OLDEST_EVENT - timedelta(seconds=1)).isoformat()), NEW)).status_code == 401
    assert len(hooks.events) == 1


async def test_a_delivery_that_comes_again_is_the_same_event(client: httpx.AsyncClient, hooks: Recorder) -> None:
    for _ in range(2):
        assert (await deliver(client, event(), NEW)).status_code == 200
    assert [one.id for one in hooks.events] == ["01A", "01A"]


async def test_what_is_of_no_concern_is_taken_and_forgotten(client: httpx.AsyncClient, hooks: Recorder) -> None:
    ping = event(event_type="pagey.ping", data={"type": "ping", "message": "Hello from your friend Pagey!"})
    assert (await deliver(client, ping, NEW)).status_code == 200
    assert hooks.events == []


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"messages": []}', b"\xff"])
async def test_what_can_never_be_an_event_is_400(client: httpx.AsyncClient, hooks: Recorder, body: bytes) -> None:
    assert (await deliver(client, body, NEW)).status_code == 400
    assert hooks.events == []


async def test_only_posts_are_taken_and_without_an_endpoint_there_is_no_route(client: httpx.AsyncClient) -> None:
    assert (await client.get(ALERTS, headers=bearer())).status_code == 405
    app = http_app(readiness=_nothing, metrics=CollectorRegistry())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://aiec") as bare:
        for path in (ALERTS, EVENTS):
            assert (await bare.post(path, json=notification(), headers=bearer())).status_code == 404
