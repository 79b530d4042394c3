"""When somebody else is on call, he is told what goes on."""

from datetime import timedelta
from pathlib import Path

from sandbox.faults import Fault
from sandbox.pagerduty.state import Override
from tests.harness import Stage, said, stage

OVERRIDE = "/aiec oncall override L1 @senior --for 2h the engineer is ill"


def told(bot: Stage, name: str) -> list[str]:
    """What somebody was told directly of coming on call."""
    return [text for text in map(said, bot.slack.messages(f"@{name}")) if "You are on call now" in text]


def lines(bot: Stage) -> list[str]:
    return [text for text in map(said, bot.slack.messages("incidents")) if "On call at L" in text]


async def minutes(bot: Stage, count: float) -> None:
    await bot.forward(minutes=count, step=30)


async def test_whoever_comes_on_call_is_told_once_what_goes_on_and_the_channel_in_one_line(bot: Stage) -> None:
    await minutes(bot, 2)
    assert (told(bot, "engineer"), lines(bot)) == ([], [])  # nothing changed hands
    await bot.lead.says("/aiec incident declare SEV2 error rate 12 % --service gateway")
    await bot.engineer.says("/aiec incident ack #1")
    await bot.lead.says("/aiec incident declare SEV3 a key was published --private")
    await bot.lead.says("/aiec freeze prod --for 8h moving house")
    await bot.lead.says("/aiec maintenance start prod redis --for 2h new disks")
    await bot.lead.says("/aiec silence create service=rabbitmq --for 2h noise")
    await bot.engineer.says("/aiec deploy prod v1.2.0 --emergency 'it must'")
    await bot.engineer.says('/aiec action add #1 "raise the pool" @engineer --due 2d')
    await bot.engineer.says("/aiec runbook start service-outage #1")
    await bot.lead.says(OVERRIDE)
    await minutes(bot, 2)
    (text,) = told(bot, "senior")
    for part in (
        "*You are on call now*: L1 DevOps Engineer · 2 incidents open",
        "One of them is private, and its people know more",
        "1 page since",
        "for #1",
        "prod is frozen by lead",
        "Maintenance of redis in prod",
        'Silenced: service="rabbitmq"',
        "#1",
        "gateway: error rate 12 %",
        "op-1",
        "service-outage",
        "1 action item due within 7 days",
        "raise the pool",
    ):
        assert part in text, (part, text)
    assert "a key was published" not in text
    assert len(lines(bot)) == 1
    await minutes(bot, 10)
    assert (len(told(bot, "senior")), len(lines(bot))) == (1, 1)
    assert await bot.events("oncall.handover") == ["aiec"]


async def test_a_handover_that_fell_into_a_downtime_is_told_once_afterwards(bot: Stage) -> None:
    await minutes(bot, 2)
    await bot.lead.says(OVERRIDE)
    await bot.dead(3)
    await minutes(bot, 2)
    assert (len(told(bot, "senior")), len(lines(bot))) == (1, 1)
    await bot.dead(3)
    await minutes(bot, 2)
    assert (len(told(bot, "senior")), len(lines(bot))) == (1, 1)
    await bot.lead.says("/aiec oncall end L1")
    await minutes(bot, 2)
    assert len(told(bot, "engineer")) == 1


async def test_a_shift_of_pagerdutys_schedule_is_handed_over_and_its_silence_is_not(bot: Stage) -> None:
    await minutes(bot, 2)
    start = bot.world.clock.now() + timedelta(minutes=10)
    bot.world.pagerduty.schedules["PSENGINEER"].overrides.append(Override("Q1", "P0CTO", start, start + timedelta(days=2)))
    await minutes(bot, 18)
    assert len(told(bot, "cto")) == 1
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=503))
    bot.world.clock.advance(9 * 24 * 3600)
    await minutes(bot, 3)
    assert (len(lines(bot)), told(bot, "engineer")) == (1, [])


async def test_it_is_shown_on_demand_and_says_when_nothing_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path, pager=False) as bot:
        shown = await bot.engineer.says("/aiec oncall handover")
        assert "*What goes on now* · no incident is open" in shown
        assert "Nobody was paged since" in shown
        await bot.lead.says("/aiec incident declare SEV2 error rate 12 % --service gateway")
        await minutes(bot, 1)
        shown = await bot.engineer.says("/aiec oncall handover")
        assert "· 1 incident open" in shown
        assert "1 page since" in shown
        denied = await bot.newcomer.says("/aiec oncall handover")
        assert "`oncall` is not granted to you" in denied
