"""StatefulSets: numbered pods, made and replaced one after the other (pkg/controller/statefulset)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sandbox.kubernetes.controllers import revisions
from sandbox.kubernetes.controllers.pods import is_available, next_availability, owned_pods
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.objects import Key, Object, controller_of, copy, is_ready, is_terminating, key_of, owner_reference, scaled
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.resources import CLAIMS, PODS, STATEFUL_SETS
from sandbox.kubernetes.store import Change

COMPONENT = "statefulset-controller"
REVISION_LABEL = "controller-revision-hash"


class StatefulSets:
    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is STATEFUL_SETS:
            yield key_of(change.object)
        elif change.resource is PODS:
            owner = controller_of(change.object)
            if owner is not None and owner["kind"] == "StatefulSet":
                yield change.object["metadata"]["namespace"], owner["name"]

    def sync(self, namespace: str, name: str) -> float | None:
        found = self._core.store.get(STATEFUL_SETS, namespace, name)
        return _Sync(self._core, found).run() if found is not None else None


class _Sync:
    """One look at one StatefulSet. The status tells of the pods as they were before it acted."""

    def __init__(self, core: Core, stateful_set: Object) -> None:
        self._core = core
        self._set = stateful_set
        self._update = revisions.update_revision(core, stateful_set, "controller.kubernetes.io/hash")
        known = {revision["metadata"]["name"]: revision for revision in revisions.history(core, stateful_set)}
        self._current = known.get(stateful_set["status"].get("currentRevision", ""), self._update)
        self._pods = sorted(owned_pods(core, stateful_set), key=_ordinal)
        self._first = stateful_set["spec"].get("ordinals", {}).get("start", 0)
        self._wanted = range(self._first, self._first + stateful_set["spec"]["replicas"])
        self._min_ready = stateful_set["spec"].get("minReadySeconds", 0)
        self._orderly: bool = stateful_set["spec"]["podManagementPolicy"] != "Parallel"
        self._replaced = 0

    def run(self) -> float | None:
        if not is_terminating(self._set):
            self._reconcile()
        status = self._status()
        if status != self._set["status"]:
            self._core.registry.write_status(STATEFUL_SETS, self._set, status)
        live = {self._current["metadata"]["name"], self._update["metadata"]["name"], *(_revision(pod) for pod in self._pods)}
        revisions.truncate(self._core, self._set, live)
        return next_availability(self._pods, self._min_ready, self._core.now) if self._min_ready else None

    def _reconcile(self) -> None:
        replicas = {_ordinal(pod): pod for pod in self._pods if _ordinal(pod) in self._wanted}
        condemned = [pod for pod in reversed(self._pods) if _ordinal(pod) not in self._wanted]
        for ordinal in self._wanted:
            if self._blocks(replicas.get(ordinal), ordinal):
                return
        if self._condemn(condemned, [*replicas.values(), *reversed(condemned)]):
            return
        if self._set["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace(replicas)

    def _blocks(self, pod: Object | None, ordinal: int) -> bool:
        """Makes or remakes one replica; whether those after it have to wait."""
        if pod is None:
            self._create(ordinal)
            return self._orderly
        if pod["status"].get("phase") in ("Failed", "Succeeded"):
            if not is_terminating(pod):
                self._delete(pod)
            return True
        return self._orderly and not self._is_up(pod)

    def _is_up(self, pod: Object) -> bool:
        return not is_terminating(pod) and is_available(pod, self._min_ready, self._core.now)

    def _condemn(self, condemned: list[Object], everyone: list[Object]) -> bool:
        """Takes away what is beyond the replicas, the highest first and only while the others are well; whether it has to be waited for."""
        unavailable = next((pod for pod in everyone if not self._is_up(pod)), None)
        for pod in condemned:
            if is_terminating(pod):
                if self._orderly:
                    return True
                continue
            if self._orderly and not self._is_up(pod) and pod is not unavailable:
                return True
            self._delete(pod)
            if self._orderly:
                return True
        return False

    def _replace(self, replicas: dict[int, Object]) -> None:
        """Deletes outdated pods from the highest down, as many as may be unavailable."""
        rolling = self._set["spec"]["updateStrategy"].get("rollingUpdate", {})
        allowed = max(scaled(rolling.get("maxUnavailable", 1), len(self._wanted), round_up=True), 1)
        room = allowed - sum(ordinal not in replicas or not self._is_up(replicas[ordinal]) for ordinal in self._wanted)
        for ordinal in reversed(self._wanted):
            pod = replicas.get(ordinal)
            if room <= 0 or ordinal - self._first < rolling.get("partition", 0) or pod is None:
                return
            if _revision(pod) != self._update["metadata"]["name"] and not is_terminating(pod):
                self._delete(pod)
                self._replaced += 1
                room -= 1

    def _create(self, ordinal: int) -> None:
        spec, meta = self._set["spec"], self._set["metadata"]
        partition = spec["updateStrategy"].get("rollingUpdate", {}).get("partition", 0)
        rolling = spec["updateStrategy"]["type"] == "RollingUpdate"
        revision = self._current if rolling and ordinal < self._first + partition else self._update
        template, name = copy(revisions.template_of(revision)), f"{meta['name']}-{ordinal}"
        labels = {**template["metadata"].get("labels", {}), "apps.kubernetes.io/pod-index": str(ordinal), "statefulset.kubernetes.io/pod-name": name}
        labels[REVISION_LABEL] = revision["metadata"]["name"]
        pod_meta = {**template["metadata"], "name": name, "generateName": f"{meta['name']}-", "labels": labels, "ownerReferences": [owner_reference(self._set)]}
        pod_spec = {**template["spec"], "hostname": name} | ({"subdomain": spec["serviceName"]} if spec.get("serviceName") else {})
        claims = {claim["metadata"]["name"]: self._claim(claim, name) for claim in spec.get("volumeClaimTemplates", ())}
        if claims:
            others = [volume for volume in pod_spec.get("volumes", ()) if volume["name"] not in claims]
            pod_spec["volumes"] = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims.items()] + others
        self._act("create", name, lambda: self._core.registry.create(PODS, meta["namespace"], {"metadata": pod_meta, "spec": pod_spec}))

    def _claim(self, template: Object, pod: str) -> str:
        """Creates the pod's claim, unless an earlier pod of the name has left one, and returns its name."""
        name, namespace = f"{template['metadata']['name']}-{pod}", self._set["metadata"]["namespace"]
        if self._core.store.get(CLAIMS, namespace, name) is None:
            labels = self._set["spec"]["selector"].get("matchLabels", {})
            meta = {**template["metadata"], "name": name, "labels": {**template["metadata"].get("labels", {}), **labels}}
            self._core.registry.create(CLAIMS, namespace, {"metadata": meta, "spec": template["spec"]})
        return name

    def _delete(self, pod: Object) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self._act("delete", name, lambda: self._core.registry.delete(PODS, namespace, name, DeleteOptions()))

    def _act(self, verb: str, pod: str, action: Callable[[], object]) -> None:
        what = f"{verb} Pod {pod} in StatefulSet {self._set['metadata']['name']}"
        try:
            action()
        except ApiError as error:
            self._core.recorder.record(self._set, COMPONENT, "Warning", f"Failed{verb.title()}", f"{what} failed error: {error.message}")
            raise
        self._core.recorder.record(self._set, COMPONENT, "Normal", f"Successful{verb.title()}", f"{verb.title()}{what.removeprefix(verb)} successful")

    def _status(self) -> Object:
        spec, current, update = self._set["spec"], self._current["metadata"]["name"], self._update["metadata"]["name"]
        living = [pod for pod in self._pods if not is_terminating(pod)]
        counts = {
            "replicas": len(self._pods),
            "readyReplicas": sum(is_ready(pod) for pod in self._pods),
            "currentReplicas": sum(_revision(pod) == current for pod in living) - self._replaced,
            "updatedReplicas": sum(_revision(pod) == update for pod in living),
        }
        if spec["updateStrategy"]["type"] == "RollingUpdate" and counts["updatedReplicas"] == counts["readyReplicas"] == counts["replicas"] == spec["replicas"]:
            current, counts["currentReplicas"] = update, counts["updatedReplicas"]
        status: Object = {"observedGeneration": self._set["metadata"]["generation"], "replicas": counts["replicas"]}
        status |= {name: count for name, count in counts.items() if count}
        status |= {"currentRevision": current, "updateRevision": update, "collisionCount": self._set["status"].get("collisionCount", 0)}
        return status | {"availableReplicas": sum(is_available(pod, self._min_ready, self._core.now) for pod in self._pods)}


def _ordinal(pod: Object) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def _revision(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(REVISION_LABEL, ""))
