"""Which action item a command means, whether whoever asks may know of it and change it, and how he is answered."""

from datetime import datetime, timedelta

from bot.command import Context
from bot.core.card import Card, line
from bot.core.errors import Denied, NotFound, Refused, UsageError
from bot.core.suggest import did_you_mean, quoted
from bot.store.action_tables import ActionRow
from bot.store.transaction import Transaction
from commands.incident.target import addressed
from escalation.actions.book import find, unknown
from escalation.actions.item import FARTHEST, Item, State, moment
from escalation.circle import may_know


def chosen(tx: Transaction, context: Context, named: str) -> ActionRow:
    """Returns the item that is named, held until the commit. Raises NotFound, also where it is of an incident that is none of the actor's business."""
    row = find(tx, int(named.removeprefix("act-")))
    try:
        addressed(tx, context, f"#{row.incident}")
    except NotFound:
        raise unknown(row.number) from None
    return row


def changeable(tx: Transaction, context: Context, named: str, permission: str) -> ActionRow:
    """Returns the item that is named, if the actor is its owner, or holds the permission. Raises NotFound, Denied."""
    row = chosen(tx, context, named)
    decision = context.allows(permission, None)
    if row.owner != context.request.actor.name and not decision.allowed:
        raise Denied(decision.reason, f"{row.name} is {row.owner}'s, who may; `/aiec help` lists what you may do, {context.request.actor.name}.")
    return row


def still_open(row: ActionRow) -> None:
    """Raises Refused where an item is over."""
    if row.state != State.OPEN:
        when = f" since {row.ended_at:%Y-%m-%d %H:%M} UTC" if row.ended_at else ""
        raise Refused(f"{row.name} is {row.state}{when}, says {row.ended_by}.", f"`/aiec action reopen {row.name}` opens it again.")


def visible(tx: Transaction, context: Context, items: list[Item]) -> list[Item]:
    """Returns those of the items whose incidents the actor may know of."""
    may = {number: may_know(tx, context.config, number, context.request.actor) for number in {item.incident for item in items}}
    return [item for item in items if may[item.incident]]


def person(context: Context, given: str) -> str:
    """Returns the name of somebody who was named or mentioned: his own Slack id where only Slack knows him. Raises UsageError."""
    name = given.removeprefix("@")
    if (known := context.config.person(name)) is not None:
        return known
    if name[:1] in ("U", "W") and name.isalnum() and name.isupper():
        return name
    raise UsageError(f"*@{quoted(name)}* is not a person of aiec.yaml{did_you_mean(name, [*context.config.people])}", "Whose item it is stands at the end.")


def due(said: str, now: datetime) -> datetime:
    """Returns the moment that was said. Raises UsageError, and Refused where it cannot be meant."""
    try:
        found = moment(said, now)
    except (ValueError, OverflowError):
        raise UsageError(f"*{quoted(said)}* is no day.", "Write a day such as `2026-12-10`, a time in UTC, or how long from now, such as `7d`.") from None
    if found <= now:
        raise Refused(f"{found:%Y-%m-%d %H:%M} UTC is over.", "Name a day that comes.")
    if found - now > FARTHEST:
        raise Refused(f"{found:%Y-%m-%d} is more than {FARTHEST // timedelta(days=366)} years away.", "What is due so late is never done; name an earlier day.")
    return found


def said(context: Context, text: str) -> Card | None:
    """Returns what whoever typed is told; a click is answered by the message that changes under it."""
    return None if (context.request.origin.message or "").startswith("action-") else Card(headline=line(text))
