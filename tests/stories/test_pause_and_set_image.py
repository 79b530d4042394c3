"""Holding a rollout and letting it go on, and another image for one service alone."""

import pytest

from sandbox.world import World
from tests.harness import Stage

GATEWAY, RECOMMENDATION = "gateway-production", "ml-recommendation-production"
IMAGE = "ghcr.io/aiecommerce/platform/gateway"


def workload(bot: Stage):
    return bot.world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)


def by_hand(world: World, version: str) -> None:
    """Somebody else changes the image, past aiec."""
    found = world.kubernetes.get("Deployment", "aiecommerce", GATEWAY)
    found["spec"]["template"]["spec"]["containers"][0]["image"] = f"{IMAGE}:{version}"
    world.kubernetes.apply(found)


async def approved(bot: Stage, text: str) -> None:
    await bot.engineer.says(text)
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)


async def test_what_is_paused_does_not_roll_out_until_it_is_resumed(bot: Stage) -> None:
    await bot.engineer.says("/aiec pause prod gateway")
    assert "waiting · *Pause the rollouts of gateway in prod*" in bot.last()
    assert "`gateway` *pauses its rollouts* · 3 pods, HPA 3–10, no rollout was under way" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert "`gateway` paused, no rollout was under way" in bot.last()
    assert (workload(bot)["spec"]["paused"], workload(bot)["metadata"]["annotations"]["aiec.dev/paused-by"]) == (True, "op-1")
    assert workload(bot)["metadata"]["annotations"]["kubernetes.io/change-cause"] == "installed"

    by_hand(bot.world, "v1.2.0")
    await bot.forward(minutes=1)
    for text in ("deploy prod v1.2.0 --service gateway", "restart prod gateway", "rollback prod gateway"):
        told = await bot.engineer.says(f"/aiec {text}")
        assert "deployment/gateway-production is paused: nothing would roll out." in told
        assert "`/aiec resume prod gateway`" in told

    await bot.engineer.says("/aiec resume prod gateway")
    assert "with 0 of 3 pods from the new template" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "✅ done · *Resume the rollouts of gateway in prod*" in bot.last()
    assert "`gateway` not paused, 3 new pods available" in bot.last()
    assert "paused" not in workload(bot)["spec"]


async def test_a_resumed_rollout_that_fails_says_why_and_stays(bot: Stage) -> None:
    await approved(bot, "/aiec pause prod gateway")
    by_hand(bot.world, "v1.3.0-crash")
    await approved(bot, "/aiec resume prod gateway")
    assert "❌ failed · *Resume the rollouts of gateway in prod failed*" in bot.last()
    assert "CrashLoopBackOff" in bot.last()
    await bot.engineer.clicks("Undo it")  # pauses it again, as it was
    await bot.lead.clicks("Approve")
    await bot.forward(5)
    assert workload(bot)["spec"]["paused"] is True
    assert "is paused: nothing would roll out" in await bot.engineer.says("/aiec rollback prod gateway")


async def test_a_pause_can_be_undone_as_the_operation_that_it_was(bot: Stage) -> None:
    await approved(bot, "/aiec pause prod gateway")
    await approved(bot, "/aiec rollback prod --operation op-1")
    assert "✅ done · *Undo op-1 (Pause the rollouts of gateway in prod)*" in bot.last()
    assert "paused" not in workload(bot)["spec"]


async def test_somebody_elses_pause_is_not_undone_with_ours(bot: Stage) -> None:
    await approved(bot, "/aiec pause prod gateway")
    found = workload(bot)
    del found["spec"]["paused"]
    bot.world.kubernetes.apply(found)
    told = await bot.engineer.says("/aiec rollback prod --operation op-1")
    assert "deployment/gateway-production is not paused by now" in told


async def test_a_diagnosis_offers_to_resume_it(bot: Stage) -> None:
    await approved(bot, "/aiec pause prod gateway")
    await bot.engineer.says("/aiec diagnose prod gateway")
    await bot.engineer.clicks("Resume gateway", message=bot.engineer.sees()[-1])
    assert "waiting · *Resume the rollouts of gateway in prod*" in bot.last()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("resume prod gateway", "deployment/gateway-production is not paused."),
        ("pause prod postgres", "statefulset/postgres cannot be paused: Kubernetes pauses the rollouts of Deployments alone."),
        ("pause prod gatway", "*gatway* is not a service; did you mean `gateway`?"),
        ("set-image prod gateway latest", "*latest* is not a version"),
        ("set-image prod gateway v1.2", "*v1.2* is not a version; did you mean `v1.2.0`?"),
        ("set-image prod gateway v9.9.9", "v9.9.9 does not exist in the registry for gateway"),
        ("set-image prod gateway ghcr.io/elsewhere/gateway:v1.2.0", f"ghcr.io/elsewhere/gateway is not the image of gateway: that is {IMAGE}."),
        ("set-image prod gateway sidecar=v1.2.0", "aiec changes the container gateway of gateway, not sidecar."),
        ("set-image prod gateway ghcr.io/@", "*ghcr.io/@* is neither a version nor an image with its version, such as `v1.2.0`"),
        ("set-image prod postgres v1.2.0", "*postgres* is not a service that can be deployed"),
        ("set-image prod gateway v1.1.0", "gateway runs v1.1.0 in prod already."),
        (f"set-image prod gateway {IMAGE}:v1.2.0@sha256:{'0' * 64}", "in the registry, and not sha256:0000"),
    ],
)
async def test_what_makes_no_sense_is_said_in_one_sentence(bot: Stage, text: str, sentence: str) -> None:
    before = workload(bot)
    assert sentence in await bot.engineer.says(f"/aiec {text}")
    assert bot.engineer.sees()[-1].buttons == (["Plan again"] if "does not exist in the registry" in sentence else [])
    assert workload(bot) == before


async def test_a_newcomer_may_not(bot: Stage) -> None:
    for text in ("pause prod gateway", "resume prod gateway", "set-image prod gateway v1.2.0"):
        assert "newcomer" in await bot.newcomer.says(f"/aiec {text}")
    assert not [one for one in bot.slack.messages("devops", "lead") if one.app]


@pytest.mark.parametrize("image", ["v1.2.0", *(pytest.param(image, marks=pytest.mark.slow) for image in (f"{IMAGE}:v1.2.0", f"gateway={IMAGE}:v1.2.0"))])
async def test_one_services_image_is_set_as_a_deploy_of_it(bot: Stage, image: str) -> None:
    await bot.forward(minutes=20, step=30)
    await bot.engineer.says(f"/aiec set-image prod gateway {image}")
    assert "waiting · *Set the image of gateway to v1.2.0 in prod*" in bot.last()
    assert "✅ image found, pinned" in bot.last()
    assert "staging" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=2)
    assert "✅ done · *Set the image of gateway to v1.2.0 in prod*" in bot.last()
    assert "@sha256:" in workload(bot)["spec"]["template"]["spec"]["containers"][0]["image"]
    assert (bot.image(GATEWAY), bot.image(RECOMMENDATION)) == ("v1.2.0", "v1.1.0")


async def test_an_image_that_does_not_come_up_is_put_back(bot: Stage) -> None:
    await approved(bot, '/aiec set-image prod gateway v1.3.0-crash --emergency "a test"')
    assert "↩︎ rolled back · *Set the image of gateway to v1.3.0-crash in prod failed and was rolled back*" in bot.last()
    assert bot.image(GATEWAY) == "v1.1.0"
