"""Lists as tables, which is what `kubectl get` asks for (pkg/printers/internalversion)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.kubernetes.objects import Object, is_terminating, parse_time
from sandbox.kubernetes.requests import Request
from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.selectors import selector_text

Cells = list[Any]
Printer = Callable[[Object, datetime], Cells]


def wanted(request: Request) -> bool:
    return "as=Table" in request.headers.get("accept", "")


def table(now: datetime, request: Request, resource: Resource, objects: list[Object], meta: Object) -> Object:
    """A meta.k8s.io/v1 Table; a column beginning with + is shown with `-o wide` only."""
    columns, cells = _PRINTERS.get(resource.key, (("Name", "Age"), lambda obj, now: [obj["metadata"]["name"], age(obj, now)]))
    rows = [{"cells": cells(obj, now), "object": _row_object(request, obj)} for obj in objects]
    definitions = [
        {
            "name": column.lstrip("+"),
            "type": "string",
            "format": "name" if column.lstrip("+") == "Name" else "",
            "description": "",
            "priority": int(column.startswith("+")),
        }
        for column in columns
    ]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": definitions, "rows": rows}


def _row_object(request: Request, obj: Object) -> Object | None:
    match request.query.get("includeObject"):
        case "Object":
            return obj
        case "None":
            return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def human_duration(seconds: float) -> str:
    """duration.HumanDuration."""
    whole = int(seconds)
    if whole < 0:
        return "0s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    for limit, text in (
        (120, f"{whole}s"),
        (600, f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"),
        (3 * 3600, f"{minutes}m"),
        (8 * 3600, f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"),
        (48 * 3600, f"{hours}h"),
        (8 * 86400, f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"),
        (2 * 365 * 86400, f"{days}d"),
    ):
        if whole < limit:
            return text
    return f"{days // 365}y"


def since(text: str | None, now: datetime) -> str:
    return human_duration((now - parse_time(text)).total_seconds()) if text else "<unknown>"


def age(obj: Object, now: datetime) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def _pod(pod: Object, now: datetime) -> Cells:
    status = pod["status"]
    entries = status.get("containerStatuses", ())
    reason, restarts, last = status.get("reason") or status.get("phase", ""), 0, ""
    for entry in reversed(entries):
        restarts += entry["restartCount"]
        last = max(last, entry["lastState"].get("terminated", {}).get("finishedAt", ""))
        reason = entry["state"].get("waiting", {}).get("reason") or entry["state"].get("terminated", {}).get("reason") or reason
    if is_terminating(pod):
        reason = "Terminating"
    ready = f"{sum(entry['ready'] for entry in entries)}/{len(pod['spec']['containers'])}"
    restarted = f"{restarts} ({since(last, now)} ago)" if restarts and last else str(restarts)
    wide = [status.get("podIP", "<none>"), pod["spec"].get("nodeName", "<none>"), "<none>", "<none>"]
    return [pod["metadata"]["name"], ready, reason, restarted, age(pod, now), *wide]


def _containers(workload: Object) -> Cells:
    containers = workload["spec"]["template"]["spec"].get("containers", ())
    return [",".join(entry["name"] for entry in containers), ",".join(entry["image"] for entry in containers)]


def _workload(*fields: str) -> Printer:
    """Counts of a workload's status (or, of `spec.…`, of its spec), its age, containers, images and selector."""

    def cells(obj: Object, now: datetime) -> Cells:
        counts = [obj["spec"].get(field[5:], 0) if field.startswith("spec.") else obj["status"].get(field, 0) for field in fields]
        return [obj["metadata"]["name"], *counts, age(obj, now), *_containers(obj), selector_text(obj["spec"].get("selector") or {})]

    return cells


def _ready(obj: Object) -> str:
    return f"{obj['status'].get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"


def _deployment(obj: Object, now: datetime) -> Cells:
    name, *rest = _workload("updatedReplicas", "availableReplicas")(obj, now)
    return [name, _ready(obj), *rest]


def _stateful_set(obj: Object, now: datetime) -> Cells:
    return [obj["metadata"]["name"], _ready(obj), age(obj, now), *_containers(obj)]


