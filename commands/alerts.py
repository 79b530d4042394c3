"""What Alertmanager's webhook asks for: that its alerts are taken in. Nobody types it."""

import logging
from dataclasses import replace

from pydantic import TypeAdapter

from bot.command import Bookkeeping, Command, Context
from bot.core.alerts import Notification
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.request import Request
from bot.pipeline import Lane, insert
from bot.store.transaction import Transaction
from escalation.intake import receive

log = logging.getLogger("aiec.requests")

_NOTIFICATION = TypeAdapter(Notification)


class Arguments(Frozen):
    notification: Notification


def _receive(arguments: Arguments, context: Context, tx: Transaction) -> Card | None:
    try:
        with tx.session.begin_nested():
            receive(tx, context.config, arguments.notification)
    except Exception:
        if len(arguments.notification.alerts) < 2:
            raise
        log.exception("%s cannot be taken in: each of its alerts is tried alone", context.request.key)
        _apart(tx, context.request, arguments.notification)
    return None


def _apart(tx: Transaction, request: Request, notification: Notification) -> None:
    """Makes each alert a request of its own: one that cannot be taken in must not keep the others out."""
    for number, alert in enumerate(notification.alerts):
        alone = {"notification": _NOTIFICATION.dump_python(replace(notification, alerts=(alert,)), mode="json")}
        insert(tx, request.model_copy(update={"key": f"{request.key}:{number}", "arguments": alone}), Lane.MACHINE)


COMMAND = Command(
    name="alerts",
    arguments=Arguments,
    does=Bookkeeping(_receive),
    group="incidents",
    summary="take alerts in",
    examples=(),
    internal=True,
)
