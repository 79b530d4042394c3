"""PagerDuty's webhooks v3: what is read of them."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import Invalid
from bot.core.pager_events import PagerEvent, parse

INCIDENT = {
    "id": "Q3B15",
    "type": "incident",
    "html_url": "https://acme.pagerduty.com/incidents/Q3B15",
    "status": "acknowledged",
    "incident_key": "aiec-42",
    "title": "#42 SEV1 gateway: error rate 12 %",
    "service": {"id": "PLVTM9H", "type": "service_reference", "summary": "gateway"},
    "assignees": [{"id": "PENGINEER", "type": "user_reference", "summary": "Engineer"}, {"id": "PSENIOR", "type": "user_reference"}],
    "escalation_policy": {"id": "P1EUYO0", "type": "escalation_policy_reference"},
    "priority": {"id": "P12CAYR", "type": "priority_reference", "summary": "P1"},
    "urgency": "high",
    "resolve_reason": None,
}


def delivery(data: Any = INCIDENT, **changes: Any) -> dict[str, Any]:
    event = {
        "id": "01GI0JWUU28G8XE5M6IIT4BZ39",
        "event_type": "incident.acknowledged",
        "resource_type": "incident",
        "occurred_at": "2026-04-01T02:08:04.642Z",
        "agent": {"id": "PENGINEER", "type": "user_reference", "summary": "Engineer"},
        "client": None,
        "data": data,
    }
    return {"event": event | changes}


def test_an_acknowledgement() -> None:
    assert parse(delivery()) == PagerEvent(
        id="01GI0JWUU28G8XE5M6IIT4BZ39",
        type="incident.acknowledged",
        occurred_at=datetime(2026, 4, 1, 2, 8, 4, 642_000, UTC),
        agent="PENGINEER",
        incident="Q3B15",
        key="aiec-42",
        status="acknowledged",
        assignees=("PENGINEER", "PSENIOR"),
        priority="P1",
        note="",
        title="#42 SEV1 gateway: error rate 12 %",
        service="PLVTM9H",
        merged_into=None,
    )


def test_a_note_tells_nothing_of_the_state() -> None:
    note = {"type": "incident_note", "id": "PEMJB6G", "content": "killing long queries <!here>", "incident": {"id": "Q3B15", "type": "incident_reference"}}
    event = parse(delivery(note, event_type="incident.annotated"))
    assert event is not None
    assert (event.incident, event.note, event.status, event.assignees, event.title) == ("Q3B15", "killing long queries <!here>", None, (), "")


def test_a_merge_names_what_it_was_merged_into() -> None:
    reason = {"type": "merge_resolve_reason", "incident": {"id": "QOTHER", "type": "incident_reference"}}
    event = parse(delivery(INCIDENT | {"status": "resolved", "resolve_reason": reason}, event_type="incident.resolved"))
    assert event is not None
    assert (event.status, event.merged_into) == ("resolved", "QOTHER")


def test_only_a_person_is_an_agent() -> None:
    for agent in (None, {"id": "PSERVICE", "type": "service_reference"}, {"id": "PINTEGRATION", "type": "inbound_integration_reference"}, "PENGINEER"):
        event = parse(delivery(agent=agent))
        assert event is not None
        assert event.agent is None


@pytest.mark.parametrize(
    "data", [None, {"type": "ping", "message": "Hello from your friend Pagey!"}, {"type": "service", "id": "P1"}, {"type": "incident_responder"}]
)
def test_what_is_of_no_concern(data: Any) -> None:
    assert parse(delivery(data, event_type="pagey.ping")) is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"event": None},
        {"messages": [{"event": "incident.trigger"}]},
        delivery(id=None),
        delivery(event_type=None),
        delivery(occurred_at="soon"),
        delivery("Q3B15"),
        delivery({"type": "incident"}),
    ],
)
def test_what_is_no_event_is_refused(body: Any) -> None:
    with pytest.raises(Invalid):
        parse(body)


@given(st.dictionaries(st.sampled_from([*INCIDENT]), st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text())))
def test_an_incident_that_looks_strange_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        event = parse(delivery(INCIDENT | changes))
    except Invalid:
        assert not changes["id"]
    else:
        assert event is None or event.incident


@pytest.mark.skipif("TEST_WEBHOOKS" not in os.environ, reason="TEST_WEBHOOKS names no folder of recorded webhooks")
def test_recorded_events() -> None:
    files = [*Path(os.environ["TEST_WEBHOOKS"]).glob("pagerduty/webhooks_v3/*.json")]
    for file in files:
        sent = json.loads(file.read_text())["event"]
        event = parse({"event": sent})
        assert event is not None
        assert (event.id, event.type, event.agent) == (sent["id"], file.stem, sent["agent"]["id"])
        if event.status is None:
            assert event.note == sent["data"]["content"]
        else:
            assert (event.status, event.title) == (sent["data"]["status"], sent["data"]["title"])
            assert event.assignees == tuple(one["id"] for one in sent["data"]["assignees"])
    assert len(files) > 5
