"""Objects, their versions, and the log of changes that watches read (etcd and the watch cache in one)."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes.objects import Key, Object, key_of, with_meta
from sandbox.kubernetes.resources import Resource

KEPT_CHANGES = 10_000
"""Changes kept for each resource; a watch from before the oldest gets 410 Gone."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `before` is None for what was added; of a deletion, `object` is the last state under the deletion's version."""

    version: int
    verb: str
    resource: Resource
    object: Object
    before: Object | None


class Store:
    """Objects are never changed in place: a write puts a new dictionary, so whoever holds an old one still sees what it read."""

    def __init__(self) -> None:
        self.version = 1
        self.compacted = 0
        self.listeners: list[Callable[[Change], None]] = []
        self._objects: dict[str, dict[Key, Object]] = {}
        self._changes: dict[str, list[Change]] = {}
        self._forgotten: dict[str, int] = {}
        self._dependents: dict[str, dict[tuple[str, Key], tuple[Resource, Object]]] = {}
        self._encoded: dict[str, bytes] = {}
        self._ordered: dict[tuple[str, str], list[Object]] = {}

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._objects.get(resource.key, {}).get((namespace, name))

    def all(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Ordered by namespace and name, as etcd's keys are; every namespace when none is named. The list is not to be changed."""
        known = self._ordered.get((resource.key, namespace))
        if known is None:
            objects = self._objects.get(resource.key, {})
            known = self._ordered[resource.key, namespace] = [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]
        return known

    def at_version(self, resource: Resource, namespace: str, version: int) -> list[Object] | None:
        """The list as it was at an earlier version, or None when that is no longer known."""
        since = self.changes(resource, version)
        if since is None:
            return None
        if not since:
            return self.all(resource, namespace)
        objects = dict(self._objects.get(resource.key, {}))
        for change in reversed(since):
            if change.before is None:
                del objects[key_of(change.object)]
            else:
                objects[key_of(change.object)] = change.before
        return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]

    def dependents(self, uid: str, resource: Resource | None = None) -> list[tuple[Resource, Object]]:
        """What names `uid` among its owners, in order of creation."""
        found = self._dependents.get(uid, {}).values()
        return [(kind, obj) for kind, obj in found if resource is None or kind is resource]

    def put(self, resource: Resource, obj: Object) -> Object:
        """Writes `obj` and returns it with its new resourceVersion; an update that changes nothing is no write, as in Kubernetes."""
        objects = self._objects.setdefault(resource.key, {})
        before = objects.get(key_of(obj))
        if before is not None and before == obj:
            return before
        stored = with_meta(obj, resourceVersion=str(self.version + 1))
        objects[key_of(obj)] = stored
        self._record("ADDED" if before is None else "MODIFIED", resource, stored, before)
        return stored

    def remove(self, resource: Resource, namespace: str, name: str) -> Object:
        """Deletes the object and returns its last state under the version of the deletion. Raises KeyError."""
        before = self._objects[resource.key].pop((namespace, name))
        gone = with_meta(before, resourceVersion=str(self.version + 1))
        self._record("DELETED", resource, gone, before)
        return gone

    def changes(self, resource: Resource, since: int) -> list[Change] | None:
        """Changes after version `since`, or None when some of them are no longer kept."""
        if since < self.oldest(resource):
            return None
        log = self._changes.get(resource.key, [])
        return log[bisect_right(log, since, key=lambda change: change.version) :]

    def oldest(self, resource: Resource) -> int:
        """The oldest version from which the resource's changes are still known."""
        return max(self.compacted, self._forgotten.get(resource.key, 0))

    def compact(self) -> None:
        """Forgets all history: a watch or a continued list from an older version gets 410 Gone."""
        self.version += 1
        self.compacted = self.version
        self._changes.clear()
        self._encoded.clear()

    def encode(self, obj: Object) -> bytes:
        """The object as JSON."""
        return b"".join((b'{"kind":"', obj["kind"].encode(), b'","apiVersion":"', obj["apiVersion"].encode(), b'",', self.encode_rest(obj)))

    def encode_rest(self, obj: Object) -> bytes:
        """What follows kind and apiVersion (which an item of a list does not have), with the closing brace; made once for each version."""
        version = obj["metadata"]["resourceVersion"]
        encoded = self._encoded.get(version)
        if encoded is None:
            if len(self._encoded) >= KEPT_CHANGES:
                self._encoded.clear()
            encoded = self._encoded[version] = to_json({key: value for key, value in obj.items() if key not in ("kind", "apiVersion")})[1:]
        return encoded

    def _record(self, verb: str, resource: Resource, obj: Object, before: Object | None) -> None:
        self.version += 1
        log = self._changes.setdefault(resource.key, [])
        log.append(Change(self.version, verb, resource, obj, before))
        if len(log) > KEPT_CHANGES:
            self._forgotten[resource.key] = log[KEPT_CHANGES // 2 - 1].version
            del log[: KEPT_CHANGES // 2]
        self._index(verb, resource, obj, before)
        self._ordered.pop((resource.key, ""), None)
        self._ordered.pop((resource.key, obj["metadata"].get("namespace", "")), None)
        for listener in self.listeners:
            listener(log[-1])

    def _index(self, verb: str, resource: Resource, obj: Object, before: Object | None) -> None:
        key = (resource.key, key_of(obj))
        owners = () if verb == "DELETED" else obj["metadata"].get("ownerReferences", ())
        if before is not None:
            for owner in before["metadata"].get("ownerReferences", ()):
                if owner not in owners:
                    self._dependents[owner["uid"]].pop(key, None)
        for owner in owners:
            self._dependents.setdefault(owner["uid"], {})[key] = (resource, obj)


def to_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
