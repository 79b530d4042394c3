"""`/aiec incident assign|escalate`: who is on it, and who else should be."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.parse import Param
from bot.store.transaction import Transaction
from commands.arguments import ThisIncident
from commands.incident.target import addressed, answer
from escalation import book
from escalation.escalate import escalate
from escalation.incident import ROLES, Role


class AssignArguments(Frozen):
    incident: ThisIncident = None
    role: Annotated[Role, Param(among=ROLES, metavar="role", help="commander, comms or scribe")]
    person: Annotated[str | None, Param(choices="people", kind="person", metavar="person", help="whoever takes it; you, unless given")] = None


class EscalateArguments(Frozen):
    incident: ThisIncident = None
    level: Annotated[int | None, Param(option=True, metavar="N", help="only if this level was paged last; the button carries it")] = None


def _assign(arguments: AssignArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    me = context.request.actor.name
    if not incident.state.open:
        raise Refused(f"{incident.name} is {incident.state}.", f"`/aiec incident show {incident.number}` shows what it is.")
    given = arguments.person
    person = me if given is None else context.config.person(given) or given
    held = incident.role(arguments.role)
    if held == person:
        raise Refused(f"{'You are' if person == me else f'{person} is'} {arguments.role} of {incident.name} already.")
    after = incident.model_copy(update={arguments.role: person, "active_at": tx.now, "asked_at": None})
    book.change(tx, context.config, incident, after, me, "role", role=arguments.role, person=person, instead_of=held or "")
    return answer(context, f"{'You are' if person == me else f'{person} is'} {arguments.role} of {incident.name}{f' instead of {held}' if held else ''}.")


def _escalate(arguments: EscalateArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    return answer(context, escalate(tx, context.config, incident, arguments.level, context.request.actor.name))


ASSIGN = Command(
    name="incident assign",
    arguments=AssignArguments,
    does=Bookkeeping(_assign),
    permission="incident.assign",
    group="incidents",
    summary="give a role (commander, comms, scribe) to somebody, or take it",
    examples=("incident assign #42 comms @lead", "incident assign #42 scribe"),
)
ESCALATE = Command(
    name="incident escalate",
    arguments=EscalateArguments,
    does=Bookkeeping(_escalate),
    permission="incident.escalate",
    group="incidents",
    summary="page the next level now, without waiting",
    examples=("incident escalate #42",),
)
