"""What Alertmanager's webhook asks for: that its alerts are taken in. Nobody types it."""

from bot.command import Bookkeeping, Command, Context
from bot.core.alerts import Notification
from bot.core.card import Card
from bot.core.data import Frozen
from bot.store.transaction import Transaction
from escalation.intake import receive


class Arguments(Frozen):
    notification: Notification


def _receive(arguments: Arguments, context: Context, tx: Transaction) -> Card | None:
    receive(tx, context.config, arguments.notification)
    return None


COMMAND = Command(
    name="alerts",
    arguments=Arguments,
    does=Bookkeeping(_receive),
    group="incidents",
    summary="take alerts in",
    examples=(),
    internal=True,
)
