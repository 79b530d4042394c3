"""Alerts in: every firing that is received has exactly one recorded fate, whatever comes twice, late, or out of order.

A firing is a fingerprint and the moment when it began. Its fate is written once, when it is first received: `opened` an incident, `merged` into one,
`suppressed` (counted, for the digest, held by a maintenance), `resolved` (only its end was ever received) or `rejected` (nothing in aiec.yaml wants it).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, func
from sqlmodel import col, select

from bot.core.alerts import Alert, Notification
from bot.core.config import Config
from bot.core.events import Event, digest
from bot.store.incident_tables import AlertGroupRow, AlertRow
from bot.store.transaction import Transaction
from escalation import book
from escalation.book import MACHINE, Draft
from escalation.incident import Incident, State
from escalation.routing import CRITICAL, environment_of, graver, route_of, service_of, title_of, topic_of
from escalation.situation import STORM, Situation, look
from escalation.warnings import warn

COUNTED, DIGEST, HELD, UNROUTED = "counted", "for the digest", "held by a maintenance", "no line of `routing` matches it"
TOLD = (COUNTED, UNROUTED)
"""Why an alert is only told of in the channel of alerts."""


@dataclass(frozen=True)
class Fate:
    """What becomes of one firing, and why. `look_at`: when it is to be looked at again, because it only waits."""

    fate: str
    because: str = ""
    incident: int | None = None
    held: bool = False
    look_at: datetime | None = None


@dataclass
class _Intake:
    """One notification on its way in. `touched`: incidents whose alerts have changed; `told`: whether what is only told of has."""

    tx: Transaction
    config: Config
    given: Notification
    situation: Situation
    touched: set[int] = field(default_factory=set)
    told: bool = False


def receive(tx: Transaction, config: Config, given: Notification) -> None:
    """Takes a notification in. The same one again only counts."""
    fingerprints = list(dict.fromkeys(alert.fingerprint for alert in given.alerts))
    _note_group(tx, given)
    known = _known(tx, given.alerts)
    intake = _Intake(tx, config, given, look(tx, config, fingerprints))
    with tx.session.no_autoflush:
        for alert in given.alerts:
            rows = known.setdefault(alert.fingerprint, [])
            row = next((one for one in rows if one.starts_at == alert.starts_at), None)
            if row is not None:
                _again(intake, row, alert)
            else:
                rows.append(_first(intake, alert, rows))
        tx.session.flush()
    recount(tx, config, *intake.touched)
    if intake.told:
        warn(tx, config, given.group_key, TOLD)


def _note_group(tx: Transaction, given: Notification) -> None:
    key = digest([given.receiver, given.group_key])
    row = tx.get(AlertGroupRow, key, lock=True) or AlertGroupRow(key=key, receiver=given.receiver, group_key=given.group_key, last_at=tx.now)
    row.labels, row.truncated, row.last_at = dict(given.group_labels), given.truncated, tx.now
    row.next_at = tx.now if given.truncated else None
    tx.session.add(row)


def _known(tx: Transaction, alerts: Iterable[Alert]) -> dict[str, list[AlertRow]]:
    """The firings of these alerts that matter: those that go on, and those that began at the same moments."""
    given = [*alerts]
    same = col(AlertRow.starts_at).in_({alert.starts_at for alert in given}) | (col(AlertRow.status) == "firing")
    query = select(AlertRow).where(col(AlertRow.fingerprint).in_({alert.fingerprint for alert in given}), same)
    found: dict[str, list[AlertRow]] = {}
    for row in tx.all(query.order_by(col(AlertRow.id))):
        found.setdefault(row.fingerprint, []).append(row)
    return found


def _again(intake: _Intake, row: AlertRow, alert: Alert) -> None:
    """The same firing was received before. Its end ends it; a beginning after that is an old delivery."""
    tx = intake.tx
    row.count, row.last_at = row.count + 1, tx.now
    if alert.status == "resolved" and row.status == "firing":
        end(tx, row, alert.ends_at or tx.now)
        intake.told = intake.told or row.because in TOLD
        if row.incident is not None:
            intake.touched.add(row.incident)
    tx.session.add(row)


def _first(intake: _Intake, alert: Alert, earlier: list[AlertRow]) -> AlertRow:
    tx, config, given = intake.tx, intake.config, intake.given
    for old in earlier:
        if old.status == "firing" and old.starts_at < alert.starts_at:
            end(tx, old, tx.now, "it fires anew")
            if old.incident is not None:
                intake.touched.add(old.incident)
    row = AlertRow(
        fingerprint=alert.fingerprint,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        status=alert.status,
        severity=alert.labels.get("severity", ""),
        service=service_of(config, alert.labels),
        environment=environment_of(config, alert.labels),
        name=alert.labels.get("alertname", ""),
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        url=alert.url,
        receiver=given.receiver,
        group_key=given.group_key,
        fate="",
        first_at=tx.now,
        last_at=tx.now,
    )
    fate = Fate("resolved", "its beginning was never received") if alert.status == "resolved" else decide(tx, intake.situation, row, alert)
    settle(tx, row, fate)
    if fate.incident is not None:
        intake.touched.add(fate.incident)
    intake.told = intake.told or fate.because in TOLD
    return row


def settle(tx: Transaction, row: AlertRow, fate: Fate) -> None:
    """Writes down what became of a firing."""
    row.fate, row.because, row.incident, row.held, row.next_at = fate.fate, fate.because, fate.incident, fate.held, fate.look_at
    tx.session.add(row)
    subject = f"#{fate.incident}" if fate.incident is not None else f"alert {row.fingerprint}"
    data = {"alert": row.name, "fingerprint": row.fingerprint, "starts_at": row.starts_at.isoformat(), "because": fate.because, "service": row.service}
    tx.record(Event(kind=f"alert.{fate.fate}", subject=subject, actor="alertmanager", data=data))


def end(tx: Transaction, row: AlertRow, at: datetime, because: str = "") -> None:
    """Ends a firing; it keeps its fate."""
    row.status, row.ends_at, row.held, row.next_at = "resolved", at, False, None
    tx.session.add(row)
    subject = f"#{row.incident}" if row.incident is not None else f"alert {row.fingerprint}"
    tx.record(Event(kind="alert.ended", subject=subject, actor="alertmanager", data={"alert": row.name, "fingerprint": row.fingerprint, "because": because}))


def decide(tx: Transaction, situation: Situation, row: AlertRow, alert: Alert) -> Fate:
    """Returns what becomes of a firing that is new, and opens what has to be opened."""
    route = route_of(situation.config, alert.labels)
    if route is None:
        return Fate("rejected", UNROUTED)
    if row.severity != CRITICAL and (until := situation.held_until(row.service)) is not None:
        return Fate("suppressed", HELD, held=True, look_at=until)
    if route.digest:
        return Fate("suppressed", DIGEST)
    topic = topic_of(row.service, row.environment, row.group_key)
    if route.severity is not None:
        return _to_incident(tx, situation, row, alert, topic, route.severity, route.policy)
    if (incident := situation.open.get(topic)) is not None:
        return Fate("merged", "its service has an incident", incident.number)
    after = route.incident_after
    if after is not None and situation.repeats(row.fingerprint, after.within) + 1 >= after.repeats:
        return _to_incident(tx, situation, row, alert, topic, after.severity, route.policy)
    return Fate("suppressed", COUNTED, look_at=tx.now + after.within if after is not None else None)


def still_there(tx: Transaction, config: Config, row: AlertRow) -> None:
    """A firing that only waited still fires at the end of its time: a warning becomes an incident then, and what a maintenance held is decided anew."""
    alert = Alert(row.fingerprint, "firing", row.labels, row.annotations, row.starts_at, None, row.url)
    situation, route = look(tx, config, []), route_of(config, row.labels)
    row.next_at = None
    if row.held:
        settle(tx, row, decide(tx, situation, row, alert))
    elif route is not None and route.incident_after is not None:
        topic = topic_of(row.service, row.environment, row.group_key)
        settle(tx, row, _to_incident(tx, situation, row, alert, topic, route.incident_after.severity, route.policy))
    tx.session.flush()
    if row.incident is not None:
        recount(tx, config, row.incident)


def _to_incident(tx: Transaction, situation: Situation, row: AlertRow, alert: Alert, topic: str, severity: str, policy: str | None) -> Fate:
    """Merges into the incident that is open on the topic, reopens one that was resolved a moment ago, joins a storm, or opens one."""
    if (incident := situation.open.get(topic)) is not None:
        return Fate("merged", "", _graver(tx, situation, topic, incident, severity).number)
    if (incident := situation.lately.pop(topic, None)) is not None:
        again = incident.go(State.TRIGGERED, tx.now, MACHINE).model_copy(update={"quiet_since": None, "quiet_asked": False})
        book.change(tx, situation.config, incident, again, MACHINE, because=f"{row.name} fires again")
        return Fate("merged", "it came back", _graver(tx, situation, topic, again, severity).number)
    if situation.storming:
        return _to_storm(tx, situation, row, severity, policy)
    about = {"service": row.service, "environment": row.environment, "topic": topic, "alert": row.name}
    draft = Draft(title=title_of(row.service, alert), severity=severity, origin="alert", policy=policy, **about)
    return Fate("opened", "", _open(tx, situation, draft).number)


def _open(tx: Transaction, situation: Situation, draft: Draft) -> Incident:
    opened = book.open_incident(tx, situation.config, draft, "alertmanager")
    situation.open[draft.topic] = opened
    situation.opened += 1
    return opened


def _graver(tx: Transaction, situation: Situation, topic: str, incident: Incident, severity: str) -> Incident:
    """Raises an open incident's severity where an alert is graver."""
    worse = graver(situation.config, incident.severity, severity)
    if worse != incident.severity:
        after = incident.model_copy(update={"severity": worse})
        incident = book.change(tx, situation.config, incident, after, MACHINE, "severity", was=incident.severity, now=worse)
    situation.open[topic] = incident
    return incident


