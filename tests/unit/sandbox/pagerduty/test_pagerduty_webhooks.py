"""Webhooks v3: how they are signed and what they say, in which order they come, and what becomes of those that fail."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest

FIXTURES = os.environ.get("TEST_WEBHOOKS")


def signed(secret: str, body: bytes) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_webhook_is_signed_by_every_secret(account: Any) -> None:
    account.opens()
    account.webhooks.subscriptions["PHOOK"].secrets = ["s3cret", "next"]
    [(url, headers, body, _)] = account.webhooks.take()
    assert url == "http://app/hook"
    assert headers["X-PagerDuty-Signature"] == f"{signed('s3cret', body)},{signed('next', body)}"
    assert headers["X-Webhook-Subscription"] == "PHOOK"
    assert headers["X-Webhook-Id"]
    assert headers["Content-Type"] == "application/json"


def test_an_escalation_says_what_it_says_at_pagerduty(account: Any) -> None:
    one = account.opens("Checkout is slow", incident_key="k", priority="P1")
    account.puts(one, escalation_level=2)
    event = account.carry()[-1]
    assert set(event) == {"id", "event_type", "resource_type", "occurred_at", "agent", "client", "data"}
    assert (event["event_type"], event["resource_type"], event["agent"]["type"]) == ("incident.escalated", "incident", "user_reference")
    assert event["data"] == {
        "id": one,
        "type": "incident",
        "self": f"https://api.pagerduty.com/incidents/{one}",
        "html_url": f"https://acme.pagerduty.com/incidents/{one}",
        "number": 1,
        "status": "triggered",
        "incident_key": "k",
        "created_at": "2026-11-25T03:00:00Z",
        "reopened_at": None,
        "title": "Checkout is slow",
        "service": {
            "html_url": "https://acme.pagerduty.com/services/PSHOP",
            "id": "PSHOP",
            "self": "https://api.pagerduty.com/services/PSHOP",
            "summary": "Shop",
            "type": "service_reference",
        },
        "assignees": [
            {
                "html_url": f"https://acme.pagerduty.com/users/{user}",
                "id": user,
                "self": f"https://api.pagerduty.com/users/{user}",
                "summary": name,
                "type": "user_reference",
            }
            for user, name in (("PBEN", "Ben"), ("PCAI", "Cai"))
        ],
        "escalation_policy": {
            "html_url": "https://acme.pagerduty.com/escalation_policies/PLADDER",
            "id": "PLADDER",
            "self": "https://api.pagerduty.com/escalation_policies/PLADDER",
            "summary": "Ladder",
            "type": "escalation_policy_reference",
        },
        "teams": [],
        "priority": {
            "id": "PPRIO1",
            "type": "priority_reference",
            "self": "https://api.pagerduty.com/priorities/PPRIO1",
            "html_url": "https://acme.pagerduty.com/account/settings/incidents",
            "summary": "P1",
        },
        "urgency": "high",
        "conference_bridge": None,
        "resolve_reason": None,
        "incident_type": {"name": "incident_default"},
    }


def happenings(account: Any) -> dict[str, Any]:
    """One event of each type, by type."""
    one = account.opens(priority="P1")
    account.puts(one, escalation_level=2)
    account.puts(one, assignments=[{"assignee": {"id": "PCAI", "type": "user_reference"}}])
    account.puts(one, status="acknowledged")
    account.ask("POST", f"/incidents/{one}/notes", {"note": {"content": "looking at it"}})
    account.puts(one, status="resolved")
    account.puts(one, status="triggered")
    return {event["event_type"]: event for event in account.carry()}


def shape(value: Any) -> Any:
    """The fields of something and of what it contains; of a list those of its first item."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__ if isinstance(value, str | int | bool) else None


@pytest.mark.skipif(not FIXTURES, reason="TEST_WEBHOOKS names the folder of recorded webhooks")
def test_every_webhook_has_the_shape_of_pagerdutys_own(account: Any) -> None:
    assert FIXTURES is not None
    files = sorted((Path(FIXTURES) / "pagerduty" / "webhooks_v3").glob("*.json"))
    ours = happenings(account)
    assert {path.stem for path in files} == {*ours}
    for path in files:
        published = shape(json.loads(path.read_text())["event"])
        said = shape(ours[path.stem])
        newer = {"incident_key", "created_at", "reopened_at", "incident_type"}  # since 2021
        assert {*published} == {*said}
        assert {*said["data"]} - newer == {*published["data"]} - newer, path.stem
        for name, inner in published["data"].items():
            if isinstance(inner, dict | list) and inner and said["data"][name]:
                assert inner == said["data"][name], f"{path.stem} {name}"
        assert published["agent"] == said["agent"]


