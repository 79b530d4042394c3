"""The runbooks that come with aiec, each played to its end against the fault that it is for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.kubernetes.execs import Answer
from tests.harness import Stage, said, stage
from tests.stories.runs import buttons, card, caught_up, press, room, step, thread, timeline


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Stage]:
    """A platform whose monitoring tells the bot what it sees."""
    async with stage(tmp_path, webhooks=True) as found:
        yield found


PROCEDURES = {
    "payment-token": {"for": "rotate", "service": "postgres", "command": ["/scripts/rotate"]},
    "standby": {"for": "database switch", "service": "postgres", "command": ["/scripts/switch"]},
}


@pytest.fixture
async def procedures(tmp_path: Path) -> AsyncIterator[Stage]:
    """A platform whose aiec.yaml says how a key is exchanged, and how the database is handed over."""
    async with stage(tmp_path, procedures=PROCEDURES) as found:
        for command in ("/scripts/rotate", "/scripts/switch"):
            found.world.kubernetes.execs.arrange(Answer(command=command, stdout=b"done"))
        yield found


async def test_service_outage_a_deploy_is_taken_back(watched: Stage) -> None:
    bot = watched
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=2, step=5)
    assert bot.image("gateway-production") == "v1.2.0"
    bot.world.troubles.make("errors")
    await bot.forward(minutes=1, step=15)

    await bot.engineer.clicks("Acknowledge", "incidents")
    await caught_up(bot)
    assert "Start runbook: service-outage" in bot.message_with("Resolve", "incidents").buttons
    await bot.engineer.clicks("Start runbook: service-outage", "incidents")
    await caught_up(bot)
    assert "Start runbook: service-outage" not in bot.message_with("Resolve", "incidents").buttons
    assert "⚠️ needs you · *service-outage* for #1 · step 1 of 12: *Say that you are on it* · run by @engineer" in card(bot)
    assert buttons(bot) == ["Run", "Skip", "Take over", "Stop"]
    await press(bot, bot.engineer, "Run")
    assert "Customers see errors from gateway. We are on it" in said(bot.message_with("Resolve", "incidents"))
    assert step(bot) == "Look at what is wrong"  # it only looks, and has run by itself
    assert "3 of 3 pods ready" in thread(bot)
    await press(bot, bot.engineer, "It began with a deploy")
    assert "`/aiec rollback prod gateway` (changes production, you confirm once more)" in card(bot)
    await press(bot, bot.engineer, "Run")
    assert "⏳ running · *service-outage* for #1" in card(bot)
    assert buttons(bot) == ["Take over", "Stop"]
    await bot.forward(seconds=40)
    assert bot.image("gateway-production") == "v1.1.0"
    assert step(bot) == "See that it is over"
    assert "Looks again until it is so" in card(bot)
    bot.world.troubles.end("errors")  # the version that is back does not fail
    await bot.forward(seconds=40, step=4)
    assert step(bot) == "Tell them that it is over"
    await press(bot, bot.engineer, "Run", "Run")
    assert "✅ done · *service-outage* for #1 is done" in card(bot)
    assert "mitigated" in said(bot.message_with("Resolve", "incidents"))
    assert buttons(bot) == []
    told = await timeline(bot)
    assert "runbook service-outage: begun by engineer" in told
    assert "runbook service-outage: step 3, Take the last deploy back: done: Roll back gateway" in told
    assert "runbook service-outage: done by engineer" in told


@pytest.mark.slow
async def test_performance_degradation_more_pods_are_allowed(bot: Stage) -> None:
    bot.world.troubles.make("slow")
    await bot.engineer.says("/aiec incident declare SEV2 the shop is slow --service gateway")
    await bot.engineer.says("/aiec incident ack 1")
    await caught_up(bot)
    await bot.engineer.says("/aiec runbook start performance-degradation", room(bot))
    await caught_up(bot)
    assert step(bot) == "See where it is busy"
    assert "gateway" in thread(bot)
    await press(bot, bot.engineer, "Its pods are at their limit", "It is at its upper bound")
    assert "Between how many pods may the autoscaler choose" in card(bot)
    assert buttons(bot) == ["Answer: bounds", "Back", "Take over", "Stop"]
    await bot.engineer.says("/aiec runbook answer bounds 5-10", room(bot))
    await caught_up(bot)
    await press(bot, bot.engineer, "Run")
    await bot.forward(seconds=40)
    scaler = bot.world.kubernetes.get("HorizontalPodAutoscaler", "aiecommerce", "gateway-production")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (5, 10)
    assert step(bot) == "See that it is fast again"
    assert "it is 2.3" in card(bot)
    bot.world.troubles.end("slow")

    await bot.forward(seconds=40, step=4)
    assert step(bot) == "Write down what it was"
    await press(bot, bot.engineer, "Done", "Run")
    assert "✅ done · *performance-degradation* for #1 is done" in card(bot)
    assert "3  Let it choose more pods · done by @engineer" in card(bot) or "`3` Let it choose more pods · done by @engineer" in card(bot)


@pytest.mark.slow
async def test_security_incident_is_contained_in_private_and_its_72_hours_are_counted(procedures: Stage) -> None:
    bot = procedures
    for scaler in bot.world.kubernetes.objects("HorizontalPodAutoscaler"):  # they would be played four times a minute, for days
        bot.world.kubernetes.delete("HorizontalPodAutoscaler", "aiecommerce", scaler["metadata"]["name"])
    await bot.lead.says("/aiec incident declare SEV1 a key was published --service gateway --private")
    await bot.lead.says("/aiec incident ack 1")
    await caught_up(bot)
    await bot.lead.says("/aiec runbook start security-incident", room(bot))
    await caught_up(bot)
    assert "*Due* <!date^" in card(bot)
    assert "(3 d after it began): Tell the supervisory authority" in card(bot)
    await press_answer(bot, "facts", "a token stood in a public repository since Monday")
    await press(bot, bot.lead, "Run", "Cut the service off from the network", "Run")
    assert "⏸ waiting" in card(bot)  # an incident of one's own is no approval for this
    await bot.senior.clicks("Approve")
    await bot.forward(seconds=10)
    policies = bot.world.kubernetes.objects("NetworkPolicy", "aiecommerce")
    assert [one["metadata"]["name"] for one in policies] == ["aiec-isolates-gateway"]
    assert step(bot) == "Freeze changes"
    await press(bot, bot.lead, "Run")
    assert step(bot) == "Keep what it runs"
    await press(bot, bot.lead, "Next", "Next", "Next", seconds=4)
    assert step(bot) == "Change what was exposed"
    assert "gateway-production" in thread(bot)
    await press(bot, bot.lead, "A procedure of aiec.yaml exchanges it")
    await press_answer(bot, "secret", "payment-token")
    await press(bot, bot.lead, "Run")
    await bot.senior.clicks("Approve")  # the freeze is waived, and no approval
    await bot.forward(seconds=10)
    assert [call.command for call in bot.world.kubernetes.execs.calls] == [("/scripts/rotate",)]
    await press(bot, bot.lead, "Personal data may be concerned")
    bot.world.clock.advance(49 * 3600)
    await caught_up(bot)
    reminders = [said(one) for one in bot.slack.messages(room(bot)) if "Tell the supervisory authority is due in 22 h" in said(one)]
    assert len(reminders) == 1
    await press(bot, bot.lead, "Done", "Done", "Run", "It was isolated", "Run")
    await bot.senior.clicks("Approve")
    await bot.forward(seconds=10)
    await press(bot, bot.lead, "Done")
    assert "✅ done · *security-incident* for #1 is done" in card(bot)
    assert bot.world.kubernetes.objects("NetworkPolicy", "aiecommerce") == []
    public = "\n".join(said(one) for channel in ("incidents", "devops", "devops-alerts") for one in bot.slack.messages(channel) if not one.visible_to)
    assert "Isolate gateway in prod" in public
    for word in ("security-incident", "a key was published", "public repository", "#1"):
        assert word not in public, [line for line in public.splitlines() if word in line]


async def press_answer(bot: Stage, name: str, value: str) -> None:
    """The lead answers what the runbook asks for."""
    await bot.lead.says(f"/aiec runbook answer {name} {value}", room(bot))
    await caught_up(bot)


@pytest.mark.slow
async def test_database_recovery_hanging_pods_are_started_anew(watched: Stage) -> None:
    bot = watched
    bot.world.troubles.make("postgres")
    await bot.forward(minutes=1, step=15)
    await bot.senior.clicks("Acknowledge", "incidents")
    await caught_up(bot)
    await bot.senior.clicks("Start runbook: database-recovery", "incidents")
    await caught_up(bot)
    await press(bot, bot.senior, "Run")
    assert step(bot) == "Look at the database"
    assert "pods" in thread(bot)
    assert "*postgres in prod*" in thread(bot)
    await press(bot, bot.senior, "Next", "Next", "Its pods hang or were killed, the data is there", "Done", "Run")
    assert "⏸ waiting" in card(bot)  # whoever has acknowledged it restarts a service alone, and nobody a database
    bot.world.troubles.end("postgres")
    await bot.lead.clicks("Approve")
    await bot.forward(seconds=50, step=5)
    assert step(bot) == "See that the services have come back"
    assert "See that it answers · done by" in card(bot)
    await press(bot, bot.senior, "Next", "Run", seconds=8)
    assert "Before: Take a backup · done by @senior: Back up aiecommerce in prod" in card(bot)
    await press(bot, bot.senior, "Run", "Run")
    assert "✅ done · *database-recovery* for #1 is done" in card(bot)
    assert "runbook database-recovery: step 6, Start it anew: done: Restart postgres" in await timeline(bot)


@pytest.mark.slow
async def test_database_recovery_a_replica_takes_over(procedures: Stage) -> None:
    bot = procedures
    await bot.senior.says("/aiec incident declare SEV1 the database is away --service postgres")
    await bot.senior.says("/aiec incident ack 1")
    await caught_up(bot)
    await bot.senior.says("/aiec runbook start database-recovery", room(bot))
    await caught_up(bot)
    await press(bot, bot.senior, "Skip", "Next", "Next", "The primary's node or volume is gone", "Run")
    await bot.lead.clicks("Approve")
    await bot.forward(seconds=20, step=4)
    assert [call.command for call in bot.world.kubernetes.execs.calls] == [("/scripts/switch",)]
    assert step(bot) == "See that the services have come back"


@pytest.mark.slow
async def test_database_recovery_lost_data_is_brought_back(bot: Stage) -> None:
    server = bot.world.kubernetes.postgres.server("aiecommerce")
    await bot.lead.says("/aiec backup prod database")
    await bot.forward(seconds=6)
    server.databases["aiecommerce"]["orders"].clear()
    await bot.lead.says("/aiec incident declare SEV1 orders are gone --service postgres")
    await bot.lead.says("/aiec incident ack 1")
    await caught_up(bot)
    good = "database-20261123-140000"
    await bot.lead.says(f"/aiec runbook start database-recovery --with backup={good} --with database=aiecommerce", room(bot))
    await caught_up(bot)
    await press(bot, bot.lead, "Skip", "Next", "Next", "Data is lost or wrong", "Done")
    assert step(bot) == "See which backups there are"
    assert "1 backup of prod" in thread(bot)
    assert good in thread(bot)
    await press(bot, bot.lead, "There is one that is good enough", "Run")
    assert "⏸ waiting" in card(bot)
    await bot.senior.clicks("Approve")
    await bot.forward(seconds=20, step=4)
    assert len(server.databases["aiecommerce"]["orders"]) == 500
    (before,) = [name for name in server.databases if name.startswith("aiecommerce_before_")]
    assert len(server.databases[before]["orders"]) == 0
    assert step(bot) == "See that the services have come back"
    await press(bot, bot.lead, "Next", "Run", seconds=6)
    assert step(bot) == "Tell them that it is over"
