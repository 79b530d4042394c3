"""Somebody is called, and if he does not answer somebody else: on the phones of the sandbox's PagerDuty, in direct messages and in #incidents."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlmodel import select

from bot.entry.metrics import collectors
from bot.store.incident_tables import EscalationRow, IncidentRow
from sandbox.clock import Clock
from sandbox.faults import Fault
from sandbox.pagerduty import Incident, lifecycle
from sandbox.pagerduty.state import Agent, Override, Window
from tests.harness import START, Stage, new_bot, said, stage

DECLARE = "/aiec incident declare SEV1 error rate 12 % --service gateway"


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage to which PagerDuty's webhooks come."""
    async with stage(tmp_path, webhooks=True) as found:
        yield found


def there(bot: Stage) -> list[Incident]:
    """What stands in PagerDuty, in the order in which it was opened."""
    bot.world.pagerduty.play()
    return list(bot.world.pagerduty.incidents.values())


def rung(bot: Stage) -> list[str]:
    """Whose phones PagerDuty has made ring, in order; once for each incident that became his, however often his own rules repeat it."""
    account = bot.world.pagerduty
    account.play()
    times = [(one.at, one.user) for one in account.notifications if one.channel == account.users[one.user].rules[0].channel]
    return [user.removeprefix("P0").lower() for _, user in times]


def on_the_phone(bot: Stage, act: str, who: str, incident: Incident | None = None) -> None:
    agent = Agent("user", f"P0{who.upper()}")
    getattr(lifecycle, act)(bot.world.pagerduty, incident or there(bot)[0], agent)


def shown(bot: Stage, channel: str = "incidents") -> str:
    return "\n".join(said(message) for message in bot.slack.messages(channel) if not message.visible_to)


def told(bot: Stage, who: str) -> str:
    """The latest direct message."""
    return said(bot.slack.messages(f"@{who}")[-1])


async def minutes(bot: Stage, many: float, step: float = 60) -> None:
    await bot.forward(minutes=many, step=step)
    await bot.forward(seconds=2, step=1)  # messages are edited once a second


@pytest.mark.slow
async def test_nobody_answers_and_the_levels_are_called_on_time(bot: Stage) -> None:
    await bot.engineer.says(DECLARE)
    found = []
    for wait in (0, 14, 1, 29, 1, 59, 1, 119, 1):
        await bot.forward(minutes=wait, step=60)
        found.append([(one.level, one.status, sorted(one.assignees)) for one in there(bot) if one.status != "resolved"])
    first, second = [(1, "triggered", ["P0ENGINEER"])], [(2, "triggered", ["P0SENIOR"])]
    third, fourth = [(3, "triggered", ["P0LEAD", "P0MANAGER"])], [(4, "triggered", ["P0CTO"])]
    assert found == [first, first, second, second, third, third, fourth, fourth, [*fourth, (0, "triggered", ["P0CTO"])]]
    assert await bot.events("page.delivered") == ["aiec"] * 5
    lines = shown(bot)
    assert "#1: nobody at L1 answered in 15 min (@engineer was paged at" in lines
    assert "L3 @lead, @manager were paged\nL4 @cto was paged after that at" in lines
    assert "#1: nobody at L4 answered in 2 h (@cto was paged at" in lines
    assert "L4 @cto is paged again" in lines
    assert rung(bot) == ["engineer", "senior", "lead", "manager", "cto", "cto"]
    await bot.forward(minutes=29, step=600)
    assert rung(bot)[6:] == []
    await bot.forward(minutes=1, step=60)
    assert rung(bot)[6:] == ["engineer"], "PagerDuty's own policy begins again"
    await bot.forward(minutes=5, step=60)
    (row,) = await bot.bot.store.read(lambda tx: [*tx.all(select(EscalationRow))])
    assert (row.level, row.rounds) == (4, 5), "and ours stays where it is"


