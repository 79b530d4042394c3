"""Which post-mortem a command means, and whether whoever asks may know of it."""

from bot.command import Context
from bot.core.errors import NotFound, Refused
from bot.store.postmortem_tables import PostmortemRow
from bot.store.transaction import Transaction
from commands.incident.target import addressed
from escalation.incident import Incident


def incident_of(tx: Transaction, context: Context, named: str | None) -> Incident:
    """Returns the incident that is named, or the one that it was merged into: the post-mortem is that one's. Raises like `addressed`."""
    _, incident = addressed(tx, context, named)
    while incident.merged_into is not None:
        _, incident = addressed(tx, context, f"#{incident.merged_into}")
    return incident


def found(tx: Transaction, context: Context, named: str | None) -> tuple[Incident, PostmortemRow]:
    """Returns the incident and its post-mortem, held until the commit. Raises NotFound where there is none."""
    incident = incident_of(tx, context, named)
    row = tx.get(PostmortemRow, incident.number, lock=True)
    if row is None:
        later = " It is drafted when the incident resolves, where its severity owes one." if incident.state.open else ""
        raise NotFound(f"{incident.name} has no post-mortem.{later}", f"`/aiec postmortem start {incident.name}` asks for one.")
    return incident, row


def drafted(tx: Transaction, context: Context, named: str | None) -> tuple[Incident, PostmortemRow]:
    """Returns the same, of one that is drafted. Raises Refused where that is still to come."""
    incident, row = found(tx, context, named)
    if row.document is None:
        when = "when the incident resolves" if incident.state.open else "in a moment"
        raise Refused(f"The post-mortem of {incident.name} is not drafted yet: that is done {when}.", f"`/aiec postmortem show {incident.name}` shows it then.")
    return incident, row
