"""Changes that PagerDuty told of, made in our records. Nothing here is sent back: the page is written as PagerDuty has it already."""

from datetime import datetime, timedelta
from typing import Literal

from sqlmodel import col, select

from bot.core.card import Bold, Card, Person, Time, line
from bot.core.card import State as CardState
from bot.core.config import Config
from bot.core.events import Event
from bot.core.pager import PagerIncident
from bot.core.pager_events import PagerEvent
from bot.store.incident_tables import EscalationRow, PageRow
from bot.store.tables import MessageRow
from bot.store.transaction import Message, Transaction
from escalation import book, ladder, oncall, schedule, tend
from escalation.book import Draft
from escalation.delivery import subject_of
from escalation.incident import LEGAL, Incident, State
from escalation.observe import Change, Levels, View, observe

CLOCKS_DIFFER = timedelta(minutes=1)
PAGERDUTY = "PagerDuty"
"""Who acts where PagerDuty names nobody."""


def take(tx: Transaction, config: Config, seen: PagerIncident | PagerEvent, asked_at: datetime | None = None) -> bool:
    """Takes in what was seen of an incident of PagerDuty, and returns whether it changed anything.

    `asked_at`: when its state was asked for, by our clock; what we have done to it since is not in it.
    """
    row = _page_of(tx, seen)
    if isinstance(seen, PagerEvent):
        if row is None or row.remote != seen.incident:
            return _ask_about(tx, seen)
    elif row is None:
        return _foreign(tx, config, seen)
    if asked_at is not None and (row.lease_until is not None or _settled_since(row, asked_at)):
        return False
    if isinstance(seen, PagerIncident) and row.remote != seen.id:
        return _renumber(tx, row, seen)
    before = None if row.incident is None else book.find(tx, row.incident)[1]
    changes = observe(before, _view(row), seen, _levels(tx, config))
    for change in changes:
        _apply(tx, config, row, change)
    if isinstance(seen, PagerEvent) and seen.type != "incident.annotated":
        row.seen_at = max(seen.occurred_at, row.seen_at or seen.occurred_at)
    tx.save(row)
    return bool(changes)


def _settled_since(row: PageRow, asked_at: datetime) -> bool:
    """Whether we have done something to it since. What was done later than clocks differ is from before ours was set back, and was earlier."""
    return row.settled_at is not None and asked_at < row.settled_at <= asked_at + CLOCKS_DIFFER


def _number(seen: PagerIncident | PagerEvent) -> str:
    return seen.incident if isinstance(seen, PagerEvent) else seen.id


def _page_of(tx: Transaction, seen: PagerIncident | PagerEvent) -> PageRow | None:
    """Finds the page by its incident there, else by its key: the answer to our own request may still be under way."""
    row = tx.first(select(PageRow).where(PageRow.remote == _number(seen)).order_by(col(PageRow.created_at).desc()))
    if row is not None:
        return tx.get(PageRow, row.key, lock=True)
    if seen.key is not None and (row := tx.get(PageRow, seen.key, lock=True)) is not None:
        row.remote = row.remote or _number(seen)
    return row


def _ask_about(tx: Transaction, event: PagerEvent) -> bool:
    """An event of what is not known here tells too little of it, its urgency for one: it is asked for at once."""
    if event.type == "incident.triggered":
        schedule.hasten(tx, schedule.RECONCILE)
    return False


def _renumber(tx: Transaction, row: PageRow, seen: PagerIncident) -> bool:
    """A page of ours that is known here by an older number: it was opened anew there, and the answer was lost. One that is over here is resolved there too; one
    that is still wanted finds it by its key with the next try. One that somebody opened again beside the one that rings is for him to answer there."""
    if seen.status != "resolved" and row.status == "resolved":
        row.remote, row.sent_status = seen.id, seen.status
        row.version, row.next_at = row.version + 1, tx.now
        tx.save(row)
    return False


def _view(row: PageRow) -> View:
    return View(
        status=row.status,
        level=row.level,
        settled=row.version == row.sent_version,
        people=tuple(row.people),
        priority=row.priority,
        seen_at=row.seen_at,
        snoozed_until=row.snoozed_until,
    )


