"""What came of a try to page: written down, and said in #incidents for as long as PagerDuty does not have the page, with whom to call instead."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import Bold, Card, Line, Person, Span, State, line
from bot.core.config import Config
from bot.core.events import Event
from bot.core.pager import PagerIncident
from bot.core.text import duration
from bot.store.incident_tables import PageRow
from bot.store.tables import MessageRow
from bot.store.transaction import Message, Transaction
from escalation import schedule

SOON = timedelta(seconds=10)
"""A wait that PagerDuty asks for, and that nobody has to hear of."""


@dataclass(frozen=True)
class Tried:
    """`done`: PagerDuty shows what was wanted, as `seen` there. Else `trouble` says why not, and `again` when it is tried once more.

    `notes`: how many were added; `mute`: why nobody may hear of it all the same; `remark`: what PagerDuty would not take of it; `forget`: its incident is gone;
    `signalled`: it was sent by an event; `untried`: nothing can have come of it; `reconcile`: something else happened there, which is to be looked at.
    """

    done: bool = False
    remote: str | None = None
    seen: PagerIncident | None = None
    notes: int = 0
    again: datetime | None = None
    trouble: str = ""
    mute: str = ""
    remark: str = ""
    forget: bool = False
    signalled: bool = False
    untried: bool = False
    reconcile: bool = False


def subject_of(row: PageRow) -> str:
    """Returns what a page's events are about: its incident, or the page itself."""
    return f"#{row.incident}" if row.incident is not None else row.key


def note(tx: Transaction, config: Config, before: PageRow, tried: Tried, *, there: bool = True) -> None:
    """Writes down what came of a try at the row `before`. `there`: whether there is a PagerDuty at all."""
    row = tx.get(PageRow, before.key, lock=True)
    if row is None:
        return
    if row.attempted_at != before.attempted_at:
        # Somebody has taken it over since, and adopts by the key what we opened.
        return
    calling = before.status == "triggered" and before.rounds > row.sent_rounds
    row.lease_until = None
    row.notes = row.notes[tried.notes :]
    row.remote = None if tried.forget else (tried.remote or row.remote)
    if tried.done:
        _settle(tx, config, row, before, tried, calling=calling)
    else:
        _fail(tx, row, before, tried)
    if tried.reconcile:
        schedule.hasten(tx, schedule.RECONCILE)
    soon = tried.again is not None and (tried.forget or tried.untried) and tried.again - tx.now <= SOON
    if not there and before.status != "triggered":
        _calls_no_more(tx, row, before.status)
    elif (calling or not tried.done) and not soon and not tried.reconcile:
        _say(tx, config, row, before, tried, there=there)
    elif tried.done:
        _conclude(tx, config, row, before)
    tx.save(row)


def whom_for(config: Config, row: PageRow) -> set[str]:
    """Returns the PagerDuty ids of those whom a page is for, as far as they are known."""
    return {id for name in row.call if name in config.people and (id := config.people[name].pagerduty)}


def _settle(tx: Transaction, config: Config, row: PageRow, before: PageRow, tried: Tried, *, calling: bool) -> None:
    if calling and tried.seen is not None and not tried.reconcile:
        row.delivered_at = row.delivered_at or tx.now
        late = int((tx.now - (row.failing_since or tx.now)).total_seconds())
        data = {"level": before.level, "people": [*before.call], "pagerduty": tried.remote, "late": late, "fallback": row.fallback}
        tx.record(Event(kind="page.delivered", subject=subject_of(row), data=data))
        if tried.seen.assigned_at is not None and {*tried.seen.assignees} != whom_for(config, before) and row.rounds == before.rounds:
            # PagerDuty called others for it, as where nobody is on call at a level: should they be paged next, that was not it.
            row.since = tried.seen.assigned_at + timedelta(seconds=1)
    if tried.remark and tried.remark != row.trouble:
        tx.record(Event(kind="page.remarked", subject=subject_of(row), data={"because": tried.remark}))
    if tried.mute and tried.mute != row.mute:
        tx.record(Event(kind="page.mute", subject=subject_of(row), data={"because": tried.mute}))
    row.sent_version, row.sent_level, row.sent_status = before.version, before.level, before.status
    row.sent_rounds, row.sent_priority = max(row.sent_rounds, before.rounds), before.priority
    row.mute, row.trouble, row.attempts, row.settled_at = tried.mute or None, tried.remark or None, 0, tx.now
    # Notes on what PagerDuty was never told of have no place there: they wait for it to be called again.
    row.next_at = tx.now if row.version > before.version or (row.notes and row.remote is not None) else None
    if tried.seen is not None and calling:
        row.seen_at = max(row.seen_at or tried.seen.created_at, tried.seen.created_at)


