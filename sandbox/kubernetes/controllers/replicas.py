"""The ReplicaSets of a Deployment: finding, naming, annotating, counting (pkg/controller/deployment/util). Functions of the objects alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sandbox.kubernetes.objects import NAME_ALPHABET, Object, scaled, with_meta

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
TEMPLATE_HASH = "pod-template-hash"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
)
_MAX_INT32 = (1 << 31) - 1
_MAX_HISTORY_LENGTH = 2000


def template_hash(template: Object, collisions: int) -> str:
    """A short name for a template: FNV-1a like Kubernetes', over JSON instead of Go's memory, so the same only in form."""
    value = 2166136261
    for byte in json.dumps(template, sort_keys=True).encode() + (str(collisions).encode() if collisions else b""):
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(NAME_ALPHABET[ord(digit) % len(NAME_ALPHABET)] for digit in str(value))


def same_template(left: Object, right: Object) -> bool:
    """Equal but for the hash label (EqualIgnoreHash)."""
    return _without_hash(left) == _without_hash(right)


def _without_hash(template: Object) -> Object:
    meta = dict(template.get("metadata", {}))
    meta["labels"] = {key: value for key, value in meta.get("labels", {}).items() if key != TEMPLATE_HASH}
    return {**template, "metadata": meta}


def by_age(replica_sets: Iterable[Object]) -> list[Object]:
    return sorted(replica_sets, key=lambda rs: (rs["metadata"]["creationTimestamp"], rs["metadata"]["name"]))


def find_new(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The oldest whose template is the Deployment's."""
    return next((rs for rs in by_age(replica_sets) if same_template(rs["spec"]["template"], deployment["spec"]["template"])), None)


def active(replica_sets: Iterable[Object | None]) -> list[Object]:
    return [rs for rs in replica_sets if rs is not None and rs["spec"]["replicas"] > 0]


def wanted_count(replica_sets: Iterable[Object | None]) -> int:
    return sum(rs["spec"]["replicas"] for rs in replica_sets if rs is not None)


def status_count(replica_sets: Iterable[Object | None], field: str) -> int:
    return sum(rs["status"].get(field, 0) for rs in replica_sets if rs is not None)


def revision(replica_set: Object) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get(REVISION, 0))


def is_rolling(deployment: Object) -> bool:
    return bool(deployment["spec"]["strategy"]["type"] == "RollingUpdate")


def fenceposts(deployment: Object) -> tuple[int, int]:
    """maxSurge rounded up and maxUnavailable rounded down; both zero become one unavailable (ResolveFenceposts)."""
    if not is_rolling(deployment):
        return 0, 0
    replicas = deployment["spec"]["replicas"]
    rolling = deployment["spec"]["strategy"]["rollingUpdate"]
    surge = scaled(rolling["maxSurge"], replicas, round_up=True)
    unavailable = scaled(rolling["maxUnavailable"], replicas, round_up=False)
    return surge, unavailable if surge or unavailable else 1


def max_surge(deployment: Object) -> int:
    return fenceposts(deployment)[0]


def max_unavailable(deployment: Object) -> int:
    replicas: int = deployment["spec"]["replicas"]
    return min(fenceposts(deployment)[1], replicas)


def has_deadline(deployment: Object) -> bool:
    return bool(deployment["spec"].get("progressDeadlineSeconds", _MAX_INT32) != _MAX_INT32)


def history_limit(deployment: Object) -> int | None:
    limit = deployment["spec"].get("revisionHistoryLimit", _MAX_INT32)
    return None if limit == _MAX_INT32 else int(limit)


def new_replica_count(deployment: Object, replica_sets: Iterable[Object | None], new: Object) -> int:
    """How many replicas the new ReplicaSet may have now (NewRSNewReplicas)."""
    replicas: int = deployment["spec"]["replicas"]
    mine: int = new["spec"]["replicas"]
    if not is_rolling(deployment):
        return replicas
    room = replicas + scaled(deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"], replicas, round_up=True) - wanted_count(replica_sets)
    return mine if room <= 0 else mine + min(room, replicas - mine)


def is_saturated(deployment: Object, replica_set: Object | None) -> bool:
    if replica_set is None:
        return False
    replicas = deployment["spec"]["replicas"]
    desired = replica_set["metadata"].get("annotations", {}).get(DESIRED_REPLICAS)
    return bool(replica_set["spec"]["replicas"] == replicas == replica_set["status"].get("availableReplicas", 0) and desired == str(replicas))


def size_annotations(deployment: Object) -> dict[str, str]:
    replicas = deployment["spec"]["replicas"]
    return {DESIRED_REPLICAS: str(replicas), MAX_REPLICAS: str(replicas + max_surge(deployment))}


def synced_annotations(deployment: Object, replica_set: Object, new_revision: int) -> dict[str, str]:
    """The ReplicaSet's annotations with the Deployment's copied over and the revision raised; an old revision goes into the history."""
    current: dict[str, str] = replica_set["metadata"].get("annotations", {})
    copied = {key: value for key, value in deployment["metadata"].get("annotations", {}).items() if key not in _NOT_COPIED}
    annotations = {**current, **copied}
    if int(current.get(REVISION, 0)) < new_revision:
        annotations[REVISION] = str(new_revision)
        if REVISION in current:
            past = [*filter(None, current.get(REVISION_HISTORY, "").split(",")), current[REVISION]]
            while len(",".join(past)) > _MAX_HISTORY_LENGTH:
                del past[0]
            annotations[REVISION_HISTORY] = ",".join(past)
    return annotations


def proportion(replica_set: Object, deployment: Object, to_add: int, added: int) -> int:
    """The share of `to_add` replicas that one of several active ReplicaSets gets (GetReplicaSetProportion)."""
    size = replica_set["spec"]["replicas"]
    if size == 0 or to_add in (0, added):
        return 0
    fraction = _fraction(replica_set, deployment)
    allowed = to_add - added
    return min(fraction, allowed) if to_add > 0 else max(fraction, allowed)


def _fraction(replica_set: Object, deployment: Object) -> int:
    size: int = replica_set["spec"]["replicas"]
    replicas: int = deployment["spec"]["replicas"]
    if replicas == 0:
        return -size
    before = _count(replica_set["metadata"].get("annotations", {}).get(MAX_REPLICAS)) or deployment["status"].get("replicas", 0)
    if before == 0:
        return 0
    grown = size * (replicas + max_surge(deployment)) / before
    return int(grown + 0.5) - size


def _count(text: Any) -> int:
    return int(text) if isinstance(text, str) and text.isdecimal() else 0


def annotated(replica_set: Object, annotations: dict[str, str]) -> Object:
    return with_meta(replica_set, annotations=annotations)
