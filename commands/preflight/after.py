"""What is watched after a change that mends things: only what is well before it. What is ill already is why it is made, and would only undo it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from bot.command import Context
from bot.core.card import CheckResult, Verdict
from bot.core.steps import Expected, VerifyStep
from commands.preflight.gates import watched
from commands.steps import PATIENCE


async def afterwards(
    context: Context, environment: str, services: Sequence[str], expects: Sequence[Expected], wave: int
) -> tuple[VerifyStep, list[CheckResult]]:
    """Returns the step that looks at health URLs, workloads and gates, and a word on each that is not well now."""
    settings = context.config.environments[environment]
    health = settings.health
    known = {name: context.config.services[name] for name in services}
    (seen, gates), (urls, away) = await asyncio.gather(watched(context.world.metrics, known), _well(context, health.urls() if health else (), environment))
    checks = [_unwatched(one) if one.verdict is Verdict.BLOCKED else one for one in seen]
    if away:
        checks.append(CheckResult(check="health", verdict=Verdict.WARNING, text=f"not watched, for it is away already: {', '.join(away)}"))
    hold = max(health.for_ if health else settings.rollout.bake, settings.rollout.bake)
    step = VerifyStep(
        wave=wave,
        environment=environment,
        urls=urls,
        timeout=health.timeout if health else hold,
        workloads=tuple(expects),
        hold=hold,
        patience=PATIENCE,
        gates=tuple(gate for name in services for gate in gates[name]),
    )
    return step, checks


async def _well(context: Context, urls: Sequence[str], environment: str) -> tuple[tuple[str, ...], list[str]]:
    """Returns the URLs that answer well, and those that do not."""
    health = context.config.environments[environment].health
    limit = health.timeout if health else timedelta(seconds=5)
    answers = await asyncio.gather(*(context.world.prober.probe(url, limit) for url in urls))
    good = [answer.status is not None and 200 <= answer.status < 300 for answer in answers]
    pairs = [*zip(urls, good, strict=True)]
    return tuple(url for url, well in pairs if well), [url for url, well in pairs if not well]


def _unwatched(check: CheckResult) -> CheckResult:
    return CheckResult(check=check.check, verdict=Verdict.WARNING, text=f"not watched: {check.text.rstrip('.')}")