def _fail(tx: Transaction, row: PageRow, before: PageRow, tried: Tried) -> None:
    if tried.signalled:
        row.fallback = True
        tx.record(Event(kind="page.fallback", subject=subject_of(row), data={"because": tried.trouble}))
    elif tried.trouble != row.trouble:
        tx.record(Event(kind="page.failed", subject=subject_of(row), data={"because": tried.trouble}))
    row.trouble, row.failing_since = tried.trouble, row.failing_since or tx.now
    row.next_at, row.attempts = tried.again, before.attempts - tried.untried


def _say(tx: Transaction, config: Config, row: PageRow, before: PageRow, tried: Tried, *, there: bool) -> None:
    if not there:
        reason: Line = line("PagerDuty is not set up: this message and the direct one are all that calls.")
        card = Card(state=State.NEEDS_YOU, headline=(*_headline(before, "pages"), *_people(config, before)), lines=(reason,))
        tx.send(Message(key=f"page/{row.key}/{before.rounds}", channel=config.channels.incidents, card=card))
    elif not tried.done and before.status == "triggered":
        lines: list[Line] = [line(tried.trouble)]
        lines.append(
            line("It was sent as an event, by which PagerDuty calls as its service says; that is not confirmed." if row.fallback else "Nobody was called.")
        )
        lines.append(line("It is tried again until PagerDuty has it."))
        _shout(
            tx,
            config,
            row,
            Card(state=State.NEEDS_YOU, headline=(*_headline(before, "is not taken by PagerDuty · call"), *_people(config, before)), lines=tuple(lines)),
        )
    elif tried.done and tried.mute:
        card = Card(state=State.NEEDS_YOU, headline=(*_headline(before, "rings nobody · call"), *_people(config, before)), lines=(line(tried.mute),))
        _shout(tx, config, row, card)
    else:
        _conclude(tx, config, row, before)


def _calls_no_more(tx: Transaction, row: PageRow, status: str) -> None:
    """Takes back the messages that called instead of PagerDuty."""
    for said in tx.all(select(MessageRow).where(col(MessageRow.key).startswith(f"page/{row.key}/", autoescape=True))):
        if said.card["state"] == State.NEEDS_YOU:
            card = Card.model_validate(said.card).model_copy(update={"state": State.DONE, "lines": (line(f"It is {status}, and calls nobody any more"),)})
            tx.send(Message(key=said.key, channel=said.channel, card=card))


def _conclude(tx: Transaction, config: Config, row: PageRow, before: PageRow) -> None:
    """Takes back a shout whose reason is gone."""
    if row.failing_since is None or tx.get(MessageRow, _shout_key(row)) is None:
        row.failing_since = None
        return
    late = duration(tx.now - row.failing_since)
    said = f"PagerDuty has it now, {late} late" if before.status == "triggered" else f"it is {before.status}, and calls nobody any more"
    _shout(tx, config, row, Card(state=State.DONE, headline=(*_headline(before, "·"), said)))
    row.failing_since = None


def _shout(tx: Transaction, config: Config, row: PageRow, card: Card) -> None:
    tx.send(Message(key=_shout_key(row), channel=config.channels.incidents, card=card))


def _shout_key(row: PageRow) -> str:
    return f"page/{row.key}/shout"


def _headline(row: PageRow, what: str) -> Line:
    """Names a page without its title, which may be nobody's business in a public channel."""
    return line(Bold(text=f"The page of #{row.incident} (L{row.level})" if row.incident is not None else row.title), f" {what} ")


def _people(config: Config, row: PageRow) -> tuple[Span, ...]:
    """Returns whom to call, with the numbers."""
    spans: list[Span] = []
    for name in row.call:
        phone = config.people[name].phone if name in config.people else None
        spans += [", "] if spans else []
        spans += [Person(name=name, notify=True) if name in config.people else name, f" {phone or '(no number in aiec.yaml)'}"]
    return tuple(spans) or ("whoever is on call",)
