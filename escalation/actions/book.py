"""The book of action items: adding, giving, ending them, with all that follows in the same transaction: events, the item's message, who is told directly.

Whoever changes an item does it here. `items_of` is for everything that shows an incident's items.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlmodel import col, select, update

from bot.core.card import Bold, Card, Line, Person, Time, line
from bot.core.card import State as Mark
from bot.core.config import Config, Postmortem
from bot.core.errors import NotFound
from bot.core.events import Event
from bot.core.incident_name import incident_key
from bot.destinations import address, slack_of
from bot.store.action_tables import ActionRow
from bot.store.incident_tables import AlertRow, ChannelRow, IncidentRow
from bot.store.tables import MessageRow
from bot.store.transaction import Message, Transaction
from escalation.actions.item import Fired, Item, State, about, buttons, came_of, card, preventing
from escalation.book import MACHINE
from escalation.incident import Incident
from escalation.postmortem.owed import touch
from escalation.reminders import next_reminder

_public = select(ActionRow).join(IncidentRow, col(IncidentRow.id) == col(ActionRow.incident)).where(col(IncidentRow.private).is_(False))


def item_of(row: ActionRow) -> Item:
    """Returns a row as what is decided upon and shown."""
    return Item(
        number=row.number,
        incident=row.incident,
        text=row.text,
        owner=row.owner,
        since=row.created_at,
        due=row.due_at,
        state=State(row.state),
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        because=row.because,
        url=row.url,
        alerts=tuple(row.alerts),
    )


def items_of(tx: Transaction, incident: int) -> list[Item]:
    """Returns all action items of an incident, the oldest first. Whoever may see the incident may see them."""
    return [item_of(row) for row in tx.all(select(ActionRow).where(ActionRow.incident == incident).order_by(col(ActionRow.id)))]


def open_items(tx: Transaction) -> list[Item]:
    """Returns all that are open, those that are due first, also those that not everybody may see."""
    return [item_of(row) for row in tx.all(select(ActionRow).where(ActionRow.state == State.OPEN).order_by(col(ActionRow.due_at), col(ActionRow.id)))]


def public_items(tx: Transaction) -> list[Item]:
    """Returns those that are open and that everybody may see."""
    return [item_of(row) for row in tx.all(_public.where(ActionRow.state == State.OPEN))]


def find(tx: Transaction, number: int) -> ActionRow:
    """Returns an item, held until the commit. Raises NotFound."""
    row = tx.get(ActionRow, number, lock=True)
    if row is None:
        raise unknown(number)
    return row


def unknown(number: int) -> NotFound:
    """Returns what is said of an item that is not there, or not there for whoever asks."""
    return NotFound(f"There is no action item act-{number}.", "`/aiec action list` lists those that are open.")


def add(tx: Transaction, config: Config, incident: Incident, text: str, owner: str, due: datetime | None, actor: str) -> Item:
    """Adds an item to an incident, due in `postmortem.action_items_due` unless said otherwise, and tells its owner."""
    due = due or tx.now + (config.postmortem or Postmortem()).action_items_due
    row = ActionRow(incident=incident.number, text=text, owner=owner, due_at=due, created_at=tx.now, created_by=actor, reminded_at=tx.now)
    row.alerts = known_by(tx, row)
    if config.github is not None and config.github.issues is not None and not incident.private:
        row.repository, row.sync_at = config.github.issues, tx.now
    _plan(config, row, tx.now)
    tx.save(row)
    _record(tx, row, "added", actor, owner=owner, due=due.isoformat())
    _show(tx, config, incident, row)
    _tell_owner(tx, config, row, actor)
    return item_of(row)


def assign(tx: Transaction, config: Config, row: ActionRow, owner: str, actor: str) -> Item:
    """Gives an item to somebody, who is told."""
    before, row.owner = row.owner, owner
    _record(tx, row, "assigned", actor, owner=owner, instead_of=before)
    _changed(tx, config, row, line(Person(name=actor), " gave it to ", Person(name=owner)))
    _tell_owner(tx, config, row, actor)
    return item_of(row)


def put_off(tx: Transaction, config: Config, row: ActionRow, due: datetime, actor: str) -> Item:
    """Changes when an item is due; reminders begin anew."""
    before, row.due_at, row.reminded_at = row.due_at, due, tx.now
    _record(tx, row, "due", actor, due=due.isoformat(), instead_of=before.isoformat())
    _changed(tx, config, row, line(Person(name=actor), " says: due ", Time(at=due, style="date")))
    return item_of(row)


def end(tx: Transaction, config: Config, row: ActionRow, state: State, actor: str, because: str = "") -> Item:
    """Says that an item is done, or dropped."""
    row.state, row.ended_at, row.ended_by, row.because = state, tx.now, actor, because
    _record(tx, row, state, actor, **({"because": because} if because else {}))
    _changed(tx, config, row, came_of(item_of(row)))
    return item_of(row)


def reopen(tx: Transaction, config: Config, row: ActionRow, actor: str) -> Item:
    """Opens an item again, due when it was."""
    row.state, row.ended_at, row.ended_by, row.because, row.reminded_at = State.OPEN, None, None, "", tx.now
    _record(tx, row, "reopened", actor)
    _changed(tx, config, row, line("Open again, says ", Person(name=actor)))
    _tell_owner(tx, config, row, actor)
    return item_of(row)


def move(tx: Transaction, number: int, into: int) -> None:
    """What an incident asked for is asked for by the one that it was merged into."""
    tx.session.exec(update(ActionRow).where(col(ActionRow.incident) == number).values(incident=into))


def known_by(tx: Transaction, row: ActionRow) -> list[str]:
    """Returns what the incident's alerts are known by, and were when the item was looked at last: alerts themselves are not kept for ever."""
    return [*dict.fromkeys([*row.alerts, *(mark for one in fired(tx, row.incident) for mark in one.marks())])]


