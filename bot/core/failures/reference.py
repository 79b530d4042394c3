"""A ConfigMap, a Secret, a key or a volume claim that a pod names and that is not there."""

import re
from dataclasses import dataclass

from bot.core.ports import Json
from bot.core.workload import containers

_KINDS = {"configmap": "ConfigMap", "secret": "Secret", "persistentvolumeclaim": "PersistentVolumeClaim"}
_VOLUMES = (("configMap", "name", "ConfigMap"), ("secret", "secretName", "Secret"), ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"))
_OBJECT = re.compile(r'\b(configmap|secret|persistentvolumeclaim)s? "([^"]+)" not found', re.I)
_KEY = re.compile(r"couldn't find key (\S+) in (ConfigMap|Secret) (?:[^/\s]+/)?([^\s\"]+)", re.I)


@dataclass(frozen=True)
class Missing:
    """`key` is empty when the whole object is missing."""

    kind: str
    name: str
    key: str = ""

    def __str__(self) -> str:
        return f"the key {self.key} of {self.kind} {self.name}" if self.key else f"{self.kind} {self.name}"

    def advice(self, pod: Json, container: str) -> str:
        """Returns what to do about it, and which part of the pod asks for it."""
        namespace = pod["metadata"]["namespace"]
        users = _users(pod, container, self)
        asked = f" ({' and '.join(users)})" if users else ""
        if self.key:
            return f"Add {self.key} to {self.kind} {self.name} in {namespace}, or correct the name where it is asked for{asked}."
        return f"Create {self.kind} {self.name} in {namespace}, or correct the name where it is asked for{asked}."


def missing(message: str) -> Missing | None:
    """Returns what a message of the kubelet or the scheduler says is missing, or None."""
    if found := _KEY.search(message):
        return Missing(_KINDS[found[2].lower()], found[3], found[1])
    if found := _OBJECT.search(message):
        return Missing(_KINDS[found[1].lower()], found[2])
    return None


def _users(pod: Json, container: str, what: Missing) -> list[str]:
    found = []
    for one in containers(pod):
        if container in ("", one["name"]):
            found += [f"variable {entry['name']}" for entry in one.get("env") or [] if _reference(entry.get("valueFrom") or {}, "KeyRef", what)]
            found += [f"envFrom of {one['name']}" for entry in one.get("envFrom") or [] if _reference(entry, "Ref", what)]
    return found + [f"volume {volume['name']}" for volume in pod["spec"].get("volumes") or [] if _mounted(volume) == (what.kind, what.name)]


def _reference(source: Json, suffix: str, what: Missing) -> bool:
    prefix = "configMap" if what.kind == "ConfigMap" else "secret"
    named = source.get(prefix + suffix) or {}
    return named.get("name") == what.name and (not what.key or named.get("key", what.key) == what.key)


def _mounted(volume: Json) -> tuple[str, str] | None:
    return next(((kind, volume[field].get(key, "")) for field, key, kind in _VOLUMES if field in volume), None)
