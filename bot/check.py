"""`aiec check`: every configured system, token, scope, right and file, one line each, all asked at once."""

import asyncio
import json
import os
from collections.abc import Coroutine, Iterator
from dataclasses import asdict
from typing import Any

from bot.app import connected
from bot.bot import Ports
from bot.checks.backups import backups
from bot.checks.backups import rights as rights_of_backups
from bot.checks.configuration import configuration, parts
from bot.checks.database import database
from bot.checks.finding import Finding, Level, failed, fails, wrong
from bot.checks.github import github
from bot.checks.issues import issues
from bot.checks.kubernetes import environment
from bot.checks.live import live
from bot.checks.outside import email, gates, health, prometheus, repository
from bot.checks.paging import alertmanager, pagerduty, unused
from bot.checks.postmortems import postmortems
from bot.checks.runbooks import runbooks
from bot.checks.slack import slack
from bot.config_file import SettingsError
from bot.core.errors import AiecError
from bot.settings import Settings, load, variables

PATIENCE = 6.0
"""Seconds that one part may take; an adapter's own limit may be longer."""

Answer = Coroutine[Any, Any, list[Finding]]
Question = tuple[str, Answer]


async def check(*, live: bool, as_json: bool) -> int:
    """Prints what was found and returns 1 when something is wrong, else 0; warnings do not fail."""
    try:
        found = await examine(load(os.environ), live_too=live)
    except SettingsError as error:
        found = [wrong("settings", line, "everything: the bot does not start", "docs/configuration.md") for line in error.text.splitlines()]
    if as_json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        counts = {level: sum(one.level is level for one in found) for level in Level}
        warnings = f"{counts[Level.WARNING]} warning{'' if counts[Level.WARNING] == 1 else 's'}"
        print(*(one.line() for one in found), "", f"{counts[Level.WRONG]} wrong, {warnings}", sep="\n")
    return 1 if fails(found) else 0


async def examine(settings: Settings, *, live_too: bool = False, patience: float = PATIENCE) -> list[Finding]:
    """Returns the findings about everything that is configured, in a fixed order, within `patience` seconds."""
    async with connected(settings, environments=()) as ports:
        asked = await asyncio.gather(*(_within(patience, *question) for question in _questions(settings, ports, live_too)))
    unset = parts({variable.name: getattr(settings, field) for field, variable in variables().items()})
    return [*configuration(settings), *unused(settings), *(one for found in asked for one in found), *unset]


def _questions(settings: Settings, ports: Ports, live_too: bool) -> Iterator[Question]:
    config = settings.config
    yield "database", database(settings)
    if ports.chat is not None:
        yield "slack", slack(settings, ports.chat)
    for name, one in config.environments.items():
        yield f"cluster {name}", _cluster(settings, name)
        for url in one.health.urls() if one.health else ():
            yield f"health {name}", health(name, url, ports.prober)
    for key, service in config.services.items():
        if service.deployable and service.image:
            yield f"registry {key}", repository(key, service.image, ports.registry)
        if service.deployable:
            yield f"gate {key}", gates(key, service.gates, ports.metrics)
    if settings.prometheus_url is not None:
        yield "prometheus", prometheus(settings.prometheus_url, ports.prober)
    if ports.pager is not None:
        yield "pagerduty", pagerduty(settings, ports.pager)
    if ports.alerting is not None:
        yield "alertmanager", alertmanager(ports.alerting)
    if ports.mailer is not None:
        yield "e-mail", email(config, ports.mailer)
    yield "backups", backups(settings, ports)
    if ports.backups is not None and config.backup.database is not None:
        yield f"backups {config.backup.database.env}", _rights(settings, config.backup.database.env)
    yield "github", github(config, ports.code)
    yield "github issues", issues(settings, ports.code, ports.issues)
    yield "runbooks", runbooks(config, ports.shelf)
    yield "post-mortems", postmortems(ports)
    if live_too:
        yield "live", live(settings)


async def _cluster(settings: Settings, name: str) -> list[Finding]:
    """Opened by itself: a kubeconfig that serves one environment may not serve another."""
    async with connected(settings, environments=[name]) as ports:
        return await environment(name, settings.config, ports.clusters[name])


async def _rights(settings: Settings, name: str) -> list[Finding]:
    async with connected(settings, environments=[name]) as ports:
        return await rights_of_backups(name, ports.clusters[name])


async def _within(seconds: float, subject: str, question: Answer) -> list[Finding]:
    """Answers the question, also when there is no answer."""
    try:
        async with asyncio.timeout(seconds):
            return await question
    except AiecError as error:
        return [failed(subject, error, "everything that needs it")]
    except TimeoutError:
        return [wrong(subject, f"no answer within {seconds:g} s", "everything that needs it", "look whether it is up and can be reached from here")]
