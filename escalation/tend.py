"""Looking after incidents that nobody seems to look after: people who fell silent, updates that are owed, alerts that fell silent.

`tend` is pure: what is to be done about an incident now. The manager does it, and asks the people in their direct messages and in the incident's channel.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import col, or_, select

from bot.core.card import Action, Bold, Card, Line, Person, State, Time, line
from bot.core.config import Config
from bot.core.text import duration
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import ChannelRow, IncidentRow
from bot.store.store import Store
from bot.store.tables import EventRow, MessageRow
from bot.store.transaction import Message, Transaction
from escalation import book
from escalation import incident as incidents
from escalation.incident import Incident
from escalation.saying import standing

BATCH = 50
ANSWERED = (incidents.State.ACKNOWLEDGED, incidents.State.MITIGATED)


class Care(StrEnum):
    """What is to be done: ask whether somebody is still on it, page again as he is not, ask for the update that is owed, ask whether it is over, resolve."""

    ASK_IDLE = "idle"
    LET_GO = "let go"
    ASK_UPDATE = "update"
    ASK_QUIET = "quiet"
    RESOLVE = "resolve"


def tend(incident: Incident, config: Config, now: datetime) -> tuple[Care, ...]:
    """Returns what is to be done about an incident now, each thing once in its period."""
    rules = config.incidents
    found: list[Care] = []
    if rules is not None and _quiet(incident, rules.resolve_after_quiet, now):
        if incident.state is incidents.State.TRIGGERED:
            return (Care.RESOLVE,)
        found.append(Care.ASK_QUIET)
    if rules is not None and incident.state in ANSWERED:
        if incident.asked_at is not None and now >= incident.asked_at + rules.ask_after_idle:
            return (Care.LET_GO,)
        if incident.asked_at is None and now >= incident.active_at + rules.ask_after_idle and not found:
            found.append(Care.ASK_IDLE)
    if incident.state.open and incident.update_due is not None and now >= incident.update_due and not incident.update_asked:
        found.append(Care.ASK_UPDATE)
    return tuple(found)


def tended(incident: Incident, cares: tuple[Care, ...], now: datetime) -> Incident:
    """Returns the incident after that."""
    match cares:
        case (Care.RESOLVE,):
            return incident.go(incidents.State.RESOLVED, now, book.MACHINE)
        case (Care.LET_GO,):
            return incident.go(incidents.State.TRIGGERED, now, book.MACHINE).model_copy(update={"quiet_asked": False})
    change: dict[str, object] = {}
    if Care.ASK_QUIET in cares:
        # Whoever is asked this is asked whether he is on it as well: one question, one time to answer.
        change |= {"quiet_asked": True, "asked_at": now}
    if Care.ASK_IDLE in cares:
        change |= {"asked_at": now}
    if Care.ASK_UPDATE in cares:
        change |= {"update_asked": True}
    return incident.model_copy(update=change)


def _quiet(incident: Incident, after: timedelta, now: datetime) -> bool:
    return incident.state.open and incident.quiet_since is not None and not incident.firing and not incident.quiet_asked and now >= incident.quiet_since + after


class IncidentManager:
    name = "incidents"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def look(self) -> Look:
        return _DUE.there

    async def update(self, now: datetime) -> bool:
        """Looks at the incidents that are due, and returns whether there was any."""

        def work(tx: Transaction) -> None:
            for row in _DUE.claim(tx, BATCH):
                look(tx, self._config, row)

        await self._store.transaction(work)
        return True


_DUE = Due(select(IncidentRow).where(col(IncidentRow.next_at) <= NOW).order_by(col(IncidentRow.next_at)))


def look(tx: Transaction, config: Config, row: IncidentRow) -> None:
    """Does for an incident what is to be done about it now."""
    before = Incident.model_validate(row.document)
    cares = tend(before, config, tx.now)
    after = tended(before, cares, tx.now)
    because = {Care.RESOLVE: "its alerts are quiet", Care.LET_GO: f"{before.acknowledged_by or 'whoever acknowledged it'} did not answer"}
    if cares and (why := because.get(cares[0])):
        book.change(tx, config, before, after, book.MACHINE, because=why)
    elif cares:
        book.change(tx, config, before, after, book.MACHINE, "asked", about=[care.value for care in cares])
    else:
        row.next_at = book.due(config, before)
        if row.next_at is not None and row.next_at <= tx.now:
            row.next_at = tx.now + timedelta(minutes=1)
        tx.save(row)
    for care in cares:
        _say(tx, config, before, after, care)


def came_of(incident: Incident, care: Care, asked: datetime) -> Line | None:
    """Returns what came of a question that was asked about an incident at that time, or None while it is still to be answered."""
    if not incident.state.open:
        return standing(incident)
    if care is Care.ASK_UPDATE:
        return None if incident.update_asked else _update(incident, asked)
    if incident.state not in ANSWERED:
        return standing(incident)
    return None if incident.asked_at is not None else line("Somebody did something about it at ", Time(at=incident.active_at))


def _update(incident: Incident, asked: datetime) -> Line:
    """An update that was asked for is given, or not owed yet, as the severity has changed since."""
    if incident.told_at is not None and incident.told_at >= asked:
        return line("The update was given at ", Time(at=incident.told_at))
    due = incident.update_due
    return line(f"It is {incident.severity} now · the next update is due ", Time(at=due)) if due is not None else line("No update is due any more")


def settle(tx: Transaction, incident: Incident) -> None:
    """Takes the buttons off the questions that need no answer any more, wherever it was given, and says what came of them, and of what nobody answered."""
    asked = select(EventRow).where(EventRow.subject == incident.name, EventRow.kind == "incident.asked")
    if tx.first(asked) is None:
        return
    for row, card, care in _questions(tx, incident.number):
        if care is Care.LET_GO:
            if incident.state is not incidents.State.TRIGGERED:
                _close(tx, row, card, standing(incident))
        elif (said := came_of(incident, care, row.created_at)) is not None:
            _close(tx, row, card, said)


def answered(tx: Transaction, number: int, said: Line) -> None:
    """Takes the buttons off the questions whether its people are still on an incident, and says what came of them."""
    for row, card, care in _questions(tx, number):
        if care in (Care.ASK_IDLE, Care.ASK_QUIET):
            _close(tx, row, card, said)


def _questions(tx: Transaction, number: int) -> Iterator[tuple[MessageRow, Card, Care]]:
    """Those that ask for somebody yet; `LET_GO`: that nobody answered, which is said where everybody sees it."""
    prefix = f"incident-{number}/asked/"
    gone = f"incident-{number}/let-go/"
    begins = [col(MessageRow.key).startswith(one, autoescape=True) for one in (prefix, gone)]
    for row in tx.all(select(MessageRow).where(or_(*begins))):
        card = Card.model_validate(row.card)
        if card.state is State.NEEDS_YOU:
            yield row, card, Care.LET_GO if row.key.startswith(gone) else Care(row.key.removeprefix(prefix).partition("/")[0])


def _close(tx: Transaction, row: MessageRow, card: Card, said: Line) -> None:
    tx.send(Message(key=row.key, channel=row.channel, card=Card(state=State.DONE, headline=card.headline, lines=(said,))))


def _say(tx: Transaction, config: Config, before: Incident, after: Incident, care: Care) -> None:
    match care:
        case Care.RESOLVE:
            return
        case Care.LET_GO:
            answered(tx, after.number, line("Nobody answered"))
            said: Line = line(
                f"{after.name}: ", Person(name=before.acknowledged_by or "nobody"), " has been silent, and is not on it any more · somebody is paged again"
            )
            tx.send(
                Message(
                    key=f"incident-{after.number}/let-go/{tx.now:%Y%m%dT%H%M%S}",
                    channel=config.channels.incidents,
                    card=Card(state=State.NEEDS_YOU, headline=said),
                )
            )
            return
    ask(tx, config, before, care, question(config, before, care, tx.now))


def ask(tx: Transaction, config: Config, before: Incident, care: Care, card: Card) -> None:
    """Puts a question to those who look after an incident: in their direct messages, and in its channel."""
    people = dict.fromkeys(name for name in (before.commander, before.acknowledged_by) if name)
    if care is Care.ASK_UPDATE and before.comms:
        people = {before.comms: None}
    channel = tx.get(ChannelRow, before.number)
    places = [config.people[name].slack for name in people if name in config.people]
    if channel is not None and channel.slack and not channel.archived:
        places.append(channel.slack)
    for place in [place for place in places if place] or ([] if before.private else [config.channels.incidents]):
        tx.send(Message(key=f"incident-{before.number}/asked/{care.value}/{tx.now:%Y%m%dT%H%M%S}/{place}", channel=place, card=card))


def question(config: Config, incident: Incident, care: Care, now: datetime, snoozed: datetime | None = None) -> Card:
    """Returns what is asked, with the buttons that answer it. `snoozed`: until when somebody wants to hear nothing of it in PagerDuty."""
    named = {"incident": incident.name}
    what = Bold(text=book.title(incident))
    rules = config.incidents
    until: Line = line("Without an answer somebody is paged again at ", Time(at=now + rules.ask_after_idle)) if rules is not None else ()
    still = Action(label="Still on it", command="incident still", arguments=named, style="primary")
    over = Action(label="Hand over", command="incident handover", arguments=named)
    resolve = Action(label="Resolve", command="incident resolve", arguments=named)
    if care is Care.ASK_UPDATE:
        update = Action(label="Update", command="incident update", arguments=named, style="primary")
        return Card(state=State.NEEDS_YOU, headline=line(what, " · the update that is due: how does it stand?"), actions=(update,))
    if care is Care.ASK_QUIET:
        quiet = duration(now - (incident.quiet_since or now))
        headline = line(what, f" · all of its alerts have been quiet for {quiet}: is it over?")
        return Card(
            state=State.NEEDS_YOU,
            headline=headline,
            lines=(until,),
            actions=(resolve.model_copy(update={"style": "primary"}), still.model_copy(update={"style": None})),
        )
    if snoozed is not None:
        headline = line(what, " · PagerDuty is snoozed until ", Time(at=snoozed), ", and then calls again: are you still on it?")
        return Card(state=State.NEEDS_YOU, headline=headline, lines=(until,), actions=(still, over, resolve))
    silent = duration(now - incident.active_at)
    return Card(
        state=State.NEEDS_YOU, headline=line(what, f" · nothing was done for {silent}: are you still on it?"), lines=(until,), actions=(still, over, resolve)
    )
