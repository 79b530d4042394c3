"""Reading what happened from our records: incidents as far back as there are any, the rest from the event log.

What is asked for are columns and parts of documents, never whole ones: there may be many thousands.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import String, case, cast, func, literal
from sqlalchemy import select as columns
from sqlmodel import col, select

from bot.core.config import Config
from bot.store import log
from bot.store.incident_tables import IncidentRow
from bot.store.postmortem_tables import PostmortemRow
from bot.store.tables import EventRow, ReleaseRow
from bot.store.transaction import Transaction
from escalation.actions.book import open_items
from escalation.incident import State
from escalation.trends.facts import MONTHS, PRIVATE, AlertFact, ChangeFact, Facts, IncidentFact, Month, Owed, PageFact

LONGEST = timedelta(days=2)
"""How long before a month a change may have been asked for that ended in it."""
_CHANGES = ("deploy", "rollback")
_PAGES = ("page.requested", "level.followed")
_FIRINGS = ("alert.opened", "alert.merged", "alert.suppressed", "alert.rejected")
_ORIGINS = {"person": "seen by a person", "pagerduty": "opened in PagerDuty"}


def read(tx: Transaction, config: Config, month: Month) -> Facts:
    """Returns what a month's figures are made of, those of the month before, and the incidents that a chart shows."""
    first = log.first_since(tx, month.back().start - LONGEST)
    turn, middle, last = (log.first_since(tx, at) for at in (month.back().start, month.start, month.end))
    return Facts(
        incidents=_incidents(tx, month.back(MONTHS - 1).start, month.end),
        pages=tuple(_pages(tx, config, turn, last)),
        alerts=tuple(_alerts(tx, turn, middle, last)),
        changes=_changes(tx, config, first, last),
        known=log.known_since(tx),
        owed=_owed(tx),
    )


def _owed(tx: Transaction) -> Owed:
    """Returns the action items that are overdue now, and the post-mortems that are late."""
    private = {*tx.session.scalars(columns(col(IncidentRow.id)).where(col(IncidentRow.private).is_(True)))}
    items = [item for item in open_items(tx) if item.overdue(tx.now)]
    late = (col(PostmortemRow.state).not_in(("published", "merged")), col(PostmortemRow.due_at) <= tx.now)
    rows = tx.all(select(PostmortemRow).where(*late).order_by(col(PostmortemRow.due_at)))
    return Owed(
        actions=tuple(PRIVATE if item.incident in private else f"{item.name} {item.text} ({item.owner})" for item in items),
        postmortems=tuple(PRIVATE if row.incident in private else f"#{row.incident} ({row.owner or 'nobody'})" for row in rows),
    )


def _incidents(tx: Transaction, start: datetime, end: datetime) -> tuple[IncidentFact, ...]:
    row, document = IncidentRow, col(IncidentRow.document)
    texts = [document[name].as_string() for name in ("alert", "origin", "answered_at", "acknowledged_at", "mitigated_at")]
    storm, suspect = document["storm"].as_boolean(), document[("suspects", 0, "operation")].as_string()
    query = columns(col(row.id), col(row.severity), col(row.service), col(row.private), col(row.opened_at), col(row.resolved_at), storm, suspect, *texts)
    there = (col(row.opened_at) >= start, col(row.opened_at) < end, col(row.state) != State.MERGED)
    return tuple(_incident(*found) for found in tx.session.execute(query.where(*there).order_by(col(row.id))))


def _incident(
    number: int, severity: str, service: str, private: bool, opened: datetime, resolved: datetime | None, storm: bool, suspect: str | None, *texts: str | None
) -> IncidentFact:
    alert, origin, answered, acknowledged, mitigated = texts
    cause = "alert storm" if storm else alert or _ORIGINS.get(origin or "", "an alert")
    first, better = answered or acknowledged, _moment(mitigated) or resolved
    return IncidentFact(number, severity, service, cause, private, opened, _moment(first), better, resolved, suspect or "")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _pages(tx: Transaction, config: Config, first: int, last: int) -> Iterable[PageFact]:
    zones = {name: ZoneInfo(person.zone) for name, person in config.people.items()}
    there = (col(EventRow.id) >= first, col(EventRow.id) < last, col(EventRow.kind).in_(_PAGES))
    for at, payload in tx.session.execute(columns(col(EventRow.at), col(EventRow.payload)).where(*there).order_by(col(EventRow.id))):
        for person in (payload or {}).get("people", ()):
            yield PageFact(person, at, at.astimezone(zones.get(person, UTC)).hour)


