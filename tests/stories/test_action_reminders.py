"""Action items that are not forgotten: reminders before, at and after, the weekly digest, and what comes back although somebody was to prevent it."""

from dataclasses import replace

import pytest

from bot.entry.hooks import BotHooks
from sandbox.faults import Fault
from tests.harness import Stage, said
from tests.stories.test_alerts import notification
from tests.stories.test_in_slack import opens_home
from tests.stories.test_in_slack import shown as on_view

DECLARE = "/aiec incident declare SEV3 error rate 12 % --service gateway"
ADD = '/aiec action add #1 "raise the pool size" @senior'
HOUR, DAY = 60, 24 * 60


def reminded(bot: Stage, name: str) -> list[str]:
    """The reminders of the item that somebody got directly, the oldest first."""
    return [said(message) for message in bot.slack.messages(f"@{name}") if "act-1 is due" in said(message) or "overdue" in said(message)]


async def jump(bot: Stage, minutes: float) -> None:
    """Time passes, with the bot looking once at its end."""
    await bot.forward(minutes=minutes, step=60 * minutes)


async def with_item(bot: Stage, due: str = "2d") -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says(f"{ADD} --due {due}")
    await bot.engineer.says("/aiec incident resolve 1")


async def test_its_owner_is_reminded_before_when_and_after_it_is_due_and_then_the_lead_is(bot: Stage) -> None:
    await with_item(bot)
    await jump(bot, DAY - 1)
    assert reminded(bot, "senior") == []
    await jump(bot, 1)
    assert "⚠️ needs you · *act-1 is due in 1 d*: raise the pool size" in reminded(bot, "senior")[-1]
    await jump(bot, 20 * HOUR)
    assert "*act-1 is due in 4 h*" in reminded(bot, "senior")[-1]
    await jump(bot, 4 * HOUR)
    assert "*act-1 is due now*" in reminded(bot, "senior")[-1]
    await jump(bot, DAY)
    assert "*act-1 is 1 d overdue*" in reminded(bot, "senior")[-1]
    assert reminded(bot, "lead") == []
    await jump(bot, DAY)
    assert "*act-1 is 2 d overdue*" in reminded(bot, "lead")[-1]
    assert "@senior was reminded, too" in reminded(bot, "lead")[-1]
    assert len(reminded(bot, "senior")) == 5
    buttons = [message.buttons for message in bot.slack.messages("@senior")]
    assert buttons[-1] == ["Done", "Assign to…", "Later"]
    assert buttons[:-1] == [[]] * 5, "only the last one asks"


async def test_what_is_due_stands_with_what_waits_for_him(bot: Stage) -> None:
    await with_item(bot)
    assert "Waits for you" not in await bot.senior.says("/aiec")
    await jump(bot, 2 * DAY + HOUR)
    shown = await bot.senior.says("/aiec")
    assert "⚠️ needs you" in shown
    assert "Waits for you: act-1 is 1 h overdue: raise the pool size (`/aiec action done act-1`)" in shown
    assert "act-1" not in await bot.engineer.says("/aiec")
    home = on_view(await opens_home(bot, bot.senior))
    assert "*act-1*: raise the pool size" in home
    assert "Assign to…" in home


@pytest.mark.slow
async def test_what_is_done_or_put_off_is_not_reminded_of(bot: Stage) -> None:
    await with_item(bot)
    await jump(bot, DAY)
    await bot.senior.clicks("Later", "@senior")
    await bot.slack.submits("senior", bot.slack.modal("senior"), {"when": "3d"})
    await bot.settle()
    await jump(bot, DAY)
    assert len(reminded(bot, "senior")) == 1
    await jump(bot, DAY)
    assert "*act-1 is due in 1 d*" in reminded(bot, "senior")[-1]
    await bot.senior.clicks("Done", "@senior")
    await jump(bot, 9 * DAY)
    assert len(reminded(bot, "senior")) == 2


async def test_a_reminder_that_was_due_while_the_bot_was_down_comes_once_late_and_says_so(bot: Stage) -> None:
    await with_item(bot)
    await bot.dead(2 * DAY + 5 * HOUR)
    assert len(reminded(bot, "senior")) == 1
    assert "*act-1 is 5 h overdue*" in reminded(bot, "senior")[-1]
    assert "This reminder is 5 h late: aiec was not running at" in reminded(bot, "senior")[-1]
    await jump(bot, HOUR)
    assert len(reminded(bot, "senior")) == 1


