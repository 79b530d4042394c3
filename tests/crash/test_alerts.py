"""Alerts while processes die: a real Prometheus and Alertmanager tell a bot that is killed again and again, and three replicas of which one dies."""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlmodel import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bot.core.clock import SystemClock
from bot.entry.http import serve
from bot.scenario import pagerduty
from bot.store.incident_tables import AlertRow, IncidentRow, PageRow
from bot.store.store import Store
from bot.store.tables import RequestRow
from sandbox.alertmanager import Receiver
from tests.adapters.alertmanagers import TOKEN, started
from tests.crash.scene import Scene, staged, until
from tests.crash.test_postgresql import holder_of
from tests.databases import database, needs_postgresql

ALERTMANAGER, PROMETHEUS = os.environ.get("TEST_ALERTMANAGER"), shutil.which("prometheus")
QUICK = Receiver(name="aiec", group_by=("service",), group_wait=0.2, group_interval=1.0, max_alerts=2)
FAILING = ("gateway/0", "gateway/1", "gateway/2", "redis/0", "redis/1")
"""Of the first service Alertmanager leaves one out (`max_alerts`)."""
SERVICES = ("gateway", "ml-recommendation", "postgres", "redis", "rabbitmq")
RULES = {"resolve_after_quiet": "2s", "reopen_within": "30m", "ask_after_idle": "30m", "storm": {"incidents": 50, "within": "5m"}}


def paging(scene: Scene) -> dict[str, str]:
    """The variables with which the bot knows PagerDuty, and takes alerts."""
    account = pagerduty()
    return {
        "ALERTMANAGER_TOKEN": TOKEN,
        "PAGERDUTY_API_URL": scene.sandbox.urls["pagerduty"],
        "PAGERDUTY_EVENTS_URL": scene.sandbox.urls["pagerduty_events"],
        "PAGERDUTY_API_TOKEN": account["token"],
        "PAGERDUTY_FROM": "lead@example.com",
        "PAGERDUTY_ROUTING_KEY": account["services"][0]["routing_key"],
    }


def look(scene: Scene, *tables: Any) -> list[list[Any]]:
    """All rows of these tables."""
    store = Store(scene.database, SystemClock())
    try:
        return store.look(lambda tx: [[*tx.all(select(table))] for table in tables])
    finally:
        store.close()


def at_rest(scene: Scene) -> bool:
    """Whether everything that was stored was taken in, and every page is as it should be."""
    requests, pages = look(scene, RequestRow, PageRow)
    return all(one.state == "answered" for one in requests) and all(one.next_at is None for one in pages)


def rung(scene: Scene) -> int:
    """How often PagerDuty has called the engineer: once for each incident that became his."""
    account = scene.world.pagerduty
    account.play()
    first = account.users["P0ENGINEER"].rules[0].channel
    return len([one for one in account.notifications if (one.user, one.channel) == ("P0ENGINEER", first)])


@asynccontextmanager
async def prometheus(folder: Path, alertmanager: str) -> AsyncIterator[dict[str, float]]:
    """A Prometheus that scrapes what is yielded, errors by service and shard, and tells the Alertmanager of each with more than one."""
    values = dict.fromkeys(FAILING, 0.0)

    async def metrics(_request: Request) -> PlainTextResponse:
        named = ((*name.split("/"), value) for name, value in values.items())
        return PlainTextResponse("".join(f'errors{{service="{service}",shard="{shard}"}} {value}\n' for service, shard, value in named))

    rule = {
        "alert": "HighErrorRate",
        "expr": "errors > 1",
        "labels": {"severity": "critical", "environment": "prod"},
        "annotations": {"summary": "errors in {{ $labels.shard }}"},
    }
    async with serve(Starlette(routes=[Route("/metrics", metrics)]), "127.0.0.1", 0) as port:
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "shop", "rules": [rule]}]}))
        place = alertmanager.removeprefix("http://").partition("/")
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
            "alerting": {"alertmanagers": [{"path_prefix": f"/{place[2]}", "static_configs": [{"targets": [place[0]]}]}]},
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with socket.create_server(("127.0.0.1", 0)) as free:
            listens = free.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            PROMETHEUS or "",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{listens}",
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield values
        finally:
            process.terminate()
            await process.wait()


