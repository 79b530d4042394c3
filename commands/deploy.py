"""`/aiec deploy <env> <version>`: brings services to a version, in waves, watched, and undone by itself when it does not go well."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from bot.command import Change, Command, Context
from bot.core.card import CheckResult, Verdict
from bot.core.config import Config, Service
from bot.core.data import Frozen
from bot.core.errors import NotFound, UsageError
from bot.core.gates import look
from bot.core.parse import Param
from bot.core.plan import Plan, weigh
from bot.core.ports import Cluster
from bot.core.workload import container_image, containers
from bot.store.transaction import Transaction
from commands.arguments import Environment, Services, Version
from commands.manifests.prepare import Prepared, Wanted, prepare, shared
from commands.preflight import images, records
from commands.preflight.gates import figures, verdicts, watched
from commands.preflight.github import tested
from commands.preflight.promotion import promotion
from commands.preflight.target import Target
from commands.preflight.workloads import looks, note
from commands.steps import steps_for


class Arguments(Frozen):
    environment: Environment
    version: Version
    service: Services = ()
    emergency: Annotated[str, Param(option=True, metavar="REASON", help="waives freeze, window, promotion, CI, gates; notifies at once and is recorded")] = ""
    prune: Annotated[bool, Param(option=True, help="also removes what a folder of manifests has no more")] = False
    take_ownership: Annotated[bool, Param(option=True, help="changes fields that others manage, where a folder of manifests has them")] = False
    dry_run: Annotated[bool, Param(option=True, help="shows what an approval would show, and changes nothing")] = False


async def plan(arguments: Arguments, context: Context) -> Plan:
    """Reads everything that the plan depends on and returns it with every check's verdict."""
    config, world = context.config, context.world
    environment = config.environments[arguments.environment]
    chosen = _services(config, arguments.service, prune=arguments.prune, take=arguments.take_ownership)
    pinned = await images.pin(world.registry, {name: service.image or "" for name, service in chosen.items()}, arguments.version)
    cluster = world.clusters[arguments.environment]
    prepared = await asyncio.gather(*(_prepare(context, arguments, name, chosen[name], pinned.images.get(name, "")) for name in chosen))
    found = [one.target for one in prepared if one.target is not None]
    targets = [target for target in found if target.image and not target.settled]
    there = [target.service for target in found if target.settled]
    results = [pinned.result, *(check for one in prepared for check in one.checks)]
    results += [*shared(targets), *await context.store.read(lambda tx: _records(tx, context, arguments.environment, [*chosen]))]
    if there:
        verdict = Verdict.WARNING if targets else Verdict.BLOCKED
        results.append(
            CheckResult(
                check="already",
                verdict=verdict,
                lasting=True,
                text=f"{' and '.join(there)} {'runs' if len(there) == 1 else 'run'} {arguments.version} in {arguments.environment} already.",
            )
        )
    services = {target.service: target.settings for target in targets}
    (seen, gates), said = await asyncio.gather(
        watched(world.metrics, services), tested(world.code, config, environment, services, arguments.version, context.now)
    )
    results += [*seen, *said]
    if targets:
        results += await _looks(context, arguments, cluster, targets)
    checks = weigh(tuple(results), arguments.emergency)
    return Plan(
        command="deploy",
        environment=arguments.environment,
        title=f"Deploy {arguments.version} to {arguments.environment}",
        steps=steps_for(config, targets, gates),
        checks=checks,
        notes=dict(zip([target.title for target in targets], await asyncio.gather(*(note(cluster, target) for target in targets)), strict=True)),
        approvals=environment.approvals,
        expires_after=environment.approval_expires,
        undo_on_failure=environment.rollout.on_failure == "rollback",
        emergency=arguments.emergency,
    )


def _services(config: Config, named: Sequence[str], *, prune: bool, take: bool) -> dict[str, Service]:
    """Returns the services to deploy by name: those named (the parser has seen that they can be), else all that are deployed at all. Raises UsageError."""
    chosen = {name: service for name, service in config.services.items() if service.deployable and service.image and (not named or name in named)}
    if not chosen:
        raise UsageError("No service is deployed by aiec.", "Give one an `image` in aiec.yaml.")
    flags = [flag for flag, given in (("--prune", prune), ("--take-ownership", take)) if given]
    if flags and all(service.strategy == "image" for service in chosen.values()):
        text = f"`{flags[0]}` is for services that are deployed from manifests, and {', '.join(chosen)} is not."
        raise UsageError(text, "Leave it out, or see `strategy: manifests` of aiec.yaml.")
    return chosen


async def _prepare(context: Context, arguments: Arguments, name: str, service: Service, image: str) -> Prepared:
    if service.strategy == "manifests":
        wanted = Wanted(arguments.environment, name, arguments.version, image, arguments.prune, arguments.take_ownership)
        return await prepare(context, wanted)
    return Prepared(await _target(context.world.clusters[arguments.environment], arguments, name, service, image), [])


async def _target(cluster: Cluster, arguments: Arguments, name: str, service: Service, image: str) -> Target:
    object_name = service.name_in(arguments.environment, name)
    workload = await cluster.get(service.kind, object_name)
    if workload is None:
        text = f"{service.kind} {object_name} does not exist in {cluster.namespace} ({arguments.environment})."
        raise NotFound(text, f"Create it from its manifests once, or mend `services.{name}.name` in aiec.yaml.")
    names = [container["name"] for container in containers(workload["spec"]["template"])]
    if service.container not in names:
        text = f"{service.kind.lower()}/{object_name} has no container {service.container}: it has {', '.join(names)}."
        raise NotFound(text, f"Mend `services.{name}.container` in aiec.yaml.")
    return Target(
        environment=arguments.environment,
        service=name,
        version=arguments.version,
        settings=service,
        name=object_name,
        workload=workload,
        index=names.index(service.container),
        before=container_image(workload, service.container) or "",
        image=image,
    )


def _records(tx: Transaction, context: Context, environment: str, services: Sequence[str]) -> list[CheckResult]:
    settings = context.config.environments[environment]
    mine = (context.request.actor.name, context.request.key)
    found = [
        records.lock(tx, environment, mine),
        records.freeze(tx, environment, settings),
        records.window(settings, tx.now),
        records.incidents(tx, environment, services),
        records.recent(tx, environment),
    ]
    return [result for result in found if result is not None]


async def _looks(context: Context, arguments: Arguments, cluster: Cluster, targets: list[Target]) -> list[CheckResult]:
    settings = context.config.environments[arguments.environment]
    results = []
    if settings.promotion is not None:
        source = settings.promotion.from_
        results.append(await promotion(context.store, context.world.clusters[source], source, settings.promotion.healthy_for, targets, context.now))
        results += verdicts("gates", await look(context.world.metrics, figures(settings.promotion.gates, source)))
    return [*results, *await looks(cluster, targets)]


COMMAND = Command(
    name="deploy",
    arguments=Arguments,
    does=Change(plan, rehearsal=lambda arguments: arguments.dry_run),
    permission="deploy",
    group="change production",
    summary="bring services to a version, watched, and undone by itself when it fails",
    examples=("deploy prod v1.2.0", "deploy staging v1.2.1 --service gateway", 'deploy prod v1.2.1 --emergency "checkout is down"'),
    rules=(
        "The tag is pinned to its digest, and what is approved is that digest.",
        "Services go in waves; each wave must be healthy before the next one starts.",
        "When anything fails, what this operation changed is put back, and nothing else.",
        "A folder of manifests is applied server-side: fields of others only with `--take-ownership`, and what it has no more goes only with `--prune`.",
    ),
)