async def test_a_page_is_a_direct_message_whose_buttons_go_when_somebody_answers(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    message = bot.slack.messages("@engineer")[-1]
    assert "⚠️ needs you · *You are paged: #1 SEV1 error rate 12 %* · L1 DevOps Engineer" in said(message)
    assert message.buttons == ["Acknowledge", "I can't: page L2 now"]
    assert "After you, @senior (L2) is paged at" in said(message)
    await bot.engineer.clicks("Acknowledge", "@engineer")
    await minutes(bot, 1)
    assert "Acknowledged by @engineer" in told(bot, "engineer")
    assert bot.slack.messages("@engineer")[-1].buttons == []
    (incident,) = there(bot)
    assert (incident.status, list(incident.acknowledgers)) == ("acknowledged", ["P0ENGINEER"])
    assert bot.world.pagerduty.ringing("P0ENGINEER") == []
    await minutes(bot, 25)
    assert len(await bot.events("page.requested")) == 1


async def test_whoever_cannot_has_the_next_level_called_and_a_stale_button_says_who_was(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    message = bot.slack.messages("@engineer")[-1]
    await bot.engineer.clicks("I can't: page L2 now", "@engineer", message)
    await minutes(bot, 0.1)
    assert there(bot)[0].level == 2
    assert "#1: @engineer asks for more help · L2 @senior is paged now" in shown(bot)
    assert "L2 @senior was paged after you" in told(bot, "engineer")
    assert "L2 was paged already at 14:00 UTC: senior." in await bot.engineer.says("/aiec incident escalate #1 --level 1")
    assert there(bot)[0].level == 2
    assert await bot.events("page.requested") == ["aiec", "aiec"]


async def test_what_was_said_of_a_call_says_what_came_of_it(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await bot.engineer.clicks("I can't: page L2 now", "@engineer")
    await minutes(bot, 0.1)
    asked = "#1: @engineer asks for more help · L2 @senior"
    assert f"⚠️ needs you · {asked} is paged now" in shown(bot)
    await bot.senior.says("/aiec incident escalate #1")
    await minutes(bot, 0.1)
    assert f"✅ done · {asked} was paged\nL3 @lead, @manager were paged after that at" in shown(bot)
    await bot.lead.says("/aiec incident resolve #1")
    await bot.lead.says("/aiec incident close #1")
    await minutes(bot, 0.1)
    assert "✅ done · #1: @senior asks for more help · L3 @lead, @manager were paged\nResolved by @lead at" in shown(bot)
    assert "⚠️" not in shown(bot)


async def test_past_the_last_level_it_says_so_and_calls_it_again(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    for _ in range(3):
        await bot.senior.says("/aiec incident escalate #1")
    assert there(bot)[0].level == 4
    assert "L4 is the last level, and is paged again now." in await bot.senior.says("/aiec incident escalate #1")
    assert len(there(bot)) == 2


@pytest.mark.slow
async def test_who_presses_the_last_levels_button_a_moment_later_calls_nobody_twice(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    for _ in range(3):
        await bot.senior.says("/aiec incident escalate #1")
    await minutes(bot, 2)
    message = bot.message_with("Page L4 again", "incidents")
    for person in (bot.senior, bot.engineer):
        await person.clicks("Page L4 again", "incidents", message)
    assert len(there(bot)) == 2
    assert "L4 was paged already at 14:02 UTC: cto." in said(bot.engineer.sees("incidents")[-1])
    await minutes(bot, 2)
    await bot.engineer.clicks("Page L4 again", "incidents")
    assert len(there(bot)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("webhooks", [True, False], ids=["by webhook", "by asking, as the webhooks are lost"])
async def test_an_answer_on_the_phone_stops_it(tmp_path: Path, webhooks: bool) -> None:
    async with stage(tmp_path, webhooks=webhooks) as bot:
        await bot.senior.says(DECLARE)
        await minutes(bot, 5)
        on_the_phone(bot, "acknowledge", "engineer")
        await minutes(bot, 0.1 if webhooks else 1)
        assert "acknowledged by @engineer" in shown(bot)
        assert "Acknowledged by @engineer" in told(bot, "engineer")
        await minutes(bot, 25)
        assert len(await bot.events("page.requested")) == 1
        on_the_phone(bot, "resolve", "engineer")
        await minutes(bot, 0.1 if webhooks else 1)
        assert "resolved by @engineer" in shown(bot) or "resolved by @PagerDuty" in shown(bot)


@dataclass
class Behind:
    """A clock that was set back by an hour; the world's goes on."""

    clock: Clock

    def now(self) -> datetime:
        return self.clock.now() - timedelta(hours=1)


async def test_an_answer_that_is_only_asked_for_is_seen_also_after_the_clock_was_set_back(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await bot.forward(10)
    bot.bot.store.clock = Behind(bot.world.clock)
    await bot.forward(10)
    on_the_phone(bot, "acknowledge", "engineer")
    await bot.forward(minutes=3, step=10)
    assert await bot.events("incident.acknowledged") == ["engineer"]


@pytest.mark.slow
async def test_an_answer_a_moment_before_the_next_level_saves_its_sleep(bot: Stage) -> None:
    await bot.senior.says(DECLARE)
    await minutes(bot, 14)
    on_the_phone(bot, "acknowledge", "engineer")
    bot.world.clock.advance(60)
    await bot.settle()
    await minutes(bot, 1)
    assert rung(bot) == ["engineer"]
    assert await bot.events("incident.acknowledged") == ["engineer"]
    assert await bot.events("page.delivered") == ["aiec"]
    await minutes(bot, 25)
    assert rung(bot) == ["engineer"]


async def test_two_answer_at_once_in_slack_and_on_the_phone(watched: Stage) -> None:
    bot = watched
    await bot.lead.says(DECLARE)
    on_the_phone(bot, "acknowledge", "engineer")
    await bot.senior.clicks("Acknowledge", "incidents")
    await minutes(bot, 2)
    assert await bot.events("incident.acknowledged") == ["senior"] or await bot.events("incident.acknowledged") == ["engineer"]
    assert there(bot)[0].status == "acknowledged"
    await minutes(bot, 20)
    assert len(await bot.events("page.requested")) == 1


async def test_pagerduty_that_is_down_is_shouted_with_numbers_and_paged_once_it_is_back(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=500))
    await bot.engineer.says(DECLARE)
    await bot.forward(seconds=10, step=1)
    cry = shown(bot)
    assert "The page of #1 (L1)* is not taken by PagerDuty · call <@U0ENGINEER> +1-555-0101" in cry
    assert "It is tried again until PagerDuty has it." in cry
    bot.world.faults.clear()
    await minutes(bot, 1, step=10)
    assert [(one.level, one.status) for one in there(bot)] == [(1, "triggered")]
    assert "PagerDuty has it now" in shown(bot)
    assert await bot.events("page.delivered") == ["aiec"]


async def test_what_is_answered_before_pagerduty_had_it_makes_no_phone_ring_until_the_answer_is_taken_back(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=503))
    await bot.engineer.says(DECLARE)
    await minutes(bot, 1)
    assert "The page of #1 (L1)* is not taken by PagerDuty" in shown(bot)
    await bot.senior.says("/aiec incident ack #1")
    bot.world.faults.clear()
    await minutes(bot, 2)
    assert "The page of #1 (L1)* · it is acknowledged, and calls nobody any more" in shown(bot)
    assert (there(bot), rung(bot)) == ([], [])
    await bot.senior.says("/aiec incident status #1 triggered")
    await minutes(bot, 1)
    assert ([one.status for one in there(bot)], rung(bot)) == (["triggered"], ["engineer"])


@pytest.mark.slow
async def test_a_note_on_what_pagerduty_was_never_told_of_waits_until_it_is_called_for(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=503))
    await bot.engineer.says(DECLARE)
    await bot.senior.says("/aiec incident ack #1")
    await bot.senior.says("/aiec incident note #1 restarted it")
    bot.world.faults.clear()
    await minutes(bot, 2)  # a manager that tries it again and again would never come to rest
    assert there(bot) == []
    await bot.senior.says("/aiec incident status #1 triggered")
    await minutes(bot, 1)
    assert [[note.content for note in one.notes] for one in there(bot)] == [["[aiec] senior: restarted it"]]


@pytest.mark.slow
async def test_where_rest_fails_an_event_calls_and_is_the_same_incident_afterwards(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=500, path="/incidents.*"))
    await bot.engineer.says(DECLARE)
    await bot.forward(seconds=10, step=1)
    (incident,) = there(bot)
    assert await bot.events("page.fallback") == ["aiec"]
    assert "It was sent as an event" in shown(bot)
    bot.world.faults.clear()
    await minutes(bot, 1, step=10)
    assert there(bot) == [incident]
    assert await bot.events("page.delivered") == ["aiec"]
    await bot.engineer.clicks("Acknowledge", "incidents")
    await minutes(bot, 1)
    assert incident.status == "acknowledged"


async def test_a_page_that_is_not_delivered_is_a_figure(bot: Stage) -> None:
    metrics = CollectorRegistry()
    metrics.register(collectors(bot.bot))
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=500))
    await bot.engineer.says(DECLARE)
    await minutes(bot, 2)
    assert metrics.get_sample_value("aiec_pages_undelivered") == 1
    assert 120 <= (metrics.get_sample_value("aiec_pages_undelivered_seconds") or 0) <= 130
    bot.world.faults.clear()
    await minutes(bot, 1)
    assert [metrics.get_sample_value(f"aiec_pages_undelivered{name}") for name in ("", "_seconds")] == [0, 0]


async def test_a_refused_token_calls_by_an_event(bot: Stage) -> None:
    bot.world.pagerduty.tokens.clear()
    await bot.engineer.says(DECLARE)
    assert len(there(bot)) == 1
    assert "PagerDuty does not accept the API token" in shown(bot)


async def test_a_service_that_is_gone_or_in_maintenance_is_one_message(bot: Stage) -> None:
    account = bot.world.pagerduty
    now = bot.world.clock.now()
    account.windows["W"] = Window("W", ["PSERVICE"], now, now + timedelta(minutes=10), "moving house", "P0LEAD", 1)
    await bot.engineer.says(DECLARE)
    await minutes(bot, 5)
    assert there(bot) == []
    assert "PagerDuty's service is in a maintenance window, and opens no incidents." in shown(bot)
    assert shown(bot).count("is not taken by PagerDuty") == 1
    await minutes(bot, 7)
    assert [one.status for one in there(bot)] == ["triggered"]
    account.remove_service("PSERVICE")
    await bot.engineer.says(DECLARE)
    await minutes(bot, 3)
    assert shown(bot).count("The page of #2 (L1)* is not taken by PagerDuty") == 1


@pytest.mark.slow
async def test_pagerduty_that_asks_to_wait_is_obeyed(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=429, retry_after=5, times=1, method="POST"))
    await bot.engineer.says(DECLARE)
    assert there(bot) == []
    await bot.forward(seconds=4, step=1)
    assert there(bot) == []
    await bot.forward(seconds=2, step=1)
    assert len(there(bot)) == 1
    assert "is not taken by PagerDuty" not in shown(bot)


