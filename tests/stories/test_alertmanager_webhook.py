"""Alertmanager tells the running bot: over HTTP, with our token or without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from sqlmodel import select

from bot import scenario
from bot.app import opened, running
from bot.bot import Bot
from bot.settings import load
from bot.store.tables import RequestRow
from sandbox.kubeconfig import kubeconfig
from sandbox.server import Sandbox
from sandbox.world import World
from tests.harness import START

TOKEN = "a-token-of-tests"
WEBHOOK = "/webhooks/alertmanager"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build(scenario.on_sandbox().scenario, start=START)) as found:
        yield found


@asynccontextmanager
async def aiec(sandbox: Sandbox, folder: Path, **variables: str) -> AsyncIterator[tuple[Bot, str]]:
    """A bot that listens and does not tick, and its URL."""
    (folder / "aiec.yaml").write_text(yaml.safe_dump(scenario.config(scenario.on_sandbox(), sandbox.urls["platform"])))
    (folder / "kubeconfig").write_text(kubeconfig(sandbox.urls["kubernetes"]))
    environ = {"DATABASE_URL": f"sqlite:///{folder / 'aiec.db'}", "KUBECONFIG": str(folder / "kubeconfig"), "AIEC_PORT": "0", **variables}
    settings = load(environ, folder)
    async with opened(settings, sandbox.world.clock) as bot, running(bot, settings) as port:
        yield bot, f"http://127.0.0.1:{port}"


async def fires(sandbox: Sandbox) -> None:
    """An alert fires, and Alertmanager tells of it once, when its group has waited."""
    alert = {"labels": {"alertname": "HighErrorRate", "service": "gateway", "severity": "critical"}, "startsAt": START.isoformat()}
    async with httpx.AsyncClient() as client:
        (await client.post(f"{sandbox.urls['alertmanager']}/api/v2/alerts", json=[alert])).raise_for_status()
    await passes(sandbox, sandbox.world.alertmanager.receiver.group_wait)


async def passes(sandbox: Sandbox, seconds: float) -> None:
    sandbox.world.clock.advance(seconds)
    await sandbox.delivered()


async def stored(bot: Bot) -> list[RequestRow]:
    return await bot.store.read(lambda tx: [*tx.all(select(RequestRow).where(RequestRow.lane == "machine"))])


async def test_what_alertmanager_sends_is_stored_before_it_is_answered(sandbox: Sandbox, tmp_path: Path) -> None:
    async with aiec(sandbox, tmp_path, ALERTMANAGER_TOKEN=TOKEN) as (bot, url):
        await sandbox.alerts_to(url + WEBHOOK, TOKEN)
        await fires(sandbox)
        assert [one.status for one in sandbox.world.alertmanager.deliveries] == [200]
        (request,) = await stored(bot)
        assert "HighErrorRate" in str(request.model_dump())


@pytest.mark.parametrize(("variables", "status"), [({"ALERTMANAGER_TOKEN": "another-token"}, 401), ({}, 404)])
async def test_without_our_token_nothing_is_stored(sandbox: Sandbox, tmp_path: Path, variables: dict[str, str], status: int) -> None:
    async with aiec(sandbox, tmp_path, **variables) as (bot, url):
        await sandbox.alerts_to(url + WEBHOOK, TOKEN)
        await fires(sandbox)
        refused = (1, status)  # Alertmanager does not try a refused notification again, but tells of the group anew at the next interval
        assert [(one.attempt, one.status) for one in sandbox.world.alertmanager.deliveries] == [refused]
        await passes(sandbox, sandbox.world.alertmanager.receiver.group_interval)
        assert [(one.attempt, one.status) for one in sandbox.world.alertmanager.deliveries] == [refused, refused]
        assert await stored(bot) == []
