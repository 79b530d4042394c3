"""The plan that undoes one operation: in reverse order, and only what nobody has changed since."""

import asyncio
from dataclasses import dataclass

from bot.command import Context
from bot.core.card import CheckResult, Verdict
from bot.core.errors import NotFound, Refused
from bot.core.operation import Operation, Stage
from bot.core.plan import Plan, weigh
from bot.core.steps import (
    BoundsStep,
    Expected,
    ImageStep,
    IsolateStep,
    ManifestsStep,
    PauseStep,
    ProcedureStep,
    PruneStep,
    RestartStep,
    RollbackStep,
    ScaleStep,
    ServiceStep,
    Step,
    VerifyStep,
)
from bot.core.workload import containers
from commands.hands import find, recorded
from commands.operations import load
from commands.preflight.after import afterwards
from commands.preflight.alone import verdict
from commands.preflight.workloads import looks, note
from commands.undo.mirror import mirrored
from commands.undo.revision import STAYS

CHANGED = frozenset({Stage.INTENDED, Stage.APPLIED, Stage.DONE, Stage.FAILED, Stage.KEPT, Stage.UNDO_FAILED})


@dataclass(frozen=True)
class Asked:
    environment: str
    operation: str
    emergency: str


async def plan_operation(asked: Asked, context: Context) -> Plan:
    """Raises Refused where nothing of the operation can be undone, with all reasons."""
    operation = await context.store.read(lambda tx: load(tx, asked.operation)[1])
    _check(asked, operation)
    steps, left = await _mirror(asked, operation, context)
    if not steps:
        raise Refused(
            f"Nothing of {operation.name} can be undone: {'; '.join(left) or 'it changed nothing'}.", "`/aiec rollback` of a service goes back to a revision."
        )
    services = list(dict.fromkeys(step.service for step in steps if not isinstance(step, PruneStep | VerifyStep)))
    (checks, alone), made = await asyncio.gather(recorded(context, asked.environment, services), _version(asked, steps, context))
    checks = [*checks, *verdict(alone), *made.checks, CheckResult(check="stays", verdict=Verdict.WARNING, text=STAYS)]
    checks += [CheckResult(check="mark", verdict=Verdict.WARNING, text=f"left alone: {text}") for text in left]
    environment = context.config.environments[asked.environment]
    return Plan(
        command="rollback",
        environment=asked.environment,
        title=f"Undo {operation.name} ({operation.plan.title})",
        steps=(*steps, *made.steps),
        checks=weigh(tuple(checks), asked.emergency),
        notes=made.notes,
        approvals=0 if alone else environment.approvals,
        expires_after=environment.approval_expires,
        undo_on_failure=environment.rollout.on_failure == "rollback",
        emergency=asked.emergency,
        alone=alone,
    )


def _check(asked: Asked, operation: Operation) -> None:
    if operation.plan.environment != asked.environment:
        where = operation.plan.environment
        raise Refused(f"{operation.name} changed {where}, not {asked.environment}.", f"`/aiec rollback {where} --operation {operation.name}`")
    if not operation.phase.over:
        raise Refused(f"{operation.name} is not over yet.", f"`/aiec cancel {operation.name}` stops it, and puts back what it changed.")


async def _mirror(asked: Asked, operation: Operation, context: Context) -> tuple[list[Step], list[str]]:
    """Returns the steps that undo it, the last wave first, and why what else it changed is left alone."""
    cluster = context.world.clusters[asked.environment]
    done = [step for step, run in zip(operation.plan.steps, operation.runs, strict=True) if run.ours and run.stage in CHANGED]
    waves = sorted({step.wave for step in done if not isinstance(step, VerifyStep)}, reverse=True)
    steps: list[Step] = []
    left: list[str] = []
    for step in sorted(done, key=lambda one: -one.wave):
        match step:
            case ImageStep() | ManifestsStep() | RollbackStep() | ScaleStep() | BoundsStep() | PauseStep() | IsolateStep():
                made = await mirrored(cluster, operation, step, waves.index(step.wave)) if step.service in context.config.services else None
                if isinstance(made, str) or made is None:
                    left.append(made or f"aiec.yaml does not know {step.service} any more")
                else:
                    steps.append(made)
            case RestartStep():
                left.append(f"a restart cannot be undone ({step.target})")
            case ProcedureStep():
                left.append(f"what {step.procedure} did is not known, and not taken back")
            case PruneStep():
                left.append(f"what was removed is not made again ({step.titles}): deploy the version before from its folder")
    return steps, left


@dataclass(frozen=True)
class _Made:
    """What a change of versions brings besides its steps."""

    steps: list[Step]
    checks: list[CheckResult]
    notes: dict[str, str]


async def _version(asked: Asked, steps: list[Step], context: Context) -> _Made:
    """Of the steps that bring a service to another image: what is checked before, and what is watched afterwards."""
    moving = [step for step in steps if isinstance(step, ServiceStep)]
    if not moving:
        return _Made([], [], {})
    targets, expects = [], []
    for step in moving:
        found = await find(context, asked.environment, step.service)
        if not any(one["name"] == found.settings.container for one in containers(found.workload["spec"]["template"])):
            raise NotFound(f"{found.title} has no container {found.settings.container}.", f"Mend `services.{step.service}.container` in aiec.yaml.")
        targets.append(found.target(step.after))
        if step.after:  # else the workload goes with the operation that made it
            expects.append(Expected(workload=found.settings.kind, name=found.name, container=found.settings.container, image=step.after))
    cluster = context.world.clusters[asked.environment]
    services, wave = [step.service for step in moving], max(step.wave for step in steps) + 1
    (after, seen), looked, notes = await asyncio.gather(
        afterwards(context, asked.environment, services, expects, wave),
        looks(cluster, targets),
        asyncio.gather(*(note(cluster, target) for target in targets)),
    )
    return _Made([after], [*seen, *looked], dict(zip([target.title for target in targets], notes, strict=True)))
