"""Restarting and scaling, as people do it; and what keeps them from it."""

import pytest

from tests.harness import Stage, said

GATEWAY = "gateway-production"
RESTARTED, SCALED = "kubectl.kubernetes.io/restartedAt", "aiec.dev/scaled-by"


def workload(bot: Stage, name: str = GATEWAY, kind: str = "Deployment"):
    return bot.world.kubernetes.get(kind, "aiecommerce", name)


def without_autoscaler(bot: Stage) -> None:
    bot.world.kubernetes.delete("HorizontalPodAutoscaler", "aiecommerce", GATEWAY)


def pods(bot: Stage) -> set[str]:
    found = bot.world.kubernetes.pods("aiecommerce")
    return {one["metadata"]["name"] for one in found if one["metadata"]["name"].startswith(GATEWAY) and not one["metadata"].get("deletionTimestamp")}


async def new_pods_crash(bot: Stage) -> None:
    """The operation is approved, and the pods that it makes turn out badly."""
    before = pods(bot)
    bot.world.kubernetes.ready_after = 30
    await bot.lead.clicks("Approve")
    await bot.forward(2)
    fresh = pods(bot) - before
    assert fresh
    for name in fresh:
        bot.world.kubernetes.set_fate("aiecommerce", name, "crash")
    bot.world.kubernetes.ready_after = 0.2


@pytest.mark.slow
async def test_a_restart_replaces_all_pods_and_is_watched(bot: Stage) -> None:
    before = pods(bot)
    await bot.engineer.says("/aiec restart prod gateway")
    assert "waiting · *Restart gateway v1.1.0 in prod*" in bot.last()
    assert "`gateway` *restarts v1.1.0* · 3 pods, HPA 3–10" in bot.last()
    await bot.forward(minutes=2)
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "✅ done · *Restart gateway v1.1.0 in prod*" in bot.last()
    assert "`gateway` restarted, 3 new pods available" in bot.last()
    assert len(pods(bot)) == 3
    assert not pods(bot) & before
    assert workload(bot)["spec"]["template"]["metadata"]["annotations"][RESTARTED].startswith("2026-11-23T14:00:")
    assert workload(bot)["metadata"]["annotations"]["kubernetes.io/change-cause"] == "Restart gateway v1.1.0 in prod by engineer (op-1)"


async def test_the_same_restart_asked_for_twice_is_one_operation(bot: Stage) -> None:
    await bot.engineer.says("/aiec restart prod gateway")
    await bot.forward(5)
    assert "op-1" in await bot.engineer.says("/aiec restart prod gateway")
    assert "There is no operation op-2" in await bot.engineer.says("/aiec show op-2")


@pytest.mark.slow
async def test_a_restart_that_does_not_come_up_is_put_back_with_its_cause(bot: Stage) -> None:
    await bot.engineer.says("/aiec restart prod gateway")
    await new_pods_crash(bot)
    await bot.forward(minutes=2)
    assert "failed and was rolled back" in bot.last()
    assert "CrashLoopBackOff" in bot.last()
    assert RESTARTED not in (workload(bot)["spec"]["template"]["metadata"].get("annotations") or {})


@pytest.mark.slow
async def test_scaling_waits_until_all_are_ready(bot: Stage) -> None:
    without_autoscaler(bot)
    bot.world.kubernetes.ready_after = 10
    await bot.engineer.says("/aiec scale prod gateway 5")
    assert "waiting · *Scale gateway 3 → 5 in prod*" in bot.last()
    assert "✅ within 3–10" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert "⏳ running" in bot.last()
    await bot.forward(30)
    assert "✅ done · *Scale gateway 3 → 5 in prod*" in bot.last()
    assert "`gateway` 5 pods, all of them ready" in bot.last()
    assert (len(pods(bot)), workload(bot)["metadata"]["annotations"][SCALED]) == (5, "op-1")
    assert workload(bot)["metadata"]["annotations"]["kubernetes.io/change-cause"] == "installed"

    await bot.engineer.says("/aiec rollback prod --operation op-1")
    await bot.lead.clicks("Approve")
    await bot.forward(30)
    assert "✅ done" in bot.last()
    assert len(pods(bot)) == 3


