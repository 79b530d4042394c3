"""Whether a rollout is over, by the rules of `kubectl rollout status` and in their order (`k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go`)."""

from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import Json
from bot.core.workload import condition, observed, partition, status, strategy, title, wanted


def rollout_status(workload: Json) -> Outcome:
    """Returns Done, Waiting with what for, or Failed: the progress deadline passed, or the strategy never finishes by itself (`OnDelete`)."""
    if strategy(workload) == "OnDelete" and not _all_updated(workload):
        hint = "Delete the pods one by one, or set the update strategy to RollingUpdate."
        return Failed(code="OnDelete", why=f"{title(workload)} replaces its pods only when they are deleted (updateStrategy OnDelete)", hint=hint)
    if not observed(workload):
        return Waiting(text="the controller has not seen the change yet")
    return {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}[workload["kind"]](workload)


def _deployment(workload: Json) -> Outcome:
    progressing = condition(workload, "Progressing")
    if progressing and progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(code="ProgressDeadlineExceeded", why=f"{title(workload)} made no progress for {workload['spec'].get('progressDeadlineSeconds', 600)} s")
    replicas, updated, available = (_count(workload, name) for name in ("replicas", "updatedReplicas", "availableReplicas"))
    if updated < wanted(workload):
        return Waiting(text=f"{updated} of {wanted(workload)} pods are updated")
    if replicas > updated:
        return Waiting(text=f"{_pods(replicas - updated, 'old pod')} still to end")
    if available < updated:
        return Waiting(text=f"{available} of {updated} new pods are available")
    return Done(text=f"{_pods(updated, 'new pod')} available")


def _stateful_set(workload: Json) -> Outcome:
    ready, updated = _count(workload, "readyReplicas"), _count(workload, "updatedReplicas")
    if ready < wanted(workload):
        return Waiting(text=f"{ready} of {wanted(workload)} pods are ready")
    if updated < wanted(workload) - partition(workload):
        return Waiting(text=f"{updated} of {wanted(workload) - partition(workload)} pods are updated")
    below = f"; those below ordinal {partition(workload)} keep the old template (partition)" if partition(workload) else ""
    return Done(text=f"{_pods(updated, 'new pod')} ready{below}")


def _daemon_set(workload: Json) -> Outcome:
    updated, available = _count(workload, "updatedNumberScheduled"), _count(workload, "numberAvailable")
    if updated < wanted(workload):
        return Waiting(text=f"{updated} of {wanted(workload)} pods are updated")
    if available < wanted(workload):
        return Waiting(text=f"{available} of {wanted(workload)} pods are available")
    return Done(text=f"{_pods(updated, 'new pod')} available")


def _all_updated(workload: Json) -> bool:
    updated = _count(workload, "updatedNumberScheduled" if workload["kind"] == "DaemonSet" else "updatedReplicas")
    return observed(workload) and updated >= wanted(workload)


def _count(workload: Json, field: str) -> int:
    return int(status(workload).get(field, 0))


def _pods(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