async def test_a_bot_that_dies_between_the_call_and_its_record_calls_nobody_twice(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="drop_after", system="pagerduty", method="POST", times=1))
    await bot.engineer.says(DECLARE)
    await bot.forward(seconds=5, step=1)
    assert len(there(bot)) == 1
    assert await bot.events("page.fallback") == []
    successor = new_bot(bot.sandbox, bot.bot.config, bot.ports, bot.database)
    try:
        bot.bot.store.close()
        bot.bot = successor
        bot.world.clock.advance(3 * 3600)
        await bot.settle()
        assert [(one.level, one.status) for one in there(bot)] == [(2, "triggered")] or there(bot)[0].level > 2
        assert len(await bot.events("page.requested")) == 2
    finally:
        successor.store.close()


async def test_pagerdutys_own_policy_goes_on_when_aiec_is_dead_and_ours_follows(watched: Stage) -> None:
    bot = watched
    await bot.engineer.says(DECLARE)
    bot.world.clock.advance(21 * 60)
    assert there(bot)[0].level == 2  # by its own timer, while nobody ticked
    await bot.sandbox.delivered()
    await bot.settle()
    before = len(await bot.events("page.requested"))
    assert there(bot)[0].level in (2, 3)
    await minutes(bot, 1)
    assert len(await bot.events("page.requested")) == before


