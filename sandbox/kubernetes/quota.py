"""ResourceQuota: what a namespace uses, and the refusal of what would be too much (the quota admission plugin and its controller)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from sandbox.kubernetes import quantity
from sandbox.kubernetes.errors import forbidden
from sandbox.kubernetes.objects import Object, with_status
from sandbox.kubernetes.resources import PODS, QUOTAS, RESOURCES, Resource
from sandbox.kubernetes.store import Store

Usage = dict[str, Fraction]

_COUNTED = {"configmaps", "persistentvolumeclaims", "resourcequotas", "secrets", "services"}
_COMPUTE = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def usage_of(resource: Resource, obj: Object) -> Usage:
    """What one object counts for."""
    used: Usage = {f"count/{resource.key}": Fraction(1)}
    if resource.key in _COUNTED:
        used[resource.key] = Fraction(1)
    if resource is PODS:
        if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return used
        used["pods"] = Fraction(1)
        used |= pod_compute(obj["spec"])
    return used


def pod_compute(spec: Object) -> Usage:
    """`cpu`, `memory`, `requests.*` and `limits.*` of a pod: its containers' sum, or an init container that asks for more."""
    used: Usage = {}
    for part, prefixes in (("requests", ("", "requests.")), ("limits", ("limits.",))):
        for name, amount in pod_resources(spec, part).items():
            for prefix in prefixes:
                used[f"{prefix}{name}"] = amount
    return used


def pod_resources(spec: Object, part: str) -> Usage:
    """What a pod's `requests` or `limits` amount to, by resource."""
    totals = _added((container.get("resources", {}).get(part) or {}) for container in spec.get("containers", ()))
    for container in spec.get("initContainers", ()):
        for name, value in (container.get("resources", {}).get(part) or {}).items():
            totals[name] = max(totals.get(name, Fraction()), quantity.parse(value))
    return totals


def _added(amounts: Iterable[dict[str, str]]) -> Usage:
    totals: Usage = {}
    for entry in amounts:
        for name, value in entry.items():
            totals[name] = totals.get(name, Fraction()) + quantity.parse(value)
    return totals


def measure(store: Store, quota: Object) -> Object:
    """The quota's status as it should be now."""
    hard = quota["spec"].get("hard", {})
    totals: Usage = {name: Fraction() for name in hard}
    for resource in _concerned(hard):
        for obj in store.all(resource, quota["metadata"]["namespace"]):
            for name, amount in usage_of(resource, obj).items():
                if name in totals:
                    totals[name] += amount
    return {"hard": hard, "used": {name: quantity.text(totals[name], str(hard[name])) for name in hard}}


def _concerned(hard: Iterable[str]) -> list[Resource]:
    names = set(hard)
    pods = bool(names & {"pods", *_COMPUTE})
    return [r for r in RESOURCES if r.namespaced and (f"count/{r.key}" in names or (r.key in _COUNTED and r.key in names) or (r is PODS and pods))]


def admit(store: Store, resource: Resource, obj: Object, *, dry_run: bool) -> None:
    """Raises ApiError 403 when a quota of the namespace does not allow `obj`; else counts it."""
    needed = usage_of(resource, obj)
    charged = []
    for quota in store.all(QUOTAS, obj["metadata"].get("namespace", "-")):
        status = measure(store, quota)
        hard = status["hard"]
        if resource is PODS:
            _require_requests(obj, quota["metadata"]["name"], hard)
        over = sorted(name for name, amount in needed.items() if name in hard and quantity.parse(status["used"][name]) + amount > quantity.parse(hard[name]))
        if over:
            parts = {"requested": {name: quantity.text(needed[name], str(hard[name])) for name in over}, "used": status["used"], "limited": hard}
            listed = ", ".join(f"{label}: {','.join(f'{name}={values[name]}' for name in over)}" for label, values in parts.items())
            raise forbidden(resource, obj["metadata"]["name"], f"exceeded quota: {quota['metadata']['name']}, {listed}")
        used = {name: quantity.text(quantity.parse(status["used"][name]) + needed.get(name, Fraction()), str(hard[name])) for name in hard}
        charged.append(with_status(quota, {"hard": hard, "used": used}))
    if not dry_run:
        for quota in charged:
            store.put(QUOTAS, quota)


def _require_requests(pod: Object, quota: str, hard: Iterable[str]) -> None:
    missing: dict[str, list[str]] = {}
    for container in (*pod["spec"].get("containers", ()), *pod["spec"].get("initContainers", ())):
        has = pod_compute({"containers": [container]})
        for name in hard:
            if name in _COMPUTE and name not in has:
                missing.setdefault(name, []).append(container["name"])
    if missing:
        what = "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))
        raise forbidden(PODS, pod["metadata"]["name"], f"failed quota: {quota}: must specify {what}")
