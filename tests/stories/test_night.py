"""The whole night: the monitoring finds something at 03:00, somebody is called until he answers, and what broke meanwhile changes nothing about that."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from bot.entry.http import LARGEST_NOTIFICATION
from bot.store.incident_tables import AlertRow, IncidentRow
from sandbox.faults import Fault
from sandbox.slack.state import Message
from tests.harness import TOKEN, Stage, said, stage
from tests.stories.test_paging import minutes, on_the_phone, rung, shown, there, told

Json = dict[str, Any]
TITLE = "#1 SEV2 The gateway answers with errors"


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Stage]:
    """A platform that is watched: Alertmanager and PagerDuty tell the bot what they know."""
    async with stage(tmp_path, webhooks=True) as found:
        yield found


async def fails(bot: Stage) -> None:
    """The gateway begins to answer with errors, and a minute passes."""
    bot.world.troubles.make("errors")
    await minutes(bot, 1, step=15)


def card(bot: Stage) -> Message:
    """The incident's message in #incidents."""
    return next(one for one in bot.slack.messages("incidents") if f"*{TITLE}*" in said(one))


async def incidents(bot: Stage) -> list[IncidentRow]:
    return await bot.bot.store.read(lambda tx: [*tx.all(select(IncidentRow).order_by(IncidentRow.id))])


async def alerts(bot: Stage) -> list[AlertRow]:
    return await bot.bot.store.read(lambda tx: [*tx.all(select(AlertRow).order_by(AlertRow.id))])


@pytest.mark.slow
async def test_from_the_first_error_to_the_last_word(night: Stage) -> None:
    bot = night
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await minutes(bot, 2, step=2)
    await fails(bot)
    assert "⚠️ needs you" in said(card(bot))
    assert re.search(r"\*Suspect\*: gateway v1.1.0 → v1.2.0 by engineer", said(card(bot)))
    assert "Roll back op-1" in card(bot).buttons
    assert "nobody has answered yet, L1 @engineer is paged" in said(card(bot))
    assert f"You are paged: {TITLE}" in told(bot, "engineer")
    assert bot.world.pagerduty.ringing("P0ENGINEER")

    await minutes(bot, 15)
    assert re.search(r"#1: nobody at L1 answered in 15 min.* \(@engineer was paged at", shown(bot))
    assert (rung(bot), there(bot)[0].level) == (["engineer", "senior"], 2)
    await minutes(bot, 30)
    assert re.search(r"#1: nobody at L2 answered in 30 min.* \(@senior was paged at", shown(bot))
    assert "L3 @lead, @manager are paged" in said(card(bot))
    assert rung(bot) == ["engineer", "senior", "lead", "manager"]

    on_the_phone(bot, "acknowledge", "lead")
    await minutes(bot, 0.1)
    assert "⏳ running" in said(card(bot))
    assert "acknowledged by @lead" in said(card(bot))
    assert "Acknowledged by @lead" in told(bot, "manager")
    await bot.lead.says("/aiec incident update #1 we are looking at the last deploy")
    await minutes(bot, 25)
    assert "we are looking at the last deploy" in said(card(bot))
    assert rung(bot) == ["engineer", "senior", "lead", "manager"]

    bot.world.troubles.end("errors")
    await minutes(bot, 9, step=30)
    assert "is it over?" not in shown(bot, "@lead")
    await minutes(bot, 3, step=30)
    assert re.search(r"all of its alerts have been quiet for 10 min.*: is it over\?", told(bot, "lead"))
    await bot.lead.clicks("Resolve", "@lead")
    await minutes(bot, 0.1)
    assert "✅ done" in said(card(bot))
    assert re.search(r"is it over\?\s+Resolved by @lead at", told(bot, "lead"))
    assert bot.slack.messages("@lead")[-1].buttons == []
    assert "resolved by @lead" in said(card(bot))
    assert [one.status for one in there(bot)] == ["resolved"]
    (alert,) = await alerts(bot)
    assert (alert.fate, alert.status) == ("opened", "resolved")
    assert not any(bot.world.pagerduty.ringing(user) for user in bot.world.pagerduty.users)


