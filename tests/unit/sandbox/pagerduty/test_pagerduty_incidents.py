"""Incidents by the REST API: opened, found, changed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

SERVICE = {"id": "PSHOP", "type": "service_reference"}


def refusal(answer: Any) -> tuple[int, int]:
    return answer.status, answer.body["error"]["code"]


def test_an_incident_is_opened_and_read_back(account: Any) -> None:
    one = account.reads(account.opens("Checkout is slow", incident_key="inc-1", urgency="high", body={"type": "incident_body", "details": "p99 4 s"}))
    assert (one["status"], one["incident_number"], one["incident_key"], one["urgency"], one["title"]) == ("triggered", 1, "inc-1", "high", "Checkout is slow")
    assert one["summary"] == "[#1] Checkout is slow"
    assert [entry["assignee"]["id"] for entry in one["assignments"]] == ["PANA"]
    assert one["created_at"] == "2026-11-25T03:00:00Z"
    assert one["pending_actions"] == [{"type": "escalate", "at": "2026-11-25T03:10:00Z"}]
    assert one["escalation_policy"]["id"] == "PLADDER"
    assert one["last_status_change_by"]["id"] == "PANA"
    full = account.ask("GET", f"/incidents/{one['id']}", include=["body", "services", "assignees", "escalation_policies", "first_trigger_log_entries"]).body[
        "incident"
    ]
    assert full["body"]["details"] == "p99 4 s"
    assert full["service"]["escalation_policy"]["id"] == "PLADDER"
    assert full["assignments"][0]["assignee"]["email"] == "ana@example.com"
    assert len(full["escalation_policy"]["escalation_rules"]) == 2
    assert full["first_trigger_log_entry"]["type"] == "trigger_log_entry"


def test_a_key_is_used_once_while_its_incident_is_open(account: Any) -> None:
    first = account.opens(incident_key="k")
    again = account.ask("POST", "/incidents", {"incident": {"type": "incident", "title": "again", "service": SERVICE, "incident_key": "k"}})
    assert again.status == 400
    assert again.body == {
        "error": {"message": "Arguments Caused Error", "code": 2002, "errors": ["Open incident with matching dedup key already exists on this service"]}
    }
    account.puts(first, status="resolved")
    assert account.opens(incident_key="k") != first
    assert [one["status"] for one in account.ask("GET", "/incidents", incident_key="k").body["incidents"]] == ["resolved", "triggered"]
    account.passes(60 * 24 * 31)
    assert account.ask("GET", "/incidents", incident_key="k").body["incidents"] == []
    assert len(account.ask("GET", "/incidents", incident_key="k", date_range="all").body["incidents"]) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"title": " "}, "Title can't be blank"),
        ({"service": {"id": "PNONE", "type": "service_reference"}}, "Service Not Found"),
        ({"type": "page"}, "Type must be incident"),
        ({"urgency": "urgent"}, "Urgency"),
        ({"escalation_policy": {"id": "PNONE"}}, "Escalation policy Not Found"),
        ({"assignments": [{"assignee": {"id": "PNONE"}}]}, "Assignee Not Found"),
        ({"assignments": [{"assignee": {"id": "PBEN"}}], "escalation_policy": {"id": "PLADDER"}}, "cannot be specified"),
        ({"priority": {"id": "PNONE", "type": "priority_reference"}}, "Priority Not Found"),
    ],
)
def test_what_is_wrong_is_refused_and_opens_nothing(account: Any, change: dict[str, Any], says: str) -> None:
    answer = account.ask("POST", "/incidents", {"incident": {"type": "incident", "title": "x", "service": SERVICE, **change}})
    assert refusal(answer) == (400, 2001)
    assert says in answer.body["error"]["errors"][0]
    assert account.incidents == {}


def test_who_writes_must_be_somebody(account: Any) -> None:
    body = {"incident": {"type": "incident", "title": "x", "service": SERVICE}}
    for sender in (None, "nobody@example.com"):
        answer = account.ask("POST", "/incidents", body, sender=sender)
        assert (answer.status, answer.body) == (400, {"error": {"message": "Requester User Not Found", "code": 1008}})
    assert account.ask("POST", "/incidents", body, sender=None, token="ana-key").status == 201
    assert account.ask("GET", "/incidents", sender=None).status == 200


def test_tokens_paths_and_versions_that_are_not_there(account: Any) -> None:
    assert refusal(account.ask("GET", "/incidents", token="other")) == (401, 2006)
    assert refusal(account.ask("GET", "/incidents/QNONE")) == (404, 2100)
    assert refusal(account.ask("GET", "/nothing")) == (404, 2100)
    assert account.ask("DELETE", "/incidents").status == 405
    account.limited = 1
    limited = account.ask("GET", "/incidents")
    assert refusal(limited) == (429, 2020)
    assert limited.headers["ratelimit-reset"] == "30"
    assert account.ask("GET", "/incidents").headers["ratelimit-limit"] == "960"


def test_a_service_in_maintenance_opens_none(account: Any) -> None:
    window = {
        "type": "maintenance_window",
        "start_time": "2026-11-25T00:00:00Z",
        "end_time": "2026-11-25T04:00:00Z",
        "services": [SERVICE],
        "description": "db",
    }
    made = account.ask("POST", "/maintenance_windows", {"maintenance_window": window}).body["maintenance_window"]
    assert (made["start_time"], made["end_time"], made["created_by"]["id"]) == ("2026-11-25T03:00:00Z", "2026-11-25T04:00:00Z", "PANA")
    assert account.ask("GET", "/services/PSHOP").body["service"]["status"] == "maintenance"
    answer = account.ask("POST", "/incidents", {"incident": {"type": "incident", "title": "x", "service": SERVICE}})
    assert "maintenance" in answer.body["error"]["errors"][0]
    assert account.sends("trigger", "k").status == 202
    assert account.incidents == {}
    assert [one["id"] for one in account.ask("GET", "/maintenance_windows", filter="ongoing").body["maintenance_windows"]] == [made["id"]]
    assert account.ask("DELETE", f"/maintenance_windows/{made['id']}").status == 204
    assert account.ask("DELETE", f"/maintenance_windows/{made['id']}").status == 405
    assert account.ask("GET", "/maintenance_windows", filter="past").body["maintenance_windows"][0]["end_time"] == "2026-11-25T03:00:00Z"
    assert account.opens()


def test_incidents_are_listed_by_what_is_asked_for(account: Any) -> None:
    first = account.opens("one", urgency="low")
    account.passes(60 * 24 * 31)
    second, third = account.opens("two"), account.opens("three")
    account.puts(third, status="acknowledged")

    def titles(**query: Any) -> list[str]:
        return [one["title"] for one in account.ask("GET", "/incidents", **query).body["incidents"]]

    assert titles() == ["two", "three"]
    assert titles(date_range="all", sort_by="created_at:desc,incident_number:desc") == ["three", "two", "one"]
    assert titles(statuses=["acknowledged"]) == ["three"]
    assert titles(statuses=["triggered", "acknowledged"], date_range="all", urgencies=["low"]) == ["one"]
    assert titles(service_ids=["POTHER"]) == []
    assert titles(user_ids=["PANA"], since="2026-12-01") == ["two", "three"]
    assert titles(since="2026-11-25", until="2026-11-26") == ["one"]
    page = account.ask("GET", "/incidents", date_range="all", limit=2, total="true").body
    assert (page["limit"], page["offset"], page["total"], page["more"], len(page["incidents"])) == (2, 0, 3, True, 2)
    assert account.ask("GET", "/incidents", date_range="all", limit=2, offset=2).body["more"] is False
    assert refusal(account.ask("GET", "/incidents", limit=100, offset=9901)) == (400, 2001)
    assert refusal(account.ask("GET", "/incidents", since="yesterday")) == (400, 2001)
    assert refusal(account.ask("GET", "/incidents", sort_by="mood")) == (400, 2001)
    assert account.reads(second)["id"] != first


def test_acknowledged_and_resolved_and_reopened(account: Any) -> None:
    one = account.opens()
    assert account.puts(one, status="acknowledged").body["incident"]["acknowledgements"][0]["acknowledger"]["id"] == "PANA"
    assert account.reads(one)["pending_actions"] == []
    assert refusal(account.puts(one, status="triggered")) == (400, 2001)
    resolved = account.puts(one, status="resolved", sender="ben@example.com").body["incident"]
    assert (resolved["status"], resolved["assignments"], resolved["last_status_change_by"]["id"]) == ("resolved", [], "PBEN")
    assert resolved["resolved_at"] == "2026-11-25T03:00:00Z"
    assert account.puts(one, status="resolved").body["error"] == {"message": "Incident Already Resolved", "code": 1001, "errors": ["Incident Already Resolved"]}
    again = account.puts(one, status="triggered").body["incident"]
    assert (again["status"], again["resolved_at"], [entry["assignee"]["id"] for entry in again["assignments"]]) == ("triggered", None, ["PANA"])
    assert again["pending_actions"] == [{"type": "escalate", "at": "2026-11-25T03:10:00Z"}]
    account.puts(one, status="resolved")
    taken = account.puts(one, status="acknowledged", sender="cai@example.com").body["incident"]
    assert (taken["status"], [entry["assignee"]["id"] for entry in taken["assignments"]]) == ("acknowledged", ["PCAI"])
    assert account.news() == ["triggered", "acknowledged", "resolved", "reopened", "resolved", "reopened", "acknowledged"]


def test_several_are_changed_at_once(account: Any) -> None:
    one, two = account.opens("one"), account.opens("two")
    answer = account.ask("PUT", "/incidents", {"incidents": [{"id": which, "type": "incident_reference", "status": "acknowledged"} for which in (one, two)]})
    assert [each["status"] for each in answer.body["incidents"]] == ["acknowledged", "acknowledged"]
    assert refusal(account.ask("PUT", "/incidents", {"incidents": []})) == (400, 2001)
    assert account.ask("PUT", "/incidents", {"incidents": [{"id": one, "type": "incident"}] * 251}).status == 413


def test_notes_and_priority_and_title(account: Any) -> None:
    one = account.opens()
    note = account.ask("POST", f"/incidents/{one}/notes", {"note": {"content": "looking at it"}}).body["note"]
    assert (note["content"], note["user"]["id"]) == ("looking at it", "PANA")
    assert [each["content"] for each in account.ask("GET", f"/incidents/{one}/notes").body["notes"]] == ["looking at it"]
    assert refusal(account.ask("POST", f"/incidents/{one}/notes", {"note": {"content": ""}})) == (400, 2001)
    first = account.ask("GET", "/priorities").body["priorities"][0]
    changed = account.puts(one, priority={"id": first["id"], "type": "priority_reference"}, title="Checkout is down").body["incident"]
    assert (changed["priority"]["summary"], changed["title"]) == ("P1", "Checkout is down")
    assert account.news() == ["triggered", "annotated", "priority_updated"]
    entries = account.ask("GET", f"/incidents/{one}/log_entries").body["log_entries"]
    assert [each["type"] for each in entries] == ["priority_change_log_entry", "annotate_log_entry", "trigger_log_entry"]
    assert entries[1]["channel"] == {"type": "note", "summary": "looking at it"}


def test_incidents_with_alerts_are_merged(account: Any) -> None:
    account.sends("trigger", "a")
    account.sends("trigger", "b")
    target, source = account.incidents
    answer = account.ask("PUT", f"/incidents/{target}/merge", {"source_incidents": [{"id": source, "type": "incident_reference"}]})
    assert answer.body["incident"]["type"] == "incident_reference"
    assert account.reads(source)["resolve_reason"]["incident"]["id"] == target
    assert account.carry()[-1]["data"]["resolve_reason"]["incident"]["id"] == target
    assert account.reads(target)["alert_counts"]["all"] == 2
    by_hand = account.opens()
    assert refusal(account.ask("PUT", f"/incidents/{target}/merge", {"source_incidents": [{"id": by_hand}]})) == (400, 2001)


def test_events_open_acknowledge_and_resolve(account: Any) -> None:
    taken = account.sends("trigger")
    assert taken.status == 202
    key = taken.body["dedup_key"]
    assert account.sends("trigger", key).body == {"status": "success", "message": "Event processed", "dedup_key": key}
    assert [one["alert_counts"]["triggered"] for one in account.ask("GET", "/incidents").body["incidents"]] == [2]
    account.sends("acknowledge", key)
    account.sends("resolve", key)
    account.sends("resolve", key)
    assert account.news() == ["triggered", "acknowledged", "resolved"]
    account.sends("trigger", key)
    assert len(account.incidents) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"routing_key": "other"}, {"routing_key": ""}, {"event_action": "page"}, {"dedup_key": "x" * 256}, {"event_action": "resolve"}, {"payload": None},
        {"payload": {"summary": "x", "source": "y", "severity": "bad"}}, {"payload": {"summary": "x" * 1025, "source": "y", "severity": "info"}},
    ],
)  # fmt: skip
def test_events_that_are_wrong(account: Any, change: dict[str, Any]) -> None:
    answer = account.sends("trigger", **change)
    assert answer.status == 400
    assert (answer.body["status"], answer.body["message"]) == ("invalid event", "Event object is invalid")
    assert answer.body["errors"]
    assert account.incidents == {}


def test_an_event_says_which_client_sent_it(account: Any) -> None:
    account.sends("trigger", client="Grafana", client_url="http://grafana/d/1")
    [event] = account.carry()
    assert (event["client"], event["agent"]["type"]) == ({"name": "Grafana", "url": "http://grafana/d/1"}, "service_reference")


def test_events_have_their_limit(account: Any) -> None:
    account.events_limited = 1
    assert account.sends("trigger").status == 429
    assert account.sends("trigger").status == 202


def test_other_things_are_read(account: Any) -> None:
    assert account.ask("GET", "/users", query="ben").body["users"][0]["email"] == "ben@example.com"
    assert account.ask("GET", "/users/PANA").body["user"]["name"] == "Ana"
    assert account.ask("GET", "/users/me", token="ana-key").body["user"]["id"] == "PANA"
    assert refusal(account.ask("GET", "/users/me")) == (400, 2001)
    policy = account.ask("GET", "/escalation_policies/PLADDER").body["escalation_policy"]
    assert [rule["escalation_delay_in_minutes"] for rule in policy["escalation_rules"]] == [10, 20]
    assert policy["num_loops"] == 0
    service = account.ask("GET", "/services/PSHOP").body["service"]
    assert (service["incident_urgency_rule"], service["acknowledgement_timeout"]) == ({"type": "constant", "urgency": "high"}, None)
    assert refusal(account.ask("GET", "/services/PNONE")) == (404, 2100)
    assert account.ask("GET", "/abilities").status == 200
    account.remove_service("PSHOP")
    assert refusal(account.ask("GET", "/services/PSHOP")) == (404, 2100)
    assert account.sends("trigger").status == 400