def _alerts(tx: Transaction, first: int, middle: int, last: int) -> Iterable[AlertFact]:
    """Those of private incidents are left out: their names would say what these are about."""
    payload = col(EventRow.payload)
    about: Any = [payload[name].as_string() for name in ("alert", "service")]
    private = columns(literal("#") + cast(col(IncidentRow.id), String)).where(col(IncidentRow.private).is_(True))
    here, before = (func.sum(case((condition, 1), else_=0)) for condition in (col(EventRow.id) >= middle, col(EventRow.id) < middle))
    there = (col(EventRow.id) >= first, col(EventRow.id) < last, col(EventRow.kind).in_(_FIRINGS), col(EventRow.subject).not_in(private))
    for name, service, times, earlier in tx.session.execute(columns(*about, here, before).where(*there).group_by(payload["fingerprint"].as_string(), *about)):
        yield AlertFact(name or "an alert without a name", service or "", times, earlier)


@dataclass
class _Operation:
    """What the log tells of an operation."""

    command: str = ""
    environment: str = ""
    asked: datetime | None = None
    began: datetime | None = None
    ended: datetime | None = None
    outcome: str = ""
    targets: set[str] = field(default_factory=set)


def _changes(tx: Transaction, config: Config, first: int, last: int) -> tuple[ChangeFact, ...]:
    query = select(EventRow).where(col(EventRow.id) >= first, col(EventRow.id) < last)
    told = col(EventRow.kind).startswith("operation.") | col(EventRow.kind).in_(["step.applied", "step.done", "step.failed"])
    operations: dict[str, _Operation] = defaultdict(_Operation)
    for row in tx.session.exec(query.where(told).order_by(col(EventRow.id)).execution_options(yield_per=1000)):
        _note(operations[row.subject], row)
    environments = production(config)
    wanted = {name: one for name, one in operations.items() if one.command in _CHANGES and one.environment in environments and one.ended is not None}
    names = {(env, f"{service.kind.lower()}/{service.name_in(env, name)}"): name for env in environments for name, service in config.services.items()}
    ready = _ready(tx, environments, wanted)
    found = []
    for name, one in wanted.items():
        services = frozenset(names[one.environment, target] for target in one.targets if (one.environment, target) in names)
        if services and one.asked is not None and one.ended is not None:
            times = (one.asked, one.began or one.asked, one.ended)
            found.append(ChangeFact(name, one.command, one.environment, services, *times, one.outcome, ready.get(name)))
    return tuple(found)


def _note(one: _Operation, row: EventRow) -> None:
    data = row.payload or {}
    match row.kind.partition(".")[2]:
        case "planned":
            one.command, one.environment, one.asked = data.get("command", ""), data.get("environment", ""), row.at
        case "running":
            one.began = row.at
        case "applied":
            one.targets.add(data.get("target", ""))
        case "done" | "failed" if row.kind.startswith("step."):
            one.targets.add(data.get("target", ""))
        case "done" | "failed" | "rolled_back" as outcome:
            one.ended, one.outcome = row.at, outcome


def production(config: Config) -> dict[str, str | None]:
    """Returns the environments from which nothing is promoted further, with the one that each is promoted from, if any."""
    before = {name: one.promotion.from_ if one.promotion else None for name, one in config.environments.items()}
    return {name: source for name, source in before.items() if name not in before.values()}


def _ready(tx: Transaction, environments: Mapping[str, str | None], operations: Mapping[str, _Operation]) -> dict[str, datetime]:
    """Returns by operation since when what it brought had been healthy in the environment before, of the first of its services that was."""
    numbers = [int(name.removeprefix("op-")) for name in operations]
    brought = tx.all(select(ReleaseRow).where(tx.among(col(ReleaseRow.operation), numbers)))
    versions = sorted({row.version for row in brought})
    sources = [source for source in environments.values() if source is not None]
    earlier: dict[tuple[str, str, str], datetime] = {}
    wanted = (col(ReleaseRow.environment).in_(sources), tx.among(col(ReleaseRow.version), versions))
    for row in tx.all(select(ReleaseRow).where(*wanted).order_by(col(ReleaseRow.id))):
        earlier.setdefault((row.environment, row.service, row.version), row.healthy_at)
    found: dict[str, datetime] = {}
    for row in brought:
        at = earlier.get((environments.get(row.environment) or "", row.service, row.version))
        if at is not None and at <= row.healthy_at:
            name = f"op-{row.operation}"
            found[name] = min(at, found.get(name, at))
    return found