async def test_what_ends_before_anybody_woke_up_resolves_by_itself(night: Stage) -> None:
    bot = night
    await fails(bot)
    bot.world.troubles.end("errors")
    await minutes(bot, 13, step=30)
    assert "resolved by @aiec" in said(card(bot))
    assert [one.status for one in there(bot)] == ["resolved"]
    assert rung(bot) == ["engineer"]


@pytest.mark.slow
async def test_nobody_ever_answers_and_it_is_never_silent(night: Stage) -> None:
    bot = night
    await fails(bot)
    await minutes(bot, 8 * 60, step=150)
    assert rung(bot)[:6] == ["engineer", "senior", "lead", "manager", "cto", "cto"]
    assert len(re.findall("L4 @cto (is|was) paged again", shown(bot))) == 3  # 2 h each, after 1 h 45
    assert rung(bot).count("engineer") == 2  # PagerDuty's own policy, the net below ours, has come to its end meanwhile, and begins anew
    assert len(await incidents(bot)) == 1


@pytest.mark.slow
async def test_the_bot_dies_before_it_hears_of_it_and_between_the_levels(night: Stage) -> None:
    bot = night
    bot.world.troubles.make("errors")
    await bot.dead(minutes=3)
    await minutes(bot, 2, step=10)  # Alertmanager tries again
    assert rung(bot) == ["engineer"]
    assert "L1 @engineer is paged" in said(card(bot))
    await bot.dead(minutes=16)
    await minutes(bot, 1, step=10)
    assert rung(bot) == ["engineer", "senior"]
    on_the_phone(bot, "acknowledge", "senior")
    await bot.dead(minutes=5)
    await minutes(bot, 1, step=10)
    assert "acknowledged by @senior" in said(card(bot))
    assert rung(bot) == ["engineer", "senior"]
    assert len(await incidents(bot)) == len(await alerts(bot)) == 1


@pytest.mark.slow
async def test_slack_is_down_all_the_time_and_phones_ring_all_the_same(night: Stage) -> None:
    bot = night
    bot.world.troubles.make("slack")
    await fails(bot)
    await minutes(bot, 15)
    assert rung(bot) == ["engineer", "senior"]
    on_the_phone(bot, "acknowledge", "senior")
    await minutes(bot, 5)
    assert bot.slack.messages("incidents") == []
    bot.world.troubles.end("slack")
    await minutes(bot, 3, step=5)
    assert "acknowledged by @senior" in said(card(bot))
    assert len([one for one in bot.slack.messages("incidents") if TITLE in said(one)]) == 1
    assert rung(bot) == ["engineer", "senior"]


@pytest.mark.slow
async def test_pagerduty_is_down_and_the_numbers_to_call_are_shouted(night: Stage) -> None:
    bot = night
    bot.world.faults.add(Fault(kind="drop", system="pagerduty"), "down")
    await fails(bot)
    cry = shown(bot)
    assert "is not taken by PagerDuty" in cry
    assert "<@U0ENGINEER> +1-555-0101" in cry
    await minutes(bot, 15)
    assert "<@U0SENIOR> +1-555-0102" in shown(bot)
    bot.world.faults.clear("down")
    await minutes(bot, 2, step=10)
    assert [(one.level, one.status) for one in there(bot)] == [(2, "triggered")]
    assert rung(bot)[-1] == "senior"
    assert rung(bot).count("senior") == 1
    assert "PagerDuty has it now" in shown(bot)


async def test_a_storm_is_a_few_incidents_with_one_page_for_each_service(night: Stage) -> None:
    bot = night
    bot.world.troubles.make("storm")
    await minutes(bot, 2, step=10)
    assert len(await alerts(bot)) == 25
    assert all(one.fate in ("opened", "merged") and one.incident for one in await alerts(bot))
    assert len({one.service for one in await alerts(bot)}) == len(there(bot)) == 5
    assert len([one for one in bot.slack.messages("incidents") if not one.is_reply]) <= 5


