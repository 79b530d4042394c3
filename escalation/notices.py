"""What people are told of paging: direct messages to those who are paged, and a line in #incidents when a level did not answer.

They are made from the event log after the pages themselves were asked for, and made anew when somebody answers: then the buttons are gone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import Action, Bold, Card, Channel, Line, Person, Span, State, Time, line
from bot.core.config import Config
from bot.core.text import duration
from bot.destinations import address
from bot.store.due import Due, Look
from bot.store.incident_tables import ChannelRow, EscalationRow, IncidentRow
from bot.store.store import Store
from bot.store.tables import EventRow
from bot.store.transaction import Message, Transaction
from escalation import book, oncall
from escalation import incident as incidents
from escalation.incident import Incident
from escalation.ladder import Ladder
from escalation.saying import standing

BATCH = 50
ROUNDS = 6
"""How many of the last pages are told anew: those before say already that somebody else was paged after them."""
_KINDS = ("page.requested", "level.skipped", "level.followed", "incident.triggered", "incident.escalated")


@dataclass(frozen=True)
class Round:
    """One page, as the log has it. `unanswered`: the page before it got no answer; `asked_by`: who did not want to wait for one; `skipped`: levels before it
    where nobody is on call."""

    number: int
    level: int
    people: tuple[str, ...]
    at: datetime
    unanswered: bool
    asked_by: str | None
    skipped: tuple[str, ...]


class NoticeManager:
    name = "notices"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def look(self) -> Look:
        return _STALE.there

    async def update(self, now: datetime) -> bool:
        """Writes what is out of date, a batch at a time, and returns whether there was anything."""

        def write(tx: Transaction) -> None:
            for row in _STALE.claim(tx, BATCH):
                tell(tx, self._config, row)
                row.stale = False
                tx.save(row)

        await self._store.transaction(write)
        return True


_STALE = Due(select(EscalationRow).where(col(EscalationRow.stale).is_(True)).order_by(col(EscalationRow.incident)))


def tell(tx: Transaction, config: Config, row: EscalationRow) -> None:
    """Queues what is to be said of an incident's paging as it stands."""
    found = tx.get(IncidentRow, row.incident)
    if found is None:
        return
    found.stale = True  # its card says who is paged
    tx.save(found)
    incident, there = Incident.model_validate(found.document), book.ladder_for(tx, row.policy)
    channel = tx.get(ChannelRow, row.incident)
    room = Channel(name=channel.name, id=channel.slack) if channel is not None and channel.slack else None
    rounds = rounds_of(tx, incident)
    above = _above(tx, config, there, row, tx.now)
    for place, one in enumerate(rounds):
        later = rounds[place + 1] if place + 1 < len(rounds) else None
        for name in one.people:
            person = config.people.get(name)
            if person is not None and person.slack is not None:
                card = page_card(incident, there, one, later, above, row.next_at, room)
                tx.send(Message(key=f"incident-{incident.number}/page/{one.number}/{name}", channel=person.slack, card=card))
        if (said := round_line(incident, there, rounds[place - 1] if place else None, one, later)) is not None:
            where = address(incident.number) if incident.private else config.channels.incidents
            tx.send(Message(key=f"incident-{incident.number}/round/{one.number}", channel=where, card=said))


def rounds_of(tx: Transaction, incident: Incident) -> list[Round]:
    """Returns the last pages of an incident, in order."""
    query = select(EventRow).where(EventRow.subject == incident.name, col(EventRow.kind).in_(_KINDS)).order_by(col(EventRow.id).desc())
    events = [*reversed(tx.all(query.limit(5 * ROUNDS)))]
    return [*_rounds(events)][-ROUNDS:]


def _rounds(events: Sequence[EventRow]) -> Iterator[Round]:
    number, answered, asked_by, skipped = 0, True, None, []
    for event in events:
        data = event.payload or {}
        match event.kind:
            case "incident.triggered":
                answered = True
            case "incident.escalated":
                asked_by = event.actor
            case "level.skipped" if data["because"] == "nobody":
                skipped.append(f"L{data['level']} {data['name']}")
            case "page.requested" | "level.followed":
                number = int(data["round"])
                yield Round(number, int(data["level"]), tuple(data["people"]), event.at, not answered and asked_by is None, asked_by, tuple(skipped))
                answered, asked_by, skipped = False, None, []


