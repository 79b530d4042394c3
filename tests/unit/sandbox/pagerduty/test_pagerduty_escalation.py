"""What happens by itself: levels, phones, timeouts, schedules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.pagerduty import lifecycle, phones
from sandbox.pagerduty.state import Agent
from tests.unit.sandbox.pagerduty.account_driver import SETTING, START, Account


def assigned(account: Any, incident: str) -> list[str]:
    return [entry["assignee"]["id"] for entry in account.reads(incident)["assignments"]]


def with_setting(**changes: Any) -> Account:
    """An account with other fields of its service or policy."""
    made = Account(Clock.manual(START), seed=1)
    service = {name: value for name, value in changes.items() if name not in ("loops",)}
    policy = {name: value for name, value in changes.items() if name in ("loops",)}
    made.setup(SETTING | {"services": [SETTING["services"][0] | service], "policies": [SETTING["policies"][0] | policy]})
    return made


def test_nobody_answers_and_the_next_level_is_called(account: Any) -> None:
    one = account.opens()
    account.passes(9)
    assert assigned(account, one) == ["PANA"]
    account.passes(1)
    assert assigned(account, one) == ["PBEN", "PCAI"]
    account.passes(600)
    assert assigned(account, one) == ["PBEN", "PCAI"]
    assert account.news() == ["triggered", "escalated"]


def test_a_late_look_plays_everything_at_its_own_time() -> None:
    account = with_setting(loops=1)
    one = account.opens()
    account.passes(600)
    log = [(entry.kind, int((entry.at - START) / timedelta(minutes=1))) for entry in account.incidents[one].log]
    assert log == [("trigger", 0), ("escalate", 10), ("escalate", 30), ("escalate", 40)]
    assert [event["occurred_at"] for event in account.carry()][1:3] == ["2026-11-25T03:10:00.000Z", "2026-11-25T03:30:00.000Z"]


@pytest.mark.parametrize("sender", ["ana@example.com", "cai@example.com"])
def test_who_acknowledges_stops_it(account: Any, sender: str) -> None:
    one = account.opens()
    account.puts(one, status="acknowledged", sender=sender)
    account.passes(600)
    assert assigned(account, one) == ["PANA"]
    assert account.rings("PANA") == []


def test_low_urgency_does_not_escalate_nor_ring(account: Any) -> None:
    one = account.opens(urgency="low")
    account.passes(600)
    assert assigned(account, one) == ["PANA"]
    assert [(told.channel, told.state) for told in account.notifications] == [("email", "delivered")]
    account.puts(one, urgency="high")
    account.passes(0)
    assert account.rings("PANA") == ["push"]
    account.passes(10)
    assert assigned(account, one) == ["PBEN", "PCAI"]


def test_a_level_is_raised_by_the_api_even_after_an_acknowledgement(account: Any) -> None:
    one = account.opens()
    account.puts(one, status="acknowledged")
    raised = account.puts(one, escalation_level=2).body["incident"]
    assert (raised["status"], [entry["assignee"]["id"] for entry in raised["assignments"]]) == ("triggered", ["PBEN", "PCAI"])
    account.passes(0)
    assert account.rings("PBEN") == ["push"]
    for level in (0, 3, "2", True):
        assert account.puts(one, escalation_level=level).status == 400


def test_assigning_to_somebody_ends_the_policy(account: Any) -> None:
    one = account.opens()
    changed = account.puts(one, assignments=[{"assignee": {"id": "PCAI", "type": "user_reference"}}]).body["incident"]
    assert (changed["assigned_via"], changed["pending_actions"]) == ("direct_assignment", [])
    account.passes(600)
    assert assigned(account, one) == ["PCAI"]
    assert account.news() == ["triggered", "reassigned"]
    assert account.puts(one, escalation_policy={"id": "PLADDER", "type": "escalation_policy_reference"}).body["incident"]["assigned_via"] == "escalation_policy"
    account.passes(10)
    assert assigned(account, one) == ["PBEN", "PCAI"]
    assert account.news() == ["delegated", "escalated"]


def test_an_acknowledgement_runs_out() -> None:
    account = with_setting(acknowledgement_timeout=1800)
    one = account.opens()
    account.puts(one, status="acknowledged")
    assert account.reads(one)["pending_actions"] == [{"type": "unacknowledge", "at": "2026-11-25T03:30:00Z"}]
    account.passes(30)
    assert (account.reads(one)["status"], account.reads(one)["acknowledgements"], account.rings("PANA")) == ("triggered", [], ["push"])
    account.passes(10)
    assert assigned(account, one) == ["PBEN", "PCAI"]
    assert account.news() == ["triggered", "acknowledged", "unacknowledged", "escalated"]


def test_a_snooze_ends(account: Any) -> None:
    one = account.opens()
    snoozed = account.ask("POST", f"/incidents/{one}/snooze", {"duration": 3600})
    assert (snoozed.status, snoozed.body["incident"]["status"]) == (201, "acknowledged")
    account.passes(60)
    assert account.reads(one)["status"] == "triggered"
    assert account.news() == ["triggered", "acknowledged", "unacknowledged"]
    assert account.ask("POST", f"/incidents/{one}/snooze", {"duration": 0}).status == 400


def test_an_incident_resolves_by_itself() -> None:
    account = with_setting(auto_resolve_timeout=7200)
    one = account.opens()
    account.passes(120)
    assert account.reads(one)["status"] == "resolved"
    assert account.rings("PBEN") == []


def test_phones_ring_by_their_rules(account: Any) -> None:
    account.opens()
    account.passes(0)
    assert account.rings("PANA") == ["push"]
    account.passes(2)
    assert account.rings("PANA") == ["phone"]
    assert phones.miss(account, "Ana") == 1
    assert account.rings("PANA") == []
    account.passes(3)
    assert account.rings("PANA") == ["phone"]
    account.passes(5)
    assert (account.rings("PANA"), account.rings("PBEN"), account.rings("PCAI")) == ([], ["push"], ["push"])
    incident = account.incident("1")
    lifecycle.acknowledge(account, incident, Agent("user", "PBEN"), "mobile")
    states = {(told.user, told.channel): told.state for told in account.notifications}
    assert states == {("PANA", "push"): "missed", ("PANA", "phone"): "missed", ("PBEN", "push"): "answered", ("PCAI", "push"): "stopped"}


def test_overrides_decide_who_is_called(account: Any) -> None:
    override = {"start": "2026-11-25T02:00:00Z", "end": "2026-11-25T03:30:00Z", "user": {"id": "PBEN", "type": "user_reference"}}
    assert account.ask("POST", "/schedules/PFIRST/overrides", {"overrides": [override]}).body["overrides"][0]["status"] == 201
    assert assigned(account, account.opens()) == ["PBEN"]
    account.passes(30)
    assert assigned(account, account.opens()) == ["PANA"]
    listed = account.ask("GET", "/schedules/PFIRST/overrides", since="2026-11-25T00:00:00Z", until="2026-11-26T00:00:00Z").body["overrides"]
    assert [one["user"]["id"] for one in listed] == ["PBEN"]


def test_on_calls_are_listed(account: Any) -> None:
    def entries(**query: Any) -> list[tuple[int, str, str | None, str | None]]:
        found = account.ask("GET", "/oncalls", escalation_policy_ids=["PLADDER"], **query).body["oncalls"]
        return [(one["escalation_level"], one["user"]["id"], one["start"], one["end"]) for one in found]

    always = [(2, "PBEN", None, None), (2, "PCAI", None, None)]
    assert entries() == [(1, "PANA", "2026-11-25T03:00:00Z", None), *always]
    override = {"start": "2026-11-25T05:00:00Z", "end": "2026-11-25T06:00:00Z", "user": {"id": "PCAI", "type": "user_reference"}}
    account.ask("POST", "/schedules/PFIRST/overrides", {"overrides": [override]})
    assert entries() == [(1, "PANA", "2026-11-25T03:00:00Z", "2026-11-25T05:00:00Z"), *always]
    ana, cai = (1, "PANA", "2026-11-25T03:00:00Z", "2026-11-25T05:00:00Z"), (1, "PCAI", "2026-11-25T05:00:00Z", "2026-11-25T06:00:00Z")
    later = (1, "PANA", "2026-11-25T06:00:00Z", None)
    assert entries(until="2026-11-25T07:00:00Z") == [ana, cai, later, *always]
    assert entries(until="2026-11-25T07:00:00Z", earliest="true") == [ana, cai, *always]
    account.ask("POST", "/schedules/PFIRST/overrides", {"overrides": [override | {"start": "2026-11-25T06:00:00Z", "end": "2026-11-25T06:30:00Z"}]})
    assert entries(since="2026-11-25T05:10:00Z")[0] == (1, "PCAI", "2026-11-25T05:00:00Z", "2026-11-25T06:30:00Z")
    assert entries(user_ids=["PBEN"]) == [(2, "PBEN", None, None)]
    assert account.ask("GET", "/oncalls", escalation_policy_ids=["POTHER"]).body["oncalls"] == []
    assert account.ask("GET", "/oncalls", include=["users"]).body["oncalls"][0]["user"]["email"] == "ana@example.com"


def test_a_schedule_takes_turns() -> None:
    account = Account(Clock.manual(START))
    account.setup(SETTING | {"schedules": [{"id": "PFIRST", "name": "First", "users": ["PANA", "PBEN"], "turn_hours": 12}]})
    assert assigned(account, account.opens()) == ["PANA"]
    found = account.ask("GET", "/oncalls", schedule_ids=["PFIRST"]).body["oncalls"]
    assert [(one["user"]["id"], one["start"], one["end"]) for one in found] == [("PANA", "2026-11-25T03:00:00Z", "2026-11-25T15:00:00Z")]
    account.passes(12 * 60)
    assert assigned(account, account.opens()) == ["PBEN"]


def test_a_level_without_anybody_is_skipped(account: Any) -> None:
    account.schedules["PFIRST"].users.clear()
    assert assigned(account, account.opens()) == ["PBEN", "PCAI"]
    account.remove_user("Ben")
    account.remove_user("Cai")
    answer = account.ask("POST", "/incidents", {"incident": {"type": "incident", "title": "x", "service": {"id": "PSHOP"}}})
    assert "on call" in answer.body["error"]["errors"][0]
    assert account.sends("trigger").status == 202
    assert len(account.incidents) == 1
