"""Pods and events as lines of evidence. Pure."""

from collections.abc import Sequence
from datetime import datetime

from bot.core.ports import Json
from bot.core.redact import redacted
from bot.core.text import cut, duration
from bot.core.workload import ready, status

PODS, EVENTS = 40, 40
_MESSAGE = 300


def troubled(pod: Json) -> bool:
    """Tells whether a pod is not as it should be: it neither serves nor has ended well."""
    return status(pod).get("phase") != "Succeeded" and not ready(pod)


def pod_lines(pods: Sequence[Json], now: datetime) -> list[str]:
    """Returns a line for each pod, those in trouble first: name, state, containers that are ready, restarts, age, node."""
    shown = sorted(pods, key=lambda pod: (ready(pod), pod["metadata"]["name"]))
    lines = [_pod(pod, now) for pod in shown[:PODS]]
    return lines + ([f"… and {len(shown) - PODS} more"] if len(shown) > PODS else [])


def crashed(pods: Sequence[Json]) -> list[tuple[str, str]]:
    """Returns the pods and containers that have ended before and were started again: their last log is still there."""
    return [(pod["metadata"]["name"], one["name"]) for pod in pods for one in containers_of(pod) if one.get("restartCount")]


def event_lines(events: Sequence[Json]) -> list[str]:
    """Returns a line for each of the latest events, the newest last: when, what kind, about what, how often."""
    shown = sorted(events, key=_when)[-EVENTS:]
    return [_event(one) for one in shown]


def _pod(pod: Json, now: datetime) -> str:
    found = containers_of(pod)
    good, restarts = sum(bool(one.get("ready")) for one in found), sum(int(one.get("restartCount", 0)) for one in found)
    age = duration(now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"]))
    node = pod["spec"].get("nodeName") or "no node"
    return f"{pod['metadata']['name']}  {state(pod)}  {good} of {len(pod['spec']['containers'])} ready  {restarts} restarts  {age}  {node}"


def state(pod: Json) -> str:
    """What kubectl shows in its column STATUS: why a container waits or ended, else the phase."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for one in containers_of(pod):
        for state in ("waiting", "terminated"):
            if reason := (one.get("state", {}).get(state) or {}).get("reason"):
                return str(reason)
    return str(status(pod).get("reason") or status(pod).get("phase") or "Unknown")


def containers_of(pod: Json) -> list[Json]:
    """Returns the statuses of a pod's containers, the init containers' first."""
    found = status(pod)
    return [*(found.get("initContainerStatuses") or []), *(found.get("containerStatuses") or [])]


def _when(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def _event(event: Json) -> str:
    about, count = event["involvedObject"], int(event.get("count") or 1)
    times = f" (×{count})" if count > 1 else ""
    message = cut(" ".join(redacted(str(event.get("message", ""))).split()), _MESSAGE)
    return (
        f"{_when(event)[11:19]}  {event.get('type', '')} {event.get('reason', '')}  {about.get('kind', '').lower()}/{about.get('name', '')}  {message}{times}"
    )