def _daemon_set(obj: Object, now: datetime) -> Cells:
    fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable")
    name, *counts = _workload(*fields)(obj, now)
    nodes = ",".join(f"{key}={value}" for key, value in obj["spec"]["template"]["spec"].get("nodeSelector", {}).items())
    return [name, *counts[:5], nodes or "<none>", *counts[5:]]


def _event(event: Object, now: datetime) -> Cells:
    about, count = event["involvedObject"], event.get("count") or event.get("series", {}).get("count", 1)
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = event.get("series", {}).get("lastObservedTime") or event.get("lastTimestamp") or first
    source = event.get("source", {}).get("component") or event.get("reportingComponent", "")
    host = event.get("source", {}).get("host") or event.get("reportingInstance", "")
    seen = since(last, now) + (f" (x{count} over {since(first, now)})" if count > 1 else "")
    what = f"{about['kind'].lower()}/{about['name']}"
    wide = [f"{source}, {host}" if host else source, event["message"].strip(), since(first, now), count, event["metadata"]["name"]]
    return [seen, event["type"], event["reason"], what, about.get("fieldPath", ""), *wide]


def _node(node: Object, now: datetime) -> Cells:
    status = node["status"]
    ready = next((entry["status"] for entry in status.get("conditions", ()) if entry["type"] == "Ready"), "Unknown")
    shown = ("Ready" if ready == "True" else "NotReady") + (",SchedulingDisabled" if node["spec"].get("unschedulable") else "")
    info, address = status.get("nodeInfo", {}), next((entry["address"] for entry in status.get("addresses", ()) if entry["type"] == "InternalIP"), "<none>")
    wide = [address, "<none>", info.get("osImage") or "<unknown>", info.get("kernelVersion") or "<unknown>", info.get("containerRuntimeVersion", "")]
    return [node["metadata"]["name"], shown, "<none>", age(node, now), info.get("kubeletVersion", ""), *wide]


def _service(service: Object, now: datetime) -> Cells:
    spec = service["spec"]
    ports = ",".join(f"{port['port']}{':' + str(port['nodePort']) if 'nodePort' in port else ''}/{port['protocol']}" for port in spec.get("ports", ()))
    selector = ",".join(f"{key}={value}" for key, value in sorted(spec.get("selector", {}).items()))
    external = spec.get("externalName") or ("<pending>" if spec["type"] == "LoadBalancer" else "<none>")
    return [service["metadata"]["name"], spec["type"], spec.get("clusterIP") or "<none>", external, ports or "<none>", age(service, now), selector or "<none>"]


def _quota(quota: Object, now: datetime) -> Cells:
    used, hard = quota["status"].get("used", {}), quota["status"].get("hard", {})
    shown = {name: f"{name}: {used.get(name, 0)}/{hard[name]}" for name in sorted(hard)}
    requests, limits = ([text for name, text in shown.items() if name.startswith("limits.") == limit] for limit in (False, True))
    return [quota["metadata"]["name"], ", ".join(requests), ", ".join(limits), age(quota, now)]


def _autoscaler(scaler: Object, now: datetime) -> Cells:
    spec, status = scaler["spec"], scaler["status"]
    current = [entry.get("resource", {}).get("current", {}) for entry in status.get("currentMetrics") or ()]
    targets = []
    for number, metric in enumerate(spec.get("metrics", ())):
        entry, resource = (current[number] if number < len(current) else {}), metric.get("resource", {})
        target = resource.get("target", {})
        if "averageUtilization" in target:
            known = f"{entry['averageUtilization']}%" if "averageUtilization" in entry else "<unknown>"
            targets.append(f"{resource['name']}: {known}/{target['averageUtilization']}%")
        else:
            targets.append(f"{resource.get('name', metric['type'])}: {entry.get('averageValue', '<unknown>')}/{target.get('averageValue', '<auto>')}")
    reference = f"{spec['scaleTargetRef']['kind']}/{spec['scaleTargetRef']['name']}"
    bounds = [str(spec["minReplicas"]), spec["maxReplicas"], status.get("currentReplicas", 0)]
    return [scaler["metadata"]["name"], reference, ", ".join(targets) or "<none>", *bounds, age(scaler, now)]


