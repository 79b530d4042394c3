"""Alerts on their way in: whatever comes twice, late or out of order, each firing has one fate, and an incident opens when it should."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from bot.core.alerts import Alert, Notification, fingerprint
from bot.core.config import Config
from bot.settings import SHIPPED
from bot.store.incident_tables import AlertGroupRow, AlertRow, EscalationRow, IncidentRow, MaintenanceRow
from bot.store.store import Store
from bot.store.tables import EventRow, MessageRow
from bot.yaml_text import parse
from escalation import book
from escalation.incident import Incident, State
from escalation.intake import receive, still_there
from escalation.timeline import Entry, said
from sandbox.clock import Clock
from tests.databases import KINDS, database_with_schema

START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.model_validate(parse(SHIPPED.read_text("utf-8")).data)


class Desk:
    """Intake on a database, with a clock that is moved by hand."""

    def __init__(self, store: Store, config: Config, clock: Clock) -> None:
        self.store, self.config, self.clock = store, config, clock

    def takes(self, *alerts: Alert, group: str = "group", truncated: int = 0) -> None:
        given = Notification("aiec", group, "firing", alerts, truncated, "", {"alertname": group})
        self.writes(lambda tx: receive(tx, self.config, given))

    def writes(self, work: Any) -> Any:
        return asyncio.run(self.store.transaction(work))

    def passes(self, **time: float) -> None:
        self.clock.advance(timedelta(**time).total_seconds())

    def rows(self) -> list[AlertRow]:
        return self.store.look(lambda tx: [*tx.all(select(AlertRow).order_by(col(AlertRow.id)))])

    def fates(self) -> list[str]:
        return [row.fate for row in self.rows()]

    def incidents(self) -> list[Incident]:
        rows = self.store.look(lambda tx: [*tx.all(select(IncidentRow).order_by(col(IncidentRow.id)))])
        return [Incident.model_validate(row.document) for row in rows]

    def paged(self) -> list[int]:
        return [row.incident for row in self.store.look(lambda tx: [*tx.all(select(EscalationRow))])]

    def told(self) -> list[MessageRow]:
        return self.store.look(lambda tx: [*tx.all(select(MessageRow).order_by(col(MessageRow.key)))])

    def becomes(self, number: int, state: State, by: str = "engineer") -> None:
        def go(tx: Any) -> None:
            _, before = book.find(tx, number)
            book.change(tx, self.config, before, before.go(state, tx.now, by), by)

        self.writes(go)

    def alert(self, name: str = "HighErrorRate", severity: str = "critical", status: Any = "firing", **labels: str) -> Alert:
        labels = {"alertname": name, "severity": severity, "service": "gateway", "namespace": "aiecommerce"} | labels
        labels = {key: value for key, value in labels.items() if value}
        return Alert(fingerprint(labels), status, labels, {"summary": f"{name} is high"}, self.clock.now(), None, "http://prometheus/graph")


@pytest.fixture(params=KINDS)
def desk(request: Any, tmp_path: Any, config: Config) -> Iterator[Desk]:
    with database_with_schema(request.param, tmp_path) as url:
        clock = Clock.manual(START)
        store = Store(url, clock, threads=False, durable=False)
        yield Desk(store, config, clock)
        store.close()


def over(alert: Alert, at: datetime) -> Alert:
    return replace(alert, status="resolved", ends_at=at)


# ---- one fate for each firing


def test_a_critical_alert_opens_an_incident_that_pages(desk):
    desk.takes(desk.alert())
    (incident,) = desk.incidents()
    assert (incident.title, incident.severity, incident.service, incident.environment) == ("gateway: HighErrorRate is high", "SEV2", "gateway", "prod")
    assert (incident.firing, incident.alerts, incident.groups, incident.quiet_since) == (1, 1, 1, None)
    assert desk.fates() == ["opened"]
    assert desk.paged() == [1]


def test_the_first_line_that_matches_decides(desk):
    desk.takes(desk.alert("PostgresDown", service="postgres"))
    assert desk.incidents()[0].severity == "SEV1"


def test_the_same_again_only_counts(desk):
    alert = desk.alert()
    for _ in range(3):
        desk.takes(alert)
    (row,) = desk.rows()
    assert (row.count, row.fate, len(desk.incidents())) == (3, "opened", 1)
    assert len(desk.store.look(lambda tx: tx.all(select(EventRow).where(EventRow.kind == "alert.opened")))) == 1


def test_an_alert_twice_in_one_notification_is_one(desk):
    alert = desk.alert()
    desk.takes(alert, alert)
    assert [row.count for row in desk.rows()] == [2]


def test_another_alert_of_the_service_merges(desk):
    desk.takes(desk.alert("A", service="postgres", severity="critical", namespace="aiecommerce"))
    desk.becomes(1, State.ACKNOWLEDGED)
    desk.takes(desk.alert("B", service="postgres"))
    assert desk.fates() == ["opened", "merged"]
    assert [incident.alerts for incident in desk.incidents()] == [2]


def test_a_graver_alert_raises_the_severity_and_the_timeline_says_from_where(desk):
    for _ in range(3):
        desk.takes(desk.alert("HighLatency", "warning"))
        desk.passes(minutes=5)
    desk.takes(desk.alert())
    assert [incident.severity for incident in desk.incidents()] == ["SEV2"]
    assert [incident.update_due - incident.opened_at for incident in desk.incidents()] == [timedelta(hours=1)], "as often as the new severity owes one"
    (raised,) = desk.store.look(lambda tx: tx.all(select(EventRow).where(EventRow.kind == "incident.severity")))
    assert said(Entry(at=raised.at, kind=raised.kind, actor=raised.actor, data=raised.payload)).endswith("changed the severity from SEV3 to SEV2")


def test_alerts_of_two_environments_are_two_incidents(desk):
    desk.takes(desk.alert(), desk.alert(namespace="aiecommerce-staging"))
    assert [incident.environment for incident in desk.incidents()] == ["prod", "staging"]


def test_an_end_whose_beginning_was_never_received_opens_nothing(desk):
    desk.takes(over(desk.alert(), START))
    assert (desk.fates(), desk.incidents()) == (["resolved"], [])


def test_a_beginning_that_comes_after_its_end_is_an_old_delivery(desk):
    alert = desk.alert()
    desk.takes(alert)
    desk.takes(over(alert, START))
    desk.takes(alert)
    (row,) = desk.rows()
    assert (row.status, desk.incidents()[0].firing) == ("resolved", 0)


def test_a_firing_whose_end_was_lost_ends_when_the_alert_fires_anew(desk):
    desk.takes(desk.alert())
    desk.passes(hours=1)
    desk.takes(desk.alert())
    assert [row.status for row in desk.rows()] == ["resolved", "firing"]
    assert desk.incidents()[0].firing == 1


def test_an_alert_without_labels_waits_for_the_digest(desk):
    desk.takes(Alert(fingerprint({}), "firing", {}, {}, START, None, ""))
    assert [(row.fate, row.because) for row in desk.rows()] == [("suppressed", "for the digest")]


def test_what_no_line_wants_is_rejected_and_told(desk):
    desk.config = desk.config.model_copy(update={"routing": desk.config.routing[:1]})
    desk.takes(desk.alert("Strange", severity="odd"))
    assert desk.fates() == ["rejected"]
    assert "Strange" in str(desk.told()[0].card)


# ---- warnings


def test_warnings_are_counted_in_one_message_and_the_third_opens_an_incident_without_a_page(desk):
    for minute in range(3):
        desk.takes(desk.alert("HighLatency", "warning"))
        told = desk.told()
        assert [message.channel for message in told] == ["#devops-alerts"]
        assert ("times today" in str(told[0].card)) is (minute > 0)
        desk.passes(minutes=5)
    assert desk.fates() == ["suppressed", "suppressed", "opened"]
    assert [incident.severity for incident in desk.incidents()] == ["SEV3"]
    assert desk.paged() == []


def test_warnings_that_are_far_apart_open_nothing(desk):
    for _ in range(4):
        desk.takes(desk.alert("HighLatency", "warning"))
        desk.passes(minutes=16)
    assert desk.incidents() == []


def test_a_warning_that_goes_on_for_too_long_becomes_an_incident(desk):
    desk.takes(desk.alert("HighLatency", "warning"))
    (row,) = desk.rows()
    assert row.next_at == START + timedelta(minutes=30)
    desk.passes(minutes=30)
    desk.writes(lambda tx: still_there(tx, desk.config, tx.get(AlertRow, row.id)))
    assert desk.fates() == ["opened"]
    assert desk.incidents()[0].firing == 1


def test_a_warning_of_a_service_that_has_an_incident_belongs_to_it(desk):
    desk.takes(desk.alert())
    desk.takes(desk.alert("HighLatency", "warning"), group="other")
    assert desk.fates() == ["opened", "merged"]
    assert desk.incidents()[0].groups == 2


# ---- quiet, and back again


def test_quiet_begins_when_the_last_alert_falls_silent_and_ends_when_one_fires(desk):
    first, second = desk.alert(), desk.alert("HighLatency")
    desk.takes(first, second)
    desk.takes(over(first, START))
    assert desk.incidents()[0].quiet_since is None
    desk.passes(minutes=1)
    desk.takes(over(second, desk.clock.now()))
    assert desk.incidents()[0].quiet_since == START + timedelta(minutes=1)
    desk.passes(minutes=1)
    desk.takes(desk.alert("Third"))
    assert desk.incidents()[0].quiet_since is None


def test_what_fires_again_within_the_time_reopens_and_later_opens_another(desk):
    desk.takes(desk.alert())
    desk.becomes(1, State.RESOLVED)
    desk.passes(minutes=29)
    desk.takes(desk.alert())
    assert [incident.state for incident in desk.incidents()] == [State.TRIGGERED]
    desk.becomes(1, State.RESOLVED)
    desk.passes(minutes=31)
    desk.takes(desk.alert())
    assert [incident.state for incident in desk.incidents()] == [State.RESOLVED, State.TRIGGERED]


def test_alerts_of_an_incident_that_was_merged_belong_to_the_other_one(desk):
    desk.takes(desk.alert(), desk.alert(service="redis"))

    def merge(tx: Any) -> None:
        _, before = book.find(tx, 2)
        after = before.go(State.MERGED, tx.now, "engineer").model_copy(update={"merged_into": 1})
        book.change(tx, desk.config, before, after, "engineer")

    desk.writes(merge)
    desk.takes(desk.alert("Down", service="redis"))
    assert [row.incident for row in desk.rows()] == [1, 2, 1]
    assert len(desk.incidents()) == 2


# ---- storm, maintenance, truncation


def test_more_incidents_than_anybody_can_read_become_one(desk):
    desk.takes(*(desk.alert(service=f"service-{number}") for number in range(40)))
    incidents = desk.incidents()
    assert len(incidents) == 11
    assert (incidents[-1].storm, incidents[-1].alerts) == (True, 30)
    assert desk.fates() == ["opened"] * 11 + ["merged"] * 29


def maintenance(desk: Desk) -> None:
    desk.writes(
        lambda tx: tx.save(
            MaintenanceRow(environment="prod", services=["gateway"], starts_at=START, ends_at=START + timedelta(hours=4), reason="moving house", by="lead")
        )
    )


def test_a_maintenance_holds_back_what_is_not_critical_and_lets_it_out_when_it_ends(desk):
    maintenance(desk)
    desk.passes(minutes=1)
    desk.config = desk.config.model_copy(update={"routing": (desk.config.routing[1].model_copy(update={"match": {}}),)})
    desk.takes(desk.alert("HighLatency", "warning"), desk.alert("Disk", "warning", service="redis"), desk.alert("Down"))
    assert desk.fates() == ["suppressed", "opened", "opened"]
    held = desk.rows()[0]
    assert (held.held, held.next_at) == (True, START + timedelta(hours=4))
    desk.passes(hours=4)
    desk.writes(lambda tx: still_there(tx, desk.config, tx.get(AlertRow, held.id)))
    assert desk.rows()[0].fate == "merged"


def test_a_group_that_was_cut_short_is_asked_for_until_it_is_whole(desk):
    desk.takes(desk.alert(), truncated=7)
    group = desk.store.look(lambda tx: tx.first(select(AlertGroupRow)))
    assert (group.truncated, group.next_at) == (7, START)
    desk.takes(desk.alert())
    assert desk.store.look(lambda tx: tx.first(select(AlertGroupRow))).next_at is None


def test_control_characters_of_slack_stay_text(desk):
    alert = replace(desk.alert(), annotations={"summary": "<!channel> *down* & `out`"})
    desk.takes(alert)
    assert desk.incidents()[0].title == "gateway: <!channel> *down* & `out`"
