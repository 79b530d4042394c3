"""`/aiec isolate <env> <service>`, `/aiec unisolate <env> <service>`: cuts a service off from the network in a security incident, and lets it back."""

import asyncio

from bot.command import Change, Command, Context
from bot.core.card import CheckResult, Verdict
from bot.core.data import Frozen
from bot.core.plan import Plan, weigh
from bot.core.ports import Json
from bot.core.steps import OPERATION, IsolateStep, annotations, opens, policy_name
from commands.arguments import Environment
from commands.hands import AnyService, DryRun, Emergency, Found, find, recorded
from commands.preflight.workloads import note, others


class Arguments(Frozen):
    environment: Environment
    service: AnyService
    emergency: Emergency = ""
    dry_run: DryRun = False


async def _isolate(arguments: Arguments, context: Context) -> Plan:
    return await _plan(arguments, context, isolated=True)


async def _unisolate(arguments: Arguments, context: Context) -> Plan:
    return await _plan(arguments, context, isolated=False)


async def _plan(arguments: Arguments, context: Context, *, isolated: bool) -> Plan:
    """One person at least has to agree, also where the environment asks for none: it takes a service away, or lets what was contained out again."""
    environment = context.config.environments[arguments.environment]
    found = await find(context, arguments.environment, arguments.service)
    step = IsolateStep(
        wave=0,
        environment=found.environment,
        service=found.service,
        before=not isolated,
        after=isolated,
        selector=found.workload["spec"]["selector"],
    )
    (checks, _), policies, size = await asyncio.gather(
        recorded(context, arguments.environment, [arguments.service]), found.cluster.list("NetworkPolicy"), note(found.cluster, found.target(found.image))
    )
    looked = [*_already(found, policies, isolated=isolated), *(_open(found, policies) if isolated else [])]
    looked += [one for one in [others([found.target(found.image)])] if one is not None]
    return Plan(
        command="isolate" if isolated else "unisolate",
        environment=arguments.environment,
        title=f"Isolate {arguments.service} in {arguments.environment}"
        if isolated
        else f"Let {arguments.service} back on the network in {arguments.environment}",
        steps=(step,),
        checks=weigh((*checks, *looked), arguments.emergency),
        notes={step.target: size},
        approvals=max(environment.approvals, 1),
        expires_after=environment.approval_expires,
        undo_on_failure=False,
        emergency=arguments.emergency,
    )


def _already(found: Found, policies: list[Json], *, isolated: bool) -> list[CheckResult]:
    there = next((one for one in policies if one["metadata"]["name"] == policy_name(found.service)), None)
    if (there is not None) == isolated:
        by = f" by {annotations(there).get(OPERATION, 'somebody else')}" if there else ""
        return [
            CheckResult(
                check="already", verdict=Verdict.BLOCKED, text=f"{found.service} is {f'isolated already{by}' if there else 'not isolated'}.", lasting=True
            )
        ]
    return []


def _open(found: Found, policies: list[Json]) -> list[CheckResult]:
    """Policies only add up: what another one allows goes on."""
    labels = found.workload["spec"]["template"]["metadata"].get("labels") or {}
    through = opens(policies, labels)
    if through:
        text = f"not cut off by this alone: {', '.join(through)} still lets traffic through, for what one NetworkPolicy allows another cannot forbid"
        hint = f"`/aiec scale {found.environment} {found.service} 0 --contain` stops it altogether."
        return [CheckResult(check="policies", verdict=Verdict.WARNING, text=text, hint=hint)]
    text = "no other NetworkPolicy lets traffic through; connections that are open may last, and the cluster's network has to enforce policies"
    return [CheckResult(check="policies", verdict=Verdict.PASSED, text=text)]


ISOLATE = Command(
    name="isolate",
    arguments=Arguments,
    does=Change(_isolate, rehearsal=lambda arguments: arguments.dry_run),
    permission="isolate",
    group="change production",
    summary="cut a service off from the network, for a security incident",
    examples=("isolate prod gateway",),
    rules=(
        "A NetworkPolicy of its own selects the service's pods and allows nothing; pods go on running, so that they can be looked at.",
        "It always needs an approval, also of those who answer an incident.",
        "What another NetworkPolicy allows goes on: the plan names those.",
    ),
)
UNISOLATE = Command(
    name="unisolate",
    arguments=Arguments,
    does=Change(_unisolate, rehearsal=lambda arguments: arguments.dry_run),
    permission="isolate",
    group="change production",
    summary="let an isolated service back on the network",
    examples=("unisolate prod gateway",),
    rules=("It always needs an approval.",),
)
