"""`/aiec pods`, `/aiec events`: who is there and how he is, and what happened to him."""

import asyncio
from datetime import datetime, timedelta

from bot.command import Command, Context, Read
from bot.core.card import Action, Bold, Card, Row, State, line
from bot.core.failures.finding import Events, event_time
from bot.core.failures.pod import pod_findings
from bot.core.ports import Json
from bot.core.redact import redacted
from bot.core.text import cut, duration
from commands.looking.subject import MOST_ROWS, MaybeServiceArguments, pods_in, revisions_in, scaling, where
from commands.target import selector, workload_of
from escalation.pods import containers_of, state, troubled

_PATIENCE = timedelta(minutes=10)
_MESSAGE = 240


async def _pods(arguments: MaybeServiceArguments, context: Context) -> Card:
    environment, service = arguments.environment, arguments.service
    warnings = context.world.clusters[environment].list("Event", fields="type=Warning")
    pods, events = await asyncio.gather(pods_in(environment, service, context), warnings)
    ill = [pod for pod in pods if troubled(pod)]
    shown = sorted(pods, key=lambda pod: (not troubled(pod), pod["metadata"]["name"]))[:MOST_ROWS]
    word = f"{len(ill)} of {len(pods)} are not ready" if ill else "there are none" if not pods else f"all {len(pods)} are well"
    about = Events(events)
    more = (line(f"… and {len(pods) - MOST_ROWS} more."),) if len(pods) > MOST_ROWS else ()
    diagnose = Action(label="Diagnose", command="diagnose", arguments={"environment": environment, "service": service}, style="primary")
    return Card(
        state=State.NEEDS_YOU if ill else State.DONE if pods else None,
        headline=line(Bold(text=f"Pods of {where(environment, service)}"), f": {word}"),
        lines=more,
        rows=tuple(_pod(pod, about, context.now) for pod in shown),
        actions=(diagnose,) if ill and service else (),
    )


def _pod(pod: Json, events: Events, now: datetime) -> Row:
    found = containers_of(pod)
    own = [one for one in found if one["name"] in {each["name"] for each in pod["spec"]["containers"]}]
    restarts = sum(int(one.get("restartCount", 0)) for one in found)
    said = [state(pod), f"{sum(bool(one.get('ready')) for one in own)} of {len(pod['spec']['containers'])} ready"]
    said += [f"{restarts} restart{'s' * (restarts != 1)}{_last_end(found, now)}"] if restarts else []
    said += [duration(now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])), pod["spec"].get("nodeName") or "on no node"]
    wrong = pod_findings(pod, events, _PATIENCE) if troubled(pod) else []
    return Row(name=pod["metadata"]["name"], text=line(" · ".join(said), *(f"\n{redacted(one.said)}: {one.hint}" for one in wrong[:1])))


def _last_end(statuses: list[Json], now: datetime) -> str:
    """When and why a container ended last."""
    ends = [end for one in statuses if (end := (one.get("lastState") or {}).get("terminated")) and end.get("finishedAt")]
    if not ends:
        return ""
    last = max(ends, key=lambda end: str(end["finishedAt"]))
    return f" (the last {duration(now - datetime.fromisoformat(last['finishedAt']))} ago: {last.get('reason') or 'ended'}, exit {last['exitCode']})"


async def _events(arguments: MaybeServiceArguments, context: Context) -> Card:
    environment, service = arguments.environment, arguments.service
    events = await context.world.clusters[environment].list("Event")
    if service:
        events = await _about(service, environment, events, context)
    newest = sorted(events, key=event_time, reverse=True)
    warnings = [event for event in newest if event.get("type") == "Warning"]
    shown = [*warnings, *(event for event in newest if event.get("type") != "Warning")][:MOST_ROWS]
    said = f"{len(events)} event{'s' * (len(events) != 1)}, {len(warnings) or 'no'} warning{'s' * (len(warnings) != 1)}" if events else "there are none"
    lines = ["Warnings come first, the newest at the top."] if warnings else []
    lines += [f"… and {len(events) - MOST_ROWS} more."] if len(events) > MOST_ROWS else []
    lines += [] if events else ["Kubernetes keeps them for an hour, unless its API server is told otherwise."]
    return Card(
        headline=line(Bold(text=f"Events of {where(environment, service)}"), f": {said}"),
        lines=tuple((text,) for text in lines),
        rows=tuple(_event(event) for event in shown),
    )


async def _about(service: str, environment: str, events: list[Json], context: Context) -> list[Json]:
    """The events of the service's workload, of its revisions, of its pods (also of those that are gone), and of its autoscaler."""
    cluster = context.world.clusters[environment]
    workload = await workload_of(service, environment, context)
    revisions, pods, autoscalers = await asyncio.gather(
        revisions_in(environment, workload, context), cluster.list("Pod", labels=selector(workload)), cluster.list("HorizontalPodAutoscaler")
    )
    scaler = scaling(workload, autoscalers)
    known = {one["metadata"]["uid"] for one in (workload, *revisions, *pods, *([scaler] if scaler else []))}
    families = [f"{one['metadata']['name']}-" for one in (revisions if workload["kind"] == "Deployment" else [workload])]

    def belongs(event: Json) -> bool:
        about = event["involvedObject"]
        return about.get("uid") in known or (about.get("kind") == "Pod" and any(about.get("name", "").startswith(family) for family in families))

    return [event for event in events if belongs(event)]


def _event(event: Json) -> Row:
    about, count = event["involvedObject"], int((event.get("series") or event).get("count") or 1)
    times = f" ×{count}" if count > 1 else ""
    kind = "⚠️ " if event.get("type") == "Warning" else ""
    message = redacted(cut(" ".join(str(event.get("message", "")).split()), _MESSAGE))
    what = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    return Row(name=f"{event_time(event):%H:%M:%S}", text=line(kind, Bold(text=f"{event.get('reason', '')}{times}"), f" {what} · {message}"))


PODS = Command(
    name="pods",
    arguments=MaybeServiceArguments,
    does=Read(_pods),
    permission="pods",
    group="look",
    summary="the pods, those that are not ready first, with what is wrong with each",
    examples=("pods prod", "pods prod gateway"),
)
EVENTS = Command(
    name="events",
    arguments=MaybeServiceArguments,
    does=Read(_events),
    permission="events",
    group="look",
    summary="what Kubernetes says that happened, warnings first, the newest at the top",
    examples=("events prod", "events prod gateway"),
)
