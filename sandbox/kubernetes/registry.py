"""Writes, as the API server's registry makes them: defaulted, validated, admitted, numbered, stored. Requests and controllers alike go through here."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from sandbox.kubernetes import admission
from sandbox.kubernetes.defaults import prepare
from sandbox.kubernetes.errors import already_exists, bad_request, conflict, not_found
from sandbox.kubernetes.objects import Object, is_terminating, random_name, random_uid, timestamp, with_annotations, with_meta
from sandbox.kubernetes.resources import DAEMON_SETS, NAMESPACES, PODS, SERVICES, Resource
from sandbox.kubernetes.store import Store
from sandbox.kubernetes.validation import validate
from sandbox.timeline import Timeline

_NUMBERED = {
    "cronjobs.batch",
    "daemonsets.apps",
    "deployments.apps",
    "ingresses.networking.k8s.io",
    "jobs.batch",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "pods",
    "replicasets.apps",
    "statefulsets.apps",
}
"""Resources whose `metadata.generation` counts changes of the spec."""

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_KEPT_ON_UPDATE = ("namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName", "generation")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """metav1.DeleteOptions, as far as they are honoured. `grace` is in seconds."""

    grace: int | None = None
    propagation: str = "Background"
    uid: str | None = None
    version: str | None = None
    dry_run: bool = False


class Registry:
    def __init__(self, store: Store, timeline: Timeline, rng: random.Random) -> None:
        self._store = store
        self._timeline = timeline
        self._rng = rng

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """The stored object. Raises ApiError 404."""
        found = self._store.get(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def create(self, resource: Resource, namespace: str, sent: Object, *, dry_run: bool = False) -> Object:
        """Stores a new object and returns it. Raises ApiError: 400, 403, 404 (no such namespace), 409 (exists) or 422."""
        obj = prepare(resource, sent)
        meta = obj["metadata"]
        if resource.namespaced and meta.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + random_name(self._rng)
        self._stamp(resource, meta)
        if resource.namespaced and self._store.get(NAMESPACES, "", namespace) is None:
            raise not_found(NAMESPACES, namespace)
        if resource is not PODS:
            validate(resource, obj, None)
        if not dry_run and self._store.get(resource, meta.get("namespace", ""), meta["name"]) is not None:
            raise already_exists(resource, meta["name"])
        admission.admit(self._store, self._rng, resource, obj, dry_run=dry_run)
        if resource is PODS:
            validate(resource, obj, None)
        return obj if dry_run else self._store.put(resource, obj)

    def _stamp(self, resource: Resource, meta: Object) -> None:
        for field in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            meta.pop(field, None)
        meta["uid"] = random_uid(self._rng)
        meta["creationTimestamp"] = timestamp(self._timeline.now)
        if resource.key in _NUMBERED:
            meta["generation"] = 1
        if resource is DAEMON_SETS:
            meta["annotations"] = {**meta.get("annotations", {}), TEMPLATE_GENERATION: "1"}

    def update(self, resource: Resource, sent: Object, *, status: bool = False, dry_run: bool = False) -> Object:
        """Replaces an object, or only its status. Raises ApiError: 400, 404, 409 (another version or uid) or 422."""
        new = prepare(resource, sent)
        meta = new["metadata"]
        old = self.get(resource, meta.get("namespace", ""), meta.get("name", ""))
        current = old["metadata"]
        if meta.get("uid", current["uid"]) != current["uid"]:
            raise conflict(resource, meta["name"], f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {current['uid']}")
        if meta.get("resourceVersion", current["resourceVersion"]) != current["resourceVersion"]:
            raise conflict(resource, meta["name"])
        merged = self._merge(resource, old, new, status=status)
        if not status:
            validate(resource, merged, old)
        if dry_run:
            return merged
        if is_terminating(merged) and not merged["metadata"].get("finalizers") and resource is not PODS and resource is not NAMESPACES:
            self._store.put(resource, merged)
            return self._store.remove(resource, current.get("namespace", ""), current["name"])
        return self._store.put(resource, merged)

    def _merge(self, resource: Resource, old: Object, new: Object, *, status: bool) -> Object:
        current = old["metadata"]
        kept = {field: current.get(field) for field in _KEPT_ON_UPDATE} | {"resourceVersion": current["resourceVersion"]}
        if status:
            merged = {**old, "status": new.get("status", {})}
            return with_meta(merged, annotations=new["metadata"].get("annotations"))
        merged = with_meta(new, **kept)
        if "status" in resource.subresources:
            merged.pop("status", None)
            if "status" in old:
                merged["status"] = old["status"]
        if resource is SERVICES:  # addresses stay when the update does not speak of them
            allocated = {field: old["spec"][field] for field in ("clusterIP", "clusterIPs") if field in old["spec"]}
            merged = {**merged, "spec": {**allocated, **merged["spec"]}}
        if resource is DAEMON_SETS and merged["spec"]["template"] != old["spec"]["template"]:
            count = int(current["annotations"].get(TEMPLATE_GENERATION, 0)) + 1
            merged = with_annotations(merged, **{TEMPLATE_GENERATION: str(count)})
        return _numbered(resource, old, merged)

    def write(self, resource: Resource, new: Object) -> Object:
        """A controller's update: neither defaulted nor validated again. Raises ApiError 404, or 409 when `new` was made from an older version."""
        return self._store.put(resource, _numbered(resource, self._current(resource, new), new))

    def write_status(self, resource: Resource, obj: Object, status: Object) -> Object:
        """A controller's update of the status, and of `obj`'s annotations, as a Deployment's revision is. Raises as `write` does."""
        self._current(resource, obj)
        return self._store.put(resource, {**obj, "status": status})

    def _current(self, resource: Resource, obj: Object) -> Object:
        meta = obj["metadata"]
        stored = self.get(resource, meta.get("namespace", ""), meta["name"])
        if stored["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            raise conflict(resource, meta["name"])
        return stored

    def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> tuple[Object, bool]:
        """Returns the object and whether it is gone already, or only on its way. Raises ApiError 404 or 409."""
        obj = self.get(resource, namespace, name)
        meta = obj["metadata"]
        if options.uid not in (None, meta["uid"]):
            raise conflict(resource, name, f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {meta['uid']}")
        if options.version not in (None, version := meta["resourceVersion"]):
            compared = f"ResourceVersion in precondition: {options.version}, ResourceVersion in object meta: {version}"
            raise conflict(resource, name, f"Precondition failed: {compared}")
        grace = self._grace(resource, obj, options)
        finalizers = [*meta.get("finalizers", ())]
        for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
            if options.propagation == policy and finalizer not in finalizers:
                finalizers.append(finalizer)
        waits = bool(grace or finalizers or resource is NAMESPACES)
        if options.dry_run:
            return obj, not waits
        if not waits:
            return self._store.remove(resource, namespace, name), True
        return self._terminate(resource, obj, grace, finalizers), False

    def _grace(self, resource: Resource, obj: Object, options: DeleteOptions) -> int:
        """A pod's seconds to stop (podStrategy.CheckGracefulDelete): none when it runs nowhere or has finished."""
        if resource is not PODS:
            return 0
        spec = obj["spec"]
        grace = options.grace if options.grace is not None else spec.get("terminationGracePeriodSeconds", 30)
        if "nodeName" not in spec or obj["status"].get("phase") in ("Succeeded", "Failed"):
            return 0
        return int(grace)

    def _terminate(self, resource: Resource, obj: Object, grace: int, finalizers: list[str]) -> Object:
        meta = obj["metadata"]
        if is_terminating(obj) and grace >= meta.get("deletionGracePeriodSeconds", 0):
            return self._store.put(resource, with_meta(obj, finalizers=finalizers or None))
        marked = with_meta(
            obj,
            deletionTimestamp=timestamp(self._timeline.now + timedelta(seconds=grace)),
            deletionGracePeriodSeconds=grace if resource is not NAMESPACES else None,
            finalizers=finalizers or None,
            generation=meta["generation"] + 1 if "generation" in meta else None,
        )
        if resource is NAMESPACES:
            marked = {**marked, "status": {**marked["status"], "phase": "Terminating"}}
        return self._store.put(resource, marked)


def _numbered(resource: Resource, old: Object, new: Object) -> Object:
    """Counts the generation up when the spec changed; a Deployment's also when its annotations did (deploymentStrategy.PrepareForUpdate)."""
    if resource.key not in _NUMBERED:
        return new
    annotated = resource.kind == "Deployment" and new["metadata"].get("annotations") != old["metadata"].get("annotations")
    if new.get("spec") == old.get("spec") and not annotated:
        return new
    return with_meta(new, generation=old["metadata"].get("generation", 0) + 1)