@pytest.mark.slow
async def test_where_an_autoscaler_decides_its_bounds_are_offered_instead(bot: Stage) -> None:
    told = await bot.engineer.says("/aiec scale prod gateway 5")
    assert "HPA gateway-production decides how many pods there are, between 3 and 10: it would undo the change." in told
    answer = [one for one in bot.engineer.sees() if "Set the HPA's bounds to 5–10" in one.buttons][-1]
    await bot.engineer.clicks("Set the HPA's bounds to 5–10", message=answer)
    assert "*Let the HPA of gateway choose 5–10 in prod*" in bot.last()
    assert "`gateway` *HPA 3–10 → 5–10*" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=2)
    assert "✅ done" in bot.last()
    assert "HPA 5–10, 5 pods ready" in bot.last()
    scaler = bot.world.kubernetes.get("HorizontalPodAutoscaler", "aiecommerce", GATEWAY)
    assert (scaler["spec"]["minReplicas"], scaler["metadata"]["annotations"]["aiec.dev/operation"]) == (5, "op-1")
    assert len(pods(bot)) == 5


MISTAKES = {
    "/aiec scale prod gateway 11": "11 is too many: gateway has 3–10 pods by `services.gateway.replicas` of aiec.yaml.",
    "/aiec scale prod redis 0": "0 is too few: redis has 3 pods by `services.redis.replicas` of aiec.yaml.",
    "/aiec scale prod gateway 2": "2 is too few: gateway has 3–10 pods",
    "/aiec scale prod gateway 0": "--contain`, which needs an approval",
    "/aiec scale prod gateway -1": "*-1* is below 0",
    "/aiec scale prod gateway many": "*many* is not a whole number",
    "/aiec scale prod gateway 3": "deployment/gateway-production has 3 pods already.",
    "/aiec scale prod gatway 3": "*gatway* is not a service; did you mean `gateway`?",
    "/aiec scale prod gateway": "Say how many pods",
    "/aiec scale prod gateway --bounds 10-3": "*10-3* are no bounds",
    "/aiec scale prod gateway --bounds 3-10": "No autoscaler decides on deployment/gateway-production",
    "/aiec scale prod gateway 4 --bounds 3-10": "Either a number, or bounds.",
}


async def test_bounds_beyond_the_guard_rails_are_not_offered(bot: Stage) -> None:
    for pods_ in (11, 2):
        told = await bot.engineer.says(f"/aiec scale prod gateway {pods_}")
        assert "HPA gateway-production decides" in told
        assert "Set the HPA's bounds" not in told
        assert bot.engineer.sees()[-1].buttons == []  # neither would another plan help


async def test_bounds_stay_within_the_guard_rails_and_differ_from_those_that_are(bot: Stage) -> None:
    assert "11 is too many: gateway has 3–10 pods" in await bot.engineer.says("/aiec scale prod gateway --bounds 3-11")
    assert "2 is too few: gateway has 3–10 pods" in await bot.engineer.says("/aiec scale prod gateway --bounds 2-10")
    assert bot.engineer.sees()[-1].buttons == []
    assert "goes from 3 to 10 already" in await bot.engineer.says("/aiec scale prod gateway --bounds 3-10")
    assert bot.engineer.sees()[-1].buttons == []


async def test_bad_numbers_are_refused_in_one_sentence(bot: Stage) -> None:
    without_autoscaler(bot)
    before = workload(bot)
    for text, sentence in MISTAKES.items():
        assert sentence in await bot.engineer.says(text), text
    assert workload(bot) == before
    assert not [one for one in bot.slack.messages("devops", "lead") if one.app]


