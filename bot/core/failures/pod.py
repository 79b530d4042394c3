"""What is wrong with one pod: nowhere to run, volumes that do not come, containers that fail."""

from collections.abc import Sequence
from datetime import timedelta

from bot.core import resources
from bot.core.failures import reference
from bot.core.failures.container import container_finding
from bot.core.failures.finding import AT_ONCE, Events, Finding, latest, warnings
from bot.core.ports import Json
from bot.core.workload import condition

# Long enough for a cluster autoscaler to have said that it brings a node: it looks every 10 s.
_SCHEDULING = timedelta(seconds=30)
_VOLUME_NOT_THERE = timedelta(seconds=20)
# Detaching a volume from a node that is being left takes a while.
_VOLUME = timedelta(minutes=2)
_SANDBOX = timedelta(minutes=1)

_NODE_IS_COMING = ("TriggeredScaleUp", "Nominated")
_PREPARING = frozenset({"", "ContainerCreating", "PodInitializing"})

_SCHEDULER_ADVICE = (
    ("Insufficient", "Lower resources.requests, or add nodes; each of the new pods asks for {asked}."),
    ("untolerated taint", "Add a toleration to the pods, or free nodes of their taint."),
    ("node affinity", "Correct nodeSelector or affinity, or label a node accordingly."),
    ("anti-affinity", "Add nodes, or make the anti-affinity preferred instead of required."),
    ("topology spread", "Add nodes in the other zones, or relax topologySpreadConstraints."),
    ("PersistentVolumeClaim", "See why the claim is not bound: kubectl describe pvc."),
    ("volume node affinity", "The volume lives in another zone than the free nodes: add a node there."),
    ("free ports", "A host port is taken on every node: drop hostPort, or add nodes."),
    ("unschedulable", "Uncordon a node (kubectl uncordon), or add one."),
)


def pod_findings(pod: Json, events: Events, deadline: timedelta) -> list[Finding]:
    """Returns what is wrong with a pod, empty when nothing is. `deadline` is the whole rollout's."""
    mine = events.of(pod)
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        return [_failed(pod, mine)]
    scheduled = condition(pod, "PodScheduled")
    if scheduled and scheduled["status"] == "False":
        return [_unscheduled(pod, scheduled, mine)]
    found = []
    for field, specs in (("initContainerStatuses", "initContainers"), ("containerStatuses", "containers")):
        by_name = {one["name"]: one for one in status.get(field) or []}
        for container in pod["spec"].get(specs) or []:
            init = specs == "initContainers" and container.get("restartPolicy") != "Always"
            if container["name"] in by_name and (one := container_finding(pod, container, by_name[container["name"]], mine, deadline=deadline, init=init)):
                found.append(one)
    return found or _preparation(pod, mine)


def _unscheduled(pod: Json, scheduled: Json, events: Sequence[Json]) -> Finding:
    name, message = pod["metadata"]["name"], scheduled.get("message") or "the scheduler does not say why"
    if scheduled.get("reason") == "SchedulingGated":
        hint = "Whoever put the gate into spec.schedulingGates has to remove it."
        return Finding(code="SchedulingGated", said="did not get past a scheduling gate", hint=hint, patience=AT_ONCE, pod=name, ripe=False)
    reason = message.partition(" preemption:")[0].partition(" no new claims")[0].rstrip(" .,")
    what = reference.missing(message)
    asked = resources.words(resources.total(pod))
    advice = next((text.format(asked=asked) for word, text in _SCHEDULER_ADVICE if word in message), "Make room, or correct what the pods ask for.")
    return Finding(
        code="Unschedulable", said=f"could not be scheduled: {reason}", hint=what.advice(pod, "") if what else advice, patience=_SCHEDULING, pod=name,
        ripe=latest(events, *_NODE_IS_COMING) is None, evidence=warnings(f"events of {name}", events),
    )  # fmt: skip


def _preparation(pod: Json, events: Sequence[Json]) -> list[Finding]:
    """What keeps containers from being created at all is only told by events, and only the last warning still holds."""
    waiting = [(one.get("state") or {}).get("waiting") for one in (pod.get("status") or {}).get("containerStatuses") or []]
    if any(one is None or one.get("reason", "") not in _PREPARING for one in waiting):
        return []
    last = latest(events, "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
    if last is None:
        return []
    name, message, evidence = pod["metadata"]["name"], last["message"].strip(), warnings(f"events of {pod['metadata']['name']}", events)
    if last["reason"] == "FailedCreatePodSandBox":
        hint = f"The node {pod['spec'].get('nodeName', '')} or its network plugin is ill: look at it, or drain it."
        return [Finding(code=last["reason"], said=f"got no sandbox: {message[-200:]}", hint=hint, patience=_SANDBOX, pod=name, evidence=evidence)]
    if what := reference.missing(message):
        said, hint, patience = f"{what} does not exist", what.advice(pod, ""), _VOLUME_NOT_THERE
    elif "non-existent" in message:
        said, hint, patience = message[-200:], "Correct the items of the volume, or add the key.", _VOLUME_NOT_THERE
    else:
        said, hint, patience = message[-200:], "See which node holds the volume and whether the storage answers: kubectl describe pvc.", _VOLUME
    said = f"could not mount a volume: {said} ({last['reason']})"
    return [Finding(code="FailedMount", said=said, hint=hint, patience=patience, pod=name, evidence=evidence)]


def _failed(pod: Json, events: Sequence[Json]) -> Finding:
    """The controller replaces a failed pod (evicted, refused by its node): the replacement tells whether the rollout fails."""
    status, name = pod["status"], pod["metadata"]["name"]
    reason = status.get("reason") or "Failed"
    said = f"ended on the node ({reason}): {status.get('message') or 'it does not say why'}"
    hint = f"Look at the node {pod['spec'].get('nodeName', '')}: kubectl describe node."
    return Finding(code=reason, said=said, hint=hint, patience=AT_ONCE, pod=name, ripe=False, evidence=warnings(f"events of {name}", events))
