"""Locks, freezes and looking: what keeps an environment still, and what everybody can see."""

import re
from pathlib import Path

import pytest

from tests.harness import Stage, stage

FROZEN = "/aiec freeze prod --for 2h the database is being moved"


async def test_a_lock_keeps_others_out_and_lets_its_holder_work(bot: Stage) -> None:
    await bot.senior.says("/aiec lock prod migrating the database")
    assert "🔒 locked · *prod is locked*" in bot.last()
    assert "by @senior: migrating the database" in bot.last()
    assert bot.senior.sees()[-1].plain.endswith("|prod is locked>, in #devops")
    assert re.search(r"prod is held by senior since <!date\^\d+\^{time}\|14:00 UTC>: migrating", await bot.newcomer.says("/aiec status prod"))
    await bot.lead.says("/aiec freeze prod end of the quarter")
    assert re.search("migrating the database\n🔒 prod is frozen by lead: end of the quarter", await bot.newcomer.says("/aiec"))
    await bot.lead.says("/aiec unfreeze prod")
    assert "senior holds prod since" in await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.senior.says("/aiec deploy prod v1.2.0")
    assert "waits for one approval" in bot.last()


async def test_a_lock_is_stolen_only_by_who_may(bot: Stage) -> None:
    await bot.senior.says("/aiec lock prod migrating")
    assert "you may not take it" in await bot.engineer.says("/aiec unlock prod")
    await bot.lead.says("/aiec unlock prod")
    assert "prod is unlocked" in bot.last()
    assert "senior held it" in bot.last()


async def test_a_lock_taken_after_the_plan_stops_the_start(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    card = bot.message_with("Approve")
    await bot.senior.says("/aiec lock prod migrating")
    await bot.lead.clicks("Approve", message=card)
    assert "was refused" in next(m.plain for m in bot.slack.messages("devops") if "Deploy v1.2.0" in m.plain)
    assert bot.image("gateway-production") == "v1.1.0"


async def test_a_freeze_blocks_until_it_ends_and_an_emergency_goes_through(bot: Stage) -> None:
    await bot.lead.says(FROZEN)
    until = r"until <!date\^1795449600\^{date_short_pretty} {time}\|Mon 23 Nov 16:00 UTC>"  # on the clock of whoever reads it
    assert re.search(rf"\*prod is frozen\* {until}\nby @lead: the database", bot.last())
    assert re.search(rf"\|prod is frozen> {until}, in #devops", bot.lead.sees()[-1].plain)
    assert re.search(rf"prod is frozen by lead {until}: the database", await bot.newcomer.says("/aiec status prod"))
    assert "prod is frozen until 2026-11-23 16:00 UTC (by lead): the database is being moved" in await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert bot.engineer.sees()[-1].buttons == ["Plan again"]  # it ends
    await bot.engineer.says('/aiec deploy prod v1.2.0 --emergency "checkout is down"')
    assert "as an emergency (checkout is down)" in bot.last()
    await bot.engineer.says("/aiec cancel op-1")
    await bot.forward(minutes=121, step=60)
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert "✅ no freeze" in bot.last()


async def test_a_freeze_that_would_be_over_at_once_is_refused(bot: Stage) -> None:
    assert "*0s* is not a length of time of a second or more" in await bot.lead.says("/aiec freeze prod --for 0s moving house")
    assert "no freeze" in await bot.engineer.says("/aiec deploy prod v1.2.0 --dry-run")


async def test_a_closed_change_window_says_when_it_opens(tmp_path: Path) -> None:
    async with stage(tmp_path, prod={"change_window": {"cron": "0 2 * * SUN", "duration": "4h"}}) as bot:
        refused = await bot.engineer.says("/aiec deploy prod v1.2.0")
        assert "The change window is closed; it opens 2026-11-29 02:00 UTC, until 06:00." in refused
        await bot.engineer.says('/aiec deploy prod v1.2.0 --emergency "checkout is down"')
        assert "as an emergency" in bot.last()


async def test_only_who_may_freezes(bot: Stage) -> None:
    assert "not granted to you" in await bot.engineer.says(FROZEN)


async def test_unfreezing_lets_deploys_go(bot: Stage) -> None:
    await bot.lead.says("/aiec freeze prod end of the quarter")
    assert "until somebody unfreezes it" in await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.says("/aiec unfreeze prod")
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert "waits for one approval" in bot.last()


async def test_the_overview_says_what_waits_for_whom(bot: Stage) -> None:
    assert "Nothing is going on" in await bot.lead.says("/aiec")
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert "Waits for you: op-1" in await bot.lead.says("/aiec")
    assert "Waits for you" not in await bot.engineer.says("/aiec")
    await bot.engineer.says("/aiec set-image prod gateway v1.2.0")  # which is for whoever may deploy
    assert "Waits for you: op-1, op-2 (`/aiec approve op-1`)" in await bot.lead.says("/aiec")


@pytest.mark.slow
async def test_status_and_history_show_the_cluster(bot: Stage) -> None:
    shown = await bot.newcomer.says("/aiec status prod")
    assert "all services are well" in shown
    assert "v1.1.0" in shown
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    history = await bot.newcomer.says("/aiec history prod gateway")
    assert "*v1.2.0* · Deploy v1.2.0 to prod by engineer (op-1)" in history
    assert re.search(r"\*v1\.1\.0\* · installed · <!date\^\d+\^", history)
    assert re.search(r"op-1` .* · engineer · <!date\^\d+\^", await bot.newcomer.says("/aiec operations"))  # in the reader's own zone
    shown = await bot.newcomer.says("/aiec show op-1")
    timeline = shown.partition("Timeline (UTC)")[2]
    assert re.findall(r"\d\d:\d\d:\d\d  (.+)", timeline)[:4] == [
        "planned by engineer",
        "approved by lead",
        "begun",
        "deployment/gateway-production under way",
    ]
    assert "deployment/gateway-production done: 3 new pods available" in timeline
    assert "message.sent" not in shown
    assert "+ image: ghcr.io/aiecommerce/platform/gateway:v1.2.0@sha256:" in shown
