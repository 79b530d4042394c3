"""Endpoints and EndpointSlices of Services, and volumes for claims: simple answers to simple objects."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Key, Object, is_ready, is_terminating, key_of, owner_reference, random_name
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.resources import CLAIMS, ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES, Resource
from sandbox.kubernetes.store import Change

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"


class ServiceEndpoints:
    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is SERVICES:
            yield key_of(change.object)
        elif change.resource is PODS and _matters(change):
            labels = change.object["metadata"].get("labels", {}).items()
            for service in self._core.store.all(SERVICES, change.object["metadata"]["namespace"]):
                if (service["spec"].get("selector") or {}).items() <= labels and service["spec"].get("selector"):
                    yield key_of(service)

    def sync(self, namespace: str, name: str) -> None:
        service = self._core.store.get(SERVICES, namespace, name)
        if service is None:
            if self._core.store.get(ENDPOINTS, namespace, name) is not None:
                self._core.registry.delete(ENDPOINTS, namespace, name, DeleteOptions())
            return
        selector = (service["spec"].get("selector") or {}).items()
        if not selector:
            return
        pods = [pod for pod in self._core.store.all(PODS, namespace) if selector <= pod["metadata"].get("labels", {}).items() and "podIP" in pod["status"]]
        self._write(ENDPOINTS, self._core.store.get(ENDPOINTS, namespace, name), _endpoints(service, pods))
        slices = [obj for _, obj in self._core.store.dependents(service["metadata"]["uid"], ENDPOINT_SLICES)]
        self._write(ENDPOINT_SLICES, slices[0] if slices else None, _slice(service, pods))

    def _write(self, resource: Resource, stored: Object | None, wanted: Object) -> None:
        if stored is None:
            if resource is ENDPOINT_SLICES:
                wanted["metadata"]["name"] = wanted["metadata"]["generateName"] + random_name(self._core.rng)
            self._core.registry.create(resource, wanted["metadata"]["namespace"], wanted)
        else:
            self._core.registry.write(resource, {**stored, **{key: value for key, value in wanted.items() if key != "metadata"}})


def _matters(change: Change) -> bool:
    """Whether a pod's change can be seen in endpoints: it came, went, got an address or its readiness changed."""
    if change.before is None or change.verb == "DELETED":
        return True
    return _visible(change.before) != _visible(change.object)


def _visible(pod: Object) -> tuple[object, ...]:
    return is_ready(pod), is_terminating(pod), pod["status"].get("podIP"), pod["metadata"].get("labels")


def _target(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def _ports(service: Object) -> list[Object]:
    ports = service["spec"].get("ports", ())
    numbers = (port["targetPort"] if isinstance(port["targetPort"], int) else port["port"] for port in ports)
    return [{"name": port.get("name", ""), "port": number, "protocol": port["protocol"]} for port, number in zip(ports, numbers, strict=True)]


def _labels(service: Object) -> dict[str, str]:
    return {HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {}


def _endpoints(service: Object, pods: list[Object]) -> Object:
    meta = service["metadata"]
    alive = [pod for pod in pods if not is_terminating(pod)]
    parts = {}
    for field, ready in (("addresses", True), ("notReadyAddresses", False)):
        found = [{"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": _target(pod)} for pod in alive if is_ready(pod) == ready]
        if found:
            parts[field] = found
    ports = [{key: value for key, value in port.items() if value != ""} for port in _ports(service)]
    labels = {"endpoints.kubernetes.io/managed-by": "endpoint-controller", **_labels(service)}
    subsets = [{**parts, "ports": ports}] if parts else []
    return {"metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": labels}, "subsets": subsets}


def _slice(service: Object, pods: list[Object]) -> Object:
    meta = service["metadata"]
    endpoints = []
    for pod in pods:
        ready = is_ready(pod)
        conditions = {"ready": ready and not is_terminating(pod), "serving": ready, "terminating": is_terminating(pod)}
        entry: Object = {"addresses": [pod["status"]["podIP"]], "conditions": conditions, "targetRef": _target(pod), "nodeName": pod["spec"]["nodeName"]}
        endpoints.append(entry | ({"hostname": pod["spec"]["hostname"]} if "hostname" in pod["spec"] else {}))
    labels = {SERVICE_NAME: meta["name"], MANAGED_BY: "endpointslice-controller.k8s.io", **_labels(service)}
    slice_meta = {"generateName": f"{meta['name']}-", "namespace": meta["namespace"], "labels": labels, "ownerReferences": [owner_reference(service)]}
    return {"metadata": slice_meta, "addressType": "IPv4", "endpoints": endpoints, "ports": _ports(service)}


class Claims:
    """Binds every claim at once, as a provisioner with immediate binding does."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is CLAIMS and change.object["status"].get("phase") == "Pending":
            yield key_of(change.object)

    def sync(self, namespace: str, name: str) -> None:
        claim = self._core.store.get(CLAIMS, namespace, name)
        if claim is None or claim["status"].get("phase") != "Pending":
            return
        spec = {**claim["spec"], "volumeName": f"pvc-{claim['metadata']['uid']}"}
        capacity = claim["spec"].get("resources", {}).get("requests", {})
        status = {"phase": "Bound", "accessModes": claim["spec"].get("accessModes", []), "capacity": capacity}
        self._core.registry.write(CLAIMS, {**claim, "spec": spec, "status": status})
