"""`/aiec lock|unlock`, `/aiec freeze|unfreeze`: keeping others, or everybody, from changing an environment."""

from typing import Annotated

from sqlmodel import col, select

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Bold, Card, Channel, Line, Person, Ref, State, Time, line
from bot.core.data import Frozen
from bot.core.errors import Denied, Refused
from bot.core.events import Event
from bot.core.parse import Param
from bot.store.tables import FreezeRow, LockRow
from bot.store.transaction import Message, Transaction
from commands.arguments import Environment, Reason, SomeTime
from commands.preflight.records import declared


class HoldArguments(Frozen):
    environment: Environment
    reason: Reason


class FreezeArguments(Frozen):
    environment: Environment
    for_: Annotated[SomeTime | None, Param(option=True, metavar="DURATION", help="how long; without it until somebody unfreezes")] = None
    reason: Reason


class ReleaseArguments(Frozen):
    environment: Environment


def _lock(arguments: HoldArguments, context: Context, tx: Transaction) -> Card | None:
    me = context.request.actor.name
    held = tx.get(LockRow, arguments.environment, lock=True)
    if held is not None:
        who = "You hold" if held.holder == me else f"{held.holder} holds"
        raise Refused(f"{who} {arguments.environment} since {held.since:%H:%M} UTC: {held.reason}.", f"`/aiec unlock {arguments.environment}` frees it.")
    tx.save(LockRow(environment=arguments.environment, holder=me, reason=arguments.reason, since=tx.now))
    tx.record(Event(kind="lock.taken", subject=arguments.environment, actor=me, data={"reason": arguments.reason}))
    return _announce(context, tx, arguments.environment, State.LOCKED, f"{arguments.environment} is locked", arguments.reason)


def _unlock(arguments: ReleaseArguments, context: Context, tx: Transaction) -> Card | None:
    me = context.request.actor.name
    held = tx.get(LockRow, arguments.environment, lock=True)
    if held is None:
        raise Refused(f"Nobody holds {arguments.environment}.")
    if held.holder.startswith("op-"):
        raise Refused(f"{held.holder} holds {arguments.environment}: {held.reason}.", f"It frees it when it is over; `/aiec cancel {held.holder}` stops it.")
    if held.holder != me:
        decision = context.allows("lock.steal", arguments.environment)
        if not decision.allowed:
            raise Denied(f"{held.holder} holds {arguments.environment}, and you may not take it: {decision.reason}", f"Ask {held.holder}.")
    tx.delete(held)
    tx.record(Event(kind="lock.freed", subject=arguments.environment, actor=me, data={"holder": held.holder}))
    return _announce(
        context, tx, arguments.environment, State.DONE, f"{arguments.environment} is unlocked", "" if held.holder == me else f"{held.holder} held it"
    )


def _freeze(arguments: FreezeArguments, context: Context, tx: Transaction) -> Card | None:
    me = context.request.actor.name
    present = declared(tx, arguments.environment)
    if present is not None:
        raise Refused(f"{arguments.environment} is frozen already, by {present.by}: {present.reason}.", f"`/aiec unfreeze {arguments.environment}` ends it.")
    end = tx.now + arguments.for_ if arguments.for_ is not None else None
    row = tx.save(FreezeRow(environment=arguments.environment, starts_at=tx.now, ends_at=end, reason=arguments.reason, by=me))
    tx.record(
        Event(kind="freeze.declared", subject=arguments.environment, actor=me, data={"freeze": row.id, "reason": arguments.reason, "until": str(end or "")})
    )
    until = line(" until ", Time(at=end, style="date") if end else "somebody unfreezes it")
    return _announce(context, tx, arguments.environment, State.LOCKED, f"{arguments.environment} is frozen", arguments.reason, until)


def _unfreeze(arguments: ReleaseArguments, context: Context, tx: Transaction) -> Card | None:
    me = context.request.actor.name
    alive = (col(FreezeRow.environment) == arguments.environment, col(FreezeRow.ends_at).is_(None) | (col(FreezeRow.ends_at) > tx.now))
    rows = tx.all(select(FreezeRow).where(*alive))
    if not rows:
        raise Refused(f"Nobody has frozen {arguments.environment}.", "A freeze of aiec.yaml ends by its own date or by changing the file.")
    for row in rows:
        row.ends_at = tx.now
        tx.save(row)
        tx.record(Event(kind="freeze.ended", subject=arguments.environment, actor=me, data={"freeze": row.id}))
    return _announce(context, tx, arguments.environment, State.DONE, f"{arguments.environment} is unfrozen", "")


def _announce(context: Context, tx: Transaction, environment: str, state: State, headline: str, reason: str, until: Line = ()) -> Card:
    """Says it in the environment's channel, and returns for whoever asked the same, or in Slack a link to it: nobody reads it twice in one channel."""
    lines = (line("by ", Person(name=context.request.actor.name), f": {reason}" if reason else ""),)
    card = Card(state=state, headline=line(Bold(text=headline), *until), lines=lines)
    key, channel = f"{context.request.command}/{context.request.key}", context.config.environments[environment].channel
    tx.send(Message(key=key, channel=channel, card=card))
    return card if context.request.origin.kind != "slack" else Card(headline=line(Ref(key=key, text=headline), *until, ", in ", Channel(name=channel)))


LOCK = Command(
    name="lock",
    arguments=HoldArguments,
    does=Bookkeeping(_lock),
    permission="deploy",
    group="change production",
    summary="keep others from changing an environment while you work on it",
    examples=("lock prod migrating the database",),
    rules=("Your own operations still run.", "Taking somebody else's lock needs the permission lock.steal."),
)
UNLOCK = Command(
    name="unlock",
    arguments=ReleaseArguments,
    does=Bookkeeping(_unlock),
    permission="deploy",
    group="change production",
    summary="free an environment",
    examples=("unlock prod",),
)
FREEZE = Command(
    name="freeze",
    arguments=FreezeArguments,
    does=Bookkeeping(_freeze),
    permission="freeze",
    group="change production",
    summary="let nothing change in an environment",
    examples=("freeze prod --for 2h the database is being moved", "freeze prod end of the quarter"),
    rules=("Only an emergency deploy goes through a freeze, and it is announced.",),
)
UNFREEZE = Command(
    name="unfreeze",
    arguments=ReleaseArguments,
    does=Bookkeeping(_unfreeze),
    permission="freeze",
    group="change production",
    summary="end a freeze",
    examples=("unfreeze prod",),
)
