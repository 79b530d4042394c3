"""Incidents as people live them: declared, answered, talked about, resolved and closed."""

import pytest

from tests.harness import Somebody, Stage, said

DECLARE = "/aiec incident declare SEV1 error rate 12 % --service gateway"


async def card(bot: Stage) -> str:
    """The incident's card in #incidents, when it has caught up: a message is edited once a second at most."""
    await bot.forward(1, step=1)
    return bot.last("incidents")


def told(somebody: Somebody, channel: str = "devops") -> str:
    """What was said last to this person alone."""
    return said([message for message in somebody.sees(channel) if message.app and message.visible_to][-1])


async def test_a_declared_incident_is_one_message_from_declaration_to_close(bot: Stage) -> None:
    answer = await bot.engineer.says(DECLARE)
    assert "|#1> is declared, in #incidents" in answer  # a link to its card
    shown = bot.last("incidents")
    assert "⚠️ needs you · *#1 SEV1 gateway: error rate 12 %*" in shown
    assert "Commander nobody" in shown
    assert bot.message_with("Acknowledge", "incidents").buttons[:3] == ["Acknowledge", "Resolve", "Update"]
    await bot.forward(minutes=3, step=60)
    await bot.senior.clicks("Acknowledge", "incidents")
    shown = await card(bot)
    assert "⏳ running · *#1 SEV1 gateway: error rate 12 %* · acknowledged by @senior, 3 min after it was declared" in shown
    assert "Commander @senior" in shown
    await bot.senior.clicks("Resolve", "incidents")
    assert "✅ done · *#1 SEV1 gateway: error rate 12 %* · resolved by @senior after 3 min" in await card(bot)
    await bot.senior.clicks("Close", "incidents")
    assert "closed" in await card(bot)
    assert bot.slack.messages("incidents")[-1].buttons == []
    assert len([message for message in bot.slack.messages("incidents") if message.app and not message.is_reply]) == 1


