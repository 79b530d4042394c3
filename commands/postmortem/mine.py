"""The post-mortems that wait for one person: those that he writes, when they are overdue or due within a day, and those that he was asked to read."""

from bot.command import Context
from bot.core.card import Card
from bot.store.incident_tables import IncidentRow
from bot.store.postmortem_tables import PostmortemRow
from bot.store.transaction import Transaction
from commands.action.mine import SOON
from commands.postmortem.publish import asking
from escalation.incident import Incident
from escalation.postmortem.card import postmortem_card
from escalation.postmortem.manager import standing_of
from escalation.postmortem.owed import REVIEW, unpublished
from escalation.reminders import standing


def owed(tx: Transaction, context: Context) -> list[tuple[str, Card]]:
    """Returns what whoever asks can do about each, in a sentence and as a card, what is due first at the top."""
    me, found = context.request.actor.name, []
    for row in unpublished(tx):
        incident = _over(tx, row) if me in (row.owner, row.reviewer) else None
        if incident is None:
            continue
        if row.owner == me and row.due_at is not None and row.due_at <= tx.now + SOON:
            stands = standing_of(tx, row)
            what = f"postmortem edit {stands.name}" if stands.left else f"postmortem publish {stands.name}"
            found.append((f"the post-mortem of {stands.name} is {standing(row.due_at, tx.now)} (`/aiec {what}`)", postmortem_card(stands)))
        elif row.state == REVIEW and row.reviewer == me and not _read(row, me):
            found.append((f"you are asked to read the post-mortem of {incident.name} (`/aiec postmortem show {incident.name}`)", asking(incident)))
    return found


def _over(tx: Transaction, row: PostmortemRow) -> Incident | None:
    """Returns the incident whose post-mortem is drafted, None while there is no draft or it is open again: then it waits for nobody."""
    found = tx.get(IncidentRow, row.incident)
    incident = Incident.model_validate(found.document) if found is not None and row.document is not None else None
    return incident if incident is not None and not incident.state.open else None


def _read(row: PostmortemRow, me: str) -> bool:
    """Whether his last word on it was that it can be published."""
    said = [review for review in row.reviews if review["by"] == me]
    return bool(said) and not said[-1]["remark"]
