"""What the cards of an incident show beside the incident itself: its channel, and how far paging is."""

from sqlmodel import select

from bot.core.card import Card, Line
from bot.core.config import Config
from bot.store.incident_tables import ChannelRow, EscalationRow, IncidentRow
from bot.store.runbook_tables import RunRow
from bot.store.transaction import Transaction
from escalation.actions.book import recurring
from escalation.actions.item import prevention
from escalation.book import ladder_for
from escalation.card import Paging, Room
from escalation.channel import absent
from escalation.incident import Incident


def room_of(tx: Transaction, config: Config, incident: Incident) -> Room | None:
    """Returns the incident's channel as it is, or None while it should have none."""
    row = tx.get(ChannelRow, incident.number)
    if row is None:
        return None
    return Room(name=row.name, id=row.slack or "", trouble=row.trouble or "", absent=absent(config, tx, incident, row))


def runbooks_of(tx: Transaction, incident: Incident) -> list[str]:
    """Returns the runbooks that are suggested for an incident and not run."""
    row = tx.get(IncidentRow, incident.number)
    runs = tx.all(select(RunRow).where(RunRow.incident == incident.number, RunRow.state == "running"))
    under_way = {run.runbook for run in runs}
    return [name for name in (row.runbooks or [] if row is not None else []) if name not in under_way]


def paging_of(tx: Transaction, incident: Incident) -> Paging | None:
    """Returns how far the incident's paging is, or None where it pages nobody."""
    row = tx.get(EscalationRow, incident.number)
    return Paging(level=row.level, last=ladder_for(tx, row.policy).last, asked=tuple(row.asked)) if row is not None else None


def prevented(tx: Transaction, incident: Incident) -> Line:
    """Returns what is said of the overdue action item that should have prevented the incident; nothing where there is none."""
    item = recurring(tx, incident) if incident.state.open else None
    return prevention(item) if item is not None else ()


def first(said: Line, card: Card) -> Card:
    """Returns the card with this before its other lines."""
    return card.model_copy(update={"lines": (said, *card.lines)}) if said else card
