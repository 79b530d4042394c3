"""`/aiec status`, `/aiec history`: what runs now, and what ran before, read from the cluster itself."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

from bot.command import Command, Context, Read
from bot.core.card import Bold, Card, Code, Line, Row, State, Time, line
from bot.core.config import Service
from bot.core.data import Frozen
from bot.core.errors import AiecError, NotFound
from bot.core.operation import Operation
from bot.core.parse import Param
from bot.core.ports import Json
from bot.core.revisions import number, owned, template_of
from bot.core.steps import CHANGE_CAUSE, annotations, short
from bot.core.workload import container_image, containers, readiness
from bot.store.tables import LockRow
from bot.store.transaction import Transaction
from commands.action.mine import owed
from commands.arguments import Environment
from commands.incident.mine import waiting
from commands.incident.target import known
from commands.operations import rows, under_way
from commands.postmortem import mine as postmortems
from commands.preflight.records import declared
from escalation.card import row
from escalation.reminders import standing

LISTED = 10
"""Incidents that the overview shows; `/aiec incident list` has the others."""


class StatusArguments(Frozen):
    environment: Annotated[str | None, Param(choices="environments", metavar="env", help="one environment; without it all")] = None


async def _status(arguments: StatusArguments, context: Context) -> Card:
    names = [arguments.environment] if arguments.environment else [*context.config.environments]
    found = await asyncio.gather(*(_environment(name, context) for name in names))
    ill = [row for part in found for row in part if row[1]]
    state, word = (State.NEEDS_YOU, f"{len(ill)} of {sum(map(len, found))} services are not well") if ill else (State.DONE, "all services are well")
    lines = await context.store.read(lambda tx: _holds(tx, names))
    return Card(
        state=state,
        headline=line(Bold(text=", ".join(names)), f": {word}"),
        lines=tuple(lines),
        rows=tuple(row for part in found for row, _ in part),
    )


async def _environment(environment: str, context: Context) -> list[tuple[Row, bool]]:
    """Returns one row a service and whether it needs somebody."""
    cluster, services = context.world.clusters[environment], context.config.services
    kinds = sorted({service.kind for service in services.values()})
    try:
        listed = await asyncio.gather(*(cluster.list(kind) for kind in kinds))
    except AiecError as error:
        return [(Row(name=environment, text=line(error.text, f" {error.hint}")), True)]
    objects = {(kind, thing["metadata"]["name"]): thing for kind, things in zip(kinds, listed, strict=True) for thing in things}
    prefix = f"{environment}/" if len(context.config.environments) > 1 else ""
    return [_service(prefix + name, service, objects.get((service.kind, service.name_in(environment, name)))) for name, service in services.items()]


def _service(name: str, service: Service, workload: Json | None) -> tuple[Row, bool]:
    if workload is None:
        return Row(name=name, text=line("does not exist")), True
    ready, wanted = readiness(workload)
    text = f"{short(container_image(workload, service.container) or '')} · {ready} of {wanted} ready"
    paused = " · paused" if workload["spec"].get("paused") else ""
    return Row(name=name, text=line(text + paused), progress=(ready, wanted) if ready < wanted else None), ready < wanted or bool(paused)


def _holds(tx: Transaction, environments: Iterable[str]) -> list[Line]:
    """Returns a line for each thing that keeps one of the environments from being changed."""
    found: list[Line] = []
    for name in environments:
        held, frozen = tx.get(LockRow, name), declared(tx, name)
        found += [line(f"🔒 {name} is held by {held.holder} since ", Time(at=held.since), f": {held.reason}")] if held else []
        until = line(" until ", Time(at=frozen.ends_at, style="date")) if frozen and frozen.ends_at else ()
        found += [line(f"🔒 {name} is frozen by {frozen.by}", *until, f": {frozen.reason}")] if frozen else []
    return found


class HistoryArguments(Frozen):
    environment: Environment
    service: Annotated[str, Param(choices="services", metavar="service", help="the service")]


async def _history(arguments: HistoryArguments, context: Context) -> Card:
    service, cluster = context.config.services[arguments.service], context.world.clusters[arguments.environment]
    name = service.name_in(arguments.environment, arguments.service)
    workload = await cluster.get(service.kind, name)
    if workload is None:
        raise NotFound(f"{service.kind} {name} does not exist in {arguments.environment}.", "`/aiec status` lists what does.")
    revisions = owned(workload, await cluster.list("ReplicaSet" if service.kind == "Deployment" else "ControllerRevision"))
    shown = sorted(revisions, key=number, reverse=True)
    return Card(
        headline=line("History of ", Code(text=arguments.service), f" in {arguments.environment}"),
        rows=tuple(_revision(revision, service.container, place == 0) for place, revision in enumerate(shown)),
    )


def _revision(revision: Json, container: str, now: bool) -> Row:
    image = next((one["image"] for one in containers(template_of(revision)) if one["name"] == container), "")
    marks = annotations(revision)
    cause = marks.get(CHANGE_CAUSE) or "no change-cause"
    made = Time(at=datetime.fromisoformat(revision["metadata"]["creationTimestamp"]), style="date")
    return Row(name=f"{number(revision)}{' (now)' if now else ''}", text=line(Bold(text=short(image)), f" · {cause} · ", made))


def waiting_for(operations: Sequence[Operation], context: Context) -> list[Operation]:
    """Returns those of the operations that wait for an approval which the person who asks can give."""

    def waits(operation: Operation) -> bool:
        if operation.approved or context.request.actor.name in (operation.actor.name, *operation.approvers):
            return False
        return context.allows(context.commands[operation.command].permission, operation.plan.environment).allowed

    return [operation for operation in operations if waits(operation)]


class OverviewArguments(Frozen):
    pass


async def _overview(arguments: OverviewArguments, context: Context) -> Card:
    """What is going on now: incidents, operations, holds, what waits for the person who asks."""
    operations = await context.store.read(under_way)
    lines = await context.store.read(lambda tx: _holds(tx, context.config.environments))
    may = context.allows("incident.list", None).allowed
    incidents, asked = await context.store.read(lambda tx: (known(tx, context), waiting(tx, context)) if may else ([], []))
    mine = [operation.name for operation in waiting_for(operations, context)]
    lines += [(f"Waits for you: {text}",) for _, text in asked]
    todo, unwritten = await context.store.read(lambda tx: (owed(tx, context), postmortems.owed(tx, context)))
    lines += [(f"Waits for you: {text}",) for text, _ in unwritten[:LISTED]]
    lines += [(f"Waits for you: {item.name} is {standing(item.due, context.now)}: {item.text} (`/aiec action done {item.name}`)",) for item in todo[:LISTED]]
    if mine:
        lines.append((f"Waits for you: {', '.join(mine)} (`/aiec approve {mine[0]}`)",))
    parts = [_count(len(incidents), "incident", "open"), _count(len(operations), "operation", "under way")]
    headline = ", ".join(part for part in parts if part) or "Nothing is going on"
    lines.append(("`/aiec status` shows what runs, `/aiec help` what you may do.",))
    listed = (*(row(incident) for incident in incidents[:LISTED]), *rows(operations))
    return Card(state=State.NEEDS_YOU if mine or asked or todo or unwritten else None, headline=line(Bold(text=headline)), lines=tuple(lines), rows=listed)


def _count(number: int, noun: str, what: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {what}" if number else ""


STATUS = Command(
    name="status",
    arguments=StatusArguments,
    does=Read(_status),
    permission="status",
    group="look",
    summary="what runs, in which version, and how well",
    examples=("status", "status prod"),
)
HISTORY = Command(
    name="history",
    arguments=HistoryArguments,
    does=Read(_history),
    permission="history",
    group="look",
    summary="a service's revisions with their causes, as kubectl rollout history",
    examples=("history prod gateway",),
)
OVERVIEW = Command(
    name="overview",
    arguments=OverviewArguments,
    does=Read(_overview),
    permission="status",
    group="look",
    summary="what is going on now, and what waits for you (also `/aiec` alone)",
    examples=("overview",),
)