async def test_of_two_who_acknowledge_one_wins_and_the_other_is_told_who_and_when(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    button = bot.message_with("Acknowledge", "incidents")
    await bot.senior.clicks("Acknowledge", "incidents", button)
    await bot.forward(minutes=2, step=60)
    await bot.lead.clicks("Acknowledge", "incidents", button)
    assert "senior has acknowledged #1 at 14:00 UTC, 2 min ago." in told(bot.lead, "incidents")
    assert "acknowledged by @senior" in bot.last("incidents")


async def test_an_outsider_cannot_acknowledge_and_is_told_so_privately(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    before = bot.last("incidents")
    await bot.newcomer.clicks("Acknowledge", "incidents")
    assert "`incident.ack` is not granted to you" in told(bot.newcomer, "incidents")
    assert bot.last("incidents") == before
    assert await bot.events("request.denied") == ["newcomer"]


async def test_what_is_resolved_is_not_acknowledged_any_more(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says("/aiec incident resolve 1")
    assert "#1 is resolved and cannot become acknowledged" in await bot.senior.says("/aiec incident ack 1")
    assert "is open again" in await bot.senior.says("/aiec incident reopen 1")
    assert "needs you" in await card(bot)


async def test_a_declaration_that_lacks_something_opens_a_form(bot: Stage) -> None:
    await bot.newcomer.says("/aiec incident declare SEV3")
    view = bot.slack.modal("newcomer")
    assert view.wire["title"]["text"] == "Incident declare"
    await bot.slack.submits("newcomer", view, {"title": "search is slow", "service": "gateway"})
    await bot.settle()
    assert "*#1 SEV3 gateway: search is slow*" in bot.last("incidents")


async def test_what_a_title_holds_stays_text(bot: Stage) -> None:
    await bot.newcomer.says("/aiec incident declare SEV3 <!channel> *all* `x <https://evil.example|here> & more")
    message = bot.slack.messages("incidents")[-1]
    assert "&lt;!channel&gt;" in message.blocks[0]["text"]["text"]
    assert "<https://evil" not in message.blocks[0]["text"]["text"]


async def test_the_list_shows_what_is_open_and_with_all_what_is_over(bot: Stage) -> None:
    assert "No incident is open" in await bot.engineer.says("/aiec incident list")
    await bot.engineer.says(DECLARE)
    await bot.engineer.says("/aiec incident declare sev3 search is slow")
    await bot.engineer.says("/aiec incident resolve #1")
    listed = await bot.engineer.says("/aiec incident list")
    assert "1 incident open" in listed
    assert "`#2` SEV3 search is slow · triggered" in listed
    assert "#1" not in listed
    assert "`#1` SEV1 gateway: error rate 12 % · resolved by @engineer" in await bot.engineer.says("/aiec incident list --all")


async def test_what_was_said_and_done_is_the_timeline(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.senior.says("/aiec incident ack inc-1")
    await bot.forward(minutes=1, step=60)
    await bot.newcomer.says("/aiec incident note 1 3 pods restarted, says @lead")
    await bot.engineer.says("/aiec incident assign 1 comms @lead")
    await bot.lead.says("/aiec incident update #1 checkout is slow, we are rolling back")
    assert "checkout is slow, we are rolling back" in (shown := await card(bot))
    assert "*Status* at" in shown
    assert "Comms @lead" in shown
    shown = await bot.engineer.says("/aiec incident show 1")
    for entry in (
        "14:00:00  declared by engineer: SEV1 error rate 12 %",
        "14:00:00  acknowledged by senior",
        "14:01:00  ✎ newcomer: 3 pods restarted, says @lead",
        "14:01:00  lead is comms, says engineer",
        "14:01:00  ✎ status by lead: checkout is slow, we are rolling back",
    ):
        assert entry in shown


async def test_which_incident_is_asked_where_none_is_named(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    assert "Which incident?\nOpen now: #1." in await bot.engineer.says("/aiec incident ack")
    assert "There is no incident #7." in await bot.engineer.says("/aiec incident ack 7")
    assert "*seven* is not an incident; they are called like `#42`" in await bot.engineer.says("/aiec incident ack seven")


async def test_a_merged_incident_belongs_to_the_other_and_pages_nobody(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    await bot.engineer.says("/aiec incident declare SEV2 checkout fails")
    assert "cannot be merged into itself" in await bot.engineer.says("/aiec incident merge 2 2")
    assert "#2 belongs to #1 now." in await bot.engineer.says("/aiec incident merge #2 1")
    assert "belongs to #1 now" in await card(bot)
    assert "engineer merged #2 into this: checkout fails" in await bot.engineer.says("/aiec incident show 1")


async def test_the_severity_can_change_and_is_recorded(bot: Stage) -> None:
    await bot.engineer.says("/aiec incident declare SEV3 search is slow")
    assert "#1 is SEV1 now; it was SEV3. The next update is due at 14:30 UTC." in await bot.engineer.says("/aiec incident severity 1 sev1")
    assert "*#1 SEV1 search is slow*" in await card(bot)
    assert await bot.events("incident.severity") == ["engineer"]


async def test_a_private_incident_is_seen_by_its_people_alone(bot: Stage) -> None:
    answer = await bot.senior.says("/aiec incident declare SEV3 a key was published --private")
    assert "🔒 #1 is declared" in answer
    assert bot.slack.messages("incidents") == []
    assert "#1" in await bot.senior.says("/aiec incident list")
    assert "No incident is open" in await bot.lead.says("/aiec incident list")
    for command in ("show 1", "ack 1", "note #1 hello", "resolve 1"):
        assert "There is no incident #1." in await bot.lead.says(f"/aiec incident {command}")


@pytest.mark.slow
async def test_the_overview_shows_what_is_open_and_what_waits_for_whom(bot: Stage) -> None:
    assert "Nothing is going on" in await bot.engineer.says("/aiec")
    await bot.lead.says(DECLARE)
    mine = await bot.engineer.says("/aiec")
    assert "⚠️ needs you · *1 incident open*" in mine
    assert "Waits for you: you are paged for #1 (`/aiec incident ack 1`)" in mine
    assert "`#1` SEV1 gateway: error rate 12 % · triggered" in mine
    theirs = await bot.newcomer.says("/aiec")
    assert "1 incident open" in theirs
    assert "Waits for you" not in theirs
    await bot.engineer.says("/aiec incident ack 1")
    await bot.forward(minutes=31, step=60)
    assert "Waits for you: an update of #1 is due" in await bot.engineer.says("/aiec")


async def test_a_deploy_is_warned_of_an_open_incident(bot: Stage) -> None:
    await bot.lead.says(DECLARE)
    await bot.lead.says("/aiec incident declare SEV2 a key was published --service gateway --private")
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    plan = bot.last()
    assert "⚠️ open incident: #1 (SEV1) on gateway" in plan
    assert "#2" not in plan


async def test_help_lists_incidents_for_whom_they_are(bot: Stage) -> None:
    theirs = await bot.newcomer.says("/aiec help")
    assert "*Incidents*" in theirs
    assert "`/aiec help incident` declare, note, list, show\n" in theirs
    assert "`/aiec help incident` declare, ack, " in await bot.engineer.says("/aiec help")
