"""DaemonSets: a pod on every node that takes it (pkg/controller/daemon)."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.kubernetes.controllers import revisions
from sandbox.kubernetes.controllers.pods import create_pod, delete_pod, is_available, next_availability, owned_pods
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Key, Object, controller_of, copy, is_ready, is_terminating, key_of, scaled
from sandbox.kubernetes.registry import TEMPLATE_GENERATION
from sandbox.kubernetes.resources import DAEMON_SETS, NODES, PODS
from sandbox.kubernetes.scheduler import objections
from sandbox.kubernetes.store import Change

COMPONENT = "daemonset-controller"
REVISION_LABEL = "controller-revision-hash"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


class DaemonSets:
    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is DAEMON_SETS:
            yield key_of(change.object)
        elif change.resource is NODES:
            yield from (key_of(found) for found in self._core.store.all(DAEMON_SETS))
        elif change.resource is PODS:
            owner = controller_of(change.object)
            if owner is not None and owner["kind"] == "DaemonSet":
                yield change.object["metadata"]["namespace"], owner["name"]

    def sync(self, namespace: str, name: str) -> float | None:
        core = self._core
        daemon_set = core.store.get(DAEMON_SETS, namespace, name)
        if daemon_set is None or is_terminating(daemon_set):
            return None
        revision = revisions.update_revision(core, daemon_set, REVISION_LABEL)
        digest = revision["metadata"]["labels"][REVISION_LABEL]
        nodes = self._nodes(daemon_set)
        by_node: dict[str, list[Object]] = {node: [] for node in nodes}
        for pod in owned_pods(core, daemon_set):
            by_node.setdefault(_node_of(pod), []).append(pod)
        self._place(daemon_set, nodes, by_node, digest)
        if daemon_set["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace(daemon_set, by_node, digest)
        status = self._status(daemon_set, nodes, by_node, digest)
        core.registry.write_status(DAEMON_SETS, daemon_set, status)
        live = {f"{name}-{pod['metadata']['labels'].get(REVISION_LABEL)}" for pods in by_node.values() for pod in pods}
        revisions.truncate(core, daemon_set, live | {revision["metadata"]["name"]})
        min_ready = daemon_set["spec"].get("minReadySeconds", 0)
        return next_availability([pod for pods in by_node.values() for pod in pods], min_ready, core.now) if min_ready else None

    def _nodes(self, daemon_set: Object) -> list[str]:
        template = {"spec": _tolerating(daemon_set["spec"]["template"]["spec"])}
        return [node["metadata"]["name"] for node in self._core.store.all(NODES) if not objections(node, template)]

    def _place(self, daemon_set: Object, nodes: list[str], by_node: dict[str, list[Object]], digest: str) -> None:
        for node, pods in by_node.items():
            for pod in pods if node not in nodes else pods[1:]:
                if not is_terminating(pod):
                    delete_pod(self._core, daemon_set, COMPONENT, pod)
        for node in nodes:
            if not by_node[node]:
                create_pod(self._core, daemon_set, COMPONENT, template=_template(daemon_set, node, digest))

    def _replace(self, daemon_set: Object, by_node: dict[str, list[Object]], digest: str) -> None:
        """Deletes outdated pods: those that are unavailable anyway, then as many as may become so (rollingUpdate without surge)."""
        spec = daemon_set["spec"]
        allowed = max(scaled(spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"], len(by_node), round_up=True), 1)
        unavailable, sick, well = 0, [], []
        for pods in by_node.values():
            pod = next((pod for pod in pods if not is_terminating(pod)), None)
            if pod is None:
                unavailable += 1
            elif is_available(pod, spec.get("minReadySeconds", 0), self._core.now):
                if pod["metadata"]["labels"].get(REVISION_LABEL) != digest:
                    well.append(pod)
            else:
                unavailable += 1
                if pod["metadata"]["labels"].get(REVISION_LABEL) != digest:
                    sick.append(pod)
        for pod in [*sick, *well[: max(allowed - unavailable, 0)]]:
            delete_pod(self._core, daemon_set, COMPONENT, pod)

    def _status(self, daemon_set: Object, nodes: list[str], by_node: dict[str, list[Object]], digest: str) -> Object:
        spec, now = daemon_set["spec"], self._core.now
        first = [by_node[node][0] for node in nodes if by_node[node]]
        available = sum(is_available(pod, spec.get("minReadySeconds", 0), now) for pod in first)
        counts = {
            "updatedNumberScheduled": sum(pod["metadata"]["labels"].get(REVISION_LABEL) == digest for pod in first),
            "numberAvailable": available,
            "numberUnavailable": len(nodes) - available,
        }
        status: Object = {
            "currentNumberScheduled": len(first),
            "numberMisscheduled": sum(bool(pods) for node, pods in by_node.items() if node not in nodes),
            "desiredNumberScheduled": len(nodes),
            "numberReady": sum(is_ready(pod) for pod in first),
            "observedGeneration": daemon_set["metadata"]["generation"],
        }
        return status | {name: count for name, count in counts.items() if count}


def _tolerating(spec: Object) -> Object:
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATED]
    return {**spec, "tolerations": [*spec.get("tolerations", ()), *added]}


def _template(daemon_set: Object, node: str, digest: str) -> Object:
    """The pod template for one node, which its affinity names."""
    template = copy(daemon_set["spec"]["template"])
    labels = {**template["metadata"].get("labels", {}), REVISION_LABEL: digest}
    generation = daemon_set["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION)
    if generation:
        labels["pod-template-generation"] = generation
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
    spec = _tolerating(template["spec"])
    spec["affinity"] = {**spec.get("affinity", {}), "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    return {"metadata": {**template["metadata"], "labels": labels}, "spec": spec}


def _node_of(pod: Object) -> str:
    """The node that it is on or, before it is scheduled, that it is meant for."""
    if "nodeName" in pod["spec"]:
        return str(pod["spec"]["nodeName"])
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])
