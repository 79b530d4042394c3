"""Assigns pods to nodes by what they request, and says why when none fits (kube-scheduler's default plugins, as far as they matter here)."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from sandbox.kubernetes import quantity
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Key, Object, condition, controller_of, is_terminating, key_of, timestamp
from sandbox.kubernetes.quota import Usage, pod_resources
from sandbox.kubernetes.resources import NODES, PODS
from sandbox.kubernetes.selectors import matches_selector
from sandbox.kubernetes.store import Change

COMPONENT = "default-scheduler"
DELAY = 0.005
RETRY = 1.0
"""Seconds from something that may help an unschedulable pod (a pod gone, a node changed) to the next attempt: the queue's initial back-off."""


class Scheduler:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: set[Key] = set()
        core.store.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        if change.resource is PODS:
            key = key_of(change.object)
            if change.verb == "DELETED":
                self._waiting.discard(key)
                if "nodeName" in change.object["spec"]:
                    self._retry()
            elif change.verb == "ADDED" and "nodeName" not in change.object["spec"]:
                self._core.later(DELAY, lambda: self._schedule(key))
        elif change.resource is NODES:
            self._retry()

    def _retry(self) -> None:
        waiting, self._waiting = sorted(self._waiting), set()
        for key in waiting:
            self._core.later(RETRY, lambda key=key: self._schedule(key))  # type: ignore[misc]

    def _schedule(self, key: Key) -> None:
        core, pod = self._core, self._core.store.get(PODS, *key)
        if pod is None or "nodeName" in pod["spec"] or is_terminating(pod):
            return
        running: dict[str, list[Object]] = {}
        for other in core.store.all(PODS):
            if "nodeName" in other["spec"] and other["status"].get("phase") not in ("Succeeded", "Failed"):
                running.setdefault(other["spec"]["nodeName"], []).append(other)
        wanted = {**pod_resources(pod["spec"], "requests"), "pods": Fraction(1)}
        verdicts = {
            node["metadata"]["name"]: objections(node, pod) or _insufficient(node, wanted, running.get(node["metadata"]["name"], []))
            for node in core.store.all(NODES)
        }
        fitting = [name for name, objections in verdicts.items() if not objections]
        if fitting:
            self._bind(pod, min(fitting, key=lambda name: (_siblings(pod, running.get(name, [])), len(running.get(name, [])), name)))
        else:
            self._waiting.add(key)
            self._refuse(pod, _message(verdicts, self._can_preempt(verdicts, wanted)))

    def _bind(self, pod: Object, node: str) -> None:
        core, namespace, name = self._core, *key_of(pod)
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": timestamp(core.now)}
        bound = {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": {**pod["status"], "conditions": [scheduled]}}
        core.store.put(PODS, bound)  # binding is a subresource of its own and does not count as a change of the spec
        core.recorder.record_action(pod, COMPONENT, "Normal", "Scheduled", "Binding", f"Successfully assigned {namespace}/{name} to {node}")

    def _refuse(self, pod: Object, message: str) -> None:
        core = self._core
        before = condition(pod["status"].get("conditions"), "PodScheduled")
        since = before["lastTransitionTime"] if before else timestamp(core.now)
        refused = {"type": "PodScheduled", "status": "False", "lastProbeTime": None, "lastTransitionTime": since}
        refused |= {"reason": "Unschedulable", "message": message, "observedGeneration": pod["metadata"]["generation"]}
        core.registry.write_status(PODS, pod, {**pod["status"], "conditions": [refused]})
        core.recorder.record_action(pod, COMPONENT, "Warning", "FailedScheduling", "Scheduling", message)

    def _can_preempt(self, verdicts: dict[str, list[str]], wanted: Usage) -> list[str]:
        """Nodes on which fewer other pods would help."""
        helped = []
        for node in self._core.store.all(NODES):
            name, has = node["metadata"]["name"], node["status"].get("allocatable", {})
            only_resources = all(text.startswith(("Insufficient ", "Too many pods")) for text in verdicts[name])
            if only_resources and all(quantity.parse(has.get(resource, "0")) >= amount for resource, amount in wanted.items()):
                helped.append(name)
        return helped


def _siblings(pod: Object, others: list[Object]) -> int:
    owner = controller_of(pod)
    return sum(owner is not None and (controller_of(other) or {}).get("uid") == owner["uid"] for other in others)


def objections(node: Object, pod: Object) -> list[str]:
    """Why the node does not take the pod, whatever room it has; empty when it does."""
    labels, spec = node["metadata"].get("labels", {}), node.get("spec", {})
    if spec.get("unschedulable"):
        return ["node(s) were unschedulable"]
    for taint in spec.get("taints", ()):
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerates(pod, taint):
            return ["node(s) had untolerated taint(s)"]
    if not (pod["spec"].get("nodeSelector") or {}).items() <= labels.items() or not _attracted(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    ready = condition(node["status"].get("conditions"), "Ready")
    if ready is not None and ready["status"] != "True":
        return ["node(s) had untolerated taint(s)"]
    return []


def _attracted(pod: Object, node: Object) -> bool:
    """Required node affinity: one of the terms has to match."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if affinity is None:
        return True
    name, labels = {"metadata.name": node["metadata"]["name"]}, node["metadata"].get("labels", {})
    fitted = (("matchFields", name), ("matchExpressions", labels))
    return any(
        all(matches_selector({"matchExpressions": term.get(field, [])}, values) for field, values in fitted) for term in affinity.get("nodeSelectorTerms", ())
    )


def _tolerates(pod: Object, taint: Object) -> bool:
    for toleration in pod["spec"].get("tolerations", ()):
        same_key = toleration.get("key") in (None, taint["key"])
        same_value = toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")
        if same_key and same_value and toleration.get("effect") in (None, taint["effect"]):
            return True
    return False


def _insufficient(node: Object, wanted: Usage, others: list[Object]) -> list[str]:
    used = Usage(pods=Fraction(len(others)))
    for other in others:
        for name, amount in pod_resources(other["spec"], "requests").items():
            used[name] = used.get(name, Fraction()) + amount
    has = node["status"].get("allocatable", {})
    lacking = [name for name in sorted(wanted) if wanted[name] + used.get(name, Fraction()) > quantity.parse(has.get(name, "0"))]
    return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in lacking]


def _message(verdicts: dict[str, list[str]], helped: list[str]) -> str:
    """The scheduler's FitError, with what preemption says after it."""
    if not verdicts:
        return "no nodes available to schedule pods"
    total = len(verdicts)
    reasons = sorted(f"{count} {text}" for text, count in Counter(text for texts in verdicts.values() for text in texts).items())
    attempts = {"No preemption victims found for incoming pod": len(helped), "Preemption is not helpful for scheduling": total - len(helped)}
    tried = ", ".join(sorted(f"{count} {text}" for text, count in attempts.items() if count))
    return f"0/{total} nodes are available: {', '.join(reasons)}. no new claims to deallocate, preemption: 0/{total} nodes are available: {tried}."
