"""Action items: written down for an incident, given away, put off, done; and seen by nobody who may not see their incident."""

from tests.harness import Somebody, Stage, said

DECLARE = "/aiec incident declare SEV3 error rate 12 % --service gateway"
PRIVATE = "/aiec incident declare SEV3 a key was published --private"
ADD = '/aiec action add #1 "raise the pool size" @senior'


def direct(bot: Stage, name: str) -> list[str]:
    """What the bot wrote to somebody directly."""
    return [said(message) for message in bot.slack.messages(f"@{name}")]


def shown(bot: Stage, channel: str = "inc-1-gateway-error-rate-12") -> str:
    """The item's own message."""
    return next(said(message) for message in bot.slack.messages(channel) if "*act-1*" in said(message))


def told(somebody: Somebody, channel: str) -> str:
    """What was said last to this person alone."""
    return said([message for message in somebody.sees(channel) if message.app and message.visible_to][-1])


async def test_an_item_is_one_message_from_the_beginning_to_its_end_and_its_owner_is_told(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    assert "act-1 is senior's, due Mon 07 Dec 14:00 UTC: raise the pool size" in await bot.engineer.says(ADD)
    assert "⏸ waiting · *act-1*: raise the pool size" in shown(bot)
    assert "⚠️ needs you · *act-1 is yours*: raise the pool size" in direct(bot, "senior")[-1]
    assert "from @engineer" in direct(bot, "senior")[-1]
    await bot.senior.clicks("Done", "@senior")
    await bot.forward(2)
    assert "✅ done · *act-1*: raise the pool size" in shown(bot)
    assert "done by @senior" in shown(bot)
    assert "done by @senior" in direct(bot, "senior")[-1]
    assert bot.slack.messages("@senior")[-1].buttons == []
    assert await bot.events("action.done") == ["senior"]
    assert "act-1 is done, says senior" in await bot.engineer.says("/aiec incident show 1")


async def test_whose_it_is_and_when_it_is_due_may_be_said_as_one_likes(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    assert "act-1 is yours, due Mon 07 Dec" in await bot.engineer.says("/aiec action add #1 raise the pool size")
    assert "act-2 is lead's, due Thu 10 Dec 23:59 UTC: alert on it" in await bot.engineer.says("/aiec action add 1 alert on it @lead --due 2026-12-10")
    assert "act-3 is senior's, due Tue 24 Nov 14:00" in await bot.engineer.says('/aiec action add #1 --due 1d --owner @senior "a b"')
    assert "act-4 is yours" in await bot.engineer.says("/aiec action add here it needs no number", "inc-1-gateway-error-rate-12")
    assert direct(bot, "engineer") == [], "who says it himself is not told"


async def test_what_cannot_be_meant_is_said(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    assert "*@enginer* is not a person of aiec.yaml; did you mean `engineer`?" in await bot.engineer.says("/aiec action add #1 raise it @enginer")
    assert "What is to be done?" in await bot.engineer.says("/aiec action add #1 @engineer")
    assert "is over" in await bot.engineer.says("/aiec action add #1 raise it --due 2026-11-01")
    assert "*soon* is no day" in await bot.engineer.says("/aiec action add #1 raise it --due soon")
    assert "There is no incident #9" in await bot.engineer.says("/aiec action add #9 raise it")
    assert "an action item at most 500" in await bot.engineer.says(f"/aiec action add #1 {'long ' * 200}")
    assert "There is no action item act-1" in await bot.engineer.says("/aiec action done act-1")
    assert "*x* is not an action item; they are called like `act-7`" in await bot.engineer.says("/aiec action done x")


async def test_an_item_is_given_away_and_put_off_by_its_buttons(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says(ADD)
    await bot.senior.clicks("Later", "@senior")
    await bot.slack.submits("senior", bot.slack.modal("senior"), {"when": "2026-12-24"})
    await bot.forward(2)
    assert "Thu 24 Dec 23:59" in direct(bot, "senior")[-1].partition("@senior says: due")[2]
    assert "Mon 07 Dec" not in direct(bot, "senior")[-1]
    assert bot.slack.messages("@senior")[-1].buttons == ["Done", "Assign to…", "Later"], "it is still his"
    await bot.senior.clicks("Assign to…", "@senior")
    await bot.slack.submits("senior", bot.slack.modal("senior"), {"person": "lead"})
    await bot.forward(2)
    assert "@senior gave it to @lead" in direct(bot, "senior")[-1]
    assert bot.slack.messages("@senior")[-1].buttons == []
    assert "*act-1 is yours*" in direct(bot, "lead")[-1]
    assert "Thu 24 Dec 23:59" in shown(bot).partition("action item of @lead from #1 · due")[2]


async def test_what_is_over_stays_over_until_somebody_opens_it_again(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says(ADD)
    assert "act-1 is dropped" in await bot.lead.says("/aiec action drop act-1 the pool is gone")
    refused = await bot.engineer.says("/aiec action done 1")
    assert "act-1 is dropped since 2026-11-23 14:00 UTC, says lead." in refused
    assert "`/aiec action reopen act-1` opens it again" in refused
    assert "No action item is open" in await bot.engineer.says("/aiec action list")
    assert "the pool is gone" in await bot.engineer.says("/aiec action list --all")
    assert "act-1 is open again, due Mon 07 Dec" in await bot.engineer.says("/aiec action reopen act-1")
    assert "1 action item open" in await bot.engineer.says("/aiec action list")


async def test_the_list_by_owner_by_incident_and_what_is_overdue(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says("/aiec incident declare SEV3 search is slow")
    await bot.engineer.says("/aiec action add #1 raise the pool @senior --due 1h")
    await bot.engineer.says("/aiec action add #2 an index for search @lead")
    everything = await bot.newcomer.says("/aiec action list")
    assert "2 action items open" in everything
    assert everything.index("raise the pool") < everything.index("an index for search"), "what is due first stands first"
    of_lead = await bot.engineer.says("/aiec action list --owner @lead")
    assert "an index for search" in of_lead
    assert "raise the pool" not in of_lead
    assert "raise the pool" not in await bot.engineer.says("/aiec action list #2")
    assert "raise the pool" in await bot.engineer.says("/aiec action list", "inc-1-gateway-error-rate-12")
    assert "No action item is overdue" in await bot.engineer.says("/aiec action list --overdue")
    await bot.forward(minutes=90, step=600)
    late = await bot.engineer.says("/aiec action list --overdue")
    assert "30 min overdue" in late
    assert "an index for search" not in late
    assert "2 action items open*, 1 of them overdue" in await bot.engineer.says("/aiec action list")


async def test_an_owner_may_end_his_own_and_nobody_elses(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    assert "`action.add` is not granted to you" in await bot.newcomer.says("/aiec action add #1 mine")
    await bot.engineer.says("/aiec action add #1 write it down @newcomer")
    await bot.engineer.says("/aiec action add #1 raise the pool")
    assert "act-1 is done" in await bot.newcomer.says("/aiec action done act-1")
    denied = await bot.newcomer.says("/aiec action done act-2")
    assert "`action.done` is not granted to you" in denied
    assert await bot.events("request.denied") == ["newcomer", "newcomer"]


async def test_items_of_a_private_incident_are_seen_by_its_people_alone(bot: Stage) -> None:
    await bot.lead.says(PRIVATE)
    assert "act-1 is yours" in await bot.lead.says("/aiec action add #1 rotate the key")
    assert "There is no action item act-1." in await bot.senior.says("/aiec action done act-1")
    assert "There is no action item act-1." in await bot.senior.says("/aiec action assign act-1 @senior")
    assert "There is no incident #1" in await bot.senior.says("/aiec action add #1 curious")
    for question in ("/aiec action list", "/aiec action list --all", "/aiec action list --owner lead"):
        assert "rotate the key" not in await bot.senior.says(question)
    assert "There is no incident #1" in await bot.senior.says("/aiec action list #1")
    assert "rotate the key" in await bot.lead.says("/aiec action list")
    public = [said(message) for channel in ("incidents", "devops") for message in bot.slack.messages(channel) if not message.visible_to]
    assert not [text for text in public if "rotate the key" in text]
    assert "rotate the key" in shown(bot, "inc-1")


async def test_whoever_gets_an_item_of_a_private_incident_belongs_to_its_people(bot: Stage) -> None:
    await bot.lead.says(PRIVATE)
    await bot.lead.says("/aiec action add #1 rotate the key @senior")
    await bot.forward(2)
    assert "rotate the key" in await bot.senior.says("/aiec action list")
    assert "rotate the key" in direct(bot, "senior")[-1]
    assert "act-1 is done" in await bot.senior.says("/aiec action done act-1")


async def test_items_go_where_their_incident_goes(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says("/aiec incident declare SEV3 search is slow")
    await bot.engineer.says(ADD)
    await bot.engineer.says("/aiec incident merge #1 #2")
    assert "raise the pool size" in await bot.engineer.says("/aiec action list #2")
    assert "#1 belongs to #2 now" in await bot.engineer.says("/aiec action add #1 more of it")