async def test_an_incident_that_somebody_opens_in_pagerduty_is_one_of_ours(watched: Stage) -> None:
    bot = watched
    account = bot.world.pagerduty
    lifecycle.open_incident(account, account.services["PSERVICE"], "customers cannot log in", Agent("user", "P0MANAGER"), "web")
    await minutes(bot, 1)
    assert "#1 SEV2 customers cannot log in" in shown(bot)
    assert "You are paged: #1 SEV2 customers cannot log in" in told(bot, "engineer")
    assert len(there(bot)) == 1
    await minutes(bot, 15)
    assert there(bot)[0].level == 2
    assert await bot.events("page.requested") == ["aiec"]


async def test_notes_go_both_ways_once(watched: Stage) -> None:
    bot = watched
    await bot.engineer.says(DECLARE)
    lifecycle.annotate(bot.world.pagerduty, there(bot)[0], "P0SENIOR", "the pool is exhausted")
    await minutes(bot, 1)
    assert "senior: the pool is exhausted" in await bot.engineer.says("/aiec incident show #1")
    await bot.engineer.says("/aiec incident note #1 restarted it")
    await minutes(bot, 2)
    assert [note.content for note in there(bot)[0].notes] == ["the pool is exhausted", "[aiec] engineer: restarted it"]
    assert await bot.events("incident.note") == ["senior", "engineer"]


@pytest.mark.slow
async def test_after_an_outage_of_pagerduty_the_level_is_called_though_pagerdutys_own_policy_called_it_long_ago(bot: Stage) -> None:
    """The page is there by an event; nothing can be read or raised until PagerDuty's own policy has come to the last level, whose time is over here as well."""
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=500, path="/incidents.*"))
    await bot.senior.says(DECLARE)
    await minutes(bot, 1)
    await minutes(bot, 226, step=900)
    assert (there(bot)[0].level, await bot.events("page.delivered")) == (4, [])
    before = len(escalations(bot))
    bot.world.faults.clear()
    await minutes(bot, 2, step=30)
    assert await bot.events("page.delivered") == ["aiec"]
    assert len(escalations(bot)) == before + 1


