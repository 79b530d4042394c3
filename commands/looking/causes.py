"""Why a service is not as it should be: everything that the API shows, the gravest cause first. Pure; who diagnoses reads the cluster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.failures.creation import creation_finding
from bot.core.failures.finding import Events, Finding, LogRequest
from bot.core.failures.ordered import standstill
from bot.core.failures.pod import pod_findings
from bot.core.outcome import Failed
from bot.core.ports import Json
from bot.core.revisions import new_pods, new_revision, previous_template
from bot.core.template import template_differences
from bot.core.text import duration
from bot.core.workload import ready, status, wanted

LATELY = timedelta(hours=1)
_DEADLINE = timedelta(minutes=10)
_MOST_LOGS = 2


@dataclass(frozen=True)
class Cause:
    """`failed` says what and why, `logs` which logs tell more, `pods` whose it is. `of_the_change`: only pods of the present template have it, and there was
    another template before."""

    failed: Failed
    pods: tuple[str, ...] = ()
    logs: tuple[LogRequest, ...] = ()
    of_the_change: bool = False


@dataclass(frozen=True)
class Seen:
    """What was read of a service: its workload, the revisions that it owns, its pods, and the events of the namespace."""

    workload: Json
    revisions: Sequence[Json]
    pods: Sequence[Json]
    events: Sequence[Json]


def causes(seen: Seen, now: datetime) -> list[Cause]:
    """Returns what is wrong, that of most pods first; empty when nothing is. What heals by itself in a moment is among it: a look is one moment."""
    alive = [pod for pod in seen.pods if not pod["metadata"].get("deletionTimestamp") and status(pod).get("phase") != "Succeeded"]
    events = Events(seen.events)
    found = [one for pod in alive if not ready(pod) for one in pod_findings(pod, events, _DEADLINE)]
    named = {one.pod for one in found}
    silent = [pod for pod in alive if not ready(pod) and pod["metadata"]["name"] not in named]
    return [
        *_of_workload(seen, alive, events),
        *sorted(_of_pods(seen, alive, found), key=lambda cause: -len(cause.pods)),
        *_restarted([pod for pod in alive if ready(pod)], now),
        *([_silent(silent, len(alive))] if silent else []),
    ]


def _of_workload(seen: Seen, alive: Sequence[Json], events: Events) -> Iterable[Cause]:
    """What concerns no single pod: none wanted, paused, refused, standing still."""
    workload, name = seen.workload, seen.workload["metadata"]["name"]
    if wanted(workload) == 0:
        yield Cause(Failed(code="NoReplicas", why=f"{name} is scaled to 0 pods", hint="Scale it up, if nobody meant it so."))
    fresh = new_pods(workload, seen.revisions, alive)
    if len(fresh) < wanted(workload) and (refused := creation_finding(workload, new_revision(workload, seen.revisions), fresh, events, room_to_come=False)):
        missing = wanted(workload) - len(fresh)
        why = f"{missing} of {wanted(workload)} pods {refused.said}"
        yield Cause(Failed(code=refused.code, why=why, hint=refused.hint, evidence=refused.evidence))
    known = {pod["metadata"]["uid"] for pod in fresh}
    if stands := standstill(workload, [pod for pod in alive if pod["metadata"]["uid"] not in known], events, _DEADLINE):
        yield Cause(Failed(code=stands.code, why=f"its pods {stands.said}", hint=stands.hint), pods=(stands.mark,))
    if workload["spec"].get("paused"):
        hint = f"kubectl rollout resume deployment/{name} -n {workload['metadata']['namespace']}"
        yield Cause(Failed(code="Paused", why="somebody has paused its rollout: what is changed does not get into its pods", hint=hint))


def _of_pods(seen: Seen, alive: Sequence[Json], found: Sequence[Finding]) -> Iterable[Cause]:
    before = previous_template(seen.workload, seen.revisions)
    new = "; ".join(template_differences(before, seen.workload["spec"]["template"])) if before else ""
    fresh = {pod["metadata"]["name"] for pod in new_pods(seen.workload, seen.revisions, alive)}
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in found:
        groups.setdefault((one.code, one.container), []).append(one)
    for group in groups.values():
        first, pods = group[0], tuple(dict.fromkeys(one.pod for one in group))
        ours = bool(new) and {*pods} <= fresh
        failed = Failed(code=first.code, why=f"{_count(len(pods), len(alive))} {first.said}", hint=first.hint, new=new if ours else "", evidence=first.evidence)
        logs = tuple(LogRequest(one.pod, one.container, one.logs == "previous") for one in group if one.logs)[:_MOST_LOGS]
        yield Cause(failed, pods, logs, ours)


def _restarted(pods: Sequence[Json], now: datetime) -> Iterable[Cause]:
    """Pods that serve, but were started again lately: whoever looked a minute earlier saw an outage."""
    groups: dict[tuple[str, str], list[tuple[str, datetime, int]]] = {}
    for pod in pods:
        for one in status(pod).get("containerStatuses") or []:
            end = (one.get("lastState") or {}).get("terminated")
            if end and end.get("finishedAt") and now - (at := datetime.fromisoformat(end["finishedAt"])) < LATELY:
                groups.setdefault((one["name"], end.get("reason") or "Error"), []).append((pod["metadata"]["name"], at, int(end["exitCode"])))
    for (container, reason), ends in groups.items():
        name, last, code = max(ends, key=lambda end: end[1])
        names = tuple(end[0] for end in ends)
        why = f"{_count(len(names), len(pods))} went down and came back in the last hour, the last {duration(now - last)} ago ({reason}, exit {code})"
        hint = "Raise the memory limit, or find what needs more than before." if reason == "OOMKilled" else f"Read what {name} wrote before."
        yield Cause(Failed(code="Restarted", why=why, hint=hint), names, (LogRequest(name, container, True),))


def _silent(pods: Sequence[Json], of: int) -> Cause:
    names = tuple(pod["metadata"]["name"] for pod in pods)
    youngest = max(str(pod["metadata"]["creationTimestamp"]) for pod in pods)
    why = f"{_count(len(pods), of)} did not become ready, and nothing says why so far; the youngest was made at {youngest[11:16]} UTC"
    return Cause(Failed(code="NotReady", why=why, hint="Give it a moment, then look again; its events and its log come first."), names)


def _count(some: int, of: int) -> str:
    return "the pod" if of == 1 else f"all {of} pods" if some == of else f"{some} of {of} pods"
