"""A deploy as people live it: asked, approved, rolled out; and everything that can stand in its way."""

import re

import pytest

from sandbox.faults import Fault
from tests.harness import Stage, said

GATEWAY, RECOMMENDATION = "gateway-production", "ml-recommendation-production"
EMERGENCY = '--emergency "checkout is down"'


async def test_a_good_deploy_is_one_message_from_the_plan_to_the_end(bot: Stage) -> None:
    told = await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert "op-1" in told
    assert "in #devops" in told
    plan = bot.last()
    assert "waiting · *Deploy v1.2.0 to prod*" in plan
    assert "asked by @engineer · waits for one approval of @senior, @lead or @devops (until " in plan
    assert "`gateway` v1.1.0 → *v1.2.0*" in plan
    assert "HPA 2–5" in plan
    assert bot.message_with("Show diff").buttons == ["Approve", "Reject", "Show diff"]
    assert "+ image: " in await bot.engineer.says("/aiec show op-1")
    assert bot.engineer.sees()[-1].buttons == ["Approve", "Reject"]  # the diff is there
    for check in ("images found, pinned", "no lock", "no freeze", "staging healthy for 2 h"):
        assert f"✅ {check}" in plan
    assert bot.image(GATEWAY) == "v1.1.0"

    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)

    assert "✅ done · *Deploy v1.2.0 to prod*" in bot.last()
    assert "asked by @engineer, approved by @lead" in bot.last()
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.2.0", "v1.2.0")
    assert len([m for m in bot.slack.messages("devops") if m.app and not m.visible_to and not m.is_reply]) == 1
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    assert workload["metadata"]["annotations"]["kubernetes.io/change-cause"] == "Deploy v1.2.0 to prod by engineer (op-1)"
    assert "@sha256:" in workload["spec"]["template"]["spec"]["containers"][0]["image"]


async def test_the_second_wave_waits_for_the_first(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.world.kubernetes.ready_after = 20
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert "waits for gateway" in bot.last()
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.2.0", "v1.1.0")


async def test_a_crashing_version_is_put_back_with_its_cause(bot: Stage) -> None:
    await bot.engineer.says(f"/aiec deploy prod v1.3.0-crash {EMERGENCY}")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    ended = bot.last()
    assert "↩︎ rolled back · *Deploy v1.3.0-crash to prod failed and was rolled back*" in ended
    assert "CrashLoopBackOff, exit 1" in ended
    assert "KeyError: 'PAYMENTS_URL'" in ended
    assert "`ml-recommendation` was not touched" in ended
    assert bot.image(GATEWAY) == "v1.1.0"
    marks = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)["metadata"]["annotations"]
    assert marks["kubernetes.io/change-cause"] == "installed"
    assert "aiec.dev/operation" not in marks
    message = next(m for m in bot.slack.messages("devops") if "rolled back" in m.plain)
    assert "Traceback" in "".join(said(reply) for reply in bot.slack.thread(message))


