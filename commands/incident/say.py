"""`/aiec incident note|update`: what people say of an incident, to its timeline or to everybody."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.parse import Param
from bot.store.transaction import Transaction
from commands.arguments import ThisIncident
from commands.incident.target import answer, with_text
from escalation.book import annotate, change
from escalation.incident import State
from escalation.saying import announce


class NoteArguments(Frozen):
    incident: ThisIncident = None
    text: Annotated[str, Param(rest=True, metavar="text", help="what was seen or done")]
    link: Annotated[str, Param(option=True, metavar="URL", help="where it was said or can be seen")] = ""


class UpdateArguments(Frozen):
    incident: ThisIncident = None
    text: Annotated[str, Param(rest=True, metavar="text", help="how it stands, for everybody: what is broken, what is being done, when it will be better")]


def _note(arguments: NoteArguments, context: Context, tx: Transaction) -> Card | None:
    incident, text = with_text(tx, context, arguments.incident, arguments.text)
    if incident.state in (State.CLOSED, State.MERGED):
        raise Refused(f"{incident.name} is {incident.state}: its timeline stays as it is.")
    data = {"text": text, **({"link": arguments.link} if arguments.link else {})}
    after = incident.model_copy(update={"active_at": tx.now, "asked_at": None})
    change(tx, context.config, incident, after, context.request.actor.name, "note", **data)
    if not incident.private:
        annotate(tx, incident, text, context.request.actor.name)
    return answer(context, f"Added to the timeline of {incident.name}.")


def _update(arguments: UpdateArguments, context: Context, tx: Transaction) -> Card | None:
    incident, text = with_text(tx, context, arguments.incident, arguments.text)
    if not incident.state.open:
        raise Refused(f"{incident.name} is {incident.state}.", f"`/aiec incident reopen {incident.number}` opens it again.")
    severity = context.config.severities.get(incident.severity)
    every = severity.update_every if severity else None
    told = {"told": text, "told_at": tx.now, "update_due": tx.now + every if every else None, "update_asked": False, "active_at": tx.now, "asked_at": None}
    after = change(tx, context.config, incident, incident.model_copy(update=told), context.request.actor.name, "update", text=text)
    announce(tx, context.config, after, context.request.actor.name, context.request.key)
    return answer(context, f"Said for {incident.name}." + (f" The next update is due at {tx.now + every:%H:%M} UTC." if every else ""))


NOTE = Command(
    name="incident note",
    arguments=NoteArguments,
    does=Bookkeeping(_note),
    permission="incident.note",
    group="incidents",
    summary="add to the timeline what you saw or did",
    examples=("incident note #42 restarted the connection pool", "incident note two pods are back"),
    rules=("The same does a message's shortcut *Add to timeline*, and 📌 as a reaction to a message in the incident's channel.",),
)
UPDATE = Command(
    name="incident update",
    arguments=UpdateArguments,
    does=Bookkeeping(_update),
    permission="incident.update",
    group="incidents",
    summary="say publicly how it stands; the next update is due when its severity says so",
    examples=("incident update #42 checkout is slow, we are rolling back",),
)
