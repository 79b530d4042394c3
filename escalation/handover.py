"""Handing over: when somebody comes on call he is told what goes on, once, and #incidents that he is there.

Who was on call when it was last looked is a row, and what is said is queued in the transaction that changes it: also across restarts it is said once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, or_, select

from bot.core.card import Bold, Card, Line, Person, Row, Span, State, Time, line
from bot.core.config import Config
from bot.core.events import Event
from bot.core.operation import Phase
from bot.core.request import Actor
from bot.store import log
from bot.store.due import Look
from bot.store.incident_tables import DutyRow, MaintenanceRow, SilenceRow
from bot.store.runbook_tables import RunRow
from bot.store.store import Store
from bot.store.tables import EventRow, FreezeRow, LockRow, OperationRow
from bot.store.transaction import Message, Transaction
from escalation import oncall
from escalation.actions import item as action
from escalation.actions.book import open_items
from escalation.book import alive
from escalation.card import row as incident_row
from escalation.circle import belongs, may_know
from escalation.incident import Incident
from escalation.ladder import Ladder
from escalation.oncall import Source
from escalation.roster import ladders

LOOK_EVERY = timedelta(minutes=1)
DAY = timedelta(days=1)
LONGEST = timedelta(days=7)
"""How far back the pages of a shift are counted at most."""
SOON = timedelta(days=7)
"""How long before it is due an action item is named."""
SHOWN = 8


@dataclass(frozen=True)
class Change:
    """Who is on call at a level now, instead of whom."""

    ladder: Ladder
    level: int
    people: tuple[str, ...]
    before: tuple[str, ...]
    since: datetime

    @property
    def come(self) -> tuple[str, ...]:
        return tuple(name for name in self.people if name not in self.before)


class HandoverManager:
    """`pager`: whether PagerDuty is asked who is on call."""

    name = "handover"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, *, pager: bool) -> None:
        self._store, self._config, self._pager = store, config, pager
        self._looked: datetime | None = None

    def look(self) -> Look:
        return self._looked is None or not timedelta() <= self._store.clock.now() - self._looked < LOOK_EVERY

    async def update(self, now: datetime) -> bool:
        """Sees who is on call, and tells whoever has come; returns whether anything changed."""
        changed = await self._store.read(lambda tx: bool(changes(tx, self._config, pager=self._pager)))
        if changed:
            await self._store.transaction(self._hand_over)
        self._looked = now
        return changed

    def _hand_over(self, tx: Transaction) -> None:
        found = changes(tx, self._config, pager=self._pager)
        for change in found:
            row = tx.get(DutyRow, (change.ladder.name, change.level), lock=True)
            first = row is None
            tx.save(
                DutyRow(policy=change.ladder.name, level=change.level, people=[*change.people], since=tx.now) if row is None else _moved(row, change, tx.now)
            )
            if not first:
                data = {"level": change.level, "people": [*change.people], "before": [*change.before]}
                tx.record(Event(kind="oncall.handover", subject=change.ladder.name, data=data))
        tell(tx, self._config, [change for change in found if change.before and change.come])


def _moved(row: DutyRow, change: Change, now: datetime) -> DutyRow:
    row.people, row.since = [*change.people], now
    return row


def changes(tx: Transaction, config: Config, *, pager: bool) -> list[Change]:
    """Returns where somebody else is on call than when it was last looked (`before` is empty where it never was).

    Levels where nobody is keep whoever was there last. What stands in aiec.yaml counts only where nobody else is asked: PagerDuty that has not answered yet, or
    not for long, is no change of shifts.
    """
    known = {(row.policy, row.level): row for row in tx.all(select(DutyRow))}
    found = []
    for there in ladders(config):
        asked = pager and there.name == oncall.mirrored(config)
        for level, one in oncall.on_call(config, there, oncall.known(tx, there.name), tx.now, tx.now).items():
            if not one.people or (asked and one.source is Source.FILE):
                continue
            row = known.get((there.name, level))
            if row is None or set(row.people) != set(one.people):
                found.append(Change(there, level, one.people, tuple(row.people) if row else (), row.since if row else tx.now))
    return found


def tell(tx: Transaction, config: Config, found: Sequence[Change]) -> None:
    """Queues what those who come are told, one message each, and one for the channel."""
    if not found:
        return
    key = f"handover/{tx.now:%Y%m%dT%H%M%S}"
    lines = [_said(change) for change in found]
    for name in dict.fromkeys(name for change in found for name in change.come):
        person = config.people.get(name)
        if person is None or person.slack is None:
            continue
        mine = [change for change in found if name in change.come]
        since = max(min(change.since for change in mine), tx.now - LONGEST)
        where = ", ".join(f"L{change.level} {change.ladder.rung(change.level).name}" for change in mine)
        card = summary(read(tx, config, Actor(name=name, slack=person.slack), since), line(Bold(text="You are on call now"), f": {where}"))
        tx.send(Message(key=f"{key}/{name}", channel=person.slack, card=card))
    card = Card(headline=lines[0], lines=tuple(lines[1:]))
    tx.send(Message(key=key, channel=config.channels.incidents, card=card))


def _said(change: Change) -> Line:
    return line(f"On call at L{change.level} {change.ladder.rung(change.level).name} now: ", *_names(change.people), ", after ", *_names(change.before))


def _names(people: Iterable[str]) -> list[Span]:
    spans: list[Span] = []
    for name in people:
        spans += [", ", Person(name=name)] if spans else [Person(name=name)]
    return spans


def on_duty_since(tx: Transaction, name: str) -> datetime | None:
    """Returns since when somebody is on call, None when he is not, or has always been."""
    since = [row.since for row in tx.all(select(DutyRow)) if name in row.people]
    return max(min(since), tx.now - LONGEST) if since else None


@dataclass(frozen=True)
class Going:
    """What goes on, as far as somebody may know of it. `hidden`: how many open incidents he may not. `pages`: how often anybody was paged `since`, by what it
    was for. `holds`: silences, maintenance, locks and freezes in words; `items`: what is to be done soon."""

    now: datetime
    since: datetime
    incidents: tuple[Incident, ...]
    hidden: int
    pages: Mapping[str, int]
    holds: tuple[Line, ...]
    operations: tuple[Row, ...]
    runs: tuple[Row, ...]
    items: tuple[action.Item, ...]


def read(tx: Transaction, config: Config, actor: Actor, since: datetime) -> Going:
    """Reads what goes on, for somebody."""
    everything = [incident for _, incident in alive(tx)]
    known = [incident for incident in everything if belongs(tx, config, incident, actor)]
    mine = [item for item in open_items(tx) if item.due <= tx.now + SOON and may_know(tx, config, item.incident, actor)]
    return Going(
        now=tx.now,
        since=since,
        incidents=tuple(known),
        hidden=len(everything) - len(known),
        pages=_pages(tx, config, actor, since),
        holds=tuple(_holds(tx, config)),
        operations=tuple(_operations(tx)),
        runs=tuple(_runs(tx, {incident.number for incident in known})),
        items=tuple(mine),
    )


def _pages(tx: Transaction, config: Config, actor: Actor, since: datetime) -> dict[str, int]:
    there = (col(EventRow.id) >= log.first_since(tx, since), EventRow.kind == "page.requested")
    subjects = Counter(row.subject for row in tx.all(select(EventRow).where(*there)))
    named: Counter[str] = Counter()
    for subject, count in subjects.items():
        ours = subject.startswith("#") and subject[1:].isdecimal()
        named["other things" if not ours or not may_know(tx, config, int(subject[1:]), actor) else subject] += count
    return dict(named)


def _holds(tx: Transaction, config: Config) -> Iterable[Line]:
    for lock in tx.all(select(LockRow).order_by(col(LockRow.environment))):
        yield line(f"🔒 {lock.environment} is held by {lock.holder} since ", Time(at=lock.since, style="date"), f": {lock.reason}")
    declared = select(FreezeRow).where(col(FreezeRow.starts_at) <= tx.now, or_(col(FreezeRow.ends_at).is_(None), col(FreezeRow.ends_at) > tx.now))
    for freeze in tx.all(declared.order_by(col(FreezeRow.id))):
        yield line(f"🔒 {freeze.environment} is frozen by {freeze.by}", *_until(freeze.ends_at), f": {freeze.reason}")
    for name, environment in config.environments.items():
        for planned in environment.freezes:
            if planned.from_ <= tx.now < planned.to:
                yield line(f"🔒 {name} is frozen", *_until(planned.to), f": {planned.reason}")
    for work in tx.all(select(MaintenanceRow).where(col(MaintenanceRow.ended_at).is_(None)).order_by(col(MaintenanceRow.starts_at))):
        since = line(" from ", Time(at=work.starts_at, style="date")) if work.starts_at > tx.now else ()
        yield line(f"Maintenance of {', '.join(work.services)} in {work.environment}", *since, *_until(work.ends_at), f": {work.reason}")
    quiet = select(SilenceRow).where(col(SilenceRow.ends_at) > tx.now, col(SilenceRow.ended).is_(None))
    for silence in tx.all(quiet.order_by(col(SilenceRow.id))):
        yield line(f"Silenced: {', '.join(silence.matchers)}", *_until(silence.ends_at), f": {silence.reason}")


def _until(at: datetime | None) -> Line:
    return line(" until ", Time(at=at, style="date")) if at is not None else ()


def _operations(tx: Transaction) -> Iterable[Row]:
    moving = col(OperationRow.state).in_([Phase.WAITING, Phase.RUNNING, Phase.UNDOING])
    for row in tx.all(select(OperationRow).where(moving).order_by(col(OperationRow.id))):
        yield Row(name=f"op-{row.id}", text=line(f"{row.document['plan']['title']} · {row.state} · by ", Person(name=row.document["actor"]["name"])))


def _runs(tx: Transaction, known: set[int]) -> Iterable[Row]:
    for row in tx.all(select(RunRow).where(RunRow.state == "running").order_by(col(RunRow.id))):
        if row.incident in known:
            yield Row(name=row.runbook, text=line(f"runs for #{row.incident}, by ", Person(name=row.document["runner"]["name"])))


def summary(going: Going, headline: Line) -> Card:
    """Returns what somebody who comes on call is told. Pure."""
    count = len(going.incidents) + going.hidden
    said = f" · {count} incident{'' if count == 1 else 's'} open" if count else " · no incident is open"
    lines = [line(f"{_were(going.hidden)} private, and its people know more")] if going.hidden else []
    lines += [_paged(going), *going.holds[:SHOWN], *_rest(going.holds, "more that hold something back")]
    late = sum(item.overdue(going.now) for item in going.items)
    if going.items:
        lines.append(line(f"{action.count(len(going.items))} due within {SOON.days} days{f', {late} of them overdue' if late else ''}"))
    rows = [*map(incident_row, going.incidents[:SHOWN]), *going.operations[:SHOWN], *going.runs[:SHOWN]]
    rows += [action.row(item, going.now) for item in going.items[:SHOWN]]
    if len(going.incidents) > SHOWN:
        lines.append(line("`/aiec incident list` has all incidents"))
    return Card(state=State.NEEDS_YOU if going.incidents else None, headline=(*headline, said), lines=tuple(lines), rows=tuple(rows))


def _were(hidden: int) -> str:
    return "One of them is" if hidden == 1 else f"{hidden} of them are"


def _rest(found: Sequence[Line], what: str) -> list[Line]:
    return [line(f"and {len(found) - SHOWN} {what}")] if len(found) > SHOWN else []


def _paged(going: Going) -> Line:
    total = sum(going.pages.values())
    if not total:
        return line("Nobody was paged since ", Time(at=going.since, style="date"))
    for_ = ", ".join(f"{name}{f' ({times} times)' if times > 1 else ''}" for name, times in [*going.pages.items()][:SHOWN])
    return line(f"{total} page{'' if total == 1 else 's'} since ", Time(at=going.since, style="date"), f", for {for_}")
