"""`/aiec restart <env> <service>`: starts all pods of a service anew, one after the other, as `kubectl rollout restart` does."""

import asyncio
from datetime import UTC

from bot.command import Change, Command, Context
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.plan import Plan, weigh
from bot.core.ports import Json
from bot.core.steps import RestartStep, short
from bot.core.workload import strategy
from commands.arguments import Environment
from commands.hands import AnyService, DryRun, Emergency, Found, find, recorded
from commands.preflight.after import afterwards
from commands.preflight.alone import verdict
from commands.preflight.workloads import looks, note

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


class Arguments(Frozen):
    environment: Environment
    service: AnyService
    emergency: Emergency = ""
    dry_run: DryRun = False


async def plan(arguments: Arguments, context: Context) -> Plan:
    environment = context.config.environments[arguments.environment]
    found = await find(context, arguments.environment, arguments.service)
    if strategy(found.workload) == "OnDelete":
        raise Refused(f"{found.title} replaces its pods only when they are deleted (updateStrategy OnDelete).", "Delete them one by one.")
    step = step_of(found, context)
    target = found.target(found.image)
    (checks, alone), (after, seen), looked, said = await asyncio.gather(
        recorded(context, arguments.environment, [arguments.service]),
        afterwards(context, arguments.environment, [arguments.service], target.expects, wave=1),
        looks(found.cluster, [target]),
        note(found.cluster, target),
    )
    return Plan(
        command="restart",
        environment=arguments.environment,
        title=f"Restart {arguments.service} {short(found.image)} in {arguments.environment}",
        steps=(step, after),
        checks=weigh((*checks, *verdict(alone), *seen, *looked), arguments.emergency),
        notes={step.target: said},
        approvals=0 if alone else environment.approvals,
        expires_after=environment.approval_expires,
        undo_on_failure=environment.rollout.on_failure == "rollback",
        emergency=arguments.emergency,
        alone=alone,
    )


def step_of(found: Found, context: Context) -> RestartStep:
    """Returns the step that restarts a service now."""
    at = context.now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    template = found.workload["spec"]["template"]
    return RestartStep(
        wave=0,
        environment=found.environment,
        service=found.service,
        workload=found.settings.kind,
        name=found.name,
        container=found.settings.container,
        before=found.image,
        after=found.image,
        old=template,
        new=restarted(template, at),
        at=at,
        cause_before=found.cause,
        owner_before=found.owner,
        deadline=context.config.environments[found.environment].rollout.deadline,
    )


def restarted(template: Json, at: str) -> Json:
    """Returns the template with the moment `at` in the annotation by which kubectl restarts."""
    metadata = template.get("metadata") or {}
    return {**template, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), RESTARTED_AT: at}}}


COMMAND = Command(
    name="restart",
    arguments=Arguments,
    does=Change(plan, rehearsal=lambda arguments: arguments.dry_run),
    permission="restart",
    group="change production",
    summary="start all pods of a service anew, one after the other, watched",
    examples=("restart prod gateway",),
    rules=(
        "The pods are replaced as in a rollout, and the restart ends when the new ones are ready.",
        "When they do not get ready, the restart is put back, and the cause is named.",
        "Whoever has acknowledged an open SEV1 or SEV2 on the service needs no approval.",
    ),
)
