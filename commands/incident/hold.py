"""`/aiec incident still|handover`: what whoever is on it answers when he is asked whether he still is."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card, Person, line
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.parse import Param
from bot.store.transaction import Message, Transaction
from commands.arguments import ThisIncident
from commands.incident.target import addressed
from escalation import book
from escalation.card import title
from escalation.incident import Incident, State
from escalation.tend import answered


class StillArguments(Frozen):
    incident: ThisIncident = None


class HandoverArguments(Frozen):
    incident: ThisIncident = None
    person: Annotated[str, Param(choices="people", kind="person", metavar="person", help="who looks after it from now on")]


def _still(arguments: StillArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    _on_it(incident)
    me = context.request.actor.name
    after = incident.model_copy(update={"active_at": tx.now, "asked_at": None, "quiet_asked": False, "quiet_since": tx.now if incident.quiet_since else None})
    book.change(tx, context.config, incident, after, me, "still")
    answered(tx, incident.number, line(Person(name=me), " is on it"))
    return None if context.request.origin.message else Card(headline=line(f"{incident.name} stays yours."))


def _handover(arguments: HandoverArguments, context: Context, tx: Transaction) -> Card | None:
    _, incident = addressed(tx, context, arguments.incident)
    _on_it(incident)
    me, given = context.request.actor.name, arguments.person
    person = context.config.person(given) or given
    if person == incident.acknowledged_by:
        raise Refused(f"{person} is on {incident.name} already.")
    change = {"acknowledged_by": person, "commander": person, "active_at": tx.now, "asked_at": None}
    book.change(tx, context.config, incident, incident.model_copy(update=change), me, "handover", person=person, instead_of=incident.acknowledged_by or "")
    answered(tx, incident.number, line(Person(name=me), " gave it to ", Person(name=person)))
    slack = context.config.people[person].slack if person in context.config.people else given
    if slack is not None:
        card = Card(headline=line(f"{title(incident)} · ", Person(name=me), " gave it to you: you are its commander now"))
        tx.send(Message(key=f"incident-{incident.number}/handover/{context.request.key}", channel=slack, card=card))
    return Card(headline=line(f"{incident.name} is {person}'s now."))


def _on_it(incident: Incident) -> None:
    if incident.state not in (State.ACKNOWLEDGED, State.MITIGATED):
        raise Refused(f"{incident.name} is {incident.state}: nobody is on it.", f"`/aiec incident ack {incident.number}` says that you are.")


STILL = Command(
    name="incident still",
    arguments=StillArguments,
    does=Bookkeeping(_still),
    permission="incident.ack",
    group="incidents",
    summary="say that you are still on it, when you are asked",
    examples=("incident still #42",),
    rules=("Whoever acknowledged an incident and does nothing is asked; without an answer somebody is paged again.",),
)
HANDOVER = Command(
    name="incident handover",
    arguments=HandoverArguments,
    does=Bookkeeping(_handover),
    permission="incident.ack",
    group="incidents",
    summary="give it to somebody else, who is told",
    examples=("incident handover #42 @senior",),
)
