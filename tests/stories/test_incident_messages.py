"""Messages of people that become an incident, or a line of its timeline: by shortcuts, and by a pin."""

from sqlmodel import select

from bot.store.tables import RequestRow
from sandbox.faults import Fault
from sandbox.slack import actions
from sandbox.slack.state import Message
from tests.harness import Stage, said
from tests.stories.test_in_slack import eventually, form, held, submits

DECLARE = "/aiec incident declare SEV1 error rate 12 % --service gateway"
CHANNEL = "inc-1-gateway-error-rate-12"


async def told(bot: Stage, channel: str, text: str) -> Message:
    """Somebody's message, in a channel."""
    await bot.slack.says("engineer", channel, text)
    found: Message = bot.slack.messages(channel)[-1]
    return found


async def shortcut(bot: Stage, somebody: str, callback: str, message: Message | None = None) -> None:
    """Starts a shortcut, and waits for its form: it is opened after the acknowledgement."""
    await bot.slack.shortcut(somebody, callback, message)
    await eventually(lambda: bot.slack.modal(somebody))


async def pins(bot: Stage, somebody: str, message: Message) -> None:
    """Puts a pin on a message, and waits until that is stored."""
    actions.react(bot.slack, somebody, message, "pushpin")
    stored = select(RequestRow).where(RequestRow.key == f"pin:{message.channel}:{message.ts}")
    await eventually(lambda: bot.bot.store.look(lambda tx: tx.first(stored)))


async def test_a_message_becomes_an_incident(bot: Stage) -> None:
    message = await told(bot, "devops", "checkout answers 502 & <!here>\nsince noon")
    await shortcut(bot, "newcomer", "message:incident declare", message)
    assert held(form(bot, bot.newcomer))["title"]["value"] == "checkout answers 502 & <!here>"
    await submits(bot, bot.newcomer, severity="SEV2")
    await bot.forward(2, step=1)
    assert "*#1 SEV2 checkout answers 502 & <!here>*" in bot.last("incidents")
    assert "&lt;!here&gt;" in bot.slack.messages("incidents")[-1].blocks[0]["text"]["text"]
    link = f"{bot.slack.base_url}/archives/{message.channel}/p{message.ts.replace('.', '')}"
    assert link in await bot.engineer.says("/aiec incident show 1")


async def test_an_incident_is_declared_by_a_shortcut_from_anywhere(bot: Stage) -> None:
    await shortcut(bot, "newcomer", "form:incident declare")
    await submits(bot, bot.newcomer, severity="SEV3", title="search is slow")
    assert "*#1 SEV3 search is slow*" in bot.last("incidents")
    assert "is declared" in said(bot.slack.messages("@newcomer")[-1])


async def test_a_message_is_added_to_the_timeline_with_who_said_it_and_where(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await bot.forward(2, step=1)
    message = await told(bot, CHANNEL, "the pool is exhausted, @lead")
    await shortcut(bot, "senior", "message:incident note", message)
    assert held(form(bot, bot.senior))["text"]["value"] == "engineer: the pool is exhausted, @U0LEAD"
    await submits(bot, bot.senior)
    shown = await bot.senior.says("/aiec incident show", CHANNEL)
    assert "✎ senior: engineer: the pool is exhausted, @lead" in shown
    assert f"/archives/{message.channel}/p{message.ts.replace('.', '')}" in shown


async def test_a_pin_adds_a_message_to_the_timeline_once(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await bot.forward(2, step=1)
    message = await told(bot, CHANNEL, "restarting the pool")
    for somebody in ("senior", "engineer"):
        await pins(bot, somebody, message)
    await bot.settle()
    shown = await bot.senior.says("/aiec incident show", CHANNEL)
    assert shown.count("✎ senior: engineer: restarting the pool") == 1
    assert await bot.events("incident.note") == ["senior"]


async def test_a_reply_in_a_thread_can_be_pinned_and_other_places_cannot(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await bot.forward(2, step=1)
    summary = bot.slack.messages(CHANNEL)[0]
    await bot.slack.says("engineer", CHANNEL, "look at the thread", thread=summary)
    actions.react(bot.slack, "senior", await told(bot, "devops", "elsewhere"), "pushpin")
    actions.react(bot.slack, "senior", await told(bot, CHANNEL, "liked only"), "tada")
    await pins(bot, "senior", bot.slack.thread(summary)[-1])
    await bot.settle()
    shown = await bot.senior.says("/aiec incident show", CHANNEL)
    assert "✎ senior: engineer: look at the thread" in shown
    assert await bot.events("incident.note") == ["senior"]
    assert "elsewhere" not in shown
    assert "liked" not in shown


async def test_a_pin_whose_text_slack_does_not_say_still_leads_to_it(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await bot.forward(2, step=1)
    message = await told(bot, CHANNEL, "restarting the pool")
    bot.world.faults.add(Fault(kind="status", system="slack", path="conversations.replies", status=500))
    await pins(bot, "senior", message)
    await bot.settle()
    shown = await bot.senior.says("/aiec incident show", CHANNEL)
    assert "a message that could not be read" in shown
    assert f"p{message.ts.replace('.', '')}" in shown


async def test_who_was_let_into_a_private_channel_may_speak_there(bot: Stage) -> None:
    await bot.senior.says("/aiec incident declare SEV3 a key was published --private")
    await bot.forward(2, step=1)
    bot.slack.channel("inc-1").members.append(bot.slack.user("lead").id)
    assert "Added to the timeline of #1." in await bot.lead.says("/aiec incident note I revoke it", "inc-1")
    assert "There is no incident #1." in await bot.newcomer.says("/aiec incident show 1")