async def test_nobody_approves_his_own_request(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.engineer.clicks("Approve")
    assert "your own request" in said(bot.engineer.sees()[-1])
    assert "waits for one approval" in bot.last()
    await bot.forward(minutes=1)
    assert bot.image(GATEWAY) == "v1.1.0"


async def test_a_second_click_on_approve_changes_nothing(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    card = bot.message_with("Approve")
    await bot.lead.clicks("Approve", message=card)
    await bot.lead.clicks("Approve", message=card)
    assert "does not wait for an approval any more" in said(bot.lead.sees()[-1])
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()


async def test_an_approval_that_comes_too_late_does_nothing(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    card = bot.message_with("Approve")
    await bot.forward(minutes=31, step=60)
    assert "expired" in bot.last()
    await bot.lead.clicks("Approve", message=card)
    await bot.forward(minutes=1)
    assert bot.image(GATEWAY) == "v1.1.0"


async def test_drift_between_plan_and_approval_is_named_and_nothing_is_done(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.0.0"
    bot.world.kubernetes.apply(workload)
    await bot.lead.clicks("Approve")
    assert "was refused" in bot.last()
    assert f"deployment/{GATEWAY} runs v1.0.0 now, not v1.1.0" in bot.last()
    assert bot.image(RECOMMENDATION) == "v1.1.0"
    await bot.engineer.clicks("Plan again")
    assert "`gateway` v1.0.0 → *v1.2.0*" in bot.last()


@pytest.mark.slow
async def test_a_changed_replica_count_is_no_drift(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    workload["spec"]["replicas"] = 4
    bot.world.kubernetes.apply(workload)
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()


async def test_cancelling_half_way_puts_back_what_was_changed(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.world.kubernetes.ready_after = 20
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert bot.image(GATEWAY) == "v1.2.0"
    await bot.engineer.clicks("Cancel")
    await bot.forward(minutes=1)
    assert "was cancelled" in bot.last()
    assert "Cancelled by @engineer" in bot.last()
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.1.0", "v1.1.0")


@pytest.mark.slow
async def test_only_what_is_still_ours_is_put_back(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.world.kubernetes.ready_after = 20
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.0.0"
    workload["metadata"]["annotations"]["aiec.dev/operation"] = "somebody"
    bot.world.kubernetes.apply(workload)
    await bot.forward(minutes=2)
    assert bot.image(GATEWAY) == "v1.0.0"
    assert "not put back" in bot.last()
    assert "was changed by somebody meanwhile" in bot.last()


@pytest.mark.slow
async def test_an_unhealthy_platform_is_a_failure_and_is_put_back(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    bot.world.platform.tell("prod", type(bot.world.platform.look("prod", "/health"))(status=503), "/health")
    await bot.forward(minutes=2)
    assert "failed and was rolled back" in bot.last()
    assert re.search(r"/prod/health: 503", bot.last())
    assert bot.image(GATEWAY) == "v1.1.0"


async def test_staging_needs_nobody_and_feeds_the_promotion(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy staging v1.2.1")
    await bot.forward(minutes=1)
    assert "✅ done · *Deploy v1.2.1 to staging*" in bot.last()
    refused = await bot.engineer.says("/aiec deploy prod v1.2.1")
    assert re.search(r"staging has run v1\.2\.1 of gateway healthily for \d+ s only; it must for 15 min", refused)
    await bot.forward(minutes=15, step=60)
    await bot.engineer.says("/aiec deploy prod v1.2.1")
    assert "staging healthy for 15 min" in bot.last()


async def test_a_version_that_staging_never_ran_needs_an_emergency(bot: Stage) -> None:
    refused = await bot.engineer.says("/aiec deploy prod v1.2.1")
    assert "staging has not run v1.2.1" in refused
    await bot.engineer.says(f"/aiec deploy prod v1.2.1 {EMERGENCY}")
    assert "as an emergency (checkout is down)" in bot.last()
    assert "(waived)" in bot.last()
    await bot.forward(2)
    announced = bot.last("incidents")
    assert "*Emergency: Deploy v1.2.1 to prod*" in announced
    assert "asked by @engineer: checkout is down" in announced
    assert "waived: staging has not run v1.2.1" in announced


async def test_a_missing_version_names_the_nearest(bot: Stage) -> None:
    refused = await bot.engineer.says("/aiec deploy prod v1.2.9")
    assert "v1.2.9 does not exist in the registry" in refused
    assert "Did you mean `v1.2.2`?" in refused  # the newest of those equally near


async def test_one_service_alone(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0 --service ml-recommendation")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.1.0", "v1.2.0")


async def test_a_rehearsal_shows_what_an_approval_would_and_does_nothing(bot: Stage) -> None:
    shown = await bot.engineer.says("/aiec deploy prod v1.2.0 --dry-run")
    assert shown.startswith("*Rehearsal: Deploy v1.2.0 to prod* · nothing was changed")
    assert "It would need one approval" in shown
    assert "done" not in shown
    assert "`gateway` v1.1.0 → *v1.2.0*" in shown
    assert "- image: ghcr.io/aiecommerce/platform/gateway:v1.1.0@sha256:" in shown
    assert not [m for m in bot.slack.messages("devops") if m.app and not m.visible_to]


async def test_a_second_operation_is_refused_while_one_runs(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.world.kubernetes.ready_after = 30
    await bot.lead.clicks("Approve")
    await bot.forward(2)
    refused = await bot.senior.says(f"/aiec deploy prod v1.2.1 {EMERGENCY}")
    assert refused.count("op-1 holds prod since") == 1


async def test_a_cluster_that_does_not_answer_while_planning_is_said_and_nothing_is_stored(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="kubernetes", status=503))
    refused = await bot.engineer.says("/aiec deploy prod v1.2.0")
    assert "503" in refused or "not answer" in refused or "unavailable" in refused.lower()
    assert not [m for m in bot.slack.messages("devops") if m.app and not m.visible_to]


async def _half_way(bot: Stage, status: int) -> str:
    """A deploy in whose middle the cluster answers with this status alone, until the fault of the name that is returned is cleared."""
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.world.kubernetes.ready_after = 10
    await bot.lead.clicks("Approve")
    return bot.world.faults.add(Fault(kind="status", system="kubernetes", status=status))


@pytest.mark.slow
async def test_a_cluster_that_falls_silent_half_way_is_waited_for(bot: Stage) -> None:
    name = await _half_way(bot, 503)
    await bot.forward(40)
    assert "no answer, tries" in bot.last()
    bot.world.faults.clear(name)
    await bot.forward(minutes=2)
    assert "✅ done" in bot.last()


@pytest.mark.slow
async def test_a_token_that_expires_half_way_is_waited_for_and_named(bot: Stage) -> None:
    """What had begun goes on when somebody has renewed it; nothing is put back meanwhile, for nothing could be."""
    name = await _half_way(bot, 401)
    await bot.forward(40)
    told = " ".join(bot.last().split())
    assert "tries again: The cluster of prod" in told
    assert "does not accept our credentials (401 Unauthorized). The token has expired or was revoked: renew" in told
    bot.world.faults.clear(name)
    await bot.forward(minutes=2)
    assert "✅ done" in bot.last()


@pytest.mark.slow
async def test_a_token_that_nobody_renews_ends_it_and_what_was_not_put_back_is_named(bot: Stage) -> None:
    await _half_way(bot, 401)
    await bot.forward(minutes=40, step=20)
    assert "❌ failed" in bot.last()
    assert "does not accept our credentials" in bot.last()
    assert "`gateway` " in bot.last()
    assert bot.image(GATEWAY) == "v1.2.0"


async def test_slack_down_holds_up_no_deploy_and_loses_no_message(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    bot.slack.down = True
    await bot.forward(minutes=1)
    assert bot.image(RECOMMENDATION) == "v1.2.0"
    bot.slack.down = False
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()