async def test_maintenance_holds_what_is_no_emergency_and_lets_through_what_is(night: Stage) -> None:
    bot = night
    await bot.lead.says("/aiec maintenance start prod gateway --for 2h new load balancer")
    bot.world.troubles.make("slow")
    await minutes(bot, 3, step=15)
    assert [(one.name, one.fate, one.held) for one in await alerts(bot)] == [("HighLatency", "suppressed", True)]
    assert (await incidents(bot), rung(bot)) == ([], [])
    await fails(bot)
    assert rung(bot) == ["engineer"]


@pytest.mark.slow
async def test_a_warning_is_counted_and_becomes_an_incident_that_calls_nobody(night: Stage) -> None:
    bot = night
    bot.world.troubles.make("slow")
    await minutes(bot, 3, step=15)
    assert "HighLatency" in shown(bot, "devops-alerts")
    assert (shown(bot), rung(bot)) == ("", [])
    await minutes(bot, 31)
    assert [one.severity for one in await incidents(bot)] == ["SEV3"]
    assert "The gateway is slow" in shown(bot)
    assert rung(bot) == []


def notification(*alerts: Json) -> Json:
    common: Json = {"version": "4", "groupKey": "{}:{}", "receiver": "aiec", "status": "firing", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}}
    each = [{"status": "firing", "startsAt": "2026-11-23T14:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "annotations": {}, **alert} for alert in alerts]
    return {**common, "truncatedAlerts": 0, "externalURL": "http://alertmanager", "alerts": each}


async def tells(bot: Stage, path: str, body: bytes, **headers: str) -> int:
    """Somebody posts this to the bot; returns the status that he gets."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{bot.url}/webhooks/{path}", content=body, headers={"content-type": "application/json", **headers})
    await minutes(bot, 0.1)
    return answer.status_code


BEARER = {"authorization": f"Bearer {TOKEN}"}
MANY = {"severity": "critical", "service": "gateway", "alertname": "Wide", **{f"label_{number}": "x" * 100 for number in range(1000)}}
CONTROL = {"severity": "critical", "service": "redis", "alertname": "<!channel> *now* `x` <https://evil.example|here> & more"}


async def test_alerts_of_any_shape_have_a_fate(night: Stage) -> None:
    bot = night
    body = json.dumps(notification({"labels": {}}, {"labels": MANY}, {"labels": CONTROL})).encode()
    assert await tells(bot, "alertmanager", body, **BEARER) == 200
    found = {one.name: one.fate for one in await alerts(bot)}
    assert found == {"": "suppressed", "Wide": "opened", CONTROL["alertname"]: "opened"}
    assert rung(bot) == ["engineer", "engineer"]
    wire = json.dumps([message.blocks for message in bot.slack.messages("incidents")])
    assert "&lt;!channel&gt;" in wire
    assert "<!channel>" not in wire
    assert "<https://evil" not in wire


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "size", "headers", "status"),
    [
        ("alertmanager", 0, {"authorization": "Bearer somebody-else"}, 401),
        ("alertmanager", 0, {}, 401),
        ("alertmanager", LARGEST_NOTIFICATION, BEARER, 413),
        ("pagerduty", 0, {"x-pagerduty-signature": "v1=" + "0" * 64}, 401),
        ("pagerduty", 0, {}, 401),
        ("pagerduty", 1024 * 1024, {"x-pagerduty-signature": "v1=" + "0" * 64}, 413),
    ],
)
async def test_what_is_forged_or_too_large_changes_nothing(night: Stage, path: str, size: int, headers: dict[str, str], status: int) -> None:
    bot = night
    body = json.dumps(notification({"labels": {"alertname": "Forged", "severity": "critical"}})).encode() + b" " * size
    assert await tells(bot, path, body, **headers) == status
    assert (await alerts(bot), await incidents(bot), rung(bot)) == ([], [], [])