def test_a_ping(account: Any) -> None:
    assert account.ask("POST", "/webhook_subscriptions/PHOOK/ping").status == 202
    [event] = account.carry()
    assert (event["event_type"], event["resource_type"], event["data"]["type"], event["agent"]) == ("pagey.ping", "pagey", "ping", None)


def test_later_events_of_an_incident_wait_behind_one_that_fails(account: Any) -> None:
    one = account.opens("one")
    account.puts(one, status="acknowledged")
    account.opens("two")
    taken = account.webhooks.take()
    assert [(delivery.kind, delivery.incident == one) for *_, delivery in taken] == [("incident.triggered", True), ("incident.triggered", False)]
    assert account.webhooks.take() == []
    first, second = (delivery for *_, delivery in taken)
    account.webhooks.settle(first, 503)
    account.webhooks.settle(second, 200)
    assert account.news() == []
    account.clock.advance(5)
    [(_, headers, _, again)] = account.webhooks.take()
    assert headers["X-Webhook-Id"] == first.id
    account.webhooks.settle(again, 202)
    assert account.news() == ["acknowledged"]


@pytest.mark.parametrize("status", [None, 500, 503, 429])
def test_what_may_pass_is_tried_again_for_two_days(account: Any, status: int | None) -> None:
    account.opens()
    tried = 0
    for _ in range(70):
        tried += len(account.carry(status))
        account.clock.advance(3600)
    assert 45 < tried < 60
    assert [(one.kind, one.attempts) for one in account.webhooks.sent] == [("incident.triggered", tried)]


def test_three_drops_in_a_row_disable_the_subscription_for_a_day(account: Any) -> None:
    one = account.opens()
    account.carry(404)
    assert account.webhooks.waiting == []
    account.puts(one, status="acknowledged")
    account.carry(200)
    for _ in range(3):
        account.ask("POST", f"/incidents/{one}/notes", {"note": {"content": "x"}})
    account.carry(401)
    method = account.ask("GET", "/webhook_subscriptions").body["webhook_subscriptions"][0]["delivery_method"]
    assert method == {
        "id": "PHOOKD",
        "type": "http_delivery_method",
        "url": "http://app/hook",
        "secret": None,
        "temporarily_disabled": True,
        "custom_headers": [],
    }
    account.puts(one, status="resolved")
    assert account.news() == []
    account.passes(24 * 60)
    assert account.news() == []
    account.puts(one, status="triggered")
    assert account.news() == ["reopened"]


def test_a_disabled_subscription_is_enabled(account: Any) -> None:
    for _ in range(3):
        account.opens()
        account.carry(410)
    assert account.ask("POST", "/webhook_subscriptions/PHOOK/enable").body["webhook_subscription"]["delivery_method"]["temporarily_disabled"] is False
    account.opens()
    assert account.news() == ["triggered"]


def test_deliveries_are_lost_doubled_held_back_overtaken_and_repeated(account: Any) -> None:
    troubles = account.webhooks.troubles
    one = account.opens()
    account.news()
    troubles.drop = 1
    account.puts(one, status="acknowledged")
    assert account.news() == []
    troubles.duplicate = 1
    account.puts(one, escalation_level=2)
    account.clock.advance(1)
    twice = account.carry()
    assert [event["event_type"] for event in twice] == ["incident.escalated"] * 2
    assert twice[0]["id"] == twice[1]["id"]
    troubles.reorder = 1
    account.puts(one, status="acknowledged")
    assert account.news() == []
    account.puts(one, status="resolved")
    assert account.news() == ["resolved", "acknowledged"]
    troubles.delay, troubles.seconds = 1, 90
    account.puts(one, status="triggered")
    assert account.news() == []
    account.clock.advance(90)
    assert account.news() == ["reopened"]
    assert account.webhooks.replay(twice[0]["id"]).kind == "incident.escalated"
    assert [event["id"] for event in account.carry()] == [twice[0]["id"]]


def test_subscriptions_choose_events_and_services(account: Any) -> None:
    wanted = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": "http://other/hook"},
        "events": ["incident.resolved"],
        "filter": {"type": "service_reference", "id": "PSHOP"},
    }
    made = account.ask("POST", "/webhook_subscriptions", {"webhook_subscription": wanted}).body["webhook_subscription"]
    assert len(made["delivery_method"]["secret"]) == 64
    account.webhooks.subscriptions["PHOOK"].active = False
    one = account.opens()
    account.puts(one, status="resolved")
    [(url, headers, body, _)] = account.webhooks.take()
    assert url == "http://other/hook"
    assert headers["X-PagerDuty-Signature"] == signed(made["delivery_method"]["secret"], body)
    assert json.loads(body)["event"]["event_type"] == "incident.resolved"
    assert account.ask("DELETE", f"/webhook_subscriptions/{made['id']}").status == 204
    assert account.ask("GET", f"/webhook_subscriptions/{made['id']}").status == 404
