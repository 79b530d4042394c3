"""Lists of conditions, changed as the workload controllers change theirs."""

from __future__ import annotations

from datetime import datetime

from sandbox.kubernetes.objects import Object, condition, timestamp


def without(conditions: list[Object], kind: str) -> list[Object]:
    return [entry for entry in conditions if entry["type"] != kind]


def with_condition(conditions: list[Object], new: Object) -> list[Object]:
    """SetDeploymentCondition: the same status and reason change nothing; the same status keeps its transition time; a changed one goes to the end."""
    current = condition(conditions, new["type"])
    if current is not None:
        if current["status"] == new["status"] and current.get("reason") == new.get("reason"):
            return conditions
        if current["status"] == new["status"]:
            new = {**new, "lastTransitionTime": current["lastTransitionTime"]}
    return [*without(conditions, new["type"]), new]


def updated(now: datetime, kind: str, status: str, reason: str, message: str) -> Object:
    """A condition as Deployments have them, with the time of its last update."""
    when = timestamp(now)
    return {"type": kind, "status": status, "lastUpdateTime": when, "lastTransitionTime": when, "reason": reason, "message": message}


def transitioned(now: datetime, kind: str, status: str, reason: str, message: str) -> Object:
    """A condition as ReplicaSets and autoscalers have them."""
    return {"type": kind, "status": status, "lastTransitionTime": timestamp(now), "reason": reason, "message": message}
