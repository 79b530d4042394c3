"""An incident's own channel: when there is one, who is in it, what is said there, and what happens where Slack does not go along."""

from typing import Any

import pytest

from escalation.book import Draft, open_incident
from sandbox.faults import Fault
from tests.harness import Stage, said

DECLARE = "/aiec incident declare SEV1 error rate 12 % --service gateway"
CHANNEL = "inc-1-gateway-error-rate-12"


def names(bot: Stage, channel: str = CHANNEL) -> set[str]:
    """The people in a channel, by name."""
    return {bot.slack.user(member).name for member in bot.slack.channel(channel).members}


def incidents(bot: Stage) -> list[str]:
    """What stands in #incidents, without threads."""
    return [said(message) for message in bot.slack.messages("incidents") if not message.is_reply and not message.visible_to]


def made(bot: Stage) -> list[str]:
    return [channel.name for channel in bot.slack.channels.values() if channel.name.startswith("inc-")]


async def settle(bot: Stage) -> None:
    """Lets edits catch up, which come once a second at most."""
    await bot.forward(3, step=1)


async def test_a_declared_incident_has_a_channel_with_its_people_and_a_summary(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await settle(bot)
    channel = bot.slack.channel(CHANNEL)
    assert (channel.kind, channel.topic) == ("public", "#1 SEV1 error rate 12 %")
    assert channel.purpose == "Incident #1 of aiecommerce, opened 2026-11-23 14:00:00 UTC"
    assert names(bot) == {"aiec", "senior", "engineer"}  # who declared it, and who is paged first
    assert f"<#{channel.id}>" in bot.last("incidents")
    (summary,) = bot.slack.messages(CHANNEL)
    assert "*#1 SEV1 gateway: error rate 12 %*" in said(summary)
    assert "Acknowledge" in summary.buttons
    await bot.lead.clicks("Acknowledge", CHANNEL, summary)
    await settle(bot)
    assert "acknowledged by @lead" in said(bot.slack.messages(CHANNEL)[0])
    assert "lead" in names(bot)


async def test_in_its_channel_an_incident_needs_no_name(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await settle(bot)
    await bot.senior.says("/aiec incident ack", CHANNEL)
    await bot.senior.says("/aiec incident note 3 pods restarted", CHANNEL)
    await bot.senior.says("/aiec incident update we are rolling back", CHANNEL)
    await settle(bot)
    shown = await bot.senior.says("/aiec incident show", CHANNEL)
    assert "✎ senior: 3 pods restarted" in shown
    assert "we are rolling back" in said(bot.slack.messages(CHANNEL)[-2])
    card = next(message for message in bot.slack.messages("incidents") if not message.is_reply)
    assert "we are rolling back" in said(bot.slack.thread(card)[-1])


async def test_closing_archives_the_channel_after_the_last_word(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await settle(bot)
    await bot.senior.says("/aiec incident resolve", CHANNEL)
    await bot.senior.says("/aiec incident close", CHANNEL)
    await bot.forward(10, step=1)
    assert "closed" in said(bot.slack.messages(CHANNEL)[0])
    assert bot.slack.channel(CHANNEL).archived
    assert len(await bot.events("channel.archived")) == 1


async def test_a_private_incident_leaks_nothing(bot: Stage) -> None:
    await bot.senior.says("/aiec incident declare SEV1 a key was published --service gateway --private")
    await settle(bot)
    channel = bot.slack.channel("inc-1")
    assert channel.kind == "private"
    assert names(bot, "inc-1") == {"aiec", "senior", "engineer"}
    await bot.engineer.says("/aiec incident ack 1", "inc-1")
    await bot.engineer.says("/aiec incident update the key is revoked", "inc-1")
    await bot.engineer.says("/aiec incident assign scribe @lead", "inc-1")
    await settle(bot)
    assert "lead" in names(bot, "inc-1")
    assert "a key was published" in said(bot.slack.messages("inc-1")[0])
    await bot.engineer.says("/aiec incident resolve", "inc-1")
    await bot.engineer.says("/aiec incident close", "inc-1")
    await bot.forward(10, step=1)
    public = [said(message) for name in ("devops", "incidents", "devops-alerts") for message in bot.slack.messages(name)]
    assert not [text for text in public if "key" in text or "#1" in text]
    assert made(bot) == ["inc-1"]


async def test_a_name_that_others_have_gets_a_number(bot: Stage) -> None:
    bot.slack.add_channel(CHANNEL, "public", [bot.slack.user("engineer").id], creator=bot.slack.user("engineer").id)
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert made(bot) == [CHANNEL, f"{CHANNEL}-2"]
    assert f"<#{bot.slack.channel(f'{CHANNEL}-2').id}>" in bot.last("incidents")


async def test_a_channel_whose_making_was_not_answered_is_taken_for_ours(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="drop_after", system="slack", path="/conversations.create", times=1))
    await bot.senior.says(DECLARE)
    await bot.forward(10, step=1)
    assert made(bot) == [CHANNEL]
    assert names(bot) >= {"senior", "engineer"}


async def refused(bot: Stage) -> str:
    """Declares an incident whose channel cannot be made, and returns its card."""
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert made(bot) == []
    return incidents(bot)[-1]


async def test_without_a_channel_everything_is_said_under_the_card_and_the_card_says_why(bot: Stage) -> None:
    bot.slack.admins_create_channels = True
    shown = await refused(bot)
    assert "only some people may do that" in shown
    assert "Ask an administrator" in shown
    await bot.senior.says("/aiec incident update #1 we are rolling back")
    await settle(bot)
    card = next(message for message in bot.slack.messages("incidents") if not message.is_reply)
    assert len([reply for reply in bot.slack.thread(card) if "we are rolling back" in said(reply)]) == 1
    bot.slack.admins_create_channels = False
    await bot.forward(minutes=11, step=30)
    assert made(bot) == [CHANNEL]
    assert "administrator" not in incidents(bot)[-1]
    assert "*#1 SEV1 gateway: error rate 12 %*" in said(bot.slack.messages(CHANNEL)[0])


async def test_a_missing_scope_is_named_on_the_card(bot: Stage) -> None:
    bot.slack.app.scopes.remove("channels:manage")
    assert "needs the scope `channels:manage`" in await refused(bot)


async def test_a_private_channel_that_cannot_be_made_is_told_to_its_people_alone(bot: Stage) -> None:
    bot.slack.app.scopes.remove("groups:write")
    await bot.senior.says("/aiec incident declare SEV3 a key was published --private")
    await settle(bot)
    told = said(bot.slack.messages("@senior")[-1])
    assert "The private channel of #1 cannot be used" in told
    assert "`groups:write`" in told
    assert incidents(bot) == []


async def broken(bot: Stage, what: Any) -> str:
    """Declares an incident, does something to its channel, says something, and returns what the card says."""
    await bot.senior.says(DECLARE)
    await settle(bot)
    what()
    await bot.senior.says("/aiec incident update #1 we are rolling back")
    await bot.forward(minutes=2, step=5)
    return incidents(bot)[-1]


async def test_a_channel_that_somebody_archived_is_said_and_the_thread_takes_over(bot: Stage) -> None:
    def archive() -> None:
        bot.slack.channel(CHANNEL).archived = True

    assert f"#{CHANNEL} was archived. Unarchive it, or go on here." in await broken(bot, archive)
    card = next(message for message in bot.slack.messages("incidents") if not message.is_reply)
    assert "we are rolling back" in said(bot.slack.thread(card)[-1])
    bot.slack.channel(CHANNEL).archived = False
    await bot.forward(minutes=11, step=30)
    assert "was archived" not in incidents(bot)[-1]
    assert f"<#{bot.slack.channel(CHANNEL).id}>" in incidents(bot)[-1]


async def test_a_channel_that_somebody_deleted_is_said(bot: Stage) -> None:
    def delete() -> None:
        del bot.slack.channels[bot.slack.channel(CHANNEL).id]

    assert "was deleted, or aiec was taken out of it" in await broken(bot, delete)


async def test_the_bot_comes_back_into_a_public_channel_by_itself(bot: Stage) -> None:
    assert "Channel" not in await broken(bot, lambda: bot.slack.leave(CHANNEL, "aiec"))
    assert "we are rolling back" in said(bot.slack.messages(CHANNEL)[-1])


async def test_who_cannot_be_invited_is_named(bot: Stage) -> None:
    bot.slack.user("engineer").deleted = True
    await bot.senior.says(DECLARE)
    await settle(bot)
    assert names(bot) == {"aiec", "senior"}
    assert "*Not invited*: engineer: no such Slack account" in bot.last("incidents")


@pytest.mark.slow
async def test_slack_asking_to_wait_makes_channels_later_and_loses_none(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="slack", path="/conversations.create", status=429, retry_after=30, times=1))
    for number in range(3):
        await bot.senior.says(f"/aiec incident declare SEV2 trouble {number}")
    await settle(bot)
    assert made(bot) == []
    await bot.forward(minutes=2, step=5)
    assert sorted(made(bot)) == ["inc-1-trouble-0", "inc-2-trouble-1", "inc-3-trouble-2"]


async def test_whoever_was_paged_before_the_channel_was_there_is_told_of_it_in_the_same_message(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="slack", path="/conversations.create", status=429, retry_after=30, times=1))
    await bot.senior.says(DECLARE)
    await settle(bot)
    (page,) = bot.slack.messages("@engineer")
    assert "It is discussed in" not in said(page)
    await bot.forward(minutes=1, step=5)
    (page,) = bot.slack.messages("@engineer")
    assert f"It is discussed in <#{bot.slack.channel(CHANNEL).id}>" in said(page)
    assert "Acknowledge" in page.buttons


async def test_a_triggered_sev3_of_alerts_has_no_channel_until_somebody_answers(bot: Stage) -> None:
    draft = Draft(title="disk fills", severity="SEV3", origin="alert")
    await bot.bot.store.transaction(lambda tx: open_incident(tx, bot.bot.config, draft, "aiec"))
    await settle(bot)
    assert made(bot) == []
    await bot.senior.says("/aiec incident ack 1")
    await settle(bot)
    assert made(bot) == ["inc-1-disk-fills"]
