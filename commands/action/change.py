"""`/aiec action add|done|assign|due|drop|reopen`: what is to be done so that an incident does not come back."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.errors import Refused, UsageError
from bot.core.parse import Param
from bot.store.transaction import Transaction
from commands.action import target
from commands.arguments import ActionName, ThisIncident
from commands.incident.target import with_text
from escalation.actions import book as actions
from escalation.actions.item import LONGEST, State, split_owner
from escalation.incident import State as IncidentState

WHEN = "a day such as 2026-12-10, a time in UTC, or how long from now, such as 7d"


class AddArguments(Frozen):
    incident: ThisIncident = None
    text: Annotated[str, Param(rest=True, metavar="text", help="what is to be done; an @name at its end says by whom")]
    owner: Annotated[str | None, Param(option=True, choices="people", kind="person", metavar="NAME", help="whose it is; yours, unless given")] = None
    due: Annotated[str | None, Param(option=True, metavar="DAY", help=WHEN)] = None


class DoneArguments(Frozen):
    item: ActionName


class AssignArguments(Frozen):
    item: ActionName
    person: Annotated[str, Param(choices="people", kind="person", metavar="person", help="whose it is from now on")]


class DueArguments(Frozen):
    item: ActionName
    when: Annotated[str, Param(rest=True, metavar="day", help=WHEN)]


class DropArguments(Frozen):
    item: ActionName
    reason: Annotated[str, Param(rest=True, metavar="reason", help="why it will not be done, for the others and for the record")]


def _add(arguments: AddArguments, context: Context, tx: Transaction) -> Card | None:
    incident, said = with_text(tx, context, arguments.incident, arguments.text)
    if incident.state is IncidentState.MERGED:
        raise Refused(f"{incident.name} belongs to #{incident.merged_into} now.", f'`/aiec action add #{incident.merged_into} "…"` adds it there.')
    text, named = split_owner(said)
    if not text:
        raise UsageError("What is to be done?", f'For example `/aiec action add {incident.name} "raise the pool size" @{context.request.actor.name}`.')
    if len(text) > LONGEST:
        raise UsageError(
            f"That is {len(text)} characters long, and an action item at most {LONGEST}.", "Say it shortly; the post-mortem has room for the rest."
        )
    me = context.request.actor.name
    owner = target.person(context, arguments.owner or named or me) if arguments.owner or named else me
    due = target.due(arguments.due, tx.now) if arguments.due else None
    item = actions.add(tx, context.config, incident, text, owner, due, me)
    return target.said(context, f"{item.name} is {_whose(context, owner)}, due {item.due:%a %d %b %H:%M} UTC: {text}")


def _whose(context: Context, owner: str) -> str:
    return "yours" if owner == context.request.actor.name else f"{owner}'s"


def _done(arguments: DoneArguments, context: Context, tx: Transaction) -> Card | None:
    row = target.changeable(tx, context, arguments.item, "action.done")
    target.still_open(row)
    actions.end(tx, context.config, row, State.DONE, context.request.actor.name)
    return target.said(context, f"{row.name} is done: {row.text}")


def _assign(arguments: AssignArguments, context: Context, tx: Transaction) -> Card | None:
    row = target.changeable(tx, context, arguments.item, "action.assign")
    target.still_open(row)
    owner = target.person(context, arguments.person)
    if owner == row.owner:
        raise Refused(f"{row.name} is {_whose(context, owner)} already.")
    actions.assign(tx, context.config, row, owner, context.request.actor.name)
    return target.said(context, f"{row.name} is {_whose(context, owner)} now: {row.text}")


def _due(arguments: DueArguments, context: Context, tx: Transaction) -> Card | None:
    row = target.changeable(tx, context, arguments.item, "action.due")
    target.still_open(row)
    item = actions.put_off(tx, context.config, row, target.due(arguments.when, tx.now), context.request.actor.name)
    return target.said(context, f"{row.name} is due {item.due:%a %d %b %H:%M} UTC: {row.text}")


def _drop(arguments: DropArguments, context: Context, tx: Transaction) -> Card | None:
    row = target.changeable(tx, context, arguments.item, "action.drop")
    target.still_open(row)
    actions.end(tx, context.config, row, State.DROPPED, context.request.actor.name, arguments.reason)
    return target.said(context, f"{row.name} is dropped: {row.text}")


def _reopen(arguments: DoneArguments, context: Context, tx: Transaction) -> Card | None:
    row = target.changeable(tx, context, arguments.item, "action.reopen")
    if row.state == State.OPEN:
        raise Refused(f"{row.name} is open.", f"`/aiec action done {row.name}` says that it is done.")
    item = actions.reopen(tx, context.config, row, context.request.actor.name)
    return target.said(context, f"{row.name} is open again, due {item.due:%a %d %b %H:%M} UTC: {row.text}")


ADD = Command(
    name="action add",
    arguments=AddArguments,
    does=Bookkeeping(_add),
    permission="action.add",
    group="afterwards",
    summary="write down what is to be done so that an incident does not come back",
    examples=('action add #42 "raise the pool size" @engineer', 'action add #42 "alert on the queue\'s length" @senior --due 2026-12-10'),
    rules=("Whose it is stands at the end; it is yours, unless you name somebody.", "Its owner is told, and reminded before, when and after it is due."),
)
DONE = Command(
    name="action done",
    arguments=DoneArguments,
    does=Bookkeeping(_done),
    group="afterwards",
    summary="say that an action item is done",
    examples=("action done act-7",),
    rules=("Its owner may always do this, and give it away, put it off, drop it, or open it again.",),
)
ASSIGN = Command(
    name="action assign",
    arguments=AssignArguments,
    does=Bookkeeping(_assign),
    group="afterwards",
    summary="give an action item to somebody, who is told",
    examples=("action assign act-7 @senior",),
)
DUE = Command(
    name="action due",
    arguments=DueArguments,
    does=Bookkeeping(_due),
    group="afterwards",
    summary="change when an action item is due; reminders begin anew",
    examples=("action due act-7 2026-12-10", "action due act-7 7d"),
    rules=("A day alone lasts to its end; times are UTC.",),
)
DROP = Command(
    name="action drop",
    arguments=DropArguments,
    does=Bookkeeping(_drop),
    group="afterwards",
    summary="say that an action item will not be done, and why",
    examples=("action drop act-7 the queue is gone since v2",),
)
REOPEN = Command(
    name="action reopen",
    arguments=DoneArguments,
    does=Bookkeeping(_reopen),
    group="afterwards",
    summary="open an action item again that was done or dropped",
    examples=("action reopen act-7",),
)
