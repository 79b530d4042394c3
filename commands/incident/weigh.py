"""`/aiec incident severity|merge`: how bad it is, and that two are one."""

from sqlmodel import col, select, update

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.store.incident_tables import AlertRow
from bot.store.transaction import Transaction
from commands.arguments import IncidentName, Severity, ThisIncident
from commands.incident.target import addressed, answer
from escalation.actions import book as actions
from escalation.book import change
from escalation.incident import State
from escalation.intake import recount


class SeverityArguments(Frozen):
    incident: ThisIncident = None
    severity: Severity


class MergeArguments(Frozen):
    other: IncidentName
    into: ThisIncident = None


def _severity(arguments: SeverityArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    if incident.severity == arguments.severity:
        raise Refused(f"{incident.name} is {incident.severity} already.")
    if incident.state in (State.CLOSED, State.MERGED):
        raise Refused(f"{incident.name} is {incident.state}, and stays {incident.severity}.")
    after = incident.model_copy(update={"severity": arguments.severity, "active_at": tx.now, "asked_at": None})
    after = change(tx, context.config, incident, after, context.request.actor.name, "severity", was=incident.severity, now=arguments.severity)
    due = f" The next update is due at {after.update_due:%H:%M} UTC." if after.update_due else " No update is due." if incident.update_due else ""
    return answer(context, f"{incident.name} is {arguments.severity} now; it was {incident.severity}.{due}")


def _merge(arguments: MergeArguments, context: Context, tx: Transaction) -> Card | None:
    _, into = addressed(tx, context, arguments.into)
    _, other = addressed(tx, context, arguments.other)
    me = context.request.actor.name
    if other.number == into.number:
        raise Refused(f"{into.name} cannot be merged into itself.", f"Name the other one: `/aiec incident merge 43 {into.number}`.")
    if not into.state.open:
        raise Refused(f"{into.name} is {into.state}, so nothing can be merged into it.")
    if other.private and not into.private:
        raise Refused(f"{other.name} is private and {into.name} is not: what is known of it would be public.", f"Merge {into.name} into {other.name} instead.")
    gone = other.go(State.MERGED, tx.now, me).model_copy(update={"merged_into": into.number, "firing": 0})
    change(tx, context.config, other, gone, me, into=into.name)
    change(tx, context.config, into, into.model_copy(update={"active_at": tx.now, "asked_at": None}), me, "absorbed", other=other.name, title=other.title)
    if tx.first(select(AlertRow).where(AlertRow.incident == other.number)) is not None:
        tx.session.exec(update(AlertRow).where(col(AlertRow.incident) == other.number).values(incident=into.number))
        recount(tx, context.config, into.number)
    actions.move(tx, other.number, into.number)
    return answer(context, f"{other.name} belongs to {into.name} now.")


SEVERITY = Command(
    name="incident severity",
    arguments=SeverityArguments,
    does=Bookkeeping(_severity),
    permission="incident.severity",
    group="incidents",
    summary="change how bad it is; one that pages begins paging, where nobody has answered yet",
    examples=("incident severity #42 SEV1",),
)
MERGE = Command(
    name="incident merge",
    arguments=MergeArguments,
    does=Bookkeeping(_merge),
    permission="incident.merge",
    group="incidents",
    summary="say that one incident belongs to another: its alerts go there, and it pages nobody any more",
    examples=("incident merge #43 #42",),
)
