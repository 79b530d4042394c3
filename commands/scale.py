"""`/aiec scale <env> <service> <replicas>`: more or fewer pods, within the guard rails; where an autoscaler decides, its bounds instead."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from bot.command import Change, Command, Context
from bot.core.card import Action, CheckResult, Verdict
from bot.core.config import Replicas
from bot.core.data import Frozen
from bot.core.errors import Refused, UsageError
from bot.core.parse import Param
from bot.core.plan import Plan, weigh
from bot.core.ports import Json
from bot.core.steps import OPERATION, SCALED, BoundsStep, ScaleStep, Step, annotations, bounds
from bot.core.suggest import quoted
from bot.core.workload import wanted
from commands.arguments import Environment
from commands.hands import AnyService, DryRun, Emergency, Found, find, recorded
from commands.preflight.alone import verdict
from commands.preflight.workloads import growth, others, scaler_of, shrinking, unhealthy

MOST = 10_000


def _bounds(value: object) -> object:
    """Accepts `4-10`, also with a dash of another length."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([0-9]{1,4})\s*[-–—]\s*([0-9]{1,4})", value.strip(), re.ASCII)
    if found is None or int(found[1]) < 1 or int(found[1]) > int(found[2]):
        raise PydanticCustomError(
            "sentence", "{text}", {"text": f"*{quoted(value)}* are no bounds; they are written like `4-10`, the lower one first and at least 1"}
        )
    return f"{int(found[1])}-{int(found[2])}"


class Arguments(Frozen):
    environment: Environment
    service: AnyService
    replicas: Annotated[int | None, Field(ge=0, le=MOST), Param(metavar="replicas", help="how many pods")] = None
    bounds: Annotated[
        str | None, BeforeValidator(_bounds), Param(option=True, metavar="MIN-MAX", help="where an autoscaler decides: between which numbers")
    ] = None
    contain: Annotated[bool, Param(option=True, help="for a security incident: fewer than the guard rails allow, also none")] = False
    emergency: Emergency = ""
    dry_run: DryRun = False


@dataclass(frozen=True)
class _Change:
    """The step, whether it makes the service larger, and what was checked of it."""

    step: Step
    title: str
    grows: bool
    checks: list[CheckResult]
    offers: tuple[Action, ...] = ()


async def plan(arguments: Arguments, context: Context) -> Plan:
    """Raises Refused where the workload cannot be scaled at all, and UsageError where no number was given."""
    _check(arguments)
    environment = context.config.environments[arguments.environment]
    found = await find(context, arguments.environment, arguments.service)
    if found.settings.kind == "DaemonSet":
        raise Refused(
            f"{found.title} cannot be scaled: a DaemonSet runs one pod on each node that it selects.", "Change its `nodeSelector`, or the nodes' labels."
        )
    scaler = await scaler_of(found.cluster, found.settings.kind, found.name)
    change = await (_resize(arguments, context, found, scaler) if arguments.replicas is not None else _rebound(arguments, context, found, scaler))
    checks, mine = await recorded(context, arguments.environment, [arguments.service])
    alone = mine if change.grows else ""
    target = found.target(found.image)
    looked = [one for one in (unhealthy([target]), others([target])) if one is not None]
    needed = max(environment.approvals, 1) if arguments.contain else environment.approvals
    return Plan(
        command="scale",
        environment=arguments.environment,
        title=change.title,
        steps=(change.step,),
        checks=weigh((*change.checks, *checks, *verdict(alone), *looked), arguments.emergency),
        approvals=0 if alone else needed,
        expires_after=environment.approval_expires,
        undo_on_failure=False,
        emergency=arguments.emergency,
        alone=alone,
        offers=change.offers,
    )


def _check(arguments: Arguments) -> None:
    place = f"{arguments.environment} {arguments.service}"
    if (arguments.replicas is None) == (arguments.bounds is None):
        hint = f"For example `/aiec scale {place} 4`, or where an autoscaler decides `/aiec scale {place} --bounds 4-10`."
        raise UsageError(
            "Say how many pods, or between which numbers the autoscaler chooses." if arguments.replicas is None else "Either a number, or bounds.", hint
        )
    if arguments.bounds and arguments.contain:
        raise UsageError("`--contain` takes a number of pods, and no bounds.", f"`/aiec scale {place} 0 --contain`")


async def _resize(arguments: Arguments, context: Context, found: Found, scaler: Json | None) -> _Change:
    now, then = wanted(found.workload), arguments.replicas or 0
    step = ScaleStep(
        wave=0,
        environment=found.environment,
        service=found.service,
        workload=found.settings.kind,
        name=found.name,
        before=now,
        after=then,
        owner_before=annotations(found.workload).get(SCALED),
        deadline=context.config.environments[found.environment].rollout.deadline,
    )
    title = f"Scale {found.service} {now} → {then} in {found.environment}"
    checks = [_rails(found, (then, then), found.settings.replicas, contain=arguments.contain)]
    if now == then:
        checks = [CheckResult(check="already", verdict=Verdict.BLOCKED, text=f"{found.title} has {then} pods already.", lasting=True)]
    offers: tuple[Action, ...] = ()
    if scaler is not None and now and then:  # at zero Kubernetes lets the autoscaler rest
        checks.append(_autoscaled(scaler))
        offers = _instead(found, scaler, now, then)
    elif scaler is not None:
        text = f"HPA {scaler['metadata']['name']} rests while there are no pods" if not then else f"HPA {scaler['metadata']['name']} takes over from there"
        checks.append(CheckResult(check="autoscaler", verdict=Verdict.WARNING, text=text))
    if then > now:
        checks.append(await growth(found.cluster, found.workload, then - now))
    elif then < now:
        checks += await shrinking(found.cluster, found.workload, then)
    return _Change(step, title, then > now, checks, offers)