def fired(tx: Transaction, incident: int) -> list[Fired]:
    """Returns the alerts of an incident, the oldest first."""
    rows = tx.all(select(AlertRow).where(AlertRow.incident == incident).order_by(col(AlertRow.id)))
    return [Fired(fingerprint=row.fingerprint, name=row.name, service=row.service, at=row.first_at) for row in rows]


def recurring(tx: Transaction, incident: Incident) -> Item | None:
    """Returns the overdue item of another incident that should have prevented this one. What is private is told on no other incident's card."""
    late = (ActionRow.state == State.OPEN, col(ActionRow.due_at) <= tx.now, ActionRow.incident != incident.number)
    rows = tx.all(_public.where(*late))
    if not rows:
        return None
    items = [item_of(row).model_copy(update={"alerts": tuple(known_by(tx, row))}) for row in rows]
    return preventing(items, fired(tx, incident.number), tx.now)


def _plan(config: Config, row: ActionRow, now: datetime) -> None:
    """Says when its owner is reminded next. Without the section `postmortem` nobody is."""
    wanted = config.postmortem is not None and row.state == State.OPEN
    row.remind_at = next_reminder(row.due_at, config.postmortem.remind, row.reminded_at) if config.postmortem is not None and wanted else None


def in_step(row: ActionRow) -> bool:
    """Tells whether an item's issue is as the item is; one that was deleted is not made anew."""
    if not row.repository or row.issue_state == "gone":
        return True
    is_open = row.state == State.OPEN
    return not is_open if row.issue is None else (row.issue_state == "open") == is_open


def issue_is(tx: Transaction, config: Config, row: ActionRow, what: str) -> None:
    """Writes down what became of an item's issue, and shows it where the item is shown."""
    _record(tx, row, "issue", MACHINE, issue=row.url, what=what)
    row.url = "" if what == "gone" else row.url
    tx.save(row)
    found = tx.get(IncidentRow, row.incident)
    assert found is not None
    _show(tx, config, Incident.model_validate(found.document), row)


def _record(tx: Transaction, row: ActionRow, kind: str, actor: str, **data: Any) -> None:
    touch(tx, row.incident)
    tx.record(Event(kind=f"action.{kind}", subject=f"#{row.incident}", actor=actor, data={"action": row.name, "text": row.text, **data}))


def _changed(tx: Transaction, config: Config, row: ActionRow, said: Line) -> None:
    """Saves what became of an item, and says it wherever it is shown."""
    _plan(config, row, tx.now)
    row.sync_at = row.sync_at if in_step(row) else row.sync_at or tx.now
    tx.save(row)
    found = tx.get(IncidentRow, row.incident)
    assert found is not None
    settle(tx, config, row, said)
    _show(tx, config, Incident.model_validate(found.document), row)
    # The cards of open incidents may name it as what should have prevented them.
    tx.session.exec(update(IncidentRow).where(col(IncidentRow.state).in_(("triggered", "acknowledged", "mitigated"))).values(stale=True))


def settle(tx: Transaction, config: Config, row: ActionRow, said: Line, *, over: bool = False) -> None:
    """Says on the direct messages that still ask for the item what came of it; the buttons stay where it is still that person's, unless that is `over`."""
    prefix = f"action-{row.number}/"
    for message in tx.all(select(MessageRow).where(col(MessageRow.key).startswith(prefix, autoescape=True))):
        before = Card.model_validate(message.card)
        if not before.actions:
            continue
        his = not over and row.state == State.OPEN and message.channel == slack_of(config, row.owner)
        lines = (about(item_of(row)), said) if his else (said,)
        after = Card(state=None if his else Mark.DONE, headline=before.headline, lines=lines, actions=before.actions if his else ())
        tx.send(Message(key=message.key, channel=message.channel, card=after))


def _show(tx: Transaction, config: Config, incident: Incident, row: ActionRow) -> None:
    """Queues the item's message: in the incident's own channel, else under its card in #incidents. A private one's has no other place."""
    shown = card(item_of(row))
    channel = tx.get(ChannelRow, incident.number)
    archived = channel is not None and channel.archived
    if not archived and (incident.private or channel is not None):
        tx.send(Message(key=f"action-{row.number}", channel=address(incident.number), card=shown))
    elif not incident.private:
        tx.send(Message(key=f"action-{row.number}", channel=config.channels.incidents, card=shown, thread_of=incident_key(incident.number)))
    if incident.private:
        # Whoever owns a part of it belongs to its people, and is invited.
        found = tx.get(IncidentRow, incident.number)
        assert found is not None
        found.stale = True
        tx.save(found)


def _tell_owner(tx: Transaction, config: Config, row: ActionRow, actor: str) -> None:
    """Tells the owner directly what he has to do, unless he said it himself."""
    if row.owner == actor:
        return
    item = item_of(row)
    headline = line(Bold(text=f"{item.name} is yours"), f": {item.text}")
    said = line(*about(item), " · from ", Person(name=actor))
    ask(tx, config, item, (row.owner,), Card(state=Mark.NEEDS_YOU, headline=headline, lines=(said,), actions=buttons(item)), "given")


def ask(tx: Transaction, config: Config, item: Item, people: Sequence[str], shown: Card, why: str) -> None:
    """Queues a card of the item to these people directly. It is known by the item, so that what comes of it can be said there."""
    for slack in dict.fromkeys(slack for slack in (slack_of(config, name) for name in people) if slack is not None):
        tx.send(Message(key=f"action-{item.number}/{why}/{tx.now:%Y%m%dT%H%M%S}/{slack}", channel=slack, card=shown))
