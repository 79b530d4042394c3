"""What Slack does to a bot that runs: channels that it is not in, tokens that are revoked, limits, and messages that people delete."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.slack.limits import Rate
from sandbox.slack.state import Message, User
from tests.harness import Somebody, Stage, said, stage

GATEWAY = "gateway-production"


def in_channel(folder: Path, name: str) -> AbstractAsyncContextManager[Stage]:
    """A stage on which production is spoken of in another channel."""
    return stage(folder, prod={"channel": f"#{name}"})


def add_channel(bot: Stage, name: str, kind: str, *, with_bot: bool = False) -> None:
    members = [bot.slack.user(person).id for person in ("engineer", "lead")] + ([bot.slack.app.user] if with_bot else [])
    bot.slack.add_channel(name, kind, members, creator=members[0])


def public(bot: Stage, channel: str = "devops") -> list[Message]:
    """What the bot says to everybody in a channel, without threads."""
    return [message for message in bot.slack.messages(channel) if message.app and not message.is_reply]


def private(somebody: Somebody, channel: str = "devops") -> str:
    """The latest that the bot said to this person alone."""
    return said([message for message in somebody.sees(channel) if message.app and message.visible_to][-1])


# --- channels


async def test_a_public_channel_is_joined(tmp_path: Path) -> None:
    async with in_channel(tmp_path, "deploys") as bot:
        add_channel(bot, "deploys", "public")
        await bot.engineer.says("/aiec deploy prod v1.2.0")
        assert "Deploy v1.2.0 to prod" in bot.last("deploys")
        assert bot.slack.app.user in bot.slack.channel("deploys").members


async def test_a_private_channel_needs_an_invitation_and_the_caller_is_told(tmp_path: Path) -> None:
    async with in_channel(tmp_path, "secret") as bot:
        add_channel(bot, "secret", "private")
        await bot.engineer.says("/aiec deploy prod v1.2.0")
        await bot.forward(2)
        assert "op-1" in private(bot.engineer)
        assert "/invite @aiec" in private(bot.engineer)
        assert public(bot) == public(bot, "secret") == []
        bot.slack.channel("secret").members.append(bot.slack.app.user)
        await bot.forward(minutes=2, step=5)
        assert [said(message).splitlines()[0] for message in public(bot, "secret")] == ["⏸ waiting · *Deploy v1.2.0 to prod*"]


@pytest.mark.parametrize("kind", ["public", "private"])
async def test_a_bot_that_is_removed_half_way_goes_on_and_says_the_end_once_it_can(tmp_path: Path, kind: str) -> None:
    async with in_channel(tmp_path, "deploys") as bot:
        add_channel(bot, "deploys", kind, with_bot=True)
        await bot.engineer.says("/aiec deploy prod v1.2.0", "devops")
        bot.slack.leave("deploys", "aiec")
        await bot.lead.says("/aiec approve op-1")
        await bot.forward(minutes=1)
        assert bot.image(GATEWAY) == "v1.2.0"
        bot.slack.channel("deploys").members.append(bot.slack.app.user)
        await bot.forward(minutes=2, step=5)
        assert len(public(bot, "deploys")) == 1
        assert "✅ done" in bot.last("deploys")


async def test_an_archived_channel_is_said_to_the_caller_and_the_message_comes_when_it_is_back(tmp_path: Path) -> None:
    async with in_channel(tmp_path, "old") as bot:
        add_channel(bot, "old", "public", with_bot=True)
        bot.slack.channel("old").archived = True
        await bot.engineer.says("/aiec deploy prod v1.2.0")
        await bot.forward(2)
        assert "archived" in private(bot.engineer)
        bot.slack.channel("old").archived = False
        await bot.forward(minutes=2, step=5)
        assert "Deploy v1.2.0 to prod" in bot.last("old")


# --- messages


@pytest.mark.slow
async def test_a_message_that_somebody_deleted_is_posted_anew(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    bot.slack.channel("devops").messages.pop(public(bot)[0].ts)
    await bot.lead.says("/aiec approve op-1")
    await bot.forward(minutes=1)
    assert len(public(bot)) == 1
    assert "✅ done" in bot.last()


@pytest.mark.slow
async def test_a_revoked_token_keeps_the_messages_until_it_works_again(bot: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    bot.slack.revoke()
    await bot.forward(minutes=1)
    assert bot.image(GATEWAY) == "v1.2.0"
    assert "Slack does not accept the bot token (token_revoked)" in caplog.text
    assert caplog.text.count("token_revoked") == 1
    bot.slack.revoked = False
    await bot.forward(minutes=2, step=5)
    assert len(public(bot)) == 1
    assert "✅ done" in bot.last()


@pytest.mark.slow
async def test_a_channel_that_is_too_busy_waits_and_another_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path, staging={"channel": "#incidents"}) as bot:
        await bot.engineer.says("/aiec deploy prod v1.2.0")
        bot.slack.channel("incidents").members.append(bot.slack.app.user)
        bot.slack.limits.rates["channel"] = Rate(1, 1 / 30)
        await bot.lead.says("/aiec lock prod a look at the database")
        await bot.lead.says("/aiec unlock prod")
        assert "*prod is locked*" in bot.last()
        await bot.engineer.says("/aiec deploy staging v1.2.1")
        assert "Deploy v1.2.1 to staging" in bot.last("incidents")
        await bot.forward(20)
        assert "*prod is locked*" in bot.last()
        await bot.forward(20)
        assert "*prod is unlocked*" in bot.last()
        assert len(public(bot)) == 3


@pytest.mark.slow
async def test_a_message_is_edited_once_a_second_at_most_and_ends_as_it_is(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    edits = bot.world.faults.add(Fault(kind="latency", system="slack", path="chat.update"))
    bot.world.kubernetes.ready_after = 3
    await bot.lead.clicks("Approve")
    await bot.forward(20, step=0.2)
    assert 5 <= bot.world.faults.met(edits) <= 21
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()


# --- clicks


async def test_a_button_of_a_card_that_is_gone_from_the_screen_says_what_is_so_now(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    stale = bot.message_with("Approve")
    await bot.engineer.clicks("Reject")
    for button, answer in (("Approve", "does not wait for an approval any more"), ("Reject", "is over")):
        await bot.lead.clicks(button, message=stale)
        assert answer in private(bot.lead)
    assert bot.image(GATEWAY) == "v1.1.0"
    assert len(public(bot)) == 1


async def test_a_double_click_makes_one_operation(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.forward(minutes=31, step=60)
    expired = bot.message_with("Plan again")
    for _ in range(2):
        await bot.slack.clicks("engineer", expired, "Plan again")
    await bot.settle()
    assert len(public(bot)) == 2


async def test_a_click_of_somebody_unknown_is_denied_to_him_alone_and_recorded(bot: Stage) -> None:
    bot.slack.users["U0STRANGER"] = User("U0STRANGER", "stranger")
    bot.slack.channel("devops").members.append("U0STRANGER")
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    before = public(bot)
    stranger = Somebody(bot, "stranger")
    await stranger.clicks("Approve")
    assert "you are not among them" in private(stranger)
    await stranger.says("/aiec deploy")
    assert "you are not among them" in private(stranger)
    assert bot.slack.modal("stranger") is None
    assert await bot.events("request.denied") == ["U0STRANGER", "U0STRANGER"]
    assert public(bot) == before


async def test_an_answer_says_that_a_group_is_of_earlier_while_slack_does_not_say_who_is_in_it(bot: Stage) -> None:
    await bot.newcomer.says("/aiec deploy staging v1.2.0 --dry-run")
    quiet = bot.world.faults.add(Fault(kind="status", system="slack", path="usergroups"))
    await bot.forward(minutes=10, step=60)
    denied = await bot.newcomer.says("/aiec deploy staging v1.2.0 --dry-run")
    assert "`deploy` in staging is not granted to you" in denied
    assert "Slack does not say who is in which group now: what counts is of 2026-11-23 14:00 UTC." in denied
    bot.world.faults.clear(quiet)
    bot.slack.usergroups["S0DEVOPS"].users.append(bot.slack.user("newcomer").id)
    told = await bot.newcomer.says("/aiec deploy staging v1.2.0 --dry-run")
    assert "group" not in told
    bot.world.faults.add(Fault(kind="status", system="slack", path="usergroups"))
    since = "Slack does not say who is in which group now: that you are in @devops is of"
    assert "group now" not in await bot.newcomer.says("/aiec deploy staging v1.2.0 --dry-run")
    await bot.forward(minutes=10, step=60)
    assert since in await bot.newcomer.says("/aiec deploy staging v1.2.0 --dry-run")
    assert since in await bot.newcomer.says("/aiec deploy staging v1.2.0")
    assert since in await bot.newcomer.says("/aiec lock staging because of a test")
    assert "group now" not in await bot.newcomer.says("/aiec status staging")  # everybody may
    assert "group now" not in await bot.engineer.says("/aiec deploy prod v1.2.0 --dry-run")  # by name
    denied = await bot.newcomer.says("/aiec freeze prod for a test")
    assert "`freeze` in prod is not granted to you" in denied
    assert "group now" not in denied  # no group may
    bot.slack.usergroups["S0DEVOPS"].users.clear()
    await bot.forward(minutes=24 * 60, step=3600)
    assert "Slack does not say now whether you belong to it" in await bot.newcomer.says("/aiec deploy staging v1.2.0 --dry-run")


# --- where answers go


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["devops", "incidents", "@aiec", "@lead"], ids=["the channel", "another", "the bot", "a colleague"])
async def test_results_go_to_the_environments_channel_and_mistakes_to_whoever_made_them(bot: Stage, channel: str) -> None:
    for text, answer in (
        ("/aiec deploy prd v1.2.0", "is not an environment"),
        ("/aiec deploy prod v1.2.9", "does not exist in the registry"),
        ("/aiec freeze prod because", "`freeze` in prod is not granted to you"),
        ("/aiec status prod", "*prod*: all services are well"),
    ):
        assert answer in await bot.engineer.says(text, channel)
    assert not [message for where in ("devops", "incidents", "devops-alerts") for message in public(bot, where)]
    told = await bot.engineer.says("/aiec deploy prod v1.2.0", channel)
    assert "op-1" in told
    assert "in #devops" in told
    assert len(public(bot)) == 1
    assert not [message for message in bot.lead.sees() if message.visible_to]
    link = f"/archives/{public(bot)[0].channel}/p{public(bot)[0].ts.replace('.', '')}"
    assert link in told