def _levels(tx: Transaction, config: Config) -> Levels:
    policy = oncall.mirrored(config)
    shifts = oncall.known(tx, policy).shifts if policy else ()
    now = [shift for shift in shifts if (shift.start is None or shift.start <= tx.now) and (shift.end is None or tx.now < shift.end)]
    if now:
        return {level: frozenset(shift.user for shift in now if shift.level == level) for level in {shift.level for shift in now}}
    levels = config.escalation.policies[policy].levels if policy and config.escalation else ()
    ids = {number: {config.people[name].pagerduty for name in level.people} for number, level in enumerate(levels, 1)}
    return {level: frozenset(id for id in found if id) for level, found in ids.items()}


def who(tx: Transaction, config: Config, user: str | None) -> str:
    """Returns the name of a PagerDuty user."""
    if user is None:
        return PAGERDUTY
    return oncall.people_of(config, (user,), oncall.known(tx, oncall.mirrored(config) or ""))[0]


def _apply(tx: Transaction, config: Config, row: PageRow, change: Change) -> None:
    by = who(tx, config, change.by)
    match change.kind:
        case "acknowledged" | "resolved":
            state = State.ACKNOWLEDGED if change.kind == "acknowledged" else State.RESOLVED
            _stands(row, change.kind)
            _end(tx, config, row, state, by)
        case "merged":
            _merge(tx, config, row, change.text, by)
        case "unacknowledged" | "reopened":
            _stands(row, "triggered")
            _again(tx, config, row, by, anew=change.kind == "reopened")
        case "escalated":
            _follow(tx, row, change, oncall.people_of(config, change.to, oncall.known(tx, oncall.mirrored(config) or "")), by)
        case "reassigned":
            people = oncall.people_of(config, change.to, oncall.known(tx, oncall.mirrored(config) or ""))
            tx.record(Event(kind="page.reassigned", subject=subject_of(row), actor=by, data={"people": [*people]}))
        case "snoozed":
            row.snoozed_until = change.until
            tx.record(Event(kind="page.snoozed", subject=subject_of(row), actor=by, data={"until": str(change.until)}))
            _ask(tx, config, row, change.until)
        case "noted":
            _noted(tx, config, row, change.text, by)
        case "prioritised":
            _weigh(tx, config, row, change.text, by)


def _stands(row: PageRow, status: Literal["triggered", "acknowledged", "resolved"]) -> None:
    """PagerDuty has it so: that is what is wanted, and nothing is to be sent; unless something is being sent at this moment, and comes later."""
    row.status = row.sent_status = status
    row.sent_rounds = row.rounds
    if row.lease_until is not None:
        row.version += 1
    elif not row.notes:
        row.sent_version, row.next_at = row.version, None


def _change(tx: Transaction, config: Config, row: PageRow, state: State, by: str) -> Incident | None:
    """Brings our incident to a state, where that is legal; its other pages follow."""
    if row.incident is None:
        return None
    _, before = book.find(tx, row.incident)
    if before.state is state or state not in LEGAL[before.state]:
        return None
    return book.change(tx, config, before, before.go(state, tx.now, by), by, via="pagerduty")


def _end(tx: Transaction, config: Config, row: PageRow, state: State, by: str) -> None:
    """Somebody answered or resolved it there. A storm is resolved only when all of its pages are; an answer is one for all."""
    kind = "page.acknowledged" if state is State.ACKNOWLEDGED else "page.resolved"
    tx.record(Event(kind=kind, subject=subject_of(row), actor=by, data={"pagerduty": row.remote}))
    if row.incident is None:
        message = tx.get(MessageRow, f"page/{row.key}")
        if message is not None:
            card = Card.model_validate(message.card)
            said = line(f"{'Answered' if state is State.ACKNOWLEDGED else 'Closed'} by ", Person(name=by), " at ", Time(at=tx.now))
            tx.send(Message(key=message.key, channel=message.channel, card=card.model_copy(update={"state": CardState.DONE, "lines": (said,)})))
        return
    tx.save(row)
    if state is State.RESOLVED:
        _rings_no_more(tx, row, by)
    if state is State.RESOLVED and any(other.status != "resolved" for other in book.pages_of(tx, row.incident) if other.again == 0):
        return
    _, before = book.find(tx, row.incident)
    if state is State.ACKNOWLEDGED and before.state is not State.TRIGGERED:
        return  # somebody was faster, and mitigated is more than acknowledged
    _change(tx, config, row, state, by)


