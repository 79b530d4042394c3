"""`/aiec incident ack|status|resolve|reopen|close`: where an incident stands."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.parse import Param
from bot.core.text import duration
from bot.store.transaction import Transaction
from commands.arguments import ThisIncident
from commands.incident.target import addressed, answer
from escalation.book import change
from escalation.closing import keep
from escalation.incident import Incident, State

SETTABLE = (State.TRIGGERED, State.ACKNOWLEDGED, State.MITIGATED)


class OneArguments(Frozen):
    incident: ThisIncident = None


class ResolveArguments(Frozen):
    incident: ThisIncident = None
    note: Annotated[str, Param(option=True, metavar="TEXT", help="what resolved it, for the timeline")] = ""


class StatusArguments(Frozen):
    incident: ThisIncident = None
    state: Annotated[State, Param(among=SETTABLE, metavar="state", help="triggered (nobody is on it), acknowledged or mitigated")]


def _ack(arguments: OneArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    me = context.request.actor.name
    if incident.state in (State.ACKNOWLEDGED, State.MITIGATED) and incident.acknowledged_at is not None:
        who = "You have" if incident.acknowledged_by == me else f"{incident.acknowledged_by} has"
        ago = duration(tx.now - incident.acknowledged_at)
        raise Refused(
            f"{who} acknowledged {incident.name} at {incident.acknowledged_at:%H:%M} UTC, {ago} ago.",
            f"`/aiec incident assign {incident.number} commander` makes you its commander.",
        )
    change(tx, context.config, incident, incident.go(State.ACKNOWLEDGED, tx.now, me), me)
    return answer(context, f"{incident.name} is yours: nobody else is paged for it.")


def _status(arguments: StatusArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    me = context.request.actor.name
    if incident.state is arguments.state:
        raise Refused(f"{incident.name} is {incident.state} already.")
    if incident.state is State.RESOLVED:
        raise Refused(f"{incident.name} is resolved.", f"`/aiec incident reopen {incident.number}` opens it again.")
    change(tx, context.config, incident, incident.go(arguments.state, tx.now, me), me)
    return answer(context, f"{incident.name} is {arguments.state}.")


def _resolve(arguments: ResolveArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    me = context.request.actor.name
    if incident.state is State.RESOLVED and incident.resolved_at is not None:
        raise Refused(f"{incident.resolved_by} resolved {incident.name} at {incident.resolved_at:%H:%M} UTC.", _hint(incident))
    change(tx, context.config, incident, incident.go(State.RESOLVED, tx.now, me), me, text=arguments.note)
    firing = f" {incident.firing} of its alerts still fire." if incident.firing else ""
    return answer(context, f"{incident.name} is resolved after {duration(tx.now - incident.opened_at)}.{firing}")


def _reopen(arguments: OneArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    me = context.request.actor.name
    if incident.state.open:
        raise Refused(f"{incident.name} is open: it is {incident.state}.")
    change(tx, context.config, incident, incident.go(State.TRIGGERED, tx.now, me), me, reopened=True)
    return answer(context, f"{incident.name} is open again.")


def _close(arguments: OneArguments, context: Context, tx: Transaction) -> Card | None:
    row, incident = addressed(tx, context, arguments.incident)
    me = context.request.actor.name
    if incident.state.open:
        raise Refused(f"{incident.name} is {incident.state}, and only what is resolved can be closed.", f"`/aiec incident resolve {incident.number}` first.")
    change(tx, context.config, incident, incident.go(State.CLOSED, tx.now, me), me)
    keep(tx, row)
    return answer(context, f"{incident.name} is closed; its timeline is kept. `/aiec incident show {incident.number}` shows it.")


def _hint(incident: Incident) -> str:
    return f"`/aiec incident reopen {incident.number}` opens it again, `/aiec incident close {incident.number}` closes it for ever."


ACK = Command(
    name="incident ack",
    arguments=OneArguments,
    does=Bookkeeping(_ack),
    permission="incident.ack",
    group="incidents",
    summary="say that you are on it: paging stops",
    examples=("incident ack #42", "incident ack"),
    rules=("Whoever acknowledges first is its commander, unless somebody is.", "In the incident's own channel its name may be left out, here and below."),
)
STATUS = Command(
    name="incident status",
    arguments=StatusArguments,
    does=Bookkeeping(_status),
    permission="incident.status",
    group="incidents",
    summary="say that it is mitigated, or that nobody is on it any more",
    examples=("incident status #42 mitigated", "incident status #42 triggered"),
    rules=("Back to triggered, whoever was paged last is paged again.",),
)
RESOLVE = Command(
    name="incident resolve",
    arguments=ResolveArguments,
    does=Bookkeeping(_resolve),
    permission="incident.resolve",
    group="incidents",
    summary="say that it is over",
    examples=("incident resolve #42", 'incident resolve #42 --note "rolled back to v1.1.0"'),
)
REOPEN = Command(
    name="incident reopen",
    arguments=OneArguments,
    does=Bookkeeping(_reopen),
    permission="incident.reopen",
    group="incidents",
    summary="open a resolved incident again; paging begins anew",
    examples=("incident reopen #42",),
)
CLOSE = Command(
    name="incident close",
    arguments=OneArguments,
    does=Bookkeeping(_close),
    permission="incident.close",
    group="incidents",
    summary="keep a resolved incident as it is, for ever; its channel is archived",
    examples=("incident close #42",),
)