def escalations(bot: Stage) -> list[str]:
    return [entry.kind for one in there(bot) for entry in one.log if entry.kind == "escalate"]


async def test_an_override_is_called_instead_and_ends(bot: Stage) -> None:
    await bot.lead.says("/aiec oncall override L1 @lead --for 8h the engineer is ill")
    assert "is on call at L1 DevOps Engineer from" in bot.last("incidents")
    assert "@lead · DevOps Engineer · from override" in await bot.lead.says("/aiec oncall")
    await bot.engineer.says(DECLARE)
    assert list(there(bot)[0].assignees) == ["P0LEAD"]
    await minutes(bot, 15)
    assert there(bot)[0].level == 2
    await bot.lead.says("/aiec oncall end L1")
    assert "@engineer · DevOps Engineer · from PagerDuty" in await bot.lead.says("/aiec oncall")
    assert "Nobody overrides L1" in await bot.lead.says("/aiec oncall end L1")


async def test_pagerdutys_schedule_is_followed_also_while_it_is_silent(bot: Stage) -> None:
    schedule = bot.world.pagerduty.schedules["PSENGINEER"]
    start = bot.world.clock.now()
    schedule.overrides.append(Override("Q1", "P0CTO", start, start + timedelta(days=2)))
    await bot.settle()
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=503))
    await minutes(bot, 30, step=300)
    assert "@cto · DevOps Engineer · from PagerDuty, which is silent" in await bot.lead.says("/aiec oncall")


@pytest.mark.slow
async def test_a_gap_is_told_a_week_ahead(bot: Stage) -> None:
    schedule = bot.world.pagerduty.schedules["PSSENIOR"]
    start = bot.world.clock.now() + timedelta(days=3)
    schedule.overrides.append(Override("Q1", None, start, start + timedelta(hours=8)))
    await bot.settle()
    await bot.forward(minutes=20 * 60, step=600)
    assert "Nobody is on call 1 times in the next 7 days" in shown(bot) or "Nobody is on call once" in shown(bot)
    assert "L2 Senior DevOps Engineer" in shown(bot)


@pytest.mark.slow
async def test_people_who_fall_silent_are_asked_and_then_called_again(bot: Stage) -> None:
    await bot.lead.says(DECLARE)
    await bot.engineer.clicks("Acknowledge", "@engineer")
    await minutes(bot, 30)
    question = bot.message_with("Still on it", "@engineer")
    assert "nothing was done for 30 min: are you still on it?" in said(question)
    await bot.engineer.clicks("Still on it", "@engineer")
    await minutes(bot, 1)
    assert "@engineer is on it" in shown(bot, "@engineer")
    assert question.buttons == [] or "Still on it" not in shown(bot, "@engineer")
    await minutes(bot, 60)
    assert "#1: @engineer has been silent, and is not on it any more" in shown(bot)
    await minutes(bot, 1)
    (incident,) = there(bot)
    assert (incident.status, incident.level, list(incident.assignees)) == ("triggered", 1, ["P0ENGINEER"])
    assert "⚠️ needs you · #1: @engineer has been silent" in shown(bot)
    await bot.lead.says("/aiec incident ack #1")
    await minutes(bot, 0.1)
    assert "is not on it any more · somebody is paged again\nAcknowledged by @lead at" in shown(bot)
    assert "⚠️" not in shown(bot)


@pytest.mark.slow
async def test_whoever_hands_over_is_asked_no_more(bot: Stage) -> None:
    await bot.lead.says(DECLARE)
    await bot.engineer.clicks("Acknowledge", "@engineer")
    await bot.engineer.says("/aiec incident handover #1 @senior")
    await minutes(bot, 0.1)
    assert "@engineer gave it to you" in told(bot, "senior")
    await minutes(bot, 30)
    assert "are you still on it?" in said(bot.message_with("Still on it", "@senior"))
    assert "are you still on it?" not in shown(bot, "@engineer")


