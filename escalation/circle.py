"""The people of an incident: whoever has something to do with it. They are invited to its channel, and alone see it where it is private."""

from sqlmodel import col, select

from bot.core.config import Config
from bot.core.request import Actor
from bot.store.action_tables import ActionRow
from bot.store.incident_tables import ChannelRow, EscalationRow, IncidentRow
from bot.store.postmortem_tables import PostmortemRow
from bot.store.runbook_tables import RunRow
from bot.store.tables import EventRow
from bot.store.transaction import Transaction
from escalation.book import MACHINE, ladder_for
from escalation.incident import ROLES, Incident


def circle(tx: Transaction, incident: Incident) -> tuple[str, ...]:
    """Returns who declared it, who acknowledged it, who has a role, who runs a runbook for it, who writes or reads its post-mortem, and who was paged or would
    be first, each once; of a private one also who has something to do because of it.
    """
    declared_by = incident.opened_by if incident.origin == "person" else None
    names = [
        declared_by,
        incident.acknowledged_by,
        *(incident.role(role) for role in ROLES),
        *_runners(tx, incident),
        *_writers(tx, incident),
        *_paged(tx, incident),
        *_owners(tx, incident),
    ]
    return tuple(dict.fromkeys(name for name in names if name and name != MACHINE))


def belongs(tx: Transaction, config: Config, incident: Incident, actor: Actor) -> bool:
    """Tells whether the actor may know of an incident: everybody of a public one, of a private one its people and those in its channel."""
    if not incident.private or actor.name in circle(tx, incident):
        return True
    if actor.name in _once_there(tx, incident):
        return True
    channel = tx.get(ChannelRow, incident.number)
    return channel is not None and actor.slack is not None and actor.slack in channel.members


def may_know(tx: Transaction, config: Config, number: int, actor: Actor) -> bool:
    """Tells the same of an incident by its number. Of one that is not there nobody may know."""
    row = tx.get(IncidentRow, number)
    return row is not None and (not row.private or belongs(tx, config, Incident.model_validate(row.document), actor))


def _paged(tx: Transaction, incident: Incident) -> tuple[str, ...]:
    row = tx.get(EscalationRow, incident.number)
    if row is not None and row.asked:
        return tuple(row.asked)
    return ladder_for(tx, incident.policy).rung(max(row.level, 1) if row else 1).people if incident.policy else ()


def _runners(tx: Transaction, incident: Incident) -> list[str]:
    rows = tx.all(select(RunRow).where(RunRow.incident == incident.number, RunRow.state == "running").order_by(col(RunRow.id)))
    return [str(row.document["runner"]["name"]) for row in rows if row.document]


def _owners(tx: Transaction, incident: Incident) -> list[str]:
    """The owners of its action items. What is public they see without being invited."""
    if not incident.private:
        return []
    rows = tx.all(select(ActionRow).where(ActionRow.incident == incident.number, ActionRow.state == "open").order_by(col(ActionRow.id)))
    return [row.owner for row in rows]


def _writers(tx: Transaction, incident: Incident) -> tuple[str | None, ...]:
    row = tx.get(PostmortemRow, incident.number)
    return (row.owner, row.reviewer) if row is not None else ()


def _once_there(tx: Transaction, incident: Incident) -> set[str]:
    """Those who have done something to it: a role that was handed on does not shut anybody out."""
    rows = tx.all(select(EventRow).where(EventRow.subject == incident.name, col(EventRow.kind).startswith("incident.")))
    return {row.actor for row in rows}
