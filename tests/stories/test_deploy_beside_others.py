"""A deploy while colleagues work on the same things by other ways: nothing of theirs is overwritten, and what is said of ours is true."""

from typing import Any

import pytest

from bot.core.errors import Unavailable
from sandbox.faults import Fault
from tests.harness import Stage

GATEWAY, RECOMMENDATION = "gateway-production", "ml-recommendation-production"
CAUSE = "kubernetes.io/change-cause"


def gateway(bot: Stage) -> dict[str, Any]:
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    assert workload is not None
    return workload


def annotate(bot: Stage, cause: str) -> None:
    bot.world.kubernetes.apply(gateway(bot) | {"metadata": {**gateway(bot)["metadata"], "annotations": {CAUSE: cause}}})


async def test_a_change_cause_that_somebody_wrote_meanwhile_stays(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.world.kubernetes.ready_after = 20
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    annotate(bot, "tried by hand")
    await bot.engineer.clicks("Cancel")
    await bot.forward(minutes=1)
    assert "was cancelled" in bot.last()
    assert (bot.image(GATEWAY), gateway(bot)["metadata"]["annotations"][CAUSE]) == ("v1.1.0", "tried by hand")


async def test_a_service_that_somebody_changes_while_a_later_one_rolls_out_is_no_success(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert bot.image(RECOMMENDATION) == "v1.2.0"
    workload = gateway(bot)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.0.0"
    bot.world.kubernetes.apply(workload)
    await bot.forward(minutes=1)
    assert "runs v1.0.0 now: somebody else changed it" in bot.last()
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.0.0", "v1.1.0")


async def test_who_locks_an_environment_still_runs_one_operation_there_at_a_time(bot: Stage) -> None:
    await bot.senior.says("/aiec lock prod working on it")
    await bot.senior.says("/aiec deploy prod v1.2.0 --service gateway")
    card = bot.message_with("Approve")
    await bot.senior.says("/aiec deploy prod v1.2.0 --service ml-recommendation")
    second = bot.message_with("Approve")
    bot.world.kubernetes.ready_after = 30
    await bot.lead.clicks("Approve", message=card)
    await bot.senior.says("/aiec unlock prod")
    await bot.lead.clicks("Approve", message=second)
    assert "op-1 is under way in prod" in next(message.plain for message in bot.slack.messages("devops") if "op-2" in message.plain)
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.2.0", "v1.1.0")


@pytest.mark.slow
async def test_an_approval_that_could_not_be_used_in_time_is_void(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.world.faults.add(Fault(kind="status", system="kubernetes", status=503))
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=31, step=30)
    assert "expired" in bot.last()
    assert "it could not start in time" in bot.last()
    bot.world.faults.clear()
    await bot.forward(minutes=1)
    assert bot.image(GATEWAY) == "v1.1.0"


async def test_a_process_that_stood_still_changes_nothing_before_it_holds_the_engine_again(bot: Stage) -> None:
    await bot.settle()
    bot.bot.world().about_to_act()
    bot.world.clock.advance(20)
    with pytest.raises(Unavailable):
        bot.bot.world().about_to_act()
    await bot.settle()
    bot.bot.world().about_to_act()
