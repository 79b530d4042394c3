"""Figures that are watched while a rollout bakes: seen well, seen badly, and not seen."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from sandbox.prometheus import Failure, Series
from tests.harness import Stage, stage

RATE = ".*http_requests_total.*"
DEPLOY = "/aiec deploy prod v1.2.0"
EMERGENCY = '--emergency "checkout is down"'
GATEWAY = "gateway-production"


def shows(bot: Stage, *series: Any) -> None:
    bot.world.prometheus.set(RATE, *series, regex=True)


async def approved(bot: Stage, text: str = DEPLOY) -> None:
    await bot.engineer.says(text)
    await bot.lead.clicks("Approve")
    await bot.forward(8)


async def test_the_figure_is_shown_before_and_after(bot: Stage) -> None:
    await bot.engineer.says(DEPLOY)
    assert "✅ gateway error rate 0.02 < 0.1" in bot.last()
    await bot.lead.clicks("Approve")
    shows(bot, 0.04)
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()
    assert "healthy for 20 s; gateway error rate 0.04 < 0.1 (before: 0.02)" in bot.last()


@pytest.mark.slow
async def test_a_figure_that_gets_bad_puts_the_version_back(bot: Stage) -> None:
    await approved(bot)
    assert bot.image(GATEWAY) == "v1.2.0"
    shows(bot, 0.31)
    await bot.forward(minutes=2)
    assert "failed and was rolled back" in bot.last()
    assert "gateway error rate 0.31 ≥ 0.1 (before: 0.02), for 30 s" in bot.last()
    assert bot.image(GATEWAY) == "v1.1.0"


@pytest.mark.slow
async def test_a_short_gap_only_starts_the_watch_again(bot: Stage) -> None:
    await approved(bot)
    shows(bot)
    await bot.forward(10)
    assert "was not seen: the expression yields no series" in bot.last()
    shows(bot, 0.03)
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("series", "said"),
    [
        ((), "gateway error rate was not seen: the expression yields no series"),
        ((float("nan"),), "gateway error rate was not seen: the value is NaN"),
        ((Series(0.0, {"pod": "a"}), Series(0.0, {"pod": "b"})), "gateway error rate was not seen: the expression yields 2 series, not one"),
    ],
    ids=["nothing", "NaN", "several"],
)
async def test_what_is_not_seen_fails(bot: Stage, series: tuple[Any, ...], said: str) -> None:
    await approved(bot)
    shows(bot, *series)
    await bot.forward(minutes=2)
    assert "failed and was rolled back" in bot.last()
    assert f"{said}, for 30 s" in bot.last()
    assert bot.image(GATEWAY) == "v1.1.0"
    assert said in await bot.engineer.says(DEPLOY)


@pytest.mark.slow
async def test_a_prometheus_that_is_away_fails_closed(bot: Stage) -> None:
    await approved(bot)
    bot.world.faults.add(Fault(kind="status", system="prometheus", status=503))
    await bot.forward(minutes=2)
    assert "failed and was rolled back" in bot.last()
    assert "gateway error rate was not seen: Prometheus (127.0.0.1" in bot.last()


async def test_a_prometheus_that_is_slow_blocks_in_time_and_is_named(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="hang", system="prometheus"))
    async with asyncio.timeout(60):
        refused = await bot.engineer.says(DEPLOY)
    assert "gateway error rate was not seen: Prometheus (127.0.0.1" in refused
    assert not [message for message in bot.slack.messages("devops", "lead") if message.app]


@pytest.mark.slow
async def test_a_gate_that_fails_already_blocks_and_an_emergency_does_not_watch_it(bot: Stage) -> None:
    shows(bot, 0.31)
    refused = await bot.engineer.says(DEPLOY)
    assert "gateway error rate 0.31 ≥ 0.1." in refused
    await approved(bot, f"{DEPLOY} {EMERGENCY}")
    await bot.forward(minutes=2)
    assert "✅ done" in bot.last()


async def test_an_expression_that_prometheus_refuses_blocks_at_once(bot: Stage) -> None:
    bot.world.prometheus.fail(RATE, Failure(400, "bad_data", 'invalid parameter "query": 1:10: parse error: unclosed left parenthesis'), regex=True)
    refused = await bot.engineer.says(DEPLOY)
    assert "Prometheus refuses the expression" in refused
    assert "1:10: parse error: unclosed left parenthesis" in refused


async def test_a_gate_without_a_prometheus_blocks_and_names_the_variable(bot: Stage) -> None:
    bot.bot.ports = replace(bot.ports, metrics=None)
    assert "gateway error rate was not seen: PROMETHEUS_URL is not set" in await bot.engineer.says(DEPLOY)


@pytest.mark.slow
async def test_a_gate_may_be_told_to_pass_unseen(tmp_path: Path) -> None:
    async with stage(tmp_path, gateway={"gates": [{"promql": "up", "below": 1, "when_unseen": "pass"}]}) as bot:
        await approved(bot)
        await bot.forward(minutes=1)
        assert "✅ done" in bot.last()
        shown = await bot.engineer.says("/aiec deploy prod v1.2.1 --dry-run")
        assert "gateway `up` was not seen: the expression yields no series; it passes all the same" in shown


async def test_a_promotion_may_ask_for_a_figure_of_the_environment_before(tmp_path: Path) -> None:
    gates = [{"name": "p95 latency", "promql": "p95_of_staging", "below": 0.5}]
    async with stage(tmp_path, prod={"promotion": {"from": "staging", "healthy_for": "15m", "gates": gates}}) as bot:
        bot.world.prometheus.set("p95_of_staging", 0.8)
        refused = await bot.engineer.says(DEPLOY)
        assert "staging p95 latency 0.8 ≥ 0.5." in refused
        assert "--emergency" in refused
        bot.world.prometheus.set("p95_of_staging", 0.2)
        await bot.engineer.says(DEPLOY)
        assert "✅ staging p95 latency 0.2 < 0.5" in bot.last()
        bot.world.prometheus.set("p95_of_staging", 0.8)
        await bot.lead.clicks("Approve")
        assert "was refused" in bot.last()
        assert bot.image(GATEWAY) == "v1.1.0"
