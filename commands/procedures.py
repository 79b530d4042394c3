"""`/aiec run`, `/aiec rotate`, `/aiec database switch`: commands that aiec.yaml names, run in a service's container instead of a shell in production."""

import asyncio
from datetime import UTC
from typing import Annotated

from bot.command import Change, Command, Context
from bot.core.card import CheckResult
from bot.core.config import Procedure
from bot.core.data import Frozen
from bot.core.errors import NotFound, UsageError
from bot.core.parse import Param
from bot.core.plan import Plan, weigh
from bot.core.steps import RAN, ProcedureStep, Step, annotations
from bot.core.suggest import did_you_mean, ended, quoted
from commands import restart
from commands.arguments import Environment
from commands.hands import DryRun, Emergency, find, recorded
from commands.preflight import records
from commands.preflight.workloads import unhealthy

SHAPE = "procedures: {NAME: {service: postgres, command: [program, argument]}}"


class RunArguments(Frozen):
    environment: Environment
    procedure: Annotated[str, Param(metavar="procedure", help="one of `procedures` in aiec.yaml")]
    emergency: Emergency = ""
    dry_run: DryRun = False


class RotateArguments(Frozen):
    environment: Environment
    secret: Annotated[str, Param(metavar="secret", help="what is rotated: one of `procedures` in aiec.yaml with `for: rotate`")]
    emergency: Emergency = ""
    dry_run: DryRun = False


class SwitchArguments(Frozen):
    environment: Environment
    procedure: Annotated[str, Param(option=True, metavar="NAME", help="which way, where aiec.yaml has several")] = ""
    emergency: Annotated[str, Param(option=True, metavar="REASON", help="waives a freeze and the change window; notifies at once and is recorded")] = ""
    dry_run: DryRun = False


async def _run(arguments: RunArguments, context: Context) -> Plan:
    name = _chosen(context, arguments.environment, "run", arguments.procedure)
    return await _plan("run", arguments.environment, name, arguments.emergency, context, f"Run {name} in {arguments.environment}")


async def _rotate(arguments: RotateArguments, context: Context) -> Plan:
    name = _chosen(context, arguments.environment, "rotate", arguments.secret)
    return await _plan("rotate", arguments.environment, name, arguments.emergency, context, f"Rotate {name} in {arguments.environment}")


async def _switch(arguments: SwitchArguments, context: Context) -> Plan:
    found = of_kind(context, arguments.environment, "database switch")
    if len(found) > 1 and not arguments.procedure:
        raise UsageError(f"There are several ways: {', '.join(found)}.", f"For example `/aiec database switch {arguments.environment} --procedure {found[0]}`.")
    name = _chosen(context, arguments.environment, "database switch", arguments.procedure or (found[0] if found else "database switch"))
    title = f"Switch the database of {arguments.environment} ({name})"
    return await _plan("database switch", arguments.environment, name, arguments.emergency, context, title)


def of_kind(context: Context, environment: str, kind: str) -> list[str]:
    """Returns the procedures of aiec.yaml that are for this command, in this environment."""
    return [name for name, one in context.config.procedures.items() if one.for_ == kind and (one.in_ is None or environment in one.in_)]


def _chosen(context: Context, environment: str, kind: str, asked: str) -> str:
    names = of_kind(context, environment, kind)
    if asked in names:
        return asked
    if not names:
        what = {
            "run": "names no command to run",
            "rotate": "has no procedure that rotates anything",
            "database switch": "has no procedure that switches the database",
        }
        shape = SHAPE if kind == "run" else SHAPE.replace("NAME: {", f"NAME: {{for: {kind}, ")
        raise NotFound(f"aiec.yaml {what[kind]} in {environment}.", f"There: `{shape}`.")
    raise NotFound(f"*{quoted(asked)}* is nothing that `{kind}` does in {environment}{ended(did_you_mean(asked, names))}", f"There are {', '.join(names)}.")


async def _plan(command: str, environment: str, name: str, emergency: str, context: Context, title: str) -> Plan:
    """What rotates or switches needs one other person at least; what is disruptive waits for the change window."""
    settings, procedure = context.config.environments[environment], context.config.procedures[name]
    services = list(dict.fromkeys([procedure.service, *procedure.restart]))
    steps = await _steps(environment, name, procedure, context)
    checks, _ = await recorded(context, environment, services)
    found = await find(context, environment, procedure.service)
    looked = [unhealthy([found.target(found.image)]), _window(context, environment, procedure)]
    return Plan(
        command=command,
        environment=environment,
        title=title,
        steps=steps,
        checks=weigh((*checks, *(one for one in looked if one is not None)), emergency),
        notes={steps[0].target: " ".join(procedure.command)},
        approvals=settings.approvals if command == "run" else max(settings.approvals, 1),
        expires_after=settings.approval_expires,
        undo_on_failure=False,
        emergency=emergency,
    )


async def _steps(environment: str, name: str, procedure: Procedure, context: Context) -> tuple[Step, ...]:
    """Returns the command, and then the restarts of those who have to read anew what it changed, one after the other."""
    found = await find(context, environment, procedure.service)
    ran = ProcedureStep(
        wave=0,
        environment=environment,
        service=procedure.service,
        workload=found.settings.kind,
        name=found.name,
        container=found.settings.container,
        procedure=name,
        command=procedure.command,
        timeout=procedure.timeout,
        look=procedure.check,
        deadline=procedure.within,
        at=context.now.astimezone(UTC).isoformat(timespec="microseconds"),
        ran_before=annotations(found.workload).get(RAN),
    )
    others = await asyncio.gather(*(find(context, environment, one) for one in procedure.restart))
    return (ran, *(restart.step_of(one, context).model_copy(update={"wave": place}) for place, one in enumerate(others, 1)))


def _window(context: Context, environment: str, procedure: Procedure) -> CheckResult | None:
    return records.window(context.config.environments[environment], context.now) if procedure.disrupts else None


RUN = Command(
    name="run",
    arguments=RunArguments,
    does=Change(_run, rehearsal=lambda arguments: arguments.dry_run),
    permission="run",
    group="change production",
    summary="run a command that aiec.yaml names in a service's container",
    examples=("run prod reindex",),
    rules=(
        "The command stands in aiec.yaml, word for word; nothing that is typed becomes part of it, and no shell reads it.",
        "It runs once, in one ready pod. If aiec is stopped meanwhile, it says so and does not run it again.",
        "It may take as long as its `timeout` in aiec.yaml says.",
        "The end of what it writes is shown, without secrets; all of it is a file in the thread where that is more.",
    ),
)
ROTATE = Command(
    name="rotate",
    arguments=RotateArguments,
    does=Change(_rotate, rehearsal=lambda arguments: arguments.dry_run),
    permission="rotate",
    group="change production",
    summary="exchange a secret, by the procedure of aiec.yaml",
    examples=("rotate prod database-password",),
    rules=("It always needs an approval.", "Services that have to read the new one are restarted afterwards, one after the other, as aiec.yaml says."),
)
SWITCH = Command(
    name="database switch",
    arguments=SwitchArguments,
    does=Change(_switch, rehearsal=lambda arguments: arguments.dry_run),
    permission="database.switch",
    group="change production",
    summary="make a standby the database, by the procedure of aiec.yaml",
    examples=("database switch prod", 'database switch prod --emergency "the primary is gone"'),
    rules=("It always needs an approval.", "It is disruptive: only within the environment's change window, an emergency excepted."),
)
