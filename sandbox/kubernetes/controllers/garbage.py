"""The garbage collector and the namespace controller: what goes because what it belonged to has gone."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Key, Object, is_terminating, with_meta
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.resources import BY_KIND, CONFIG_MAPS, NAMESPACES, RESOURCES, SERVICE_ACCOUNTS, Resource
from sandbox.kubernetes.store import Change

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class GarbageCollector:
    """Its keys are (uid, "") of objects that may have dependents to take care of."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._owners: dict[str, tuple[Resource, str, str]] = {}

    def keys(self, change: Change) -> Iterable[Key]:
        meta = change.object["metadata"]
        if change.verb == "DELETED" or is_terminating(change.object):
            self._owners[meta["uid"]] = (change.resource, meta.get("namespace", ""), meta["name"])
            yield meta["uid"], ""
        for owner in meta.get("ownerReferences", ()):
            if change.verb == "DELETED" and owner["uid"] in self._owners:
                yield owner["uid"], ""  # it may have waited for this one
            elif change.verb == "ADDED" and not self._exists(owner, meta.get("namespace", "")):
                yield owner["uid"], ""

    def _exists(self, owner: Object, namespace: str) -> bool:
        resource = BY_KIND.get((owner["apiVersion"], owner["kind"]))
        if resource is None:
            return True
        found = self._core.store.get(resource, namespace if resource.namespaced else "", owner["name"])
        return found is not None and found["metadata"]["uid"] == owner["uid"]

    def sync(self, uid: str, _: str) -> None:
        found = self._owners.get(uid)
        owner = self._core.store.get(*found) if found else None
        if owner is None or owner["metadata"]["uid"] != uid:
            self._collect(uid, "Background")
            self._owners.pop(uid, None)
        elif FOREGROUND in owner["metadata"].get("finalizers", ()):
            self._collect(uid, "Foreground")
            if not any(_blocks(obj, uid) for _, obj in self._core.store.dependents(uid)):
                self._release(owner, FOREGROUND)
        elif ORPHAN in owner["metadata"].get("finalizers", ()):
            for resource, obj in self._core.store.dependents(uid):
                self._disown(resource, obj, uid)
            self._release(owner, ORPHAN)

    def _collect(self, uid: str, propagation: str) -> None:
        """Deletes what belongs to nobody else; in a foreground deletion, what has dependents itself waits for them in turn."""
        for resource, obj in self._core.store.dependents(uid):
            meta = obj["metadata"]
            others = [owner for owner in meta["ownerReferences"] if owner["uid"] != uid and self._exists(owner, meta.get("namespace", ""))]
            if others:
                self._disown(resource, obj, uid)
            elif not is_terminating(obj):
                policy = propagation if self._core.store.dependents(meta["uid"]) else "Background"
                self._core.registry.delete(resource, meta.get("namespace", ""), meta["name"], DeleteOptions(propagation=policy))

    def _disown(self, resource: Resource, obj: Object, uid: str) -> None:
        owners = [owner for owner in obj["metadata"]["ownerReferences"] if owner["uid"] != uid]
        self._core.registry.write(resource, with_meta(obj, ownerReferences=owners or None))

    def _release(self, owner: Object, finalizer: str) -> None:
        left = [entry for entry in owner["metadata"]["finalizers"] if entry != finalizer]
        resource = BY_KIND[owner["apiVersion"], owner["kind"]]
        self._core.registry.update(resource, with_meta(owner, finalizers=left or None))


def _blocks(obj: Object, uid: str) -> bool:
    return any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in obj["metadata"]["ownerReferences"])


class Namespaces:
    """Gives every namespace its account and certificate, and empties one that is being deleted."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is NAMESPACES:
            yield "", change.object["metadata"]["name"]
        elif change.verb == "DELETED" and change.resource.namespaced:
            namespace = self._core.store.get(NAMESPACES, "", change.object["metadata"]["namespace"])
            if namespace is not None and is_terminating(namespace):
                yield "", namespace["metadata"]["name"]

    def sync(self, _: str, name: str) -> None:
        namespace = self._core.store.get(NAMESPACES, "", name)
        if namespace is None:
            return
        if is_terminating(namespace):
            self._empty(name)
        else:
            furnish(self._core, name)

    def _empty(self, name: str) -> None:
        store, left = self._core.store, False
        for resource in RESOURCES:
            for obj in store.all(resource, name) if resource.namespaced else ():
                left = True
                if not is_terminating(obj):
                    self._core.registry.delete(resource, name, obj["metadata"]["name"], DeleteOptions())
        if not left:
            store.remove(NAMESPACES, "", name)


def furnish(core: Core, namespace: str) -> None:
    """What every namespace has from its beginning."""
    if core.store.get(SERVICE_ACCOUNTS, namespace, "default") is None:
        core.registry.create(SERVICE_ACCOUNTS, namespace, {"metadata": {"name": "default"}})
    if core.store.get(CONFIG_MAPS, namespace, "kube-root-ca.crt") is None:
        core.registry.create(CONFIG_MAPS, namespace, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}})
