"""The scale subresource: a workload seen as a number of replicas (autoscaling/v1 Scale)."""

from __future__ import annotations

from sandbox.kubernetes.errors import invalid, wrong
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.selectors import selector_text


def scale_of(workload: Object) -> Object:
    """Zero is left out, as Go leaves it out: a JSON Patch `test` of /spec/replicas against 0 finds nothing there."""
    meta = workload["metadata"]
    replicas = workload["spec"].get("replicas", 0)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: meta[field] for field in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": workload.get("status", {}).get("replicas", 0), "selector": selector_text(workload["spec"].get("selector") or {})},
    }


def scaled_workload(workload: Object, scale: Object) -> Object:
    """The workload with the replicas and the resourceVersion that the Scale asks for. Raises ApiError 422."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    meta = scale.get("metadata") or {}
    if replicas < 0:
        raise invalid("autoscaling", "Scale", workload["metadata"]["name"], [wrong("spec.replicas", str(replicas), "must be greater than or equal to 0")])
    version = meta.get("resourceVersion") or workload["metadata"]["resourceVersion"]
    return {**workload, "metadata": {**workload["metadata"], "resourceVersion": version}, "spec": {**workload["spec"], "replicas": replicas}}
