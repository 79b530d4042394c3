"""What becomes of alerts that come by the thousand: how long Alertmanager waits, and how soon somebody is called, while Slack takes nothing."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func
from sqlmodel import col, select

from benchmarks.acknowledge import percentile
from benchmarks.place import Platform, world
from benchmarks.process import running
from benchmarks.result import Result
from bot import scenario, yaml_text
from bot.core.clock import SystemClock
from bot.settings import SHIPPED
from bot.store.incident_tables import AlertRow, PageRow
from bot.store.store import Store

Json = dict[str, Any]
TOKEN = "a-token-of-benchmarks"
SERVICES = tuple(f"service-{number}" for number in range(40))
TOGETHER = 100
"""Alerts in a notification."""
ACKNOWLEDGED, LEFT, MOST_PAGES = 50.0, 2.0, 50.0  # milliseconds, seconds, pages
PATIENCE = 300.0


@dataclass(frozen=True)
class Watched(Platform):
    """A platform with nothing on its cluster, whose alerts are routed and paged as the shipped configuration says."""

    def config(self) -> Json:
        shipped: Json = yaml_text.parse(SHIPPED.read_text("utf-8")).data
        return super().config() | {name: shipped[name] for name in ("people", "severities", "routing", "incidents", "escalation")}

    def scenario(self) -> Json:
        return super().scenario() | {"kubernetes": [], "pagerduty": scenario.pagerduty()}


@dataclass
class Bot:
    """One that runs, and who tells it."""

    url: str
    control: str
    database: str
    client: httpx.AsyncClient

    async def told(self, alerts: Sequence[Json]) -> float:
        """Tells it as Alertmanager does, until it has stored it. Returns the seconds until it said so."""
        common: Json = {"version": "4", "groupKey": f"{{}}:{{{alerts[0]['labels']}}}", "receiver": "aiec", "status": "firing", "groupLabels": {}}
        body = json.dumps({**common, "truncatedAlerts": 0, "alerts": [*alerts]})
        began = time.perf_counter()
        while True:
            answer = await self.client.post(f"{self.url}/webhooks/alertmanager", content=body, headers={"Authorization": f"Bearer {TOKEN}"})
            if answer.status_code == HTTPStatus.OK:
                return time.perf_counter() - began
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
            await asyncio.sleep(0.5)


async def measure(*, many: int = 10_000, seconds: float = 60, rounds: int = 40) -> list[Result]:
    """Sends `rounds` notifications to a bot at rest, and then `many` alerts, evenly in so many seconds, to one whose messages Slack refuses."""
    async with _watched() as bot:
        quiet = [await _one(bot, number) for number in range(rounds + 1)][1:]
        (await bot.client.post(f"{bot.control}/faults", json={"kind": "status", "system": "slack", "status": 429, "retry_after": 5})).raise_for_status()
        began = time.perf_counter()
        sent_at: dict[str, datetime] = {}
        sending, notifications = [], many // TOGETHER
        for number in range(notifications):
            await asyncio.sleep(max(0.0, began + seconds * number / notifications - time.perf_counter()))
            alerts = [_alert(f"storm-{number}-{place}", "warning", SERVICES[place % len(SERVICES)]) for place in range(TOGETHER)]
            if number % 2 == 0 and (service := SERVICES[number // 2 % len(SERVICES)]) not in sent_at:
                alerts[0] = _alert(f"down-{number}", "critical", service)
                sent_at[service] = datetime.now(UTC)
            sending.append(asyncio.create_task(bot.told(alerts)))
        await asyncio.gather(*sending)
        with_fate, pages = await _settled(bot, (rounds + 1) * TOGETHER + many)
        delivered = {page.service: page.delivered_at for page in pages if page.delivered_at is not None}
        left = [(delivered[service] - sent).total_seconds() for service, sent in sent_at.items()]
    name = f"{many} alerts in {seconds:g} s, Slack answers 429"
    return [
        Result(f"acknowledge a notification of {TOGETHER} alerts, median", "ms", 1000 * statistics.median(quiet), goal=ACKNOWLEDGED),
        Result(f"{name}: without a fate", "alerts", (rounds + 1) * TOGETHER + many - with_fate, goal=0),
        Result(f"{name}: pages", "pages", len(pages), goal=MOST_PAGES),
        Result(f"{name}: a critical one read back from PagerDuty, p99", "s", percentile(left, 99) / 1000, goal=LEFT),
    ]


async def _one(bot: Bot, number: int) -> float:
    took = await bot.told([_alert(f"quiet-{number}-{place}", "info", SERVICES[place % len(SERVICES)]) for place in range(TOGETHER)])
    await asyncio.sleep(0.3)  # it has taken that in when the next one comes
    return took


async def _settled(bot: Bot, sent: int) -> tuple[int, list[PageRow]]:
    """Waits until everything that was sent has its fate and every page is at PagerDuty, or `PATIENCE` is over. Returns how many have one, and the pages."""
    store = Store(bot.database, SystemClock())
    fates = select(func.count()).select_from(AlertRow).where(col(AlertRow.fate) != "")
    asked = select(PageRow).where(col(PageRow.rounds) > 0)
    try:
        ends = time.perf_counter() + PATIENCE
        while True:
            with_fate, pages = await store.read(lambda tx: (tx.session.exec(fates).one(), [*tx.all(asked)]))
            if (with_fate == sent and all(page.delivered_at for page in pages)) or time.perf_counter() > ends:
                return with_fate, pages
            await asyncio.sleep(0.2)
    finally:
        store.close()


def _alert(name: str, severity: str, service: str) -> Json:
    labels = {"alertname": name, "severity": severity, "service": service, "environment": "bench", "instance": f"{name}:9090"}
    times = {"startsAt": datetime.now(UTC).isoformat(), "endsAt": "0001-01-01T00:00:00Z"}
    return {"status": "firing", "labels": labels, "annotations": {"summary": f"{service}: it is down"}, **times}


@asynccontextmanager
async def _watched() -> AsyncIterator[Bot]:
    async with world_of_alerts() as (environ, folder, control):
        url = f"http://127.0.0.1:{environ['AIEC_PORT']}"
        async with running("bot", "run", ready=f"{url}/readyz", environ=environ, cwd=folder), httpx.AsyncClient(trust_env=False, timeout=60) as client:
            yield Bot(url, control, environ["DATABASE_URL"], client)


@asynccontextmanager
async def world_of_alerts() -> AsyncIterator[tuple[dict[str, str], Path, str]]:
    """Yields the environment of the bot, its folder, and the URL of the sandbox's control."""
    account = scenario.pagerduty()
    with tempfile.TemporaryDirectory(prefix="aiec-bench-") as name:
        async with world(Watched(("bench",), services=SERVICES), Path(name)) as environ:
            sandbox = environ["SLACK_API_URL"].removesuffix("/slack/api/")
            known = {
                "ALERTMANAGER_TOKEN": TOKEN,
                "PAGERDUTY_API_URL": f"{sandbox}/pagerduty",
                "PAGERDUTY_EVENTS_URL": f"{sandbox}/pagerduty/events",
                "PAGERDUTY_API_TOKEN": account["token"],
                "PAGERDUTY_FROM": "lead@example.com",
                "PAGERDUTY_ROUTING_KEY": account["services"][0]["routing_key"],
            }
            yield environ | known, Path(name), f"{sandbox}/_sandbox"
