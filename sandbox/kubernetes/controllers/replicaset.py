"""ReplicaSets: so many pods of one template (pkg/controller/replicaset)."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.kubernetes.controllers import conditions
from sandbox.kubernetes.controllers.pods import adopt_pods, create_pod, delete_pod, deletion_order, is_available, next_availability, owned_pods
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.objects import Key, Object, condition, controller_of, is_active, is_ready, is_terminating, key_of
from sandbox.kubernetes.resources import PODS, REPLICA_SETS
from sandbox.kubernetes.store import Change

COMPONENT = "replicaset-controller"


class ReplicaSets:
    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is REPLICA_SETS:
            yield key_of(change.object)
        elif change.resource is PODS:
            owner = controller_of(change.object)
            if owner is not None and owner["kind"] == "ReplicaSet":
                yield change.object["metadata"]["namespace"], owner["name"]

    def sync(self, namespace: str, name: str) -> float | None:
        core = self._core
        replica_set = core.store.get(REPLICA_SETS, namespace, name)
        if replica_set is None:
            return None
        failure: ApiError | None = None
        adopt_pods(core, replica_set)
        pods = owned_pods(core, replica_set)  # the status tells of these: what is created now is seen by the next sync
        if not is_terminating(replica_set):
            failure = self._manage(replica_set, [pod for pod in pods if is_active(pod)])
        status = self._status(replica_set, pods, failure)
        core.registry.write_status(REPLICA_SETS, replica_set, status)
        if failure is not None:
            raise failure
        min_ready = replica_set["spec"].get("minReadySeconds", 0)
        return next_availability([pod for pod in pods if is_active(pod)], min_ready, core.now) if min_ready else None

    def _manage(self, replica_set: Object, active: list[Object]) -> ApiError | None:
        """Creates what is missing, in batches of 1, 2, 4… that stop at the first refusal; deletes what is too much. Returns the refusal."""
        missing = replica_set["spec"]["replicas"] - len(active)
        if missing < 0:
            for pod in deletion_order(active, self._core.now)[:-missing]:
                delete_pod(self._core, replica_set, COMPONENT, pod)
        batch = 1
        failure = None
        while missing > 0 and failure is None:
            for _ in range(min(batch, missing)):
                try:
                    create_pod(self._core, replica_set, COMPONENT)
                except ApiError as error:
                    failure = failure or error
            missing -= batch
            batch *= 2
        return failure

    def _status(self, replica_set: Object, pods: list[Object], failure: ApiError | None) -> Object:
        now, spec, old = self._core.now, replica_set["spec"], replica_set["status"]
        active = [pod for pod in pods if is_active(pod)]
        labels = spec["template"]["metadata"].get("labels", {}).items()
        counts = {
            "fullyLabeledReplicas": sum(labels <= pod["metadata"].get("labels", {}).items() for pod in active),
            "readyReplicas": sum(is_ready(pod) for pod in active),
            "availableReplicas": sum(is_available(pod, spec.get("minReadySeconds", 0), now) for pod in active),
        }
        entries = old.get("conditions", [])
        if failure is not None and condition(entries, "ReplicaFailure") is None:
            reason = "FailedCreate" if len(active) < spec["replicas"] else "FailedDelete"
            entries = [*entries, conditions.transitioned(now, "ReplicaFailure", "True", reason, failure.message)]
        elif failure is None:
            entries = conditions.without(entries, "ReplicaFailure")
        status: Object = {"replicas": len(active)} | {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = sum(is_terminating(pod) for pod in pods)
        status["observedGeneration"] = replica_set["metadata"]["generation"]
        return status | ({"conditions": entries} if entries else {})
