"""What the decisions about alerts look at, read once for a whole notification: incidents, maintenances, how often an alert began to fire."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, or_, select

from bot.core.config import Config
from bot.store.incident_tables import AlertRow, IncidentRow, MaintenanceRow
from bot.store.transaction import Transaction
from escalation.incident import Incident, State

STORM = "storm"
"""The topic of the incident that many become."""
MERGED_FOR = timedelta(days=7)
"""How old an incident may be that was merged, for its alerts to be those of the other one."""


@dataclass
class Situation:
    """`open` and `lately`: incidents by their topic, those that are open and those that were resolved so recently that they would be reopened; `opened`: how
    many were opened in the time that storms are counted in; `begun`: by fingerprint when it began to fire."""

    config: Config
    now: datetime
    open: dict[str, Incident]
    lately: dict[str, Incident]
    opened: int
    maintenances: list[tuple[frozenset[str], datetime]]
    begun: dict[str, list[datetime]]

    @property
    def storming(self) -> bool:
        """Whether so many incidents were opened lately that further ones become one."""
        rules = self.config.incidents
        return rules is not None and (STORM in self.open or self.opened >= rules.storm.incidents)

    def held_until(self, service: str) -> datetime | None:
        """Returns until when a maintenance holds back the alerts of a service."""
        return max((end for services, end in self.maintenances if service in services), default=None)

    def repeats(self, fingerprint: str, within: timedelta) -> int:
        """Returns how often an alert began to fire lately."""
        return sum(at > self.now - within for at in self.begun.get(fingerprint, ()))


def look(tx: Transaction, config: Config, fingerprints: Iterable[str]) -> Situation:
    """Reads the situation, for these alerts."""
    rules = config.incidents
    reopen = tx.now - rules.reopen_within if rules else tx.now
    alive = col(IncidentRow.state).in_([state for state in State if state.open])
    back = (col(IncidentRow.state) == State.RESOLVED) & (col(IncidentRow.resolved_at) >= reopen)
    merged = (col(IncidentRow.state) == State.MERGED) & (col(IncidentRow.opened_at) > tx.now - MERGED_FOR)
    rows = tx.all(select(IncidentRow).where(or_(alive, merged, back) if rules else or_(alive, merged)).order_by(col(IncidentRow.id)))
    incidents = [(row.topic, Incident.model_validate(row.document)) for row in rows]
    since = tx.now - rules.storm.within if rules else tx.now
    opened = tx.session.exec(select(IncidentRow.id).where(col(IncidentRow.opened_at) > since, col(IncidentRow.topic) != "")).all()
    under_way = (col(MaintenanceRow.starts_at) <= tx.now, col(MaintenanceRow.ends_at) > tx.now, col(MaintenanceRow.ended_at).is_(None))
    maintenances = [(frozenset(row.services), row.ends_at) for row in tx.all(select(MaintenanceRow).where(*under_way))]
    return Situation(
        config=config,
        now=tx.now,
        open=_open(incidents),
        lately={topic: incident for topic, incident in incidents if topic and incident.state is State.RESOLVED},
        opened=len(opened),
        maintenances=maintenances,
        begun=_begun(tx, config, fingerprints),
    )


def _open(incidents: Sequence[tuple[str, Incident]]) -> dict[str, Incident]:
    """Returns the open incidents by their topics; one that others were merged into has theirs as well."""
    numbered = {incident.number: incident for _, incident in incidents}
    found: dict[str, Incident] = {}
    for topic, incident in incidents:
        stands = incident
        while stands.state is State.MERGED and stands.merged_into in numbered:
            stands = numbered[stands.merged_into]
        if topic and stands.state.open:
            found[topic] = stands
    return found


def _begun(tx: Transaction, config: Config, fingerprints: Iterable[str]) -> dict[str, list[datetime]]:
    longest = max((route.incident_after.within for route in config.routing if route.incident_after), default=timedelta())
    recent = select(AlertRow.fingerprint, AlertRow.first_at).where(col(AlertRow.fingerprint).in_([*fingerprints]), col(AlertRow.first_at) > tx.now - longest)
    found: dict[str, list[datetime]] = {}
    for fingerprint, at in tx.session.exec(recent).all():
        found.setdefault(fingerprint, []).append(at)
    return found