def _again(tx: Transaction, config: Config, row: PageRow, by: str, *, anew: bool) -> None:
    """PagerDuty calls again by itself: ours waits for an answer again, and pages nobody before that level's time is over."""
    after = _change(tx, config, row, State.TRIGGERED, by)
    if row.incident is None or after is None:
        tx.record(Event(kind="page.triggered", subject=subject_of(row), actor=by, data={"pagerduty": row.remote}))
        if row.incident is not None:
            _rings_alone(tx, config, row, by)
        return
    found = tx.get(EscalationRow, row.incident, lock=True)
    if found is None:
        return
    there, level = book.ladder_for(tx, found.policy), 1 if anew else max(found.level + 1, row.level, 1)
    level = min(level, there.last)
    found.level, found.asked, found.paged_at = level, [*row.call], tx.now
    found.next_at, found.stale = tx.now + there.rung(level).answer_within, True
    row.level = row.sent_level = level
    # Those whom it calls now may be the next level's; that is not the next level's call.
    row.since = tx.now + timedelta(seconds=1)
    tx.save(found)


def _rings_alone(tx: Transaction, config: Config, row: PageRow, by: str) -> None:
    """What is closed here stays closed, and its page calls people all the same: somebody has to decide which it should be."""
    assert row.incident is not None
    _, incident = book.find(tx, row.incident)
    if incident.state.open:
        return
    headline = line(Bold(text=f"{incident.name} rings again in PagerDuty"), " · opened there again by ", Person(name=by), f" · here it is {incident.state}")
    alone = "aiec neither escalates it nor stops it: PagerDuty calls by its own policy."
    mend = "Resolve it in PagerDuty if it is over. If it is not, `/aiec incident declare` opens a new one that is followed here, and resolve this one there."
    card = Card(state=CardState.NEEDS_YOU, headline=headline, lines=(line(alone), line(mend)))
    tx.send(Message(key=f"{_alone(row)}{tx.now:%Y%m%dT%H%M%S}", channel=config.channels.incidents, card=card))


def _rings_no_more(tx: Transaction, row: PageRow, by: str) -> None:
    """Takes back what `_rings_alone` said last."""
    said = tx.first(select(MessageRow).where(col(MessageRow.key).startswith(_alone(row), autoescape=True)).order_by(col(MessageRow.created_at).desc()))
    if said is not None:
        over = line("Resolved there by ", Person(name=by), " at ", Time(at=tx.now))
        card = Card.model_validate(said.card).model_copy(update={"state": CardState.DONE, "lines": (over,)})
        tx.send(Message(key=said.key, channel=said.channel, card=card))


def _alone(row: PageRow) -> str:
    return f"page/{row.key}/alone/"


def _follow(tx: Transaction, row: PageRow, change: Change, people: tuple[str, ...], by: str) -> None:
    """PagerDuty's own policy was faster: our level follows, and pages nobody again."""
    row.level = row.sent_level = change.level
    row.call = [*people]
    found = tx.get(EscalationRow, row.incident, lock=True) if row.incident is not None else None
    if found is None or found.next_at is None or change.level <= found.level:
        return
    there = book.ladder_for(tx, found.policy)
    book.place(found, ladder.seen_at(there, book.position(found), change.level, tx.now, people))
    found.rounds, found.stale = found.rounds + 1, True
    tx.save(found)
    name = there.rung(min(change.level, there.last)).name
    data = {"level": change.level, "name": name, "people": [*people], "round": found.rounds}
    tx.record(Event(kind="level.followed", subject=subject_of(row), actor=by, data=data))


def _merge(tx: Transaction, config: Config, row: PageRow, into: str, by: str) -> None:
    """Where the other one is of ours, our incident belongs to that; else ours follows it from now on."""
    target = tx.first(select(PageRow).where(PageRow.remote == into))
    if row.incident is None or target is None or target.incident in (None, row.incident):
        tx.record(Event(kind="page.merged", subject=subject_of(row), actor=by, data={"pagerduty": row.remote, "into": into}))
        row.remote = into
        return
    _stands(row, "resolved")
    _, before = book.find(tx, row.incident)
    if State.MERGED in LEGAL[before.state]:
        after = before.go(State.MERGED, tx.now, by).model_copy(update={"merged_into": target.incident})
        book.change(tx, config, before, after, by, into=f"#{target.incident}", via="pagerduty")


