"""Incidents as cards, timelines and names: pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import UsageError
from bot.core.incident_name import incident_number
from bot.core.parse import bind, words
from bot.core.text import words as plain
from commands.incident import say, weigh
from escalation.card import Paging, Room, incident_card, row, summary_card
from escalation.channel import name_of
from escalation.incident import Incident, State, Suspect
from escalation.timeline import Entry, rendered

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
OPEN = Incident(number=42, title="error rate 12 %", severity="SEV1", service="gateway", opened_at=NOW, opened_by="engineer", active_at=NOW)
SUSPECT = Suspect(text="gateway v1.1.0 → v1.2.0", at=NOW - timedelta(minutes=6), environment="prod", service="gateway", back="v1.1.0")


def labels(incident: Incident, paging: Paging | None = None) -> list[str]:
    return [action.label for action in incident_card(incident, None, paging).actions]


def test_buttons_are_those_that_apply_now():
    assert labels(OPEN) == ["Acknowledge", "Resolve", "Update", "Take commander", "Take comms"]
    acknowledged = OPEN.go(State.ACKNOWLEDGED, NOW, "senior")
    assert labels(acknowledged) == ["Resolve", "Update", "Take comms"]
    resolved = acknowledged.go(State.RESOLVED, NOW, "senior")
    assert labels(resolved) == ["Close", "Reopen"]
    assert labels(resolved.go(State.CLOSED, NOW, "senior")) == []
    assert labels(OPEN.go(State.MERGED, NOW, "senior")) == []


def test_the_button_that_escalates_carries_the_level_that_it_was_drawn_for():
    card = incident_card(OPEN, None, Paging(level=1, last=4, asked=("engineer",)))
    button = next(action for action in card.actions if action.label == "Escalate to L2")
    assert button.arguments == {"incident": "#42", "level": 1}
    assert "nobody has answered yet, L1 @engineer is paged" in plain(card.headline)
    assert "Page L4 again" in labels(OPEN, Paging(level=4, last=4))
    assert not [label for label in labels(OPEN, Paging(level=0, last=4)) if "L1" in label]


def test_what_aiec_did_is_taken_back_as_that_operation_once():
    two = (SUSPECT.model_copy(update={"operation": "op-7"}), SUSPECT.model_copy(update={"operation": "op-7", "service": "shop"}))
    card = incident_card(OPEN.model_copy(update={"suspects": two}))
    (button,) = [action for action in card.actions if action.command in ("rollback", "deploy")]
    assert (button.command, button.arguments) == ("rollback", {"environment": "prod", "operation": "op-7"})
    assert button.confirm


def test_what_came_past_aiec_is_taken_back_by_a_deploy_that_says_for_which_incident_unless_that_is_private():
    past = SUSPECT.model_copy(update={"operation": ""})
    card = incident_card(OPEN.model_copy(update={"suspects": (past,)}))
    button = card.actions[-1]
    assert button.command == "deploy"
    assert button.arguments == {"environment": "prod", "version": "v1.1.0", "service": ["gateway"], "emergency": "rollback for incident #42"}
    assert button.confirm
    assert "Suspect: gateway v1.1.0 → v1.2.0, 6 min before this" in [plain(one) for one in card.lines]
    private = incident_card(OPEN.model_copy(update={"suspects": (past,), "private": True}))
    assert "42" not in private.actions[-1].arguments["emergency"]
    without = past.model_copy(update={"back": ""})
    assert "deploy" not in [action.command for action in incident_card(OPEN.model_copy(update={"suspects": (without,)})).actions]


def test_the_channel_is_named_once_it_is_there_and_its_trouble_where_it_is_not():
    there = incident_card(OPEN, Room(name="inc-42-gateway", id="C0123ABCD"))
    assert "#inc-42-gateway" in plain(there.headline)
    assert "#inc-42" not in plain(incident_card(OPEN, Room(name="inc-42-gateway")).headline)
    broken = incident_card(OPEN, Room(name="inc-42-gateway", id="C0123ABCD", trouble="It was archived.", absent=("ana: a guest",)))
    assert "#inc-42" not in plain(broken.headline)
    assert [plain(one) for one in broken.lines[-2:]] == ["Channel: It was archived.", "Not invited: ana: a guest"]
    assert "#inc-42" not in plain(summary_card(OPEN, Room(name="inc-42-gateway", id="C0123ABCD")).headline)


def test_alerts_are_counted():
    card = incident_card(OPEN.model_copy(update={"alerts": 14, "groups": 2, "firing": 3, "origin": "alert"}))
    assert "14 alerts in 2 groups, 3 still firing" in plain(card.lines[-1])
    assert "#42" in row(OPEN).name


ENTRIES = [
    Entry(at=NOW, kind="incident.opened", actor="engineer", data={"origin": "person", "severity": "SEV1", "title": "error rate"}),
    Entry(at=NOW + timedelta(minutes=1), kind="incident.note", actor="lead", data={"text": "first\nsecond", "link": "https://example.com/p1"}),
    Entry(at=NOW + timedelta(days=1), kind="page.something_new", actor="aiec", data={"because": "why"}),
]


def test_a_timeline_marks_what_people_said_and_names_each_day_once():
    assert rendered(ENTRIES).split("\n") == [
        "Monday 23 November 2026, UTC",
        "14:00:00  declared by engineer: SEV1 error rate",
        "14:01:00  ✎ lead: first",
        "          second",
        "          https://example.com/p1",
        "Tuesday 24 November 2026, UTC",
        "14:00:00  page something new: why (aiec)",
    ]


@given(st.text(max_size=300), st.text(max_size=40), st.booleans())
def test_a_channels_name_is_one_that_slack_takes(title, service, private):
    name = name_of(OPEN.model_copy(update={"title": title, "service": service, "private": private}))
    assert len(name) <= 80
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert incident_number(name) == 42
    assert not private or name == "inc-42"


@pytest.mark.parametrize("text", ["#42", "42", "inc-42", "INC 42", "inc42", "#inc-42-gateway-error-rate"])
def test_an_incident_has_many_names(text):
    assert incident_number(text) == 42


@pytest.mark.parametrize("text", ["", "#", "042", "42x", "#-1", "op-42", "42-gateway", "#" + "9" * 40])
def test_what_is_no_incident_is_none(text):
    assert incident_number(text) is None


@pytest.mark.parametrize(
    ("line", "incident", "text"),
    [
        ("#42 restarted the pool", "#42", "restarted the pool"),
        ("inc-42 restarted", "#42", "restarted"),
        ("3 pods restarted", None, "3 pods restarted"),
        ("restarted #42", None, "restarted #42"),
    ],
)
def test_a_note_names_its_incident_first_or_not_at_all(line, incident, text):
    found = bind(say.NoteArguments, words(line), {}, command="incident note")
    assert (found.incident, found.text) == (incident, text)


def test_the_severity_may_stand_with_or_without_the_incident():
    choices = {"severities": ["SEV1", "SEV2"]}
    for line in ("42 sev1", "SEV1"):
        assert bind(weigh.SeverityArguments, words(line), choices, command="incident severity").severity == "SEV1"
    with pytest.raises(UsageError, match=r"\*SEV9\* is not a severity"):
        bind(weigh.SeverityArguments, words("42 SEV9"), choices, command="incident severity")
