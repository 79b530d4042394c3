"""What the API server fills in (pkg/apis/*/v1/defaults.go), and how it writes what it was given: no nulls, canonical quantities.

`prepare` makes its own copy; the functions below it change that copy in place.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.kubernetes import quantity
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.resources import Resource

_EMPTY_IS_ABSENT = ("annotations", "labels", "finalizers", "ownerReferences")


def prepare(resource: Resource, obj: Object) -> Object:
    """A defaulted copy of what a client sent."""
    prepared: Object = {"kind": resource.kind, "apiVersion": resource.api_version, **without_nulls(obj)}
    meta = prepared.setdefault("metadata", {})
    meta.pop("managedFields", None)
    for field in _EMPTY_IS_ABSENT:
        if field in meta and not meta[field]:
            del meta[field]
    fill = _DEFAULTS.get(resource.key)
    if fill:
        fill(prepared)
    return prepared


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _fill(target: Object, **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


def _deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600, template={})
    strategy = spec["strategy"]
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    _template(spec["template"])
    obj.setdefault("status", {})


def _replica_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, replicas=1)
    if "template" in spec:
        _template(spec["template"])
    obj.setdefault("status", {"replicas": 0})


def _stateful_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(
        spec,
        replicas=1,
        podManagementPolicy="OrderedReady",
        updateStrategy={},
        revisionHistoryLimit=10,
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"},
        template={},
    )
    _fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _fill(spec["updateStrategy"], rollingUpdate={})
        _fill(spec["updateStrategy"]["rollingUpdate"], partition=0)
    _template(spec["template"])
    for claim in spec.get("volumeClaimTemplates", ()):
        _fill(claim, kind="PersistentVolumeClaim", apiVersion="v1")
        _claim(claim)
    obj.setdefault("status", {"replicas": 0, "availableReplicas": 0})


def _daemon_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, updateStrategy={}, revisionHistoryLimit=10, template={})
    _fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _fill(spec["updateStrategy"], rollingUpdate={})
        _fill(spec["updateStrategy"]["rollingUpdate"], maxUnavailable=1, maxSurge=0)
    _template(spec["template"])
    obj.setdefault("status", {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0})


def _template(template: Object) -> None:
    meta = template.setdefault("metadata", {})
    meta.pop("creationTimestamp", None)
    _pod_spec(template.setdefault("spec", {}))


def _pod_spec(spec: Object) -> None:
    _fill(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst", securityContext={}, schedulerName="default-scheduler")
    if "serviceAccountName" in spec:
        _fill(spec, serviceAccount=spec["serviceAccountName"])
    for container in _containers(spec):
        _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)


def _containers(spec: Object) -> Iterable[Object]:
    for field in ("initContainers", "containers"):
        yield from spec.get(field, ())


def _container(container: Object) -> None:
    image = container.get("image", "")
    _fill(container, resources={}, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File", imagePullPolicy=_pull_policy(image))
    for port in container.get("ports", ()):
        _fill(port, protocol="TCP")
    for variable in container.get("env", ()):
        if "fieldRef" in variable.get("valueFrom", {}):
            _fill(variable["valueFrom"]["fieldRef"], apiVersion="v1")
    _canonical(container["resources"], "limits", "requests")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe:
            _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            if "httpGet" in probe:
                _fill(probe["httpGet"], path="/", scheme="HTTP")


def _canonical(holder: Object, *fields: str) -> None:
    for field in fields:
        for name, value in holder.get(field, {}).items():
            try:
                holder[field][name] = quantity.text(quantity.parse(value), str(value))
            except ValueError:
                continue  # validation names it


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _volume(volume: Object) -> None:
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if source in volume:
            _fill(volume[source], defaultMode=420)


def _pod(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _pod_spec(spec)
    _fill(spec, enableServiceLinks=True)
    for container in _containers(spec):
        resources = container["resources"]
        for name, value in resources.get("limits", {}).items():
            resources.setdefault("requests", {}).setdefault(name, value)
    obj.setdefault("status", {"phase": "Pending", "qosClass": qos_class(spec)})


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort (pkg/apis/core/v1/helper/qos)."""
    resources = [container.get("resources", {}) for container in _containers(spec)]
    requests, limits = ([_compute(entry.get(part) or {}) for entry in resources] for part in ("requests", "limits"))
    if not any(requests) and not any(limits):
        return "BestEffort"
    if requests == limits and all(len(entry) == 2 for entry in limits):
        return "Guaranteed"
    return "Burstable"


def _compute(amounts: Object) -> Object:
    return {name: value for name, value in amounts.items() if name in ("cpu", "memory")}


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports", ()):
        _fill(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        _fill(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack", internalTrafficPolicy="Cluster")
    if spec["type"] in ("LoadBalancer", "NodePort"):
        _fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _fill(spec, allocateLoadBalancerNodePorts=True)
    obj.setdefault("status", {"loadBalancer": {}})


def _secret(obj: Object) -> None:
    written = {key: base64.b64encode(value.encode()).decode() for key, value in obj.pop("stringData", {}).items()}
    if written:
        obj["data"] = {**obj.get("data", {}), **written}
    _fill(obj, type="Opaque")


def _autoscaler(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]
    if "behavior" in spec:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        for direction, rules in (
            ("scaleUp", {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent]}),
            ("scaleDown", {"policies": [percent]}),
        ):
            _fill(spec["behavior"].setdefault(direction, {}), selectPolicy="Max", **rules)
    obj.setdefault("status", {"desiredReplicas": 0, "currentMetrics": None})


def _disruption_budget(obj: Object) -> None:
    obj.setdefault("spec", {})
    obj.setdefault("status", {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0})


def _claim(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, volumeMode="Filesystem")
    _canonical(spec.setdefault("resources", {}), "requests", "limits")
    obj.setdefault("status", {"phase": "Pending"})


def _quota(obj: Object) -> None:
    _canonical(obj.setdefault("spec", {}), "hard")
    obj.setdefault("status", {})


def _namespace(obj: Object) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    _fill(labels, **{"kubernetes.io/metadata.name": obj["metadata"].get("name", "")})
    _fill(obj, spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})


def _event(obj: Object) -> None:
    _fill(obj, source={}, firstTimestamp=None, lastTimestamp=None, eventTime=None, reportingComponent="", reportingInstance="")


def _job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, parallelism=1, completions=1, backoffLimit=6, completionMode="NonIndexed", suspend=False, template={})
    _fill(spec, podReplacementPolicy="TerminatingOrFailed")
    _template(spec["template"])
    obj.setdefault("status", {})


def _cron_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job = spec.setdefault("jobTemplate", {})
    _fill(job, metadata={}, spec={})
    _template(job["spec"].setdefault("template", {}))
    obj.setdefault("status", {})


def _ingress(obj: Object) -> None:
    obj.setdefault("status", {"loadBalancer": {}})


def _network_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, policyTypes=["Ingress", "Egress"] if "egress" in spec else ["Ingress"])


def _node(obj: Object) -> None:
    _fill(obj, spec={}, status={})


_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "pods": _pod,
    "services": _service,
    "secrets": _secret,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "poddisruptionbudgets.policy": _disruption_budget,
    "persistentvolumeclaims": _claim,
    "resourcequotas": _quota,
    "namespaces": _namespace,
    "nodes": _node,
    "events": _event,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "ingresses.networking.k8s.io": _ingress,
    "networkpolicies.networking.k8s.io": _network_policy,
}