def _noted(tx: Transaction, config: Config, row: PageRow, text: str, by: str) -> None:
    if row.incident is None:
        tx.record(Event(kind="page.noted", subject=row.key, actor=by, data={"text": text}))
        return
    _, before = book.find(tx, row.incident)
    book.change(tx, config, before, before.model_copy(update={"active_at": tx.now, "asked_at": None}), by, "note", text=text, via="pagerduty")


def _weigh(tx: Transaction, config: Config, row: PageRow, priority: str, by: str) -> None:
    severity = severity_of(config, priority, None)
    row.priority = row.sent_priority = priority
    if row.incident is None or severity is None:
        return
    _, before = book.find(tx, row.incident)
    if severity != before.severity and before.state.open:
        tx.save(row)
        book.change(tx, config, before, before.model_copy(update={"severity": severity}), by, "severity", was=before.severity, now=severity, via="pagerduty")


def _ask(tx: Transaction, config: Config, row: PageRow, until: datetime | None) -> None:
    """Snoozed there, it calls again by itself; here its people are asked whether they are still on it."""
    if row.incident is None:
        return
    _, before = book.find(tx, row.incident)
    if before.state in tend.ANSWERED and before.asked_at is None:
        book.change(tx, config, before, before.model_copy(update={"asked_at": tx.now}), book.MACHINE, "asked", about=["snoozed"])
        tend.ask(tx, config, before, tend.Care.ASK_IDLE, tend.question(config, before, tend.Care.ASK_IDLE, tx.now, until))


def severity_of(config: Config, priority: str | None, urgency: str | None) -> str | None:
    """Returns the severity that a priority of PagerDuty stands for, or an urgency: as configured, else the least that pages for `high`, and the gravest
    that does not for `low`."""
    pagerduty = config.escalation.pagerduty if config.escalation else None
    if pagerduty is None:
        return None
    named = next((severity for severity, name in pagerduty.priorities.items() if name == priority), None)
    if named is not None or urgency is None:
        return named
    paging = [name for name, severity in config.severities.items() if severity.page]
    quiet = [name for name, severity in config.severities.items() if not severity.page]
    usual = {"high": paging[-1:] or quiet[:1], "low": quiet[:1] or paging[-1:]}[urgency]
    configured = {str(key): value for key, value in pagerduty.urgencies.items()}
    return configured.get(urgency) or next(iter(usual), None)


def _foreign(tx: Transaction, config: Config, seen: PagerIncident) -> bool:
    """Somebody has opened an incident in PagerDuty: it becomes one of ours, with PagerDuty's page as the first."""
    remote = seen.id
    severity = severity_of(config, seen.priority, seen.urgency)
    if severity is None or seen.status == "resolved":
        return False
    draft = Draft(title=seen.title or f"PagerDuty incident {remote}", severity=severity, topic=f"pagerduty:{remote}", origin="pagerduty")
    incident = book.open_incident(tx, config, draft, PAGERDUTY)
    row = next(iter(book.pages_of(tx, incident.number)), None)
    if row is None:
        row = PageRow(key=book.page_key(config, incident, ""), incident=incident.number, title=book.title(incident), created_at=tx.now)
    row.remote, row.rounds, row.level, row.version, row.priority = remote, 1, 1, 1, seen.priority
    row.sent_rounds, row.sent_level, row.sent_version, row.sent_status, row.sent_priority = 1, 1, 1, "triggered", seen.priority
    row.delivered_at, row.settled_at, row.next_at = tx.now, None, None
    tx.save(row)
    tx.record(Event(kind="page.adopted", subject=incident.name, actor=PAGERDUTY, data={"pagerduty": remote}))
    found = tx.get(EscalationRow, incident.number, lock=True)
    if found is not None:
        there = book.ladder_for(tx, found.policy)
        people = oncall.on_call(config, there, oncall.known(tx, there.name), tx.now, tx.now)[1].people
        found.level, found.rounds, found.asked, found.paged_at = 1, 1, [*people], tx.now
        found.next_at, found.stale = tx.now + there.rung(1).answer_within, True
        data = {"level": 1, "name": there.rung(1).name, "people": [*people], "round": 1}
        tx.record(Event(kind="level.followed", subject=incident.name, actor=PAGERDUTY, data=data))
        row.call = [*people]
        tx.save(found)
    if seen.status == "acknowledged":
        take(tx, config, seen)
    return True
