"""App Home: what is going on, what waits for this person, and what he may do, as of the moment when he opens it."""

from bot.bot import Bot
from bot.command import Context, Read
from bot.core.card import Action, Card
from bot.core.operation_card import operation_card
from bot.core.request import Actor, Origin, Request
from bot.store.transaction import Transaction
from commands.action.mine import owed
from commands.incident.mine import waiting
from commands.look import waiting_for
from commands.operations import under_way
from commands.postmortem import mine as postmortems
from escalation.actions import item as action
from escalation.card import incident_card
from escalation.view import paging_of, room_of, runbooks_of

SHOWN = 10
"""Incidents, operations, post-mortems and action items that are shown with their buttons; more are counted in the overview."""


async def home(bot: Bot, actor: Actor, groups: frozenset[str] | None) -> tuple[Card, ...]:
    """Returns the cards of this person's home, from our own records alone. What he may not see is left out."""
    request = Request(key="home", command="overview", arguments={}, actor=actor, origin=Origin(kind="slack"))
    context = Context(request, bot.config, bot.world(), bot.store, bot.commands, groups)
    overview, helped = await _read("overview", context), await _read("help", context)
    if overview is None:
        return (helped or Card(headline=("You may not look here yet: ask those who keep `permissions` of aiec.yaml.",)),)
    mine = waiting_for(await bot.store.read(under_way), context)
    incidents = await bot.store.read(lambda tx: _incidents(tx, context)) if context.allows("incident.list", None).allowed else []
    todo, unwritten = await bot.store.read(lambda tx: (owed(tx, context), postmortems.owed(tx, context)))
    waiting_cards = (*incidents, *(operation_card(operation) for operation in mine), *(card for _, card in unwritten), *(action.card(item) for item in todo))
    return (_opened(overview, context), *waiting_cards[:SHOWN], *((helped,) if helped else ()))


def _incidents(tx: Transaction, context: Context) -> list[Card]:
    found = [incident for incident, _ in waiting(tx, context)]
    return [incident_card(incident, room_of(tx, context.config, incident), paging_of(tx, incident), runbooks_of(tx, incident)) for incident in found]


async def _read(name: str, context: Context) -> Card | None:
    """What a command without arguments answers, or None to whom may not ask it."""
    command = context.commands[name]
    if not isinstance(command.does, Read) or not context.allows(command.permission, None).allowed:
        return None
    card: Card = await command.does.run(command.arguments(), context)
    return card


def _opened(overview: Card, context: Context) -> Card:
    """The overview with what one most often goes on to."""
    may = any(context.allows("deploy", environment).allowed for environment in context.config.environments)
    actions = (Action(label="Deploy…", command="deploy"),) if may else ()
    if context.allows("incident.declare", None).allowed:
        actions = (*actions, Action(label="Declare incident…", command="incident declare"))
    return overview.model_copy(update={"actions": (Action(label="What runs?", command="status"), *actions)})