@pytest.mark.slow
@pytest.mark.parametrize("resolved", [False, True])
async def test_an_update_is_asked_for_until_it_is_given_or_the_incident_is_over(bot: Stage, resolved: bool) -> None:
    await bot.lead.says(DECLARE)
    await bot.engineer.clicks("Acknowledge", "@engineer")
    await minutes(bot, 15)
    await bot.engineer.says("/aiec incident note #1 still looking")
    await minutes(bot, 15)
    question = bot.message_with("Update", "@engineer")
    assert "the update that is due: how does it stand?" in said(question)
    await bot.senior.says(f"/aiec incident {'resolve #1' if resolved else 'update #1 we are rolling back'}")
    await minutes(bot, 0.1)
    (after,) = [message for message in bot.slack.messages("@engineer") if message.ts == question.ts]
    assert ("Resolved by @senior at" if resolved else "The update was given at") in said(after)
    assert after.buttons == []


async def test_somebody_is_called_without_an_incident(watched: Stage) -> None:
    bot = watched
    await bot.engineer.says('/aiec page @lead "the customer waits in the call"')
    assert "⏸ waiting · @engineer pages @lead: *the customer waits in the call*" in bot.last("incidents")
    (incident,) = there(bot)
    assert list(incident.assignees) == ["P0LEAD"]
    on_the_phone(bot, "acknowledge", "lead")
    await minutes(bot, 1)
    assert "Answered by @lead" in bot.last("incidents")
    await bot.engineer.says('/aiec page L2 "a second pair of eyes"')
    assert (there(bot)[1].level, list(there(bot)[1].assignees)) == (2, ["P0SENIOR"])
    assert "is neither a level nor anybody" in await bot.engineer.says("/aiec page L9 help")


async def test_without_pagerduty_messages_call_and_say_so(tmp_path: Path) -> None:
    async with stage(tmp_path, pager=False) as bot:
        await bot.engineer.says(DECLARE)
        assert "The page of #1 (L1)* pages <@U0ENGINEER> +1-555-0101" in shown(bot)
        assert "PagerDuty is not set up" in shown(bot)
        await bot.engineer.says("/aiec incident note #1 restarted it")
        await minutes(bot, 15)
        assert "The page of #1 (L2)* pages <@U0SENIOR> +1-555-0102" in shown(bot)
        await bot.senior.clicks("Acknowledge", "@senior")
        await minutes(bot, 1)
        assert shown(bot).count("It is acknowledged, and calls nobody any more") == 2
        assert "⚠️" not in shown(bot)


@pytest.mark.slow
async def test_nobodys_phone_rings_twice_for_one_page(watched: Stage) -> None:
    bot = watched
    await bot.senior.says(DECLARE)
    await minutes(bot, 46)
    assert rung(bot) == ["engineer", "senior", "lead", "manager"]


@pytest.mark.slow
async def test_whoever_hands_on_in_pagerduty_is_followed_and_nobody_is_called_again(watched: Stage) -> None:
    bot = watched
    await bot.lead.says(DECLARE)
    await minutes(bot, 5)
    lifecycle.escalate(bot.world.pagerduty, there(bot)[0], 2, Agent("user", "P0ENGINEER"), "mobile")
    await bot.settle()
    await minutes(bot, 1)
    assert await bot.events("level.followed") == ["engineer"]
    assert "You are paged: #1" in told(bot, "senior")
    assert rung(bot) == ["engineer", "senior"]
    await minutes(bot, 28)
    assert rung(bot) == ["engineer", "senior"]
    await minutes(bot, 2)
    assert rung(bot) == ["engineer", "senior", "lead", "manager"]


@pytest.mark.slow
async def test_an_acknowledgement_that_runs_out_in_pagerduty_is_none_here(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=True) as bot:
        bot.world.pagerduty.services["PSERVICE"].acknowledgement_timeout = timedelta(minutes=10)
        await bot.lead.says(DECLARE)
        on_the_phone(bot, "acknowledge", "engineer")
        await minutes(bot, 1)
        assert await bot.events("incident.acknowledged") == ["engineer"]
        await minutes(bot, 10)
        assert await bot.events("incident.triggered") == ["PagerDuty"]
        assert rung(bot) == ["engineer", "engineer"]
        await minutes(bot, 13)
        assert len(await bot.events("page.requested")) == 1
        await minutes(bot, 2)
        assert there(bot)[0].level == 2


@pytest.mark.slow
async def test_whom_pagerduty_calls_when_an_acknowledgement_runs_out_is_called_once_more_when_his_level_is(watched: Stage) -> None:
    bot = watched
    account = bot.world.pagerduty
    account.services["PSERVICE"].acknowledgement_timeout = timedelta(minutes=10)
    await bot.lead.says(DECLARE)
    await minutes(bot, 16, step=480)
    lifecycle.reassign(account, there(bot)[0], ["P0LEAD", "P0MANAGER"], Agent("user", "P0SENIOR"))
    on_the_phone(bot, "acknowledge", "lead")
    await minutes(bot, 12)
    assert await bot.events("incident.triggered") == ["PagerDuty"]
    before = rung(bot)
    await minutes(bot, 27, step=540)
    assert rung(bot) == before, "the level that was called has its time"
    await minutes(bot, 3)
    assert rung(bot) == [*before, "lead", "manager"]


