"""Saving incidents, with all that follows in the same transaction: events, paging, PagerDuty's side, the channel, when to look again.

Whoever changes an incident does it here. Cards are drawn afterwards by a manager of their own (`stale`), so that pages go before chat.
"""

from datetime import datetime
from typing import Any, Literal

from sqlmodel import col, select

from bot.core.config import Config
from bot.core.data import Frozen
from bot.core.errors import NotFound
from bot.core.events import Event, digest
from bot.store.incident_tables import AlertRow, ChannelRow, EscalationRow, IncidentRow, PageRow, PolicyRow
from bot.store.transaction import Transaction
from escalation import ladder
from escalation.incident import Incident, State
from escalation.ladder import Ladder, Position, ladder_of
from escalation.postmortem import owed

MACHINE = "aiec"
"""Who acts where no person does."""

OUR_NOTE = "[aiec] "
"""How every note begins that we write in PagerDuty."""


class Draft(Frozen):
    """What an incident is opened with. `topic` is what further alerts find it by; `alert`: the name of the one that opens it; `policy`: None takes the
    only one, or pages nobody where there is none."""

    title: str
    severity: str
    service: str = ""
    environment: str = ""
    topic: str = ""
    private: bool = False
    origin: Literal["person", "alert", "pagerduty"] = "person"
    storm: bool = False
    alert: str = ""
    policy: str | None = None


def find(tx: Transaction, number: int) -> tuple[IncidentRow, Incident]:
    """Returns an incident, held until the commit. Raises NotFound."""
    row = tx.get(IncidentRow, number, lock=True)
    if row is None:
        raise unknown(number)
    return row, Incident.model_validate(row.document)


def unknown(number: int) -> NotFound:
    """Returns what is said of an incident that is not there, or not there for whoever asks."""
    return NotFound(f"There is no incident #{number}.", "`/aiec incident list` lists those that are open.")


def alive(tx: Transaction) -> list[tuple[IncidentRow, Incident]]:
    """Returns the incidents that somebody still has to do something about, the oldest first."""
    rows = tx.all(select(IncidentRow).where(col(IncidentRow.state).in_([state for state in State if state.open])).order_by(col(IncidentRow.id)))
    return [(row, Incident.model_validate(row.document)) for row in rows]


def open_incident(tx: Transaction, config: Config, draft: Draft, actor: str) -> Incident:
    """Numbers and saves a new incident; where its severity pages, its paging begins at once."""
    row = IncidentRow(
        state=State.TRIGGERED, severity=draft.severity, service=draft.service, topic=draft.topic, private=draft.private, document={}, opened_at=tx.now
    )
    tx.save(row)
    fields = draft.model_dump(exclude={"topic", "policy"})
    severity = config.severities.get(draft.severity)
    incident = Incident(
        number=row.number,
        **fields,
        policy=_snapshot(tx, config, draft.policy),
        opened_at=tx.now,
        opened_by=actor,
        active_at=tx.now,
        update_due=tx.now + severity.update_every if severity and severity.update_every else None,
    )
    data = {"title": draft.title, "severity": draft.severity, "service": draft.service, "origin": draft.origin}
    tx.record(Event(kind="incident.opened", subject=incident.name, actor=actor, data=data))
    _write(tx, config, row, incident)
    _page_if_it_should(tx, config, incident)
    return incident


def change(tx: Transaction, config: Config, before: Incident, after: Incident, actor: str, kind: str = "", /, **data: Any) -> Incident:
    """Saves what became of an incident. A new state is recorded as `incident.<state>`, anything else as `incident.<kind>`, with `data`."""
    row = tx.get(IncidentRow, after.number, lock=True)
    assert row is not None
    if after.state is not before.state:
        tx.record(Event(kind=f"incident.{after.state}", subject=after.name, actor=actor, data=data))
        _follow(tx, before, after, actor)
    elif kind:
        tx.record(Event(kind=f"incident.{kind}", subject=after.name, actor=actor, data=data))
    if after.severity != before.severity:
        after = _paced(config, before, after, tx.now)
        _weigh(tx, config, after)
    _page_if_it_should(tx, config, after)
    owed.follow(tx, config, before, after)
    if after != before or kind:
        _write(tx, config, row, after)
    return after


def _paced(config: Config, before: Incident, after: Incident, now: datetime) -> Incident:
    """The next update is owed as the new severity says, counted from the last one; what was asked for and is owed all the same is not asked for again."""
    severity = config.severities.get(after.severity)
    every = severity.update_every if severity else None
    if every is None or not after.state.open:
        return after.model_copy(update={"update_due": None, "update_asked": False})
    owed_at = (after.told_at or after.opened_at) + every
    if before.update_asked and owed_at <= now:
        return after
    return after.model_copy(update={"update_due": max(owed_at, now), "update_asked": False})


