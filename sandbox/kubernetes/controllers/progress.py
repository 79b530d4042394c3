"""A Deployment's status: counts, conditions, and whether it gets on (pkg/controller/deployment/progress.go and calculateStatus)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.kubernetes.controllers import replicas
from sandbox.kubernetes.controllers.conditions import updated, with_condition, without
from sandbox.kubernetes.objects import Object, condition, parse_time

NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"


def calculate_status(now: datetime, deployment: Object, replica_sets: list[Object | None], new: Object | None) -> Object:
    """The counts and the Available condition; other conditions as they are."""
    wanted, old = deployment["spec"]["replicas"], deployment["status"]
    available = replicas.status_count(replica_sets, "availableReplicas")
    counts = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas.status_count(replica_sets, "replicas"),
        "updatedReplicas": replicas.status_count([new], "replicas"),
        "readyReplicas": replicas.status_count(replica_sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(replicas.wanted_count(replica_sets) - available, 0),
        "collisionCount": old.get("collisionCount", 0),
    }
    status: Object = {name: count for name, count in counts.items() if count}
    status["terminatingReplicas"] = replicas.status_count(replica_sets, "terminatingReplicas")
    if available >= wanted - replicas.max_unavailable(deployment):
        minimum = updated(now, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        minimum = updated(now, "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    status["conditions"] = with_condition(old.get("conditions", []), minimum)
    return status


def rollout_status(now: datetime, deployment: Object, replica_sets: list[Object | None], new: Object | None) -> Object:
    """The status during a rollout: with progress, its deadline, and the ReplicaSets' failures."""
    status = calculate_status(now, deployment, replica_sets, new)
    current = condition(deployment["status"].get("conditions"), "Progressing")
    entries = status["conditions"]
    if not replicas.has_deadline(deployment):
        entries = without(entries, "Progressing")
    finished = status.get("replicas", 0) == status.get("updatedReplicas", 0) and current is not None and current["reason"] == NEW_AVAILABLE
    if replicas.has_deadline(deployment) and not finished:
        entries = _progress(now, deployment, status, new, current, entries)
    failure = _replica_failure(replica_sets, new)
    status["conditions"] = with_condition(entries, failure) if failure else without(entries, "ReplicaFailure")
    return status


def _progress(now: datetime, deployment: Object, status: Object, new: Object | None, current: Object | None, entries: list[Object]) -> list[Object]:
    who = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    if is_complete(deployment, status):
        return with_condition(entries, updated(now, "Progressing", "True", NEW_AVAILABLE, f"{who} has successfully progressed."))
    if _has_progressed(deployment["status"], status):
        moving = updated(now, "Progressing", "True", "ReplicaSetUpdated", f"{who} is progressing.")
        if current is not None and current["status"] == "True":
            moving["lastTransitionTime"] = current["lastTransitionTime"]
        return [*without(entries, "Progressing"), moving]
    if _has_timed_out(now, deployment, current):
        return with_condition(entries, updated(now, "Progressing", "False", TIMED_OUT, f"{who} has timed out progressing."))
    return entries


def is_complete(deployment: Object, status: Object) -> bool:
    """DeploymentComplete: all are updated and available, and no old ones run."""
    wanted = deployment["spec"]["replicas"]
    counts = (status.get("updatedReplicas", 0), status.get("replicas", 0), status.get("availableReplicas", 0))
    return counts == (wanted, wanted, wanted) and bool(status.get("observedGeneration", 0) >= deployment["metadata"]["generation"])


def _has_progressed(old: Object, new: Object) -> bool:
    def grew(field: str) -> bool:
        return bool(new.get(field, 0) > old.get(field, 0))

    def outdated(status: Object) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    return grew("updatedReplicas") or outdated(new) < outdated(old) or grew("readyReplicas") or grew("availableReplicas")


def _has_timed_out(now: datetime, deployment: Object, progressing: Object | None) -> bool:
    if progressing is None or progressing["reason"] == NEW_AVAILABLE:
        return False
    return progressing["reason"] == TIMED_OUT or _deadline(deployment, progressing) < now


def _deadline(deployment: Object, progressing: Object) -> datetime:
    return parse_time(progressing["lastUpdateTime"]) + timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])


def next_check(now: datetime, deployment: Object) -> float | None:
    """Seconds after which a rollout without news has to be looked at again (requeueStuckDeployment)."""
    progressing = condition(deployment["status"].get("conditions"), "Progressing")
    if not replicas.has_deadline(deployment) or progressing is None:
        return None
    if is_complete(deployment, deployment["status"]) or progressing["reason"] == TIMED_OUT:
        return None
    return max((_deadline(deployment, progressing) - now).total_seconds(), 0) + 1


def _replica_failure(replica_sets: list[Object | None], new: Object | None) -> Object | None:
    """The new ReplicaSet's failure before those of the old ones."""
    for replica_set in (new, *replica_sets):
        failure = condition(replica_set["status"].get("conditions"), "ReplicaFailure") if replica_set else None
        if failure:
            return {**failure, "lastUpdateTime": failure["lastTransitionTime"]}
    return None