async def test_what_is_reopened_in_pagerduty_is_open_here(watched: Stage) -> None:
    bot = watched
    await bot.lead.says(DECLARE)
    on_the_phone(bot, "resolve", "engineer")
    await bot.settle()
    assert await bot.events("incident.resolved") == ["engineer"]
    on_the_phone(bot, "reopen", "senior")
    await bot.settle()
    assert await bot.events("incident.triggered") == ["senior"]
    assert rung(bot) == ["engineer", "engineer"]
    await minutes(bot, 15)
    assert (len(there(bot)), there(bot)[0].level) == (1, 2)


@pytest.mark.slow
async def test_where_the_last_levels_second_page_is_reopened_somebody_is_called_on_time(watched: Stage) -> None:
    """That page is another incident of PagerDuty's, which ends when the next level is paged: then the first one has to call."""
    bot = watched
    await bot.lead.says(DECLARE)
    for _ in range(4):
        await bot.senior.says("/aiec incident escalate #1")
        await minutes(bot, 1)
    _, second = there(bot)
    await bot.engineer.clicks("Resolve", "incidents")
    await minutes(bot, 1)
    on_the_phone(bot, "reopen", "senior", second)
    await bot.settle()
    await minutes(bot, 16)
    assert await bot.events("incident.triggered") == ["senior"]
    assert [(one.status, one.level, [*one.assignees]) for one in there(bot) if one.open] == [("triggered", 2, ["P0SENIOR"])]


@pytest.mark.slow
async def test_what_is_closed_here_and_reopened_in_pagerduty_is_said_with_what_to_do(watched: Stage) -> None:
    bot = watched
    await bot.lead.says(DECLARE)
    await bot.engineer.clicks("Resolve", "incidents")
    await minutes(bot, 1)
    await bot.engineer.says("/aiec incident close #1")
    await minutes(bot, 1)
    on_the_phone(bot, "reopen", "senior")
    await minutes(bot, 1)
    assert "⚠️ needs you · *#1 rings again in PagerDuty* · opened there again by @senior · here it is closed" in bot.last("incidents")
    assert "Resolve it in PagerDuty if it is over." in bot.last("incidents")
    on_the_phone(bot, "resolve", "senior")
    await minutes(bot, 1)
    assert "Resolved there by @senior" in bot.last("incidents")
    assert await bot.events("incident.triggered") == []


@pytest.mark.slow
async def test_a_page_that_was_resolved_before_we_knew_of_it_is_not_opened_again(watched: Stage) -> None:
    bot = watched
    bot.world.pagerduty.webhooks.troubles.drop = 20
    bot.world.faults.add(Fault(kind="drop_after", system="pagerduty", method="POST", times=1))
    await bot.lead.says(DECLARE)
    on_the_phone(bot, "resolve", "engineer")
    await minutes(bot, 1, step=5)
    assert [one.status for one in there(bot)] == ["resolved"]
    assert len(await bot.events("incident.resolved")) == 1


async def test_what_is_reopened_here_is_called_for_anew(watched: Stage) -> None:
    bot = watched
    await bot.lead.says(DECLARE)
    await bot.engineer.clicks("Resolve", "incidents")
    await minutes(bot, 1)
    assert [one.status for one in there(bot)] == ["resolved"]
    await bot.lead.says("/aiec incident reopen #1")
    await minutes(bot, 1)
    assert [(one.status, one.level) for one in there(bot)] == [("resolved", 0), ("triggered", 1)] or [one.status for one in there(bot)] == [
        "resolved",
        "triggered",
    ]
    assert len({one.key for one in there(bot)}) == 1


async def test_what_is_called_for_anew_and_over_before_the_answer_comes_rings_nobody_and_is_nothing_new(bot: Stage) -> None:
    await bot.lead.says("/aiec incident declare SEV1 leaked-credential --private")
    await bot.lead.says("/aiec incident resolve #1")
    await minutes(bot, 1)
    bot.world.faults.add(Fault(kind="drop_after", system="pagerduty", method="POST", path="/incidents", times=1))
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=503, skip=1))
    await bot.lead.says("/aiec incident reopen #1")
    await minutes(bot, 0.5, step=5)
    await bot.lead.says("/aiec incident resolve #1")
    assert [one.status for one in there(bot)] == ["resolved", "triggered"]
    bot.world.faults.clear()
    await minutes(bot, 6)
    assert [one.status for one in there(bot)] == ["resolved", "resolved"]
    assert "leaked" not in shown(bot)
    assert len(await bot.events("incident.opened")) == 1


