"""Going back, as people do it: to the revision before, to another one, to what was before one operation."""

import pytest

from tests.harness import Stage, said

GATEWAY, RECOMMENDATION = "gateway-production", "ml-recommendation-production"
CAUSE, OPERATION = "kubernetes.io/change-cause", "aiec.dev/operation"
EMERGENCY = '--emergency "a test"'


def marks(bot: Stage, name: str = GATEWAY) -> dict[str, str]:
    found: dict[str, str] = bot.world.kubernetes.get("Deployment", "aiecommerce", name)["metadata"]["annotations"]
    return found


async def deployed(bot: Stage, version: str = "v1.2.0") -> None:
    await bot.engineer.says(f"/aiec deploy prod {version} {EMERGENCY}")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()


async def test_it_returns_to_the_revision_before_and_says_what_does_not_come_back(bot: Stage) -> None:
    await deployed(bot)
    await bot.engineer.says("/aiec rollback prod gateway")
    plan = bot.last()
    assert "waiting · *Roll back gateway v1.2.0 → v1.1.0 in prod*" in plan
    assert "`gateway` v1.2.0 → *v1.1.0* · revision 2 → 1: image v1.2.0 → v1.1.0 · 3 pods, HPA 3–10" in plan
    assert "does not come back: replicas, ConfigMaps and Secrets, database migrations" in plan
    assert "promotion" not in plan

    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "✅ done · *Roll back gateway v1.2.0 → v1.1.0 in prod*" in bot.last()
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.1.0", "v1.2.0")
    assert marks(bot)[CAUSE] == "Roll back gateway v1.2.0 → v1.1.0 in prod by engineer (op-2)"
    assert marks(bot)[OPERATION] == "op-2"
    shown = await bot.engineer.says("/aiec show op-2")
    assert "deployment/gateway-production: revision 2 → 1" in shown
    assert "+ spec.template.spec.containers[gateway].image: ghcr.io/aiecommerce/platform/gateway:v1.1.0" in shown


async def test_without_an_earlier_revision_one_sentence_says_so(bot: Stage) -> None:
    told = await bot.engineer.says("/aiec rollback prod gateway")
    assert "Deployment gateway-production has no earlier revision to return to: it has no other." in told


@pytest.mark.slow
async def test_a_revision_that_is_not_there_or_is_there_already_is_refused_with_those_that_are(bot: Stage) -> None:
    await deployed(bot)
    assert "Deployment gateway-production has no revision 7: there are 1, 2 (now)." in await bot.engineer.says("/aiec rollback prod gateway --to 7")
    assert "`/aiec history prod gateway` shows what each of them is." in await bot.engineer.says("/aiec rollback prod gateway --to 7")
    assert "Deployment gateway-production is at revision 2 already." in await bot.engineer.says("/aiec rollback prod gateway --to 2")
    assert "*0* is below 1" in await bot.engineer.says("/aiec rollback prod gateway --to 0")
    assert "*last* is not a whole number" in await bot.engineer.says("/aiec rollback prod gateway --to last")
    assert "Which service goes back" in await bot.engineer.says("/aiec rollback prod")
    assert "not both" in await bot.engineer.says("/aiec rollback prod gateway --operation op-1")
    assert bot.image(GATEWAY) == "v1.2.0"


@pytest.mark.slow
async def test_a_paused_rollout_is_refused_and_it_says_how_it_goes_on(bot: Stage) -> None:
    await deployed(bot)
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    bot.world.kubernetes.apply({**workload, "spec": {**workload["spec"], "paused": True}})
    told = await bot.engineer.says("/aiec rollback prod gateway")
    assert "deployment/gateway-production is paused: nothing would roll out." in told
    assert "`/aiec resume prod gateway`" in told


@pytest.mark.slow
async def test_a_freeze_stops_it_and_an_emergency_waives_that(bot: Stage) -> None:
    await deployed(bot)
    await bot.lead.says("/aiec freeze prod the auditors are here")
    assert "prod is frozen" in await bot.engineer.says("/aiec rollback prod gateway")
    await bot.engineer.says('/aiec rollback prod gateway --emergency "checkout is down"')
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert bot.image(GATEWAY) == "v1.1.0"


@pytest.mark.slow
async def test_somebody_elses_change_between_plan_and_approval_refuses_it(bot: Stage) -> None:
    await deployed(bot)
    await bot.engineer.says("/aiec rollback prod gateway")
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "somebody/else:v9"
    bot.world.kubernetes.apply(workload)
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert "was refused" in bot.last()
    assert "deployment/gateway-production was changed meanwhile: its spec.template.spec.containers[gateway].image is somebody/else:v9 now" in bot.last()
    assert bot.image(GATEWAY) == "v9"


