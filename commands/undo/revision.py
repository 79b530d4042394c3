"""The plan that returns a service to an earlier revision of its workload."""

import asyncio
from dataclasses import dataclass

from bot.command import Context
from bot.core.card import CheckResult, Verdict
from bot.core.errors import Refused
from bot.core.plan import Plan, weigh
from bot.core.ports import Json
from bot.core.revisions import number, template_of
from bot.core.steps import RollbackStep, short
from bot.core.template import template_differences
from bot.core.text import cut
from bot.core.undo import Return, find_revision
from bot.core.workload import container_image, strategy
from commands.hands import Found, find, recorded
from commands.preflight.after import afterwards
from commands.preflight.alone import verdict
from commands.preflight.workloads import looks, note

SHOWN = 3
LONGEST = 60
STAYS = "does not come back: replicas, ConfigMaps and Secrets, database migrations"


@dataclass(frozen=True)
class Asked:
    """`to`: the number of a revision; None: the one before the present one."""

    environment: str
    service: str
    to: int | None
    emergency: str


async def plan_revision(asked: Asked, context: Context) -> Plan:
    """Raises Refused in one sentence where there is nothing to return to, or the rollout is paused."""
    environment = context.config.environments[asked.environment]
    found = await find(context, asked.environment, asked.service)
    if found.workload["spec"].get("paused"):
        raise Refused(f"{found.title} is paused: nothing would roll out.", f"`/aiec resume {asked.environment} {asked.service}` first, then ask again.")
    if strategy(found.workload) == "OnDelete":
        raise Refused(f"{found.title} replaces its pods only when they are deleted (updateStrategy OnDelete).", "Set it to RollingUpdate first.")
    revisions = await found.cluster.list("ReplicaSet" if found.settings.kind == "Deployment" else "ControllerRevision")
    back = find_revision(found.workload, revisions, asked.to, f"`/aiec history {asked.environment} {asked.service}` shows what each of them is.")
    changed = await _tried(found, back)
    step = _step(found, back, changed["spec"]["template"], context)
    target = found.target(step.after, changed)
    (checks, alone), (after, seen), looked, size = await asyncio.gather(
        recorded(context, asked.environment, [asked.service]),
        afterwards(context, asked.environment, [asked.service], target.expects, wave=1),
        looks(found.cluster, [target]),
        note(found.cluster, target),
    )
    said = [cut(text, LONGEST) for text in template_differences(step.old, step.new)]
    more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    stays = CheckResult(check="stays", verdict=Verdict.WARNING, text=STAYS)
    return Plan(
        command="rollback",
        environment=asked.environment,
        title=_title(step),
        steps=(step, after),
        checks=weigh((*checks, *verdict(alone), *seen, *looked, *_folder(found), stays), asked.emergency),
        notes={step.target: f"revision {step.present} → {step.revision}: {', '.join(said[:SHOWN])}{more} · {size}"},
        approvals=0 if alone else environment.approvals,
        expires_after=environment.approval_expires,
        undo_on_failure=environment.rollout.on_failure == "rollback",
        emergency=asked.emergency,
        alone=alone,
    )


async def _tried(found: Found, back: Return) -> Json:
    """Returns the workload as a dry run makes it, which is how the API server will store it. Raises Refused where nothing would change."""
    template = template_of(back.to)
    changed = await found.cluster.patch(found.settings.kind, found.name, [{"op": "replace", "path": "/spec/template", "value": template}], dry_run=True)
    if changed["spec"]["template"] == found.workload["spec"]["template"]:
        hint = f"`/aiec history {found.environment} {found.service}` shows the others."
        raise Refused(f"{found.title} is there already: its template is that of revision {number(back.to)}.", hint)
    return changed


def _step(found: Found, back: Return, new: Json, context: Context) -> RollbackStep:
    return RollbackStep(
        wave=0,
        environment=found.environment,
        service=found.service,
        workload=found.settings.kind,
        name=found.name,
        container=found.settings.container,
        before=found.image,
        after=container_image({"spec": {"template": new}}, found.settings.container) or "",
        old=found.workload["spec"]["template"],
        new=new,
        cause_before=found.cause,
        owner_before=found.owner,
        deadline=context.config.environments[found.environment].rollout.deadline,
        revision=number(back.to),
        present=back.present,
        revision_name=back.to["metadata"]["name"],
    )


def _title(step: RollbackStep) -> str:
    if step.before == step.after:
        return f"Roll back {step.service} to revision {step.revision} in {step.environment}"
    return f"Roll back {step.service} {short(step.before)} → {short(step.after)} in {step.environment}"


def _folder(found: Found) -> list[CheckResult]:
    if found.settings.strategy != "manifests":
        return []
    text = f"{found.service} is deployed from a folder of manifests, which is left as it is: its next deploy brings back what it says"
    return [CheckResult(check="managers", verdict=Verdict.WARNING, text=text)]