def _above(tx: Transaction, config: Config, there: Ladder, row: EscalationRow, now: datetime) -> tuple[int, tuple[str, ...]]:
    """Returns the level that would be paged next, with its people."""
    manned = oncall.roster(oncall.on_call(config, there, oncall.known(tx, there.name), now, now))
    level = next((level for level in range(row.level + 1, there.last + 1) if manned.get(level) and not {*manned[level]} <= {*row.asked}), there.last)
    return level, manned.get(level, ())


def page_card(
    incident: Incident, there: Ladder, one: Round, later: Round | None, above: tuple[int, tuple[str, ...]], next_at: datetime | None, room: Channel | None
) -> Card:
    """Returns what somebody who is paged is told directly; the buttons are there only for as long as it is his turn."""
    what = line(Bold(text=f"You are paged: {book.title(incident)}"), f" · L{one.level} {there.rung(one.level).name}")
    if incident.state is incidents.State.TRIGGERED and later is None:
        level, people = above
        again = level <= one.level
        label = f"I can't: page L{level} {'again' if again else 'now'}"
        after: Line = (
            line("After you, ", *names(people), f" (L{level}) {'is' if len(people) == 1 else 'are'} paged{' again' if again else ''} at ", Time(at=next_at))
            if next_at is not None
            else ()
        )
        return Card(
            state=State.NEEDS_YOU,
            headline=what,
            lines=tuple(one for one in (after, line("It is discussed in ", room) if room else ()) if one),
            actions=(
                Action(label="Acknowledge", command="incident ack", arguments={"incident": incident.name}, style="primary"),
                Action(label=label, command="incident escalate", arguments={"incident": incident.name, "level": one.level}),
            ),
        )
    return Card(state=State.DONE, headline=what, lines=(_ended(incident, later, "you"),))


def _ended(incident: Incident, later: Round | None, after: str) -> Line:
    if later is not None:
        return line(f"L{later.level} ", *names(later.people), f" {'was' if len(later.people) == 1 else 'were'} paged after {after} at ", Time(at=later.at))
    return standing(incident)


def round_line(incident: Incident, there: Ladder, before: Round | None, one: Round, later: Round | None) -> Card | None:
    """Returns what #incidents is told of a page: that nobody answered, or is on call, or that somebody did not want to wait. None: nothing of the kind.
    Once others were paged, or nobody is any more, it says what came of it.

    It says neither title nor severity: they stand on the incident's card.
    """
    pending = incident.state is incidents.State.TRIGGERED and later is None
    again, many = before is not None and before.level == one.level, len(one.people) != 1
    now: Line = line(
        f"L{one.level} ",
        *names(one.people),
        f" {'are' if many else 'is'} paged {'again' if again else 'now'}" if pending else f" {'were' if many else 'was'} paged{' again' if again else ''}",
    )
    state, ended = (State.NEEDS_YOU, ()) if pending else (State.DONE, (_ended(incident, later, "that"),))
    lines = tuple(line(f"Nobody is on call at {level}") for level in one.skipped)
    if one.asked_by is not None:
        return Card(state=state, headline=line(f"{incident.name}: ", Person(name=one.asked_by), " asks for more help · ", *now), lines=(*lines, *ended))
    if one.unanswered and before is not None:
        waited, was = duration(one.at - before.at), "was" if len(before.people) == 1 else "were"
        said = line(
            f"{incident.name}: nobody at L{before.level} answered in {waited} (", *names(before.people), f" {was} paged at ", Time(at=before.at), ") · ", *now
        )
        return Card(state=state, headline=said, lines=(*lines, *ended))
    if lines:
        return Card(state=state, headline=line(f"{incident.name}: nobody is on call at {', '.join(one.skipped)} · ", *now), lines=ended)
    return None


def names(people: Sequence[str]) -> tuple[Span, ...]:
    """Returns people as a list; they are told directly, and need no mention."""
    spans: list[Span] = []
    for name in people:
        spans += [", ", Person(name=name)] if spans else [Person(name=name)]
    return tuple(spans) or ("nobody",)
