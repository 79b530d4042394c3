"""Kubernetes objects as the API gives them, as small as the rollout needs them."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

START = datetime(2026, 11, 1, 3, 12, tzinfo=UTC)
IMAGE = "registry.example/platform/gateway"


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def template(image: str = f"{IMAGE}:v1.2.0", **container: Any) -> Json:
    return {"metadata": {"labels": {"app": "gateway"}}, "spec": {"containers": [{"name": "gateway", "image": image, "resources": {}, **container}]}}


def deployment(pod: Json | None = None, *, replicas: int = 2, status: Json | None = None, generation: int = 2, **spec: Any) -> Json:
    """A Deployment whose controller has seen it, with as many pods as it wants, all new and available, unless `status` says otherwise."""
    full = {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "gateway", "namespace": "prod", "uid": "d", "generation": generation, "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "gateway"}}, "template": pod or template(), **spec},
        "status": {**full, **(status or {})},
    }  # fmt: skip


def owner(thing: Json) -> list[Json]:
    return [{"kind": thing["kind"], "name": thing["metadata"]["name"], "uid": thing["metadata"]["uid"], "controller": True}]


def replicaset(workload: Json, pod: Json | None = None, *, number: int = 2, **status: Any) -> Json:
    """The ReplicaSet of the workload's template, or of the one given."""
    copied = deepcopy(pod or workload["spec"]["template"])
    copied["metadata"]["labels"]["pod-template-hash"] = f"h{number}"
    name = f"gateway-h{number}"
    metadata = {
        "name": name, "namespace": "prod", "uid": name, "ownerReferences": owner(workload), "creationTimestamp": stamp(START + timedelta(seconds=number)),
        "annotations": {"deployment.kubernetes.io/revision": str(number)},
    }  # fmt: skip
    return {"kind": "ReplicaSet", "metadata": metadata, "spec": {"template": copied}, "status": status}


def pod(of: Json, name: str = "", *, state: Json | None = None, ready: bool = False, labels: Json | None = None, **status: Any) -> Json:
    """A pod of a ReplicaSet or a StatefulSet. `state` is its container's; further fields of the container's status begin with `container_`."""
    name = name or f"{of['metadata']['name']}-a"
    container = {"name": "gateway", "ready": ready, "restartCount": 0, "state": state or {"running": {"startedAt": stamp(START)}}}
    container |= {key.removeprefix("container_"): status.pop(key) for key in list(status) if key.startswith("container_")}
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": str(ready)}]
    return {
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "prod", "uid": f"uid-{name}", "ownerReferences": owner(of), "creationTimestamp": stamp(START), "labels": labels or {},
        },
        "spec": deepcopy(of["spec"]["template"]["spec"]),
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [container], **status},
    }  # fmt: skip


def event(of: Json, reason: str, message: str, *, at: datetime = START, kind: str = "Warning", **more: Any) -> Json:
    about = {"kind": of["kind"], "name": of["metadata"]["name"], "uid": of["metadata"]["uid"]}
    metadata = {"name": f"{of['metadata']['name']}.{reason}", "creationTimestamp": stamp(at)}
    said = {"reason": reason, "message": message, "type": kind, "lastTimestamp": stamp(at), **more}
    return {"kind": "Event", "metadata": metadata, "involvedObject": about, **said}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def terminated(exit_code: int = 1, reason: str = "Error", **more: Any) -> Json:
    return {"terminated": {"exitCode": exit_code, "reason": reason, "startedAt": stamp(START), "finishedAt": stamp(START + timedelta(seconds=1)), **more}}