async def _rebound(arguments: Arguments, context: Context, found: Found, scaler: Json | None) -> _Change:
    if scaler is None:
        text = f"No autoscaler decides on {found.title}, so that it has no bounds."
        raise Refused(text, f"Say how many pods: `/aiec scale {found.environment} {found.service} {wanted(found.workload)}`.")
    least, most = map(int, (arguments.bounds or "").split("-"))
    before = bounds(scaler)
    step = BoundsStep(
        wave=0,
        environment=found.environment,
        service=found.service,
        workload=found.settings.kind,
        name=found.name,
        autoscaler=scaler["metadata"]["name"],
        before=before,
        after=(least, most),
        owner_before=annotations(scaler).get(OPERATION),
        deadline=context.config.environments[found.environment].rollout.deadline,
    )
    checks = [_rails(found, (least, most), found.settings.replicas, contain=False)]
    if before == (least, most):
        checks = [CheckResult(check="already", verdict=Verdict.BLOCKED, text=f"{step.target} goes from {least} to {most} already.", lasting=True)]
    now = wanted(found.workload)
    if least > now:
        checks.append(await growth(found.cluster, found.workload, least - now))
    checks += await shrinking(found.cluster, found.workload, least) if least < before[0] else []
    grows = least >= before[0] and most >= before[1]
    return _Change(step, f"Let the HPA of {found.service} choose {least}–{most} in {found.environment}", grows, checks)


def _rails(found: Found, asked: tuple[int, int], rails: Replicas | None, *, contain: bool) -> CheckResult:
    """Blocks what is beyond the guard rails of aiec.yaml; zero in any case, unless it is to contain something."""
    least, most = (rails.min, rails.max) if rails else (1, MOST)
    span = f"{least}–{most}" if most > least else str(least)
    kept = (
        f"{found.service} has {span} {'pod' if span == '1' else 'pods'} by `services.{found.service}.replicas` of aiec.yaml"
        if rails
        else f"{found.service} has no guard rails"
    )
    low, high = asked
    least = max(least, 1)  # zero is never reached by mistake
    if high > most:
        return CheckResult(
            check="bounds", verdict=Verdict.BLOCKED, text=f"{high} is too many: {kept}.", hint="Change that there, if it should be more.", lasting=True
        )
    if low < least and not contain:
        hint = f"In a security incident: `/aiec scale {found.environment} {found.service} {low} --contain`, which needs an approval."
        reason = f"{kept}." if low else f"{'it takes the service away' if not rails else kept}."
        return CheckResult(check="bounds", verdict=Verdict.BLOCKED, text=f"{low} is too few: {reason}", hint=hint, lasting=True)
    if low < least:
        return CheckResult(check="bounds", verdict=Verdict.WARNING, text=f"contains {found.service}: {low} pods, and {kept}")
    return CheckResult(check="bounds", verdict=Verdict.PASSED, text=f"within {span}" if rails else kept)


def _autoscaled(scaler: Json) -> CheckResult:
    least, most = bounds(scaler)
    text = f"HPA {scaler['metadata']['name']} decides how many pods there are, between {least} and {most}: it would undo the change."
    return CheckResult(check="autoscaler", verdict=Verdict.BLOCKED, text=text, hint="Change its bounds instead: `--bounds MIN-MAX`.", lasting=True)


def _instead(found: Found, scaler: Json, now: int, then: int) -> tuple[Action, ...]:
    """Who wants more wants at least so many, who wants fewer at most. What the guard rails would refuse is not offered."""
    least, most = bounds(scaler)
    limits = (then, max(most, then)) if then > now else (min(least, then), then)
    if _rails(found, limits, found.settings.replicas, contain=False).verdict is not Verdict.PASSED:
        return ()
    said = f"{limits[0]}-{limits[1]}"
    arguments = {"environment": found.environment, "service": found.service, "bounds": said}
    return (Action(label=f"Set the HPA's bounds to {limits[0]}–{limits[1]}", command="scale", arguments=arguments, style="primary"),)


COMMAND = Command(
    name="scale",
    arguments=Arguments,
    does=Change(plan, rehearsal=lambda arguments: arguments.dry_run),
    permission="scale",
    group="change production",
    summary="more or fewer pods of a service, or other bounds of its autoscaler",
    examples=("scale prod gateway --bounds 4-10", "scale prod gateway 5", "scale prod gateway 0 --contain"),
    rules=(
        "`replicas` of aiec.yaml are the guard rails; only `--contain`, for a security incident, goes below, and always needs an approval.",
        "Where an autoscaler decides, a number would be undone: its bounds are changed instead.",
        "It waits until all pods are ready, and leaves what is there when they do not get ready, with the cause.",
        "Whoever has acknowledged an open SEV1 or SEV2 on the service scales up without an approval.",
    ),
)