def _budget(budget: Object, now: datetime) -> Cells:
    spec = budget["spec"]
    bounds = [str(spec.get("minAvailable", "N/A")), str(spec.get("maxUnavailable", "N/A"))]
    return [budget["metadata"]["name"], *bounds, budget["status"].get("disruptionsAllowed", 0), age(budget, now)]


def _data(obj: Object, now: datetime) -> Cells:
    kind = [obj["type"]] if "type" in obj else []
    return [obj["metadata"]["name"], *kind, len(obj.get("data", {})) + len(obj.get("binaryData", {})), age(obj, now)]


def _namespace(obj: Object, now: datetime) -> Cells:
    return [obj["metadata"]["name"], obj["status"]["phase"], age(obj, now)]


def _endpoints(obj: Object, now: datetime) -> Cells:
    ready = [f"{address['ip']}:{port['port']}" for part in obj.get("subsets", ()) for address in part.get("addresses", ()) for port in part.get("ports", ())]
    shown = ",".join(ready[:3]) + (f" + {len(ready) - 3} more..." if len(ready) > 3 else "")
    return [obj["metadata"]["name"], shown or "<none>", age(obj, now)]


def _slice(obj: Object, now: datetime) -> Cells:
    addresses = [address for endpoint in obj.get("endpoints", ()) for address in endpoint["addresses"]]
    ports = ",".join(str(port["port"]) for port in obj.get("ports") or ())
    shown = ",".join(addresses[:3]) + (f" + {len(addresses) - 3} more..." if len(addresses) > 3 else "")
    return [obj["metadata"]["name"], obj["addressType"], ports or "<unset>", shown or "<unset>", age(obj, now)]


def _revision(obj: Object, now: datetime) -> Cells:
    owner = next(iter(obj["metadata"].get("ownerReferences", ())), None)
    named = f"{owner['kind'].lower()}.{owner['apiVersion'].partition('/')[0]}/{owner['name']}" if owner else "<none>"
    return [obj["metadata"]["name"], named, obj["revision"], age(obj, now)]


def _ingress(obj: Object, now: datetime) -> Cells:
    hosts = ",".join(rule.get("host", "*") for rule in obj["spec"].get("rules", ())) or "*"
    ports = "80, 443" if obj["spec"].get("tls") else "80"
    return [obj["metadata"]["name"], obj["spec"].get("ingressClassName", "<none>"), hosts, "", ports, age(obj, now)]


_PRINTERS: dict[str, tuple[tuple[str, ...], Printer]] = {
    "pods": (("Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"), _pod),
    "deployments.apps": (("Name", "Ready", "Up-to-date", "Available", "Age", "+Containers", "+Images", "+Selector"), _deployment),
    "replicasets.apps": (
        ("Name", "Desired", "Current", "Ready", "Age", "+Containers", "+Images", "+Selector"),
        _workload("spec.replicas", "replicas", "readyReplicas"),
    ),
    "statefulsets.apps": (("Name", "Ready", "Age", "+Containers", "+Images"), _stateful_set),
    "daemonsets.apps": (
        ("Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age", "+Containers", "+Images", "+Selector"),
        _daemon_set,
    ),
    "events": (("Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen", "+Count", "+Name"), _event),
    "nodes": (
        ("Name", "Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP", "+OS-Image", "+Kernel-Version", "+Container-Runtime"),
        _node,
    ),
    "namespaces": (("Name", "Status", "Age"), _namespace),
    "services": (("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"), _service),
    "resourcequotas": (("Name", "Request", "Limit", "Age"), _quota),
    "horizontalpodautoscalers.autoscaling": (("Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"), _autoscaler),
    "poddisruptionbudgets.policy": (("Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"), _budget),
    "configmaps": (("Name", "Data", "Age"), _data),
    "secrets": (("Name", "Type", "Data", "Age"), _data),
    "endpoints": (("Name", "Endpoints", "Age"), _endpoints),
    "endpointslices.discovery.k8s.io": (("Name", "AddressType", "Ports", "Endpoints", "Age"), _slice),
    "controllerrevisions.apps": (("Name", "Controller", "Revision", "Age"), _revision),
    "ingresses.networking.k8s.io": (("Name", "Class", "Hosts", "Address", "Ports", "Age"), _ingress),
}