async def test_incidents_that_are_merged_in_pagerduty_are_merged_here(watched: Stage) -> None:
    bot = watched
    account = bot.world.pagerduty
    await bot.lead.says(DECLARE)
    await bot.lead.says(DECLARE)
    first, second = there(bot)
    lifecycle.resolve(account, second, Agent("user", "P0ENGINEER"), merged_into=first.id)
    await bot.settle()  # the webhook says who it was; asking does not
    await minutes(bot, 1)
    assert "belongs to #1 now" in shown(bot)
    assert await bot.events("incident.merged") == ["engineer"]
    assert first.status == "triggered"


async def test_a_reassignment_in_pagerduty_is_recorded_and_our_levels_go_on(watched: Stage) -> None:
    bot = watched
    await bot.lead.says(DECLARE)
    lifecycle.reassign(bot.world.pagerduty, there(bot)[0], ["P0CTO"], Agent("user", "P0ENGINEER"))
    await bot.settle()
    assert await bot.events("page.reassigned") == ["engineer"]
    await minutes(bot, 15)
    assert (there(bot)[0].level, list(there(bot)[0].assignees)) == (2, ["P0SENIOR"])


async def test_a_snooze_is_recorded_and_its_people_are_asked(bot: Stage) -> None:
    await bot.lead.says(DECLARE)
    lifecycle.snooze(bot.world.pagerduty, there(bot)[0], Agent("user", "P0ENGINEER"), timedelta(hours=2))
    await minutes(bot, 2)
    assert await bot.events("incident.acknowledged") == ["engineer"]
    assert await bot.events("page.snoozed") == ["engineer"]
    assert "PagerDuty is snoozed until" in said(bot.message_with("Still on it", "@engineer"))


async def test_the_severity_is_a_priority_there_and_back(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=True, pagerduty={"priorities": {"SEV1": "P1", "SEV2": "P2"}}) as bot:
        await bot.lead.says(DECLARE)
        (incident,) = there(bot)
        assert incident.priority == "PPRIO1"
        await bot.lead.says("/aiec incident severity #1 SEV2")
        await minutes(bot, 0.1)
        assert incident.priority == "PPRIO2"
        lifecycle.set_priority(bot.world.pagerduty, incident, "PPRIO1", Agent("user", "P0SENIOR"))
        await bot.settle()
        await minutes(bot, 1)
        assert "#1 SEV1" in shown(bot)
        assert await bot.events("incident.severity") == ["lead", "senior"]
        (incident_row,) = await bot.bot.store.read(lambda tx: [*tx.all(select(IncidentRow))])
        assert incident_row.next_at == START + timedelta(minutes=30), "when the update is owed"


async def test_low_urgency_is_said_with_whom_to_call(bot: Stage) -> None:
    account = bot.world.pagerduty

    def quieten() -> None:
        for one in account.incidents.values():
            if one.urgency == "high":
                lifecycle.set_urgency(account, one, "low", Agent("user", "P0CTO"))

    account.listen(quieten)
    await bot.lead.says(DECLARE)
    assert "The page of #1 (L1)* rings nobody · call <@U0ENGINEER> +1-555-0101" in shown(bot)
    assert await bot.events("page.mute") == ["aiec"]


async def test_somebody_whom_pagerduty_does_not_know_any_more_is_stood_for_by_his_level(bot: Stage) -> None:
    await bot.lead.says("/aiec oncall override L1 @senior --for 8h")
    bot.world.pagerduty.remove_user("P0SENIOR")
    await bot.lead.says(DECLARE)
    assert [list(one.assignees) for one in there(bot)] == [["P0ENGINEER"]]
    assert await bot.events("page.remarked") == ["aiec"]


async def test_a_private_incident_is_nowhere_named_in_public(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="pagerduty", status=500))
    await bot.lead.says("/aiec incident declare SEV1 a key was published --private")
    await minutes(bot, 120, step=300)
    public = "\n".join(shown(bot, channel.name) for channel in bot.slack.channels.values() if channel.kind == "public")
    assert "nobody at L1 answered" not in public
    assert "a key was published" not in public
    (room,) = [channel.name for channel in bot.slack.channels.values() if channel.name.startswith("inc-1")]
    assert "#1: nobody at L1 answered in 15 min" in shown(bot, room)