@pytest.mark.slow
async def test_a_revision_that_fails_too_is_left_again_with_its_cause(bot: Stage) -> None:
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.3.0-crash"
    bot.world.kubernetes.apply(workload)
    await bot.forward(2)
    await deployed(bot)
    await bot.engineer.says("/aiec rollback prod gateway")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "↩︎ rolled back · *Roll back gateway v1.2.0 → v1.3.0-crash in prod failed and was undone*" in bot.last()
    assert "CrashLoopBackOff" in bot.last()
    assert (bot.image(GATEWAY), marks(bot)[OPERATION]) == ("v1.2.0", "op-1")
    assert marks(bot)[CAUSE] == "Deploy v1.2.0 to prod by engineer (op-1)"


@pytest.mark.slow
async def test_one_operation_is_undone_in_reverse_order(bot: Stage) -> None:
    await deployed(bot)
    await bot.engineer.says("/aiec rollback prod --operation op-1")
    assert "*Undo op-1 (Deploy v1.2.0 to prod)*" in bot.last()
    assert bot.last().index("`ml-recommendation` v1.2.0 → *v1.1.0*") < bot.last().index("`gateway` v1.2.0 → *v1.1.0*")
    bot.world.kubernetes.ready_after = 10
    await bot.lead.clicks("Approve")
    await bot.forward(4)
    assert (bot.image(RECOMMENDATION), bot.image(GATEWAY)) == ("v1.1.0", "v1.2.0")
    await bot.forward(minutes=3)
    assert "✅ done" in bot.last()
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.1.0", "v1.1.0")
    assert marks(bot)[OPERATION] == "op-2"


@pytest.mark.slow
async def test_of_an_operation_only_what_still_carries_its_mark_is_undone(bot: Stage) -> None:
    await deployed(bot)
    await bot.engineer.says("/aiec rollback prod gateway")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    await bot.engineer.says("/aiec rollback prod --operation op-1")
    assert "left alone: deployment/gateway-production was changed by op-2 meanwhile" in bot.last()
    assert "`ml-recommendation` v1.2.0 → *v1.1.0*" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert bot.image(RECOMMENDATION) == "v1.1.0"
    told = await bot.engineer.says("/aiec rollback prod --operation op-1")
    assert "Nothing of op-1 can be undone: deployment/" in told
    assert "op-1 changed prod, not staging." in await bot.engineer.says("/aiec rollback staging --operation op-1")
    assert "There is no operation op-99" in await bot.engineer.says("/aiec rollback prod --operation op-99")


@pytest.mark.slow
async def test_whoever_answers_an_open_incident_on_the_service_needs_no_approval(bot: Stage) -> None:
    await deployed(bot)
    await bot.senior.says("/aiec incident declare SEV1 errors --service gateway")
    await bot.senior.says("/aiec incident ack #1")
    await bot.engineer.says("/aiec rollback prod gateway --dry-run")
    assert "It would need one approval" in said(bot.engineer.sees()[-1])

    await bot.senior.says("/aiec rollback prod gateway")
    await bot.forward(minutes=1)
    assert "✅ done · *Roll back gateway v1.2.0 → v1.1.0 in prod*" in bot.last()
    assert bot.image(GATEWAY) == "v1.1.0"
    announced = [said(one) for one in bot.slack.messages("incidents") if "Without an approval" in one.plain]
    assert ["asked by @senior, who has acknowledged #1 (SEV1) on gateway" in one for one in announced] == [True]
    shown = await bot.senior.says("/aiec show op-2")
    assert "needs no approval: you have acknowledged #1 (SEV1) on gateway, which is open" in shown


@pytest.mark.slow
async def test_an_incident_on_another_service_or_of_another_severity_changes_nothing(bot: Stage) -> None:
    await deployed(bot)
    for number, what in enumerate(("SEV1 errors --service ml-recommendation", "SEV3 errors --service gateway", "SEV1 errors"), 1):
        await bot.senior.says(f"/aiec incident declare {what}")
        await bot.senior.says(f"/aiec incident ack #{number}")
    await bot.senior.says("/aiec rollback prod gateway")
    assert "waits for one approval" in bot.last()
    assert bot.image(GATEWAY) == "v1.2.0"