@pytest.mark.slow
@pytest.mark.skipif(not (ALERTMANAGER and PROMETHEUS), reason="TEST_ALERTMANAGER names no Alertmanager, or there is no prometheus in the PATH")
async def test_what_prometheus_finds_pages_once_and_resolves_though_the_bot_is_killed_in_between(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url:
        async with staged(tmp_path, url, incidents=RULES) as scene:
            scene.environ |= paging(scene)
            async with scene.running() as replica:
                hook = f"http://127.0.0.1:{replica.port}/webhooks/alertmanager"
                async with started(ALERTMANAGER or "", tmp_path, QUICK, hook) as alertmanager, prometheus(tmp_path, alertmanager) as errors:
                    scene.environ["ALERTMANAGER_URL"] = alertmanager
                    replica.environ |= scene.environ
                    replica.kill()  # it knows Alertmanager from now on, and is not there when the first alert comes
                    errors.update(dict.fromkeys(errors, 5.0))
                    await until(lambda: look(scene, AlertRow)[0], what=scene.describe)
                    replica.kill()
                    await until(lambda: len(look(scene, AlertRow)[0]) == len(FAILING), what=scene.describe)  # the one left out was asked for
                    await until(lambda: len(scene.world.pagerduty.incidents) == 2 and at_rest(scene), what=scene.describe)
                    assert {one.status for one in scene.world.pagerduty.incidents.values()} == {"triggered"}
                    replica.kill()
                    errors.update({"redis/0": 0.0, "redis/1": 0.0})
                    await until(lambda: "resolved" in (one.state for one in look(scene, IncidentRow)[0]) and at_rest(scene), what=scene.describe)
                    assert replica.deaths == 3
            alerts, incidents = look(scene, AlertRow, IncidentRow)
            of = {one.service: one.number for one in incidents}
            assert {one.service: one.state for one in incidents} == {"gateway": "triggered", "redis": "resolved"}
            assert sorted(one.fate for one in alerts) == ["merged", "merged", "merged", "opened", "opened"]
            assert sorted((one.incident, one.status) for one in alerts) == sorted([(of["gateway"], "firing")] * 3 + [(of["redis"], "resolved")] * 2)
            assert sorted(one.status for one in scene.world.pagerduty.incidents.values()) == ["resolved", "triggered"]
            assert rung(scene) == 2


def notification(service: str) -> bytes:
    labels = {"alertname": "Down", "severity": "critical", "service": service, "environment": "prod"}
    alert = {"status": "firing", "labels": labels, "annotations": {"summary": f"{service} is down"}, "startsAt": "2026-11-23T03:00:00Z"}
    common = {"version": "4", "groupKey": f'{{}}:{{service="{service}"}}', "receiver": "aiec", "status": "firing", "groupLabels": {"service": service}}
    return json.dumps({**common, "truncatedAlerts": 0, "alerts": [{**alert, "endsAt": "0001-01-01T00:00:00Z"}]}).encode()


@pytest.mark.slow
@needs_postgresql
async def test_three_replicas_page_once_for_each_incident_though_the_one_that_works_dies(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        async with staged(tmp_path, url, incidents=RULES) as scene:
            scene.environ |= paging(scene)
            async with scene.running(replicas=3, mortal=True), httpx.AsyncClient(trust_env=False, timeout=10) as client:

                async def tell(port: int, service: str) -> None:
                    """As Alertmanager does: again, at the same replica, as long as it lives and does not say 200."""
                    headers = {"authorization": f"Bearer {TOKEN}"}
                    while port in {one.port for one in scene.replicas if one.process and one.process.returncode is None}:
                        try:
                            if (await client.post(f"http://127.0.0.1:{port}/webhooks/alertmanager", content=notification(service), headers=headers)).is_success:
                                return
                        except httpx.TransportError:
                            pass
                        await asyncio.sleep(0.2)

                ports = [one.port for one in scene.replicas]
                telling = [asyncio.create_task(tell(port, service)) for service in SERVICES for port in ports]
                await until(lambda: scene.world.pagerduty.incidents, what=scene.describe)
                worker = holder_of(scene)
                worker.kill()
                await asyncio.gather(*telling)
                await until(lambda: len(scene.world.pagerduty.incidents) == len(SERVICES) and at_rest(scene), what=scene.describe)
                assert holder_of(scene) is not worker
                assert worker.deaths == 1
            alerts, incidents, pages = look(scene, AlertRow, IncidentRow, PageRow)
            assert {one.service: one.fate for one in alerts} == dict.fromkeys(SERVICES, "opened")
            assert len(alerts) == len(incidents) == len(pages) == rung(scene) == len(SERVICES)
            assert {one.delivered_at is not None for one in pages} == {True}
