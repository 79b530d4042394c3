"""Cutting a service off from the network, and letting it back."""

from typing import Any

from tests.harness import Stage

NAMESPACE, NAME = "aiecommerce", "aiec-isolates-gateway"


def made(bot: Stage) -> dict[str, Any] | None:
    return bot.world.kubernetes.get("NetworkPolicy", NAMESPACE, NAME)


async def approved(bot: Stage, text: str) -> None:
    await bot.senior.says(text)
    await bot.lead.clicks("Approve")
    await bot.forward(5)


def policy(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


async def test_a_service_is_isolated_and_let_back_each_with_an_approval(bot: Stage) -> None:
    await bot.senior.says("/aiec incident declare SEV1 intruder --service gateway")
    await bot.senior.says("/aiec incident ack #1")
    await bot.senior.says("/aiec isolate prod gateway")
    assert "waits for one approval" in bot.last()  # also of whoever answers the incident
    assert "`gateway` *gets no traffic and sends none* · 3 pods" in bot.last()
    assert "no other NetworkPolicy lets traffic through" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert "✅ done · *Isolate gateway in prod*" in bot.last()
    assert f"`gateway` isolated, by networkpolicy/{NAME}" in bot.last()
    there = made(bot)
    assert there is not None
    assert there["spec"] == {"podSelector": {"matchLabels": {"app": "gateway"}}, "policyTypes": ["Ingress", "Egress"]}
    assert there["metadata"]["annotations"]["aiec.dev/operation"] == "op-1"
    assert "gateway is isolated already by op-1." in await bot.senior.says("/aiec isolate prod gateway")

    await approved(bot, "/aiec unisolate prod gateway")
    assert "✅ done · *Let gateway back on the network in prod*" in bot.last()
    assert made(bot) is None
    assert "gateway is not isolated." in await bot.senior.says("/aiec unisolate prod gateway")


async def test_policies_that_let_traffic_through_are_named(bot: Stage) -> None:
    bot.world.kubernetes.apply(policy("allow-web", podSelector={"matchLabels": {"app": "gateway"}}, policyTypes=["Ingress"], ingress=[{}]))
    bot.world.kubernetes.apply(policy("allow-dns", podSelector={}, policyTypes=["Egress"], egress=[{}]))
    bot.world.kubernetes.apply(policy("allow-other", podSelector={"matchLabels": {"app": "other"}}, policyTypes=["Ingress"], ingress=[{}]))
    bot.world.kubernetes.apply(policy("deny-all", podSelector={}, policyTypes=["Ingress", "Egress"]))
    await bot.senior.says("/aiec isolate prod gateway")
    assert "not cut off by this alone: allow-dns, allow-web still lets traffic through" in bot.last()


async def test_an_isolation_is_undone_as_the_operation_that_it_was(bot: Stage) -> None:
    await approved(bot, "/aiec isolate prod gateway")
    await approved(bot, "/aiec rollback prod --operation op-1")
    assert made(bot) is None
    assert "networkpolicy/aiec-isolates-gateway does not exist any more" in await bot.senior.says("/aiec rollback prod --operation op-1")


async def test_somebody_elses_policy_of_that_name_is_left_alone(bot: Stage) -> None:
    bot.world.kubernetes.apply(policy(NAME, podSelector={}, policyTypes=["Ingress"]))
    assert "gateway is isolated already by somebody else." in await bot.senior.says("/aiec isolate prod gateway")
    await approved(bot, "/aiec unisolate prod gateway")
    assert "❌ failed" in bot.last()
    assert "carries no mark of aiec: it is somebody else's" in bot.last()
    assert made(bot) is not None


async def test_only_who_may_isolate_does(bot: Stage) -> None:
    assert "engineer" in await bot.engineer.says("/aiec isolate prod gateway")
    assert "*gatway* is not a service; did you mean `gateway`?" in await bot.senior.says("/aiec isolate prod gatway")
    assert not [one for one in bot.slack.messages("devops", "lead") if one.app]
