"""Quota usage and disruption budgets: statuses that are counted (the resourcequota and disruption controllers)."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.kubernetes import quota
from sandbox.kubernetes.controllers.conditions import without
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Key, Object, condition, controller_of, is_active, is_ready, key_of, scaled, timestamp
from sandbox.kubernetes.resources import BY_KIND, DEPLOYMENTS, DISRUPTION_BUDGETS, PODS, QUOTAS
from sandbox.kubernetes.selectors import matches_selector
from sandbox.kubernetes.store import Change


class Quotas:
    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is QUOTAS:
            yield key_of(change.object)
        elif change.resource.namespaced and (change.verb == "DELETED" or change.resource is PODS):
            namespace = change.object["metadata"]["namespace"]
            yield from (key_of(found) for found in self._core.store.all(QUOTAS, namespace))

    def sync(self, namespace: str, name: str) -> None:
        found = self._core.store.get(QUOTAS, namespace, name)
        if found is not None:
            self._core.registry.write_status(QUOTAS, found, quota.measure(self._core.store, found))


class DisruptionBudgets:
    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is DISRUPTION_BUDGETS:
            yield key_of(change.object)
        elif change.resource in (PODS, DEPLOYMENTS):
            namespace = change.object["metadata"]["namespace"]
            yield from (key_of(found) for found in self._core.store.all(DISRUPTION_BUDGETS, namespace))

    def sync(self, namespace: str, name: str) -> None:
        budget = self._core.store.get(DISRUPTION_BUDGETS, namespace, name)
        if budget is None:
            return
        store, spec = self._core.store, budget["spec"]
        pods = [pod for pod in store.all(PODS, namespace) if matches_selector(spec.get("selector"), pod["metadata"].get("labels", {}))]
        pods = [pod for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed")]
        healthy = sum(is_ready(pod) and is_active(pod) for pod in pods)
        expected, desired = self._wanted(spec, pods)
        allowed = max(healthy - desired, 0) if expected > 0 else 0
        status = {
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "observedGeneration": budget["metadata"]["generation"],
            "conditions": self._conditions(budget, allowed > 0),
        }
        self._core.registry.write_status(DISRUPTION_BUDGETS, budget, status)

    def _wanted(self, spec: Object, pods: list[Object]) -> tuple[int, int]:
        """How many pods there should be, and how many of them must be healthy; a number as minAvailable counts the pods there are."""
        if isinstance(spec.get("minAvailable"), int):
            return len(pods), spec["minAvailable"]
        expected = self._expected(pods)
        if "minAvailable" in spec:
            return expected, scaled(spec["minAvailable"], expected, round_up=True)
        return expected, max(expected - scaled(spec.get("maxUnavailable", 0), expected, round_up=True), 0)

    def _expected(self, pods: list[Object]) -> int:
        """The sum of `spec.replicas` of what controls the pods, up to the top."""
        sizes: dict[str, int] = {}
        for pod in pods:
            owner = self._owner(pod)
            above = self._owner(owner) if owner else None
            top = above or owner
            if top is not None:
                sizes[top["metadata"]["uid"]] = top["spec"].get("replicas", 1)
        return sum(sizes.values())

    def _owner(self, obj: Object) -> Object | None:
        reference = controller_of(obj)
        resource = BY_KIND.get((reference["apiVersion"], reference["kind"])) if reference else None
        return self._core.store.get(resource, obj["metadata"]["namespace"], reference["name"]) if resource and reference else None

    def _conditions(self, budget: Object, allowed: bool) -> list[Object]:
        current = budget["status"].get("conditions", [])
        entry = {
            "type": "DisruptionAllowed",
            "status": "True" if allowed else "False",
            "observedGeneration": budget["metadata"]["generation"],
            "lastTransitionTime": timestamp(self._core.now),
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
        }
        before = condition(current, "DisruptionAllowed")
        if before is not None and before["status"] == entry["status"]:
            entry["lastTransitionTime"] = before["lastTransitionTime"]
        return [*without(current, "DisruptionAllowed"), entry]
