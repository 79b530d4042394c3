"""`/aiec rollback <env> <service>`, `/aiec rollback <env> --operation op-142`: back to an earlier revision, or to what was before one operation."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from bot.command import Change, Command, Context
from bot.core.data import Frozen
from bot.core.errors import UsageError
from bot.core.parse import Param
from bot.core.plan import Plan
from commands.arguments import Environment, operation_name
from commands.hands import DryRun, Emergency
from commands.undo.operation import Asked as AskedOperation
from commands.undo.operation import plan_operation
from commands.undo.revision import Asked, plan_revision


class Arguments(Frozen):
    environment: Environment
    service: Annotated[str | None, Param(choices="deployable", metavar="service", help="the service that goes back to its revision before")] = None
    to: Annotated[int | None, Field(ge=1), Param(option=True, metavar="REVISION", help="to this revision of it; `history` lists them")] = None
    operation: Annotated[
        str | None, BeforeValidator(operation_name), Param(option=True, kind="operation", metavar="OP", help="undo this operation, all that is still of it")
    ] = None
    emergency: Emergency = ""
    dry_run: DryRun = False


async def plan(arguments: Arguments, context: Context) -> Plan:
    environment = arguments.environment
    if arguments.operation is not None:
        if arguments.service is not None or arguments.to is not None:
            raise UsageError("Undo an operation, or return to a revision of a service: not both.", f"`/aiec rollback {environment} --operation op-142`")
        return await plan_operation(AskedOperation(environment, arguments.operation, arguments.emergency), context)
    if arguments.service is None:
        example = next((name for name, service in context.config.services.items() if service.deployable), "gateway")
        raise UsageError("Which service goes back, or which operation is undone?", f"`/aiec rollback {environment} {example}`, or `--operation op-142`.")
    return await plan_revision(Asked(environment, arguments.service, arguments.to, arguments.emergency), context)


COMMAND = Command(
    name="rollback",
    arguments=Arguments,
    does=Change(plan, rehearsal=lambda arguments: arguments.dry_run),
    permission="rollback",
    group="change production",
    summary="back to the revision before, to any other, or to what was before one operation",
    examples=("rollback prod gateway", "rollback prod gateway --to 3", "rollback prod --operation op-142"),
    rules=(
        "It is `kubectl rollout undo`: the whole pod template of that revision comes back, and nothing else does.",
        "`--operation` undoes one operation in reverse order, and only what nobody has changed since.",
        "Whoever has acknowledged an open SEV1 or SEV2 on the service needs no approval.",
    ),
)