async def test_an_owner_who_left_is_not_waited_for(bot: Stage) -> None:
    await with_item(bot)
    people = {name: person for name, person in bot.bot.config.people.items() if name != "senior"}
    bot.bot.config = bot.bot.config.model_copy(update={"people": people})
    await bot.dead(1)
    await jump(bot, DAY)
    assert reminded(bot, "senior") == []
    assert "*act-1 is due in 23 h 59 min*" in reminded(bot, "lead")[-1]
    assert "It comes to you because senior is not in aiec.yaml any more: give it to somebody" in reminded(bot, "lead")[-1]
    await bot.lead.clicks("Assign to…", "@lead")
    await bot.slack.submits("lead", bot.slack.modal("lead"), {"person": "engineer"})
    await bot.settle()
    assert "*act-1 is yours*" in said(bot.slack.messages("@engineer")[-1])


async def test_an_owner_whose_account_is_deactivated_is_not_waited_for(bot: Stage) -> None:
    """Slack takes what such a person is told, and nobody reads it."""
    await with_item(bot)
    bot.slack.user("senior").deleted = True
    await jump(bot, DAY)
    assert reminded(bot, "senior") == []
    assert "*act-1 is due in 1 d*" in reminded(bot, "lead")[-1]
    assert "It comes to you because the Slack account of senior is deactivated: give it to somebody" in reminded(bot, "lead")[-1]
    bot.world.faults.add(Fault(kind="status", system="slack", path="users.info"))
    await jump(bot, 20 * HOUR)
    assert len(reminded(bot, "senior")) == 1  # Slack does not say: rather told in vain than not at all


async def test_the_lead_hears_nothing_of_what_is_private_and_not_his(bot: Stage) -> None:
    await bot.engineer.says("/aiec incident declare SEV3 a key was published --private")
    await bot.engineer.says('/aiec action add #1 "rotate the key" --due 1d')
    await jump(bot, 3 * DAY + 1)
    assert "overdue" in reminded(bot, "engineer")[-1]
    assert [said(message) for message in bot.slack.messages("@lead") if "key" in said(message)] == []


@pytest.mark.slow
async def test_once_a_week_what_is_open_is_said_to_all_and_nothing_where_nothing_is(bot: Stage) -> None:
    def digests() -> list[str]:
        return [said(message) for message in bot.slack.messages("incidents") if "of them overdue" in said(message)]

    await bot.settle()
    await jump(bot, 7 * DAY)
    assert digests() == []
    await with_item(bot)
    await bot.engineer.says('/aiec action add #1 "an index for search" @lead')
    await bot.engineer.says("/aiec incident declare SEV3 a key was published --private")
    await bot.engineer.says('/aiec action add #2 "rotate the key"')
    await jump(bot, 6 * DAY + 18 * HOUR)
    assert digests() == []
    await jump(bot, HOUR)
    (said_so,) = digests()
    assert "⚠️ needs you · *2 action items* open, 1 of them overdue" in said_so
    assert said_so.index("raise the pool size") < said_so.index("an index for search")
    assert "4 d 19 h overdue" in said_so
    assert "rotate the key" not in said_so
    await bot.engineer.says("/aiec action done act-1")
    await bot.engineer.says("/aiec action done act-2")
    await jump(bot, 7 * DAY)
    assert len(digests()) == 1


async def test_an_alert_that_comes_back_shows_the_item_that_should_have_prevented_it(bot: Stage) -> None:
    await BotHooks(bot.bot).alerts(notification("HighErrorRate"))
    await bot.settle()
    await bot.engineer.says(f"{ADD} --due 2d")
    await bot.engineer.says("/aiec incident resolve 1")
    await jump(bot, 2 * DAY)
    assert "came back" not in bot.last("incidents")
    again = notification("HighErrorRate")
    fresh = replace(again.alerts[0], fingerprint="another", starts_at=bot.world.clock.now())
    await BotHooks(bot.bot).alerts(replace(again, alerts=(fresh,)))
    await bot.settle()
    card = bot.last("incidents")
    assert "#2 SEV2" in card
    assert "*This came back*: act-1 of #1 should have prevented it: raise the pool size · @senior · was due" in card
    assert "This came back" in await bot.engineer.says("/aiec incident show 2")
    await bot.engineer.says("/aiec action done act-1")
    await bot.forward(2)
    assert "came back" not in bot.last("incidents")
