"""`/aiec describe`, `/aiec hpa`: what a service's workload is, and what its autoscaler makes of it."""

import asyncio
from collections.abc import Iterable
from datetime import datetime

from bot.command import Command, Context, Read
from bot.core.card import Bold, Card, Evidence, Row, State, line
from bot.core.failures.finding import Events, event_time
from bot.core.management import managed_by
from bot.core.ports import Json
from bot.core.redact import redacted
from bot.core.resources import total, words
from bot.core.revisions import revision
from bot.core.steps import CHANGE_CAUSE, annotations
from bot.core.template import probe_target
from bot.core.text import duration
from bot.core.workload import containers, readiness, status, strategy, surge, title, unavailable
from commands.looking.subject import EnvironmentArguments, ServiceArguments, revisions_in, scaling
from commands.target import selector, workload_of

_EVENTS = 8
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


async def _describe(arguments: ServiceArguments, context: Context) -> Card:
    environment, cluster = arguments.environment, context.world.clusters[arguments.environment]
    workload = await workload_of(arguments.service, environment, context)
    revisions, autoscalers, events = await asyncio.gather(
        revisions_in(environment, workload, context), cluster.list("HorizontalPodAutoscaler"), cluster.list("Event")
    )
    ready, wanted = readiness(workload)
    scaler = scaling(workload, autoscalers)
    rows = [
        *_workload(workload, revision(workload, revisions), context.now),
        *([Row(name="autoscaler", text=line(_bounds(scaler)))] if scaler else []),
        *_pod(workload["spec"]["template"]),
        *_conditions(workload),
    ]
    mine = Events(events).of(workload)[-_EVENTS:]
    manager = managed_by(workload)
    return Card(
        state=State.NEEDS_YOU if ready < wanted or workload["spec"].get("paused") else None,
        headline=line(Bold(text=f"{title(workload)} in {environment}"), f": {ready} of {wanted} ready", " · paused" if workload["spec"].get("paused") else ""),
        lines=(line(f"⚠️ {manager}"),) if manager else (),
        rows=tuple(rows),
        evidence=(Evidence(title="Its last events", text="\n".join(map(_event, mine))),) if mine else (),
    )


def _workload(workload: Json, number: int | None, now: datetime) -> Iterable[Row]:
    meta = workload["metadata"]
    age = duration(now - datetime.fromisoformat(meta["creationTimestamp"]))
    yield Row(name="made", text=line(f"{age} ago · revision {number or 'not known'} · {annotations(workload).get(CHANGE_CAUSE) or 'no change-cause'}"))
    yield Row(name="pods", text=line(selector(workload)))
    how = strategy(workload)
    bounds = f" · at most {surge(workload)} more and {unavailable(workload)} fewer at once" if how == "RollingUpdate" else ""
    yield Row(name="update", text=line(how + bounds))


def _pod(template: Json) -> Iterable[Row]:
    for one in containers(template):
        limits, asked = (words(total({"spec": {"containers": [one]}}, which)) for which in ("limits", "requests"))
        said = [one["image"], f"asks for {asked}", f"may use {limits}" if limits != "nothing" else "no limits"]
        ports = ", ".join(str(port["containerPort"]) for port in one.get("ports") or [])
        said += [f"port {ports}"] if ports else []
        said += [f"{probe.removesuffix('Probe')} probe {probe_target(one[probe])}" for probe in _PROBES if one.get(probe)]
        names = [variable["name"] for variable in one.get("env") or []]  # their values may be secret
        said += [f"variables {', '.join(names)}"] if names else []
        yield Row(name=one["name"], text=line(" · ".join(said)))
    volumes = [f"{one['name']} ({', '.join(key for key in one if key != 'name') or 'empty'})" for one in template["spec"].get("volumes") or []]
    if volumes:
        yield Row(name="volumes", text=line(", ".join(volumes)))


def _conditions(workload: Json) -> Iterable[Row]:
    for one in status(workload).get("conditions") or []:
        yield Row(name=one["type"], text=line(f"{one['status']}: {one.get('reason', '')} · {one.get('message', '')}".rstrip(" ·")))


