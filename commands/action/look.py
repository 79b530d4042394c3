"""`/aiec action list`: what is to be done, by whom and until when."""

from typing import Annotated

from sqlmodel import col, select

from bot.command import Command, Context, Read
from bot.core.card import Bold, Card, Code, State, line
from bot.core.data import Frozen
from bot.core.parse import Param
from bot.store.action_tables import ActionRow
from bot.store.transaction import Transaction
from commands.action.target import person, visible
from commands.arguments import ThisIncident
from commands.incident.target import addressed, of_channel
from escalation.actions.book import item_of, items_of, open_items
from escalation.actions.item import Item, count, row

SHOWN = 30


class ListArguments(Frozen):
    incident: ThisIncident = None
    owner: Annotated[str | None, Param(option=True, choices="people", kind="person", metavar="NAME", help="only this person's")] = None
    overdue: Annotated[bool, Param(option=True, help="only what should be done by now")] = False
    all: Annotated[bool, Param(option=True, help="also what is done or dropped")] = False


async def _list(arguments: ListArguments, context: Context) -> Card:
    owner = person(context, arguments.owner) if arguments.owner else None
    found = await context.store.read(lambda tx: _found(tx, arguments, context))
    items = [item for item in found if owner in (None, item.owner) and (item.overdue(context.now) or not arguments.overdue)]
    late = sum(item.overdue(context.now) for item in items)
    of = f" of {owner}" if owner else ""
    if not items:
        what = "overdue" if arguments.overdue else "open" if not arguments.all else "written down"
        return Card(state=State.DONE, headline=line(f"No action item{of} is {what}"), lines=(line(Code(text='/aiec action add #42 "…" @name'), " adds one."),))
    kind = "overdue" if arguments.overdue else "in all" if arguments.all else "open"
    more = (line(f"and {len(items) - SHOWN} more; `--owner`, `--overdue` and an incident narrow it down"),) if len(items) > SHOWN else ()
    told = f", {late} of them overdue" if late and not arguments.overdue else ""
    headline = line(Bold(text=f"{count(len(items))}{of} {kind}"), told)
    rows = tuple(row(item, context.now) for item in items[:SHOWN])
    return Card(state=State.NEEDS_YOU if late else None, headline=headline, lines=more, rows=rows)


def _found(tx: Transaction, arguments: ListArguments, context: Context) -> list[Item]:
    """Those of the incident that is named, or whose channel this is where nothing else is asked for; else all that the actor may see."""
    own = arguments.incident
    if own is None and not arguments.owner and not arguments.overdue and (here := of_channel(tx, context)) is not None:
        own = f"#{here}"
    if own is not None:
        items = items_of(tx, addressed(tx, context, own)[1].number)
        return items if arguments.all else [item for item in items if item.state == "open"]
    if not arguments.all:
        return visible(tx, context, open_items(tx))
    newest = select(ActionRow).order_by(col(ActionRow.id).desc()).limit(10 * SHOWN)
    return visible(tx, context, [item_of(one) for one in tx.all(newest)])


LIST = Command(
    name="action list",
    arguments=ListArguments,
    does=Read(_list),
    permission="action.list",
    group="afterwards",
    summary="action items that are open, those due first",
    examples=("action list", "action list #42", "action list --owner @engineer", "action list --overdue"),
    rules=("In an incident's own channel it lists those of that incident.",),
)
