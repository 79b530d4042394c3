"""`/aiec pause <env> <service>`, `/aiec resume <env> <service>`: holds a Deployment's rollout, or lets it go on, as `kubectl rollout pause` and `resume` do."""

import asyncio

from bot.command import Change, Command, Context
from bot.core.card import CheckResult, Verdict
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.plan import Plan, weigh
from bot.core.steps import PAUSED, PauseStep, annotations, halfway, paused
from commands.arguments import Environment
from commands.hands import AnyService, DryRun, Emergency, Found, find, recorded
from commands.preflight.workloads import capacity, note, others, unhealthy


class Arguments(Frozen):
    environment: Environment
    service: AnyService
    emergency: Emergency = ""
    dry_run: DryRun = False


async def _pause(arguments: Arguments, context: Context) -> Plan:
    return await _plan(arguments, context, held=True)


async def _resume(arguments: Arguments, context: Context) -> Plan:
    return await _plan(arguments, context, held=False)


async def _plan(arguments: Arguments, context: Context, *, held: bool) -> Plan:
    """Raises Refused for what has no rollout that can be paused."""
    environment = context.config.environments[arguments.environment]
    found = await find(context, arguments.environment, arguments.service)
    if found.settings.kind != "Deployment":
        hint = f"`/aiec lock {found.environment} REASON` keeps it from being changed by aiec."
        raise Refused(f"{found.title} cannot be paused: Kubernetes pauses the rollouts of Deployments alone.", hint)
    step = _step(found, context, held=held)
    target = found.target(found.image)
    (checks, _), said, looked = await asyncio.gather(
        recorded(context, arguments.environment, [arguments.service]), note(found.cluster, target), _looked(found, held=held)
    )
    return Plan(
        command="pause" if held else "resume",
        environment=arguments.environment,
        title=f"{'Pause' if held else 'Resume'} the rollouts of {arguments.service} in {arguments.environment}",
        steps=(step,),
        checks=weigh((*checks, *looked), arguments.emergency),
        notes={step.target: f"{said}, {halfway(found.workload)}"},
        approvals=environment.approvals,
        expires_after=environment.approval_expires,
        undo_on_failure=False,
        emergency=arguments.emergency,
    )


async def _looked(found: Found, *, held: bool) -> list[CheckResult]:
    """What is let go needs room for its new pods."""
    if paused(found.workload) == held:
        text = f"{found.title} is {'paused already' if held else 'not paused'}."
        return [CheckResult(check="already", verdict=Verdict.BLOCKED, text=text, lasting=True)]
    target = [found.target(found.image)]
    looked = [unhealthy(target), others(target), None if held else await capacity(found.cluster, target)]
    return [one for one in looked if one is not None]


def _step(found: Found, context: Context, *, held: bool) -> PauseStep:
    return PauseStep(
        wave=0,
        environment=found.environment,
        service=found.service,
        workload=found.settings.kind,
        name=found.name,
        before=not held,
        after=held,
        owner_before=annotations(found.workload).get(PAUSED),
        deadline=context.config.environments[found.environment].rollout.deadline,
    )


PAUSE = Command(
    name="pause",
    arguments=Arguments,
    does=Change(_pause, rehearsal=lambda arguments: arguments.dry_run),
    permission="pause",
    group="change production",
    summary="hold a service's rollouts where they are",
    examples=("pause prod gateway",),
    rules=(
        "What runs goes on running; what is changed meanwhile gets into no pod.",
        "Deploys, restarts and rollbacks of the service are refused until it is resumed.",
        "A rollout that aiec itself is watching is stopped by `cancel`, which also puts it back.",
    ),
)
RESUME = Command(
    name="resume",
    arguments=Arguments,
    does=Change(_resume, rehearsal=lambda arguments: arguments.dry_run),
    permission="pause",
    group="change production",
    summary="let a service's rollouts go on, watched until they are complete",
    examples=("resume prod gateway",),
    rules=("When the new pods do not get ready, the cause is named, and what is there stays: `rollback` returns to the revision before.",),
)
