"""What PagerDuty's webhook asks for: that an event is taken in. Nobody types it."""

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.pager_events import PagerEvent
from bot.store.transaction import Transaction
from escalation.observed import take


class Arguments(Frozen):
    event: PagerEvent


def _take(arguments: Arguments, context: Context, tx: Transaction) -> Card | None:
    take(tx, context.config, arguments.event)
    return None


COMMAND = Command(
    name="pager event",
    arguments=Arguments,
    does=Bookkeeping(_take),
    group="people and pages",
    summary="take an event of PagerDuty in",
    examples=(),
    internal=True,
)