def _page_if_it_should(tx: Transaction, config: Config, incident: Incident) -> None:
    """Whatever made it so, that nobody has answered it or that it is grave: what waits for an answer and is of a severity that pages pages."""
    severity = config.severities.get(incident.severity)
    if severity is not None and severity.page and incident.state is State.TRIGGERED:
        page(tx, config, incident)


def page(tx: Transaction, config: Config, incident: Incident) -> None:
    """Begins paging for an incident that pages nobody yet. A storm has a page for each service; those that join it later are prepared one by one."""
    if incident.policy is not None and tx.get(EscalationRow, incident.number, lock=True) is None:
        row = EscalationRow(incident=incident.number, policy=incident.policy)
        place(row, ladder.begin(tx.now))
        tx.save(row)
        _revive(tx, incident.number)
        for service in _services(tx, incident):
            prepare(tx, config, incident, service)


def _revived(row: PageRow) -> bool:
    """Whether it is to be called for again, and its paging has not said yet when."""
    return row.status == "triggered" and row.sent_status == "resolved" and row.rounds == row.sent_rounds


def _revive(tx: Transaction, number: int) -> None:
    """What was resolved with an incident is to be called for again; when, its paging says. Whoever was called there before was called for what is over."""
    for row in pages_of(tx, number):
        if row.again == 0 and row.status == "resolved":
            row.status, row.version, row.since = "triggered", row.version + 1, tx.now
            tx.save(row)


def prepare(tx: Transaction, config: Config, incident: Incident, service: str) -> None:
    """Makes the page of an incident for a service; a storm has several. It goes out when the escalation says so, or now where that has paged already."""
    key = page_key(config, incident, service)
    if (at := tx.get(EscalationRow, incident.number)) is None:
        return
    if (known := tx.get(PageRow, key, lock=True)) is not None:
        _call_again(tx, known, at, incident)
        return
    about = ", ".join(part for part in (service, incident.environment) if part)
    body = f"Opened {incident.opened_at:%Y-%m-%d %H:%M} UTC by {incident.opened_by}{f', about {about}' if about else ''}. It is {incident.name} of aiec."
    waiting = at.level > 0 and incident.state is State.TRIGGERED
    row = PageRow(
        key=key,
        incident=incident.number,
        service=service,
        title=title(incident, service if incident.storm else ""),
        body=body,
        level=max(at.level, 1),
        rounds=at.rounds if waiting else 0,
        call=[*at.asked] if waiting else [],
        priority=priority(config, incident.severity),
        version=1 if waiting else 0,
        created_at=tx.now,
        next_at=tx.now if waiting else None,
    )
    tx.save(row)


def _call_again(tx: Transaction, row: PageRow, at: EscalationRow, incident: Incident) -> None:
    """A service whose page somebody has resolved fires anew: it is called for with the others, or now where they are being called."""
    if row.status != "resolved" or not incident.state.open:
        return
    if at.level > 0 and incident.state is State.TRIGGERED:
        want(tx, row, status="triggered", level=at.level, rounds=row.rounds + 1, call=[*at.asked], by=None)
    else:
        row.status, row.version = "triggered" if incident.state is State.TRIGGERED else "acknowledged", row.version + 1
        tx.save(row)


def _services(tx: Transaction, incident: Incident) -> list[str]:
    if not incident.storm:
        return [incident.service]
    return [*tx.session.scalars(select(col(AlertRow.service)).where(AlertRow.incident == incident.number).distinct())]


def page_key(config: Config, incident: Incident, service: str) -> str:
    """Returns the key of a page, which PagerDuty keeps for ever: it names the moment too, so that another database with the same number means another one."""
    about = f"-{service}" if incident.storm and service else ""
    return f"aiec-{config.platform}-{incident.number}-{incident.opened_at:%Y%m%dT%H%M%S}{about}"


def title(incident: Incident, about: str = "") -> str:
    """Returns how an incident is called on a phone."""
    return f"{incident.name} {incident.severity} {f'{about}: ' if about else ''}{incident.title}"


def priority(config: Config, severity: str) -> str | None:
    """Returns the PagerDuty priority that stands for a severity, if one is configured."""
    pagerduty = config.escalation.pagerduty if config.escalation else None
    return pagerduty.priorities.get(severity) if pagerduty else None


def position(row: EscalationRow) -> Position:
    """Returns where an incident's paging is."""
    return Position(level=row.level, rounds=row.rounds, asked=tuple(row.asked), paged_at=row.paged_at, next_at=row.next_at)


def place(row: EscalationRow, at: Position) -> None:
    """Writes down where an incident's paging is."""
    row.level, row.rounds, row.asked, row.paged_at, row.next_at = at.level, at.rounds, list(at.asked), at.paged_at, at.next_at


