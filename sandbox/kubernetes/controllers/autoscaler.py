"""HorizontalPodAutoscalers on CPU and memory (pkg/controller/podautoscaler): the computed size, stabilised downwards, within limits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sandbox.kubernetes import metrics, quantity
from sandbox.kubernetes.controllers.conditions import transitioned
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError, not_found
from sandbox.kubernetes.objects import Key, Object, condition, is_terminating, key_of, parse_time, ready_since, timestamp
from sandbox.kubernetes.resources import AUTOSCALERS, BY_KIND, PODS, Resource
from sandbox.kubernetes.selectors import matches_selector
from sandbox.kubernetes.store import Change

COMPONENT = "horizontal-pod-autoscaler"
PERIOD = 15.0
"""Seconds between two looks: --horizontal-pod-autoscaler-sync-period."""
TOLERANCE = Fraction(1, 10)
STABILIZATION = 300
INITIALIZATION = timedelta(minutes=5)
WINDOW = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for, and its entry in the status."""

    replicas: int
    name: str
    status: Object


class MetricError(Exception):
    """Why a metric gives no size; `reason` is the condition's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Look:
    """The last one. `version`: of the store before it; while that is the store's still, nothing was changed, by it or by others. From `settled` on no pod
    that was there is too young to be measured: another look then sees what one since then has seen."""

    version: int
    at: datetime
    settled: datetime


class Autoscalers:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._recommended: dict[str, list[tuple[datetime, int]]] = {}
        self._looks: dict[str, _Look] = {}

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is AUTOSCALERS and change.verb != "DELETED" and (change.before is None or change.before["spec"] != change.object["spec"]):
            yield key_of(change.object)

    def sync(self, namespace: str, name: str) -> float | None:
        scaler = self._core.store.get(AUTOSCALERS, namespace, name)
        if scaler is None:
            return None
        uid, now, version = scaler["metadata"]["uid"], self._core.now, self._core.store.version
        recommended, last = self._recommended.setdefault(uid, []), self._looks.get(uid)
        if last is not None and last.version != version:
            last = None
        if last is not None and last.at >= last.settled and len({size for _, size in recommended}) == 1:
            recommended[:] = [(now, recommended[0][1])]  # of equal ones the newest counts the longest
            return PERIOD
        _Sync(self._core, scaler, recommended).run()
        self._looks[uid] = _Look(version, now, last.settled if last is not None else now + INITIALIZATION)
        return PERIOD


class _Sync:
    def __init__(self, core: Core, scaler: Object, recommended: list[tuple[datetime, int]]) -> None:
        self._core, self._scaler, self._recommended = core, scaler, recommended
        self._conditions: list[Object] = scaler["status"].get("conditions", [])

    def run(self) -> None:
        try:
            resource, target = self._target()
        except ApiError as error:
            self._event("Warning", "FailedGetScale", error.message)
            self._set("AbleToScale", "False", "FailedGetScale", f"the HPA controller was unable to get the target's current scale: {error.message}")
            self._finish({})
            return
        self._set("AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
        spec, current = self._scaler["spec"], target["spec"].get("replicas", 0)
        counted = {"currentReplicas": target["status"].get("replicas", 0)}
        if not self._recommended:
            self._recommended.append((self._core.now, current))
        why, proposal = "", None
        if current == 0:
            self._set("ScalingActive", "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
            desired = 0
        elif current > spec["maxReplicas"]:
            desired, why = spec["maxReplicas"], "Current number of replicas above Spec.MaxReplicas"
        elif current < spec["minReplicas"]:
            desired, why = spec["minReplicas"], "Current number of replicas below Spec.MinReplicas"
        else:
            proposal = self._propose(target, counted)
            if proposal is None:
                return
            desired = self._normalise(current, proposal.replicas)
            why = f"{proposal.name} above target" if proposal.replicas > current else "All metrics below target"
        if desired != current:
            self._rescale(resource, target, desired, why)
            counted["lastScaleTime"] = timestamp(self._core.now)
        self._finish({**counted, "desiredReplicas": desired, "currentMetrics": [proposal.status] if proposal else None})

    def _target(self) -> tuple[Resource, Object]:
        reference, namespace = self._scaler["spec"]["scaleTargetRef"], self._scaler["metadata"]["namespace"]
        resource = BY_KIND.get((reference.get("apiVersion", "apps/v1"), reference["kind"]))
        if resource is None or "scale" not in resource.subresources:
            group = reference.get("apiVersion", "").rpartition("/")[0]
            raise not_found(Resource(group, "", f"{reference['kind'].lower()}s", reference["kind"]), reference["name"])
        return resource, self._core.registry.get(resource, namespace, reference["name"])

    def _rescale(self, resource: Resource, target: Object, desired: int, why: str) -> None:
        self._core.registry.write(resource, {**target, "spec": {**target["spec"], "replicas": desired}})
        self._set("AbleToScale", "True", "SucceededRescale", f"the HPA controller was able to update the target scale to {desired}")
        self._event("Normal", "SuccessfulRescale", f"New size: {desired}; reason: {why}")

    # ---- metrics

    def _propose(self, target: Object, counted: Object) -> Proposal | None:
        """The largest size that a metric asks for; None, with the reason in the status, when none can be read."""
        proposals, failures = [], []
        for metric in self._scaler["spec"]["metrics"]:
            try:
                proposals.append(self._evaluate(metric, target))
            except MetricError as error:
                failures.append(error)
        if proposals:
            best = max(proposals, key=lambda proposal: proposal.replicas)
            what = f"the HPA was able to successfully calculate a replica count from {best.name}"
            self._set("ScalingActive", "True", "ValidMetricFound", what)
            return best
        first, count = failures[0], len(failures)
        self._event("Warning", first.reason, str(first))
        message = f"invalid metrics ({count} invalid out of {count}), first error is: failed to get metric value: {first}"
        self._event("Warning", "FailedComputeMetricsReplicas", message)
        self._set("ScalingActive", "False", first.reason, f"the HPA was unable to compute the replica count: {first}")
        self._finish({**counted, "desiredReplicas": self._scaler["status"].get("desiredReplicas", 0), "currentMetrics": [{"type": ""}]})
        return None

    def _evaluate(self, metric: Object, target: Object) -> Proposal:
        if metric["type"] != "Resource":
            raise MetricError(f"FailedGet{metric['type']}Metric", f"unable to get metric: no metrics returned from {metric['type'].lower()} metrics API")
        name, wanted = metric["resource"]["name"], metric["resource"]["target"]
        selector, namespace = target["spec"]["selector"], target["metadata"]["namespace"]
        pods = [pod for pod in self._core.store.all(PODS, namespace) if matches_selector(selector, pod["metadata"].get("labels", {}))]
        kind = "utilization" if "averageUtilization" in wanted else "usage"
        alive = [pod for pod in pods if not is_terminating(pod) and pod["status"].get("phase") != "Failed"]
        ready = [pod for pod in alive if self._measured(pod, name)]
        if not ready:
            why = "no metrics returned from resource metrics API" if not alive else "did not receive metrics for targeted pods (pods might be unready)"
            raise MetricError("FailedGetResourceMetric", f"failed to get {name} {kind}: unable to get metrics for resource {name}: {why}")
        use = {pod["metadata"]["name"]: metrics.container_use(pod, name) * len(pod["spec"]["containers"]) for pod in ready}
        if kind == "utilization":
            requests = sum((_request(pod, name) for pod in ready), Fraction())
            ratio = sum(use.values()) / requests * 100 / wanted["averageUtilization"]
        else:
            ratio = sum(use.values()) / len(use) / quantity.parse(wanted["averageValue"])
        average = sum(use.values()) / len(use)
        value = f"{math.ceil(average * 1000)}m" if name == "cpu" else str(math.ceil(average))
        status: Object = {"averageValue": value}
        if kind == "utilization":
            status["averageUtilization"] = int(sum(use.values()) / requests * 100)
        shown = f"{name} resource utilization (percentage of request)" if kind == "utilization" else f"{name} resource"
        replicas = self._sized(ratio, len(ready), len(alive) - len(ready), target["spec"]["replicas"])
        return Proposal(replicas, shown, {"type": "Resource", "resource": {"name": name, "current": status}})

    def _measured(self, pod: Object, name: str) -> bool:
        """groupPods: pending pods count as unready, and so do those that have been ready for less than a window of the CPU's metric."""
        if pod["status"].get("phase") != "Running":
            return False
        if name != "cpu":
            return True
        since = ready_since(pod)
        if self._core.now - parse_time(pod["status"]["startTime"]) < INITIALIZATION:
            return since is not None and self._core.now - since >= WINDOW
        return since is not None

    @staticmethod
    def _sized(ratio: Fraction, ready: int, unready: int, current: int) -> int:
        """What is unready is taken to use nothing when that makes more pods necessary."""
        if unready and ratio > 1:
            ratio = ratio * ready / (ready + unready)
            if ratio < 1:
                return current
            ready += unready
        return current if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * ready)

    # ---- limits

    def _normalise(self, current: int, proposed: int) -> int:
        spec, behavior = self._scaler["spec"], self._scaler["spec"].get("behavior", {})
        stabilised = self._stabilise(behavior, current, proposed)
        if stabilised == proposed:
            self._set("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
        elif proposed < stabilised:
            what = "recent recommendations were higher than current one, applying the highest recent recommendation"
            self._set("AbleToScale", "True", "ScaleDownStabilized", what)
        else:
            what = "recent recommendations were lower than current one, applying the lowest recent recommendation"
            self._set("AbleToScale", "True", "ScaleUpStabilized", what)
        fastest = _limit(behavior["scaleUp"], current, 1) if "scaleUp" in behavior else max(2 * current, 4)
        slowest = _limit(behavior["scaleDown"], current, -1) if "scaleDown" in behavior else 0
        highest: int = min(fastest, spec["maxReplicas"])
        lowest: int = max(slowest, spec["minReplicas"])
        if stabilised > highest and stabilised > current:
            self._limited(*(("TooManyReplicas", "more than the maximum") if spec["maxReplicas"] <= fastest else ("ScaleUpLimit", "")))
            return highest
        if stabilised < lowest:
            self._limited(*(("TooFewReplicas", "less than the minimum") if spec["minReplicas"] >= slowest else ("ScaleDownLimit", "")))
            return lowest
        self._set("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range")
        return stabilised

    def _limited(self, reason: str, bound: str) -> None:
        direction = "increasing" if reason == "ScaleUpLimit" else "decreasing"
        what = f"{bound} replica count" if bound else f"{direction} faster than the maximum scale rate"
        self._set("ScalingLimited", "True", reason, f"the desired replica count is {what}")

    def _stabilise(self, behavior: Object, current: int, proposed: int) -> int:
        """Not below the highest, nor above the lowest recommendation within the windows."""
        now = self._core.now
        down = timedelta(seconds=behavior.get("scaleDown", {}).get("stabilizationWindowSeconds", STABILIZATION))
        up = timedelta(seconds=behavior.get("scaleUp", {}).get("stabilizationWindowSeconds", 0))
        floor = max([proposed, *(size for when, size in self._recommended if now - when < down)])
        ceiling = min([proposed, *(size for when, size in self._recommended if now - when < up)])
        self._recommended[:] = [*((when, size) for when, size in self._recommended if now - when < max(down, up)), (now, proposed)]
        return min(max(current, ceiling), floor)

    # ---- status

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._core.recorder.record(self._scaler, COMPONENT, kind, reason, message)

    def _set(self, kind: str, status: str, reason: str, message: str) -> None:
        entry = transitioned(self._core.now, kind, status, reason, message)
        before = condition(self._conditions, kind)
        if before is None:
            self._conditions = [*self._conditions, entry]
            return
        if before["status"] == status:
            entry["lastTransitionTime"] = before["lastTransitionTime"]
        self._conditions = [entry if old is before else old for old in self._conditions]

    def _finish(self, counts: Object) -> None:
        kept = {field: value for field, value in self._scaler["status"].items() if field == "lastScaleTime"}
        status = {"desiredReplicas": 0, "currentMetrics": None, **kept, **counts, "conditions": self._conditions}
        if not status.get("currentReplicas", 1):
            del status["currentReplicas"]
        self._core.registry.write_status(AUTOSCALERS, self._scaler, status)


def _request(pod: Object, name: str) -> Fraction:
    total = Fraction()
    for container in pod["spec"]["containers"]:
        amount = (container.get("resources", {}).get("requests") or {}).get(name)
        if amount is None:
            missing = f"missing request for {name} in container {container['name']} of Pod {pod['metadata']['name']}"
            raise MetricError("FailedGetResourceMetric", f"failed to get {name} utilization: {missing}")
        total += quantity.parse(amount)
    return total


def _limit(rules: Object, current: int, sign: int) -> int:
    """How far the policies let the size go in one period; what was changed earlier in the period is not counted."""
    if rules.get("selectPolicy") == "Disabled":
        return current
    reached = []
    for policy in rules.get("policies", ()):
        step = policy["value"] if policy["type"] == "Pods" else current * Fraction(policy["value"], 100)
        reached.append(math.ceil(current + step) if sign > 0 else max(int(current - step), 0))
    furthest = (max if sign > 0 else min)(reached, default=current)
    nearest = (min if sign > 0 else max)(reached, default=current)
    return nearest if rules.get("selectPolicy") == "Min" else furthest