def _to_storm(tx: Transaction, situation: Situation, row: AlertRow, severity: str, policy: str | None) -> Fate:
    """Joins the storm, which has a page for each service; the first one opens it."""
    fate, config = "merged", situation.config
    if (storm := situation.open.get(STORM)) is None:
        assert config.incidents is not None
        title = f"Alert storm: {config.incidents.storm.incidents} incidents at once, and more"
        draft = Draft(title=title, severity=severity, environment=row.environment, topic=STORM, origin="alert", storm=True, policy=policy)
        fate, storm = "opened", _open(tx, situation, draft)
    joined = _graver(tx, situation, STORM, storm, severity)
    book.prepare(tx, config, joined, row.service)
    return Fate(fate, "an alert storm", joined.number)


def recount(tx: Transaction, config: Config, *numbers: int) -> None:
    """Writes into incidents how many of their alerts fire; when the last one falls silent an incident's quiet time begins."""
    number: Any = col(AlertRow.incident)
    firing = func.sum(func.cast(col(AlertRow.status) == "firing", Integer))
    query = select(number, func.count(col(AlertRow.id)), firing, func.count(func.distinct(col(AlertRow.group_key))))
    for found, alerts, fire, groups in tx.session.exec(query.where(number.in_(numbers)).group_by(number).order_by(number)).all():
        _, before = book.find(tx, found)
        quiet = None if fire else (before.quiet_since or tx.now)
        counts = {"alerts": alerts, "firing": int(fire), "groups": groups, "quiet_since": quiet, "quiet_asked": before.quiet_asked and quiet is not None}
        book.change(tx, config, before, before.model_copy(update=counts), MACHINE)
