"""What the cluster says against a deploy: room for the surge, a paused or unhealthy workload, and who else manages it."""

import asyncio
from collections.abc import Sequence

from bot.core.capacity import broken_budgets, room, room_to_grow
from bot.core.card import CheckResult, Verdict
from bot.core.errors import Forbidden
from bot.core.management import managed_by
from bot.core.ports import Cluster, Json
from bot.core.steps import bounds
from bot.core.workload import readiness
from commands.preflight.target import Target

NAMED = 4
"""How many objects are named in a service's line."""


async def looks(cluster: Cluster, targets: Sequence[Target]) -> list[CheckResult]:
    """Returns the verdicts on the workloads as they are now."""
    found = [paused(targets), unhealthy(targets), others(targets), await capacity(cluster, targets)]
    return [result for result in found if result is not None]


async def capacity(cluster: Cluster, targets: Sequence[Target]) -> CheckResult:
    """Blocks when quota, disruption budget or the nodes leave no room for the pods that the rollout needs on top."""
    quotas, budgets, nodes, pods = await asyncio.gather(
        cluster.list("ResourceQuota"), cluster.list("PodDisruptionBudget"), _readable(cluster, "Node"), cluster.list("Pod")
    )
    problems = [problem for target in targets for problem in room(target.workload, quotas, budgets, nodes, pods)]
    if problems:
        hint = "Raise the quota, free room, or lower what the pods request; then ask again."
        return CheckResult(check="capacity", verdict=Verdict.BLOCKED, text=problems[0], hint=hint)
    return CheckResult(check="capacity", verdict=Verdict.PASSED, text="quota, budgets and nodes have room" if nodes else "quota and budgets have room")


async def growth(cluster: Cluster, workload: Json, more: int) -> CheckResult:
    """Blocks when quota or nodes leave no room for so many more pods."""
    quotas, nodes, pods = await asyncio.gather(cluster.list("ResourceQuota"), _readable(cluster, "Node"), cluster.list("Pod"))
    problems = room_to_grow(workload, more, quotas, nodes, pods)
    if problems:
        hint = "Raise the quota, free room, or ask for fewer; then ask again."
        return CheckResult(check="capacity", verdict=Verdict.BLOCKED, text=problems[0], hint=hint)
    return CheckResult(check="capacity", verdict=Verdict.PASSED, text="quota and nodes have room" if nodes else "quota has room")


async def shrinking(cluster: Cluster, workload: Json, pods: int) -> list[CheckResult]:
    """Warns of the disruption budgets that so few pods would leave no room in."""
    problems = broken_budgets(workload, pods, await cluster.list("PodDisruptionBudget"))
    return [CheckResult(check="budget", verdict=Verdict.WARNING, text=problem) for problem in problems]


async def scaler_of(cluster: Cluster, kind: str, name: str) -> Json | None:
    """Returns the autoscaler that targets a workload, if there is one."""
    for scaler in await cluster.list("HorizontalPodAutoscaler"):
        reference = scaler["spec"]["scaleTargetRef"]
        if (reference["kind"], reference["name"]) == (kind, name):
            return scaler
    return None


async def _readable(cluster: Cluster, kind: str) -> list[Json]:
    """Nodes belong to the cluster and not to the namespace: a bot that may not see them still deploys, without that part of the check."""
    try:
        return await cluster.list(kind)
    except Forbidden:
        return []


def paused(targets: Sequence[Target]) -> CheckResult | None:
    held = [target for target in targets if target.workload["spec"].get("paused")]
    if not held:
        return None
    text = f"{', '.join(target.title for target in held)} is paused: nothing would roll out."
    return CheckResult(check="paused", verdict=Verdict.BLOCKED, text=text, hint=f"`/aiec resume {held[0].environment} {held[0].service}` first.")


def unhealthy(targets: Sequence[Target]) -> CheckResult | None:
    states = [(target.service, *readiness(target.workload)) for target in targets if target.before]
    ill = [f"{service} has {ready} of {wanted} pods ready" for service, ready, wanted in states if ready < wanted]
    return CheckResult(check="health", verdict=Verdict.WARNING, text=f"unhealthy now: {', '.join(ill)}") if ill else None


def others(targets: Sequence[Target]) -> CheckResult | None:
    found = [said for said in (managed_by(target.workload) for target in targets) if said]
    return CheckResult(check="managers", verdict=Verdict.WARNING, text=" ".join(found)) if found else None


async def note(cluster: Cluster, target: Target) -> str:
    """Returns what an approver wants to know of the size: `5 pods, HPA 3–10`."""
    wanted = readiness(target.workload)[1]
    scaler = await scaler_of(cluster, target.settings.kind, target.name)
    said = f"{wanted} pod{'' if wanted == 1 else 's'}"
    if scaler is not None:
        least, most = bounds(scaler)
        said += f", HPA {least}–{most}"
    titles = [one.title for one in target.folder.objects if one.changes] if target.folder else []
    shown = ", ".join(titles[:NAMED]) + (f" and {len(titles) - NAMED} more" if len(titles) > NAMED else "")
    return f"{said} · changes {shown}" if shown else said
