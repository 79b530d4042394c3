"""What is kept when an incident is opened: what production looked like, and who may have caused it."""

import pytest

from sandbox.faults import Fault
from tests.harness import Stage, said

GATEWAY = "gateway-production"
DECLARE = "/aiec incident declare SEV1 error rate 12 % --service gateway"


async def settle(bot: Stage) -> None:
    await bot.forward(3, step=1)


def thread(bot: Stage) -> str:
    """Everything in the thread of the incident's card."""
    card = next(message for message in bot.slack.messages("incidents") if not message.is_reply and "#1" in message.plain)
    return "\n".join(said(reply) for reply in bot.slack.thread(card))


async def deployed(bot: Stage) -> None:
    """v1.2.0 goes to production."""
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)


async def test_the_last_deploy_is_a_suspect_with_a_button_that_takes_it_back(bot: Stage) -> None:
    await deployed(bot)
    await bot.forward(minutes=5, step=60)
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert "*Suspect*: gateway v1.1.0 → v1.2.0 by engineer (op-1), 6 min before this" in bot.last("incidents")
    await bot.senior.clicks("Roll back op-1", "incidents")
    assert "*Undo op-1 (Deploy v1.2.0 to prod)*" in bot.last("devops")
    assert "waits for one approval" in bot.last("devops")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=2)
    assert "✅ done" in bot.last("devops")
    assert bot.image(GATEWAY) == "v1.1.0"


@pytest.mark.slow
async def test_what_was_scaled_is_a_suspect_too(bot: Stage) -> None:
    await bot.engineer.says("/aiec scale prod gateway --bounds 4-10")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=2)
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert "*Suspect*: gateway HPA 3–10 → 4–10 by engineer (op-1), 2 min before this" in bot.last("incidents")
    assert "Roll back op-1" in bot.slack.messages("incidents")[0].buttons


@pytest.mark.slow
async def test_what_somebody_changed_past_the_bot_is_a_suspect_too(bot: Stage) -> None:
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.2.0"
    workload["metadata"]["annotations"]["kubernetes.io/change-cause"] = "kubectl set image by hand"
    bot.world.kubernetes.apply(workload)
    await bot.forward(minutes=4, step=60)
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert "*Suspect*: gateway v1.1.0 → v1.2.0, past aiec (kubectl set image by hand), 4 min before this" in bot.last("incidents")
    assert "Roll back gateway to v1.1.0" in bot.slack.messages("incidents")[0].buttons


@pytest.mark.slow
async def test_an_old_deploy_and_one_of_another_service_are_no_suspects(bot: Stage) -> None:
    await deployed(bot)
    await bot.senior.says("/aiec incident declare SEV3 queue grows --service rabbitmq")
    await settle(bot)
    assert "Suspect" not in bot.last("incidents")
    await bot.forward(minutes=180, step=600)
    await bot.senior.says("/aiec incident declare SEV3 slow --service gateway")
    await settle(bot)
    assert "Suspect" not in bot.last("incidents")


async def test_pods_events_logs_and_revisions_are_kept(bot: Stage) -> None:
    workload = bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.3.0-crash"
    bot.world.kubernetes.apply(workload)
    await bot.forward(40)
    bot.world.faults.add(Fault(kind="latency", system="kubernetes", path="/pods", seconds=0.3))  # pods come first also when they are answered last
    await bot.senior.says(DECLARE)
    await settle(bot)
    kept = thread(bot)
    assert "Evidence of #1, as it was at 14:00:4" in kept
    assert "CrashLoopBackOff" in kept
    assert "KeyError: 'PAYMENTS_URL'" in kept
    assert "BackOff  pod/gateway-production-" in kept
    assert "v1.3.0-crash" in kept.partition("Rollout history")[2]
    shown = await bot.senior.says("/aiec incident show 1")
    assert "KeyError: 'PAYMENTS_URL'" in shown
    assert "kept: Pods" in shown


async def test_the_figures_of_the_hour_before_are_a_picture_in_the_thread(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert "Figures of the hour before #1" in thread(bot)
    assert "gateway error rate" in thread(bot)


async def test_a_cluster_that_does_not_answer_holds_up_no_incident(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="kubernetes", status=503))
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert "*#1 SEV1 gateway: error rate 12 %*" in bot.last("incidents")
    assert "Not seen: pods in prod:" in thread(bot)


async def test_evidence_of_a_private_incident_stays_in_its_channel(bot: Stage) -> None:
    await bot.senior.says("/aiec incident declare SEV3 somebody reads our database --service gateway --private")
    await settle(bot)
    summary = bot.slack.messages("inc-1")[0]
    assert "Evidence of #1" in "".join(said(reply) for reply in bot.slack.thread(summary))
    assert bot.slack.messages("incidents") == []
