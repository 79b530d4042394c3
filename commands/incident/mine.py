"""The incidents that wait for one person: those he is paged for and nobody has answered, and those of which he owes others a word."""

from bot.command import Context
from bot.store.incident_tables import EscalationRow
from bot.store.transaction import Transaction
from commands.incident.target import known
from escalation.incident import Incident, State


def waiting(tx: Transaction, context: Context) -> list[tuple[Incident, str]]:
    """Returns the incidents that wait for whoever asks, each with what he can do."""
    found = []
    me = context.request.actor.name
    for incident in known(tx, context):
        paging = tx.get(EscalationRow, incident.number)
        if incident.state is State.TRIGGERED and paging is not None and me in paging.asked:
            found.append((incident, f"you are paged for {incident.name} (`/aiec incident ack {incident.number}`)"))
        elif incident.update_due is not None and incident.update_due <= tx.now and (incident.comms or incident.commander) == me:
            found.append((incident, f"an update of {incident.name} is due (`/aiec incident update #{incident.number} …`)"))
    return found
