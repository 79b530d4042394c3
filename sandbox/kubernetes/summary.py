"""What runs in the cluster, in the few words that a web page shows."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.fates import fate_of
from sandbox.kubernetes.objects import Object, controller_of, is_ready, is_terminating
from sandbox.kubernetes.resources import DAEMON_SETS, DEPLOYMENTS, NODES, PODS, REPLICA_SETS, STATEFUL_SETS
from sandbox.kubernetes.store import Store


def summary(store: Store) -> dict[str, Any]:
    """`{workloads: [{kind, namespace, name, images, replicas, ready, updated, pods: […]}], nodes: [{name, pods}]}`."""
    pods: dict[str, list[Object]] = {}
    nodes = {node["metadata"]["name"]: 0 for node in store.all(NODES)}
    for pod in store.all(PODS):
        owner = _top_owner(store, pod)
        pods.setdefault(owner, []).append(pod)
        nodes[pod["spec"].get("nodeName", "")] = nodes.get(pod["spec"].get("nodeName", ""), 0) + 1
    workloads = [_workload(obj, pods.get(obj["metadata"]["uid"], [])) for resource in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS) for obj in store.all(resource)]
    nodes.pop("", None)
    return {"workloads": workloads, "nodes": [{"name": name, "pods": count} for name, count in nodes.items()]}


def _top_owner(store: Store, pod: Object) -> str:
    """The uid of the Deployment behind a ReplicaSet's pod, else of what controls the pod."""
    owner = controller_of(pod)
    replica_set = store.get(REPLICA_SETS, pod["metadata"]["namespace"], owner["name"]) if owner and owner["kind"] == "ReplicaSet" else None
    top = (controller_of(replica_set) if replica_set else None) or owner
    return str(top["uid"]) if top else ""


def _workload(obj: Object, pods: list[Object]) -> dict[str, Any]:
    spec, status, meta = obj["spec"], obj["status"], obj["metadata"]
    return {
        "kind": obj["kind"],
        "namespace": meta["namespace"],
        "name": meta["name"],
        "images": [container["image"] for container in spec["template"]["spec"]["containers"]],
        "replicas": spec.get("replicas", status.get("desiredNumberScheduled", 0)),
        "ready": status.get("readyReplicas", status.get("numberReady", 0)),
        "updated": status.get("updatedReplicas", status.get("updatedNumberScheduled", 0)),
        "pods": [_pod(pod) for pod in pods],
    }


def _pod(pod: Object) -> dict[str, Any]:
    entries = pod["status"].get("containerStatuses") or [{}]
    state = entries[0].get("state", {})
    reason = state.get("waiting", {}).get("reason") or state.get("terminated", {}).get("reason") or pod["status"].get("phase", "")
    return {
        "name": pod["metadata"]["name"],
        "phase": pod["status"].get("phase", ""),
        "state": "Terminating" if is_terminating(pod) else reason,
        "ready": is_ready(pod),
        "image": pod["spec"]["containers"][0]["image"],
        "node": pod["spec"].get("nodeName", ""),
        "restarts": sum(entry.get("restartCount", 0) for entry in entries),
        "fate": fate_of(pod),
    }