def _event(event: Json) -> str:
    count = int((event.get("series") or event).get("count") or 1)
    return redacted(
        f"{event_time(event):%H:%M:%S} {event.get('type', '')} {event.get('reason', '')}{f' ×{count}' if count > 1 else ''}: {event.get('message', '')}"
    )


async def _hpa(arguments: EnvironmentArguments, context: Context) -> Card:
    autoscalers = await context.world.clusters[arguments.environment].list("HorizontalPodAutoscaler")
    rows = [(Row(name=one["metadata"]["name"], text=line(_autoscaler(one))), bool(hindered(one))) for one in autoscalers]
    ill = [row for row, wrong in rows if wrong]
    word = f"{len(ill)} of {len(rows)} cannot do what they want" if ill else f"{len(rows)}, all free to scale" if rows else "there are none"
    return Card(
        state=State.NEEDS_YOU if ill else State.DONE if rows else None,
        headline=line(Bold(text=f"Autoscalers of {arguments.environment}"), f": {word}"),
        rows=tuple(row for row, _ in sorted(rows, key=lambda one: not one[1])),
    )


def hindered(autoscaler: Json) -> str:
    """Returns what keeps an autoscaler from having as many pods as it wants, in one sentence; empty when nothing does."""
    found = {one["type"]: one for one in status(autoscaler).get("conditions") or []}
    for kind in ("AbleToScale", "ScalingActive"):
        if (one := found.get(kind)) and one["status"] == "False" and one.get("reason") != "ScalingDisabled":
            return f"{one.get('reason', kind)}: {one.get('message', '')}".rstrip(": ")
    limited = found.get("ScalingLimited")
    most = autoscaler["spec"]["maxReplicas"]
    if limited and limited["status"] == "True" and limited.get("reason") == "TooManyReplicas":
        return f"it wants more than its {most} pods: raise maxReplicas, or find what makes the load"
    return ""


def _autoscaler(one: Json) -> str:
    target, now = one["spec"]["scaleTargetRef"], status(one)
    said = [f"{target['kind']} {target['name']}", _bounds(one), f"{now.get('currentReplicas', 0)} pods, wants {now.get('desiredReplicas', 0)}"]
    said += [text for metric in one["spec"].get("metrics") or [] if (text := metric_words(metric, now.get("currentMetrics") or []))]
    return " · ".join([*said, *([hindered(one)] if hindered(one) else [])])


def _bounds(one: Json) -> str:
    return f"{one['spec'].get('minReplicas', 1)}–{one['spec']['maxReplicas']} pods"


def metric_words(metric: Json, current: list[Json]) -> str:
    """Returns `cpu 62 % of 70 %`, as `kubectl get hpa` shows it; what is not of the usual kinds by its type alone."""
    if metric["type"] not in ("Resource", "ContainerResource"):
        return f"{metric['type']} metric"
    field = "resource" if metric["type"] == "Resource" else "containerResource"
    name, target = metric[field]["name"], metric[field]["target"]
    seen = next((one[field].get("current") or {} for one in current if one.get("type") == metric["type"] and one[field]["name"] == name), {})
    if "averageUtilization" in target:
        now = seen.get("averageUtilization")
        return f"{name} {'unknown' if now is None else f'{now} %'} of {target['averageUtilization']} %"
    return f"{name} {seen.get('averageValue', 'unknown')} of {target.get('averageValue', '?')}"


DESCRIBE = Command(
    name="describe",
    arguments=ServiceArguments,
    does=Read(_describe),
    permission="describe",
    group="look",
    summary="a service's workload: its revision, containers, probes, conditions and last events",
    examples=("describe prod gateway",),
)
HPA = Command(
    name="hpa",
    arguments=EnvironmentArguments,
    does=Read(_hpa),
    permission="hpa",
    group="look",
    summary="the autoscalers: how much there is, how much there may be, and what hinders them",
    examples=("hpa prod",),
)