async def test_what_does_not_exist_is_not_scaled(bot: Stage) -> None:
    bot.world.kubernetes.delete("Deployment", "aiecommerce", GATEWAY)
    assert "Deployment gateway-production does not exist in aiecommerce (prod)." in await bot.engineer.says("/aiec scale prod gateway 4")
    assert "Deployment gateway-production does not exist in aiecommerce (prod)." in await bot.engineer.says("/aiec restart prod gateway")


@pytest.mark.slow
async def test_zero_is_for_containment_and_always_needs_somebody_else(bot: Stage) -> None:
    await bot.senior.says("/aiec incident declare SEV1 intruder --service gateway")
    await bot.senior.says("/aiec incident ack #1")
    await bot.senior.says("/aiec scale prod gateway 0 --contain")
    assert "waits for one approval" in bot.last()
    assert "contains gateway: 0 pods" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(30)
    assert "`gateway` 0 pods, none is left" in bot.last()
    assert pods(bot) == set()

    await bot.senior.says("/aiec scale prod gateway 3")  # up again: who answers the incident may do that alone
    await bot.forward(30)
    assert "✅ done · *Scale gateway 0 → 3 in prod*" in bot.last()
    assert len(pods(bot)) == 3
    assert len([one for one in bot.slack.messages("incidents") if "Without an approval: Scale gateway 0 → 3 in prod" in one.plain]) == 1


async def test_room_is_looked_for_before(bot: Stage) -> None:
    without_autoscaler(bot)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": "aiecommerce"}, "spec": {"hard": {"pods": "15"}}}
    bot.world.kubernetes.apply(quota)
    await bot.forward(5)
    left = 15 - int(bot.world.kubernetes.get("ResourceQuota", "aiecommerce", "team")["status"]["used"]["pods"])
    assert left < 6
    assert f"Quota team has {left} pods left, 6 more pods of Deployment gateway-production need 6." in await bot.engineer.says("/aiec scale prod gateway 9")


async def test_a_budget_that_fewer_pods_leave_no_room_in_is_named(bot: Stage) -> None:
    without_autoscaler(bot)
    before = bot.world.kubernetes.get("PodDisruptionBudget", "aiecommerce", "gateway")
    bot.world.kubernetes.apply({**before, "spec": {**before["spec"], "minAvailable": 4}})
    await bot.forward(2)
    await bot.engineer.says("/aiec scale prod gateway 4")
    assert "PodDisruptionBudget" not in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    bot.world.kubernetes.apply({**before, "spec": {**before["spec"], "minAvailable": 3}})
    await bot.engineer.says("/aiec scale prod gateway 3")
    assert "PodDisruptionBudget gateway wants 3 healthy pods: with 3 it lets no node be drained." in bot.last()


@pytest.mark.slow
async def test_when_it_does_not_get_there_it_says_why_and_offers_to_undo_it(bot: Stage) -> None:
    without_autoscaler(bot)
    await bot.engineer.says("/aiec scale prod gateway 4")
    await new_pods_crash(bot)
    await bot.forward(minutes=2)
    assert "❌ failed · *Scale gateway 3 → 4 in prod failed*" in bot.last()
    assert "CrashLoopBackOff" in bot.last()
    assert workload(bot)["spec"]["replicas"] == 4
    await bot.engineer.clicks("Undo it")
    await bot.lead.clicks("Approve")
    await bot.forward(30)
    assert "✅ done · *Undo op-1 (Scale gateway 3 → 4 in prod)*" in bot.last()
    assert workload(bot)["spec"]["replicas"] == 3


async def test_the_terminal_says_the_same(bot: Stage) -> None:
    told = await bot.engineer.says("/aiec scale prod gateway 4 --dry-run")
    assert "HPA gateway-production decides" in told
    assert "It is `kubectl rollout undo`" in await bot.engineer.says("/aiec help rollback")
    assert said(bot.engineer.sees()[-1])
