"""metrics.k8s.io: what pods and nodes use, as metrics-server tells it. A pod's use is told by its annotations `usage/cpu` and `usage/memory`."""

from __future__ import annotations

from fractions import Fraction

from sandbox.kubernetes import quantity
from sandbox.kubernetes.access import Access
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import method_not_allowed, not_found
from sandbox.kubernetes.objects import Object, timestamp
from sandbox.kubernetes.requests import Request, Response, Target, json_response
from sandbox.kubernetes.resources import NODES, PODS, Resource
from sandbox.kubernetes.selectors import parse_labels

ROOT = "/apis/metrics.k8s.io/v1beta1"
_POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "podmetrics", "PodMetrics")
_PODS, _NODES = (Resource("metrics.k8s.io", "v1beta1", plural, kind) for plural, kind in (("pods", "PodMetrics"), ("nodes", "NodeMetrics")))
DEFAULT_USE = {"cpu": "50m", "memory": "64Mi"}


def container_use(pod: Object, resource: str) -> Fraction:
    """What each container of the pod uses of `cpu` or `memory`."""
    return quantity.parse(pod["metadata"].get("annotations", {}).get(f"usage/{resource}", DEFAULT_USE[resource]))


def answer(core: Core, access: Access, request: Request) -> Response | None:
    """The response, or None when the request is for another part."""
    if not request.path.startswith(f"{ROOT}/"):
        return None
    if request.method != "GET":
        raise method_not_allowed()
    _check(core, access, request)
    match request.path.removeprefix(f"{ROOT}/").strip("/").split("/"):
        case ["nodes"]:
            return _list("NodeMetricsList", [_node(core, node) for node in core.store.all(NODES) if _selected(request, node)])
        case ["nodes", name]:
            return json_response(_node(core, core.registry.get(NODES, "", name)) | _kind("NodeMetrics"))
        case ["pods"]:
            return _list("PodMetricsList", [_pod(core, pod) for pod in core.store.all(PODS) if _measured(pod) and _selected(request, pod)])
        case ["namespaces", namespace, "pods"]:
            return _list("PodMetricsList", [_pod(core, pod) for pod in core.store.all(PODS, namespace) if _measured(pod) and _selected(request, pod)])
        case ["namespaces", namespace, "pods", name]:
            pod = core.store.get(PODS, namespace, name)
            if pod is None:
                raise not_found(PODS, name)
            if not _measured(pod):
                raise not_found(_POD_METRICS, f"{namespace}/{name}")
            return json_response(_pod(core, pod) | _kind("PodMetrics"))
    return None


def _check(core: Core, access: Access, request: Request) -> None:
    """Raises ApiError 403 for figures that the user may not read: the API server asks RBAC for an aggregated API as for its own."""
    match request.path.removeprefix(f"{ROOT}/").strip("/").split("/"):
        case ["namespaces", namespace, "pods", *name]:
            target = Target(_PODS, namespace, *name)
        case [("nodes" | "pods") as plural, *name]:
            target = Target(_NODES if plural == "nodes" else _PODS, "", *name)
        case _:
            return
    access.check(access.authenticate(request, core.now), "get" if target.name else "list", target)


def _selected(request: Request, obj: Object) -> bool:
    return parse_labels(request.query.get("labelSelector", ""))(obj["metadata"].get("labels", {}))


def _measured(pod: Object) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def _kind(kind: str) -> Object:
    return {"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1"}


def _list(kind: str, items: list[Object]) -> Response:
    return json_response(_kind(kind) | {"metadata": {}, "items": items})


def _sample(core: Core, obj: Object) -> Object:
    meta = {field: obj["metadata"][field] for field in ("name", "namespace", "labels") if field in obj["metadata"]}
    return {"metadata": {**meta, "creationTimestamp": timestamp(core.now)}, "timestamp": timestamp(core.now), "window": "10s"}


def _pod(core: Core, pod: Object) -> Object:
    use = {"cpu": _cpu(container_use(pod, "cpu")), "memory": _memory(container_use(pod, "memory"))}
    return _sample(core, pod) | {"containers": [{"name": container["name"], "usage": use} for container in pod["spec"]["containers"]]}


def _node(core: Core, node: Object) -> Object:
    pods = [pod for pod in core.store.all(PODS) if pod["spec"].get("nodeName") == node["metadata"]["name"] and _measured(pod)]
    cpu, memory = (sum((container_use(pod, name) * len(pod["spec"]["containers"]) for pod in pods), Fraction()) for name in ("cpu", "memory"))
    return _sample(core, node) | {"usage": {"cpu": _cpu(cpu), "memory": _memory(memory)}}


def _cpu(cores: Fraction) -> str:
    return f"{int(cores * 10**9)}n"


def _memory(amount: Fraction) -> str:
    return f"{int(amount) >> 10}Ki"