def pages_of(tx: Transaction, number: int) -> list[PageRow]:
    """Returns what stands, or should stand, in PagerDuty for an incident: one, or one for each service of a storm."""
    return [*tx.all(select(PageRow).where(PageRow.incident == number).order_by(col(PageRow.key)))]


def want(tx: Transaction, row: PageRow, **fields: Any) -> None:
    """Says what should stand in PagerDuty now; nothing new is no work."""
    if all(getattr(row, name) == value for name, value in fields.items()):
        return
    for name, value in fields.items():
        setattr(row, name, value)
    row.version = row.version + 1
    if row.rounds and not _revived(row):
        row.next_at = row.next_at or tx.now
    tx.save(row)


def due(config: Config, incident: Incident) -> datetime | None:
    """Returns when an incident has to be looked at next: an update that is owed, people who fell silent, alerts that did."""
    rules = config.incidents
    found: list[datetime] = []
    if not incident.state.open:
        return None
    if incident.update_due is not None and not incident.update_asked:
        found.append(incident.update_due)
    if rules is not None and incident.state in (State.ACKNOWLEDGED, State.MITIGATED):
        found.append((incident.asked_at or incident.active_at) + rules.ask_after_idle)
    if rules is not None and incident.quiet_since is not None and not incident.quiet_asked:
        found.append(incident.quiet_since + rules.resolve_after_quiet)
    return min(found, default=None)


def ladder_for(tx: Transaction, policy: str) -> Ladder:
    """Returns a policy's snapshot by its digest."""
    row = tx.get(PolicyRow, policy)
    assert row is not None
    return Ladder.model_validate(row.document)


def _snapshot(tx: Transaction, config: Config, name: str | None) -> str | None:
    policies = config.escalation.policies if config.escalation else {}
    chosen = name or next(iter(policies), None)
    if chosen is None or chosen not in policies:
        return None
    document = ladder_of(chosen, policies[chosen]).model_dump(mode="json")
    key = digest(document)
    if tx.get(PolicyRow, key) is None:
        tx.save(PolicyRow(digest=key, document=document))
    return key


def annotate(tx: Transaction, incident: Incident, text: str, actor: str) -> None:
    """Has a note of ours added to PagerDuty's incidents. The mark at its beginning says that it came from here, so that it is not taken for a new one."""
    for row in pages_of(tx, incident.number):
        if row.again == 0 and row.rounds and row.status != "resolved":
            want(tx, row, notes=[*row.notes, f"{OUR_NOTE}{actor}: {text}"])


def _follow(tx: Transaction, before: Incident, after: Incident, actor: str) -> None:
    """Paging and PagerDuty's side follow the state: an answer stops them at once, a return begins them again."""
    row = tx.get(EscalationRow, after.number, lock=True)
    if row is not None:
        at = position(row)
        if after.state is not State.TRIGGERED:
            place(row, ladder.stop(at))
        else:
            place(row, ladder.begin(tx.now).model_copy(update={"rounds": at.rounds}) if before.state is State.RESOLVED else ladder.resume(at, tx.now))
            if before.state is State.RESOLVED:
                _revive(tx, after.number)
        row.stale = True
        tx.save(row)
    status = {State.TRIGGERED: None, State.ACKNOWLEDGED: "acknowledged", State.MITIGATED: "acknowledged"}.get(after.state, "resolved")
    if status is not None:
        for page_row in pages_of(tx, after.number):
            if page_row.rounds and page_row.status not in ("resolved", status):
                want(tx, page_row, status=status, by=actor)
    for page_row in pages_of(tx, after.number):
        # What PagerDuty tells of the time before this is old.
        page_row.seen_at = max(tx.now, page_row.seen_at or tx.now)
        tx.save(page_row)
    channel = tx.get(ChannelRow, after.number, lock=True)
    if channel is not None and after.state is State.CLOSED:
        channel.archived, channel.version, channel.next_at = True, channel.version + 1, channel.next_at or tx.now
        tx.save(channel)


def _weigh(tx: Transaction, config: Config, after: Incident) -> None:
    """The pages are called by the severity, and have its priority."""
    for row in pages_of(tx, after.number):
        row.title = title(after, row.service if after.storm else "")
        want(tx, row, priority=priority(config, after.severity))
        tx.save(row)


def _write(tx: Transaction, config: Config, row: IncidentRow, incident: Incident) -> None:
    row.document = incident.model_dump(mode="json")
    row.state, row.severity, row.service, row.private = incident.state, incident.severity, incident.service, incident.private
    row.resolved_at, row.next_at, row.stale, row.matched = incident.resolved_at, due(config, incident), True, None
    tx.save(row)
