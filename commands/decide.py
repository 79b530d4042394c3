"""`/aiec approve op-142`, `/aiec cancel op-142`: what people decide on an operation. Both need what the operation's own command needs."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card, line
from bot.core.data import Frozen
from bot.core.errors import Denied
from bot.core.operation import Operation, cancel
from bot.core.parse import Param
from bot.ledger import interrupt
from bot.store.transaction import Transaction
from commands.arguments import OperationName
from commands.operations import load


class ApproveArguments(Frozen):
    operation: OperationName
    plan: Annotated[str, Param(option=True, metavar="HASH", help="approve only this plan; the button carries it")] = ""


class CancelArguments(Frozen):
    operation: OperationName


def _approve(arguments: ApproveArguments, context: Context, tx: Transaction) -> Card | None:
    row, operation = load(tx, arguments.operation)
    _check(context, operation)
    interrupt(tx, context.config, row, operation, operation.approve(context.request.actor, arguments.plan, tx.now))
    return _said(context, f"You approved {operation.name}: {operation.plan.title}.")


def _cancel(arguments: CancelArguments, context: Context, tx: Transaction) -> Card | None:
    row, operation = load(tx, arguments.operation)
    if operation.actor.name != context.request.actor.name:
        _check(context, operation)
    after = cancel(operation, context.request.actor, tx.now)
    interrupt(tx, context.config, row, operation, after)
    return _said(context, f"{operation.name} is cancelled." if after.phase.over else f"{operation.name} stops, and what it has changed is put back.")


def _check(context: Context, operation: Operation) -> None:
    decision = context.allows(context.commands[operation.command].permission, operation.plan.environment)
    if not decision.allowed:
        raise Denied(decision.reason, f"`/aiec help` lists what you may do, {context.request.actor.name}.")


def _said(context: Context, text: str) -> Card | None:
    """A click is answered by the message that changes under it; whoever typed gets a line."""
    return None if context.request.origin.message else Card(headline=line(text))


APPROVE = Command(
    name="approve",
    arguments=ApproveArguments,
    does=Bookkeeping(_approve),
    group="change production",
    summary="agree to somebody else's operation",
    examples=("approve op-142",),
    rules=("Nobody approves his own request.", "An approval is for one plan; if the world has drifted since, nothing is done and a fresh plan is offered."),
)
CANCEL = Command(
    name="cancel",
    arguments=CancelArguments,
    does=Bookkeeping(_cancel),
    group="change production",
    summary="reject a waiting operation, or stop a running one and put back what it changed",
    examples=("cancel op-142",),
)
