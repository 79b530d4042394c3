"""What the server offers: /api, /apis and the resource lists below them, /version, and its health."""

from __future__ import annotations

from functools import cache
from typing import Any

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.requests import Request, Response, json_response, text_response
from sandbox.kubernetes.resources import NAMESPACES, RESOURCES, Resource
from sandbox.kubernetes.store import to_json

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.3",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SUBRESOURCE_VERBS = {"eviction": ["create"], "exec": ["create", "get"], "log": ["get"]}
_SUBRESOURCE_KINDS = {"scale": ("autoscaling", "v1", "Scale"), "eviction": ("policy", "v1", "Eviction"), "exec": ("", "", "PodExecOptions")}
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_METRICS = ("metrics.k8s.io", "v1beta1")
_REVIEWS = {
    ("authentication.k8s.io", "v1"): [{"name": "selfsubjectreviews", "kind": "SelfSubjectReview"}],
    ("authorization.k8s.io", "v1"): [{"name": "selfsubjectaccessreviews", "kind": "SelfSubjectAccessReview"}],
}


def answer(core: Core, access: Access, request: Request) -> Response | None:
    """The response, or None when the request is for another part."""
    path = request.path.rstrip("/")
    if request.method != "GET":
        return None
    if path in ("/healthz", "/livez", "/readyz"):
        return text_response("ok")
    if path == "/version":
        return json_response(VERSION)
    if path in ("/api", "/apis") and "as=APIGroupDiscoveryList" in request.headers.get("accept", ""):
        return Response(200, {"content-type": _AGGREGATED}, to_json(_aggregated(core=path == "/api")))
    if path == "/api":
        return json_response({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    if path == "/apis":
        return json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _groups() if name]})
    parts = path.split("/")[1:]
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in _groups():
        return json_response({"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])})
    group_version = (parts[1], parts[2]) if parts[0] == "apis" and len(parts) == 3 else ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else None
    if group_version in _versions():
        group, version = group_version
        name = f"{group}/{version}" if group else version
        return json_response({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": _resource_list(group, version)})
    return None


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    served = [(resource.group, resource.version) for resource in RESOURCES]
    return tuple(dict.fromkeys([*served, *_REVIEWS, _METRICS]))


@cache
def _groups() -> tuple[str, ...]:
    return tuple(dict.fromkeys(group for group, _ in _versions()))


def _group(name: str) -> Object:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for group, version in _versions() if group == name]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _verbs(resource: Resource) -> list[str]:
    return [verb for verb in _VERBS if resource is not NAMESPACES or verb != "deletecollection"]


def _resource_list(group: str, version: str) -> list[Object]:
    entries: list[Object] = []
    if (group, version) == _METRICS:
        for name, namespaced, kind in (("nodes", False, "NodeMetrics"), ("pods", True, "PodMetrics")):
            entries.append({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]})
    for review in _REVIEWS.get((group, version), ()):
        entries.append({**review, "singularName": review["kind"].lower(), "namespaced": False, "verbs": ["create"]})
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            entries.extend(_entries(resource))
    return entries


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced, "kind": resource.kind}
    entry["verbs"] = _verbs(resource)
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    entries = [entry]
    for name in resource.subresources:
        group, version, kind = _SUBRESOURCE_KINDS.get(name, ("", "", resource.kind))
        sub: Object = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
        sub |= {"group": group, "version": version} if group else {}
        entries.append(sub | {"kind": kind, "verbs": _SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"])})
    return entries


def _aggregated(*, core: bool) -> Object:
    items: list[Object] = []
    for group in _groups():
        if (group == "") == core:
            versions = [{"version": version, "resources": _described(group, version), "freshness": "Current"} for name, version in _versions() if name == group]
            items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _described(group: str, version: str) -> list[Object]:
    described: dict[str, Object] = {}
    for entry in _resource_list(group, version):
        name, _, sub = entry["name"].partition("/")
        kind: dict[str, Any] = {"group": entry.get("group", ""), "version": entry.get("version", ""), "kind": entry["kind"]}
        if sub:
            described[name].setdefault("subresources", []).append({"subresource": sub, "responseKind": kind, "verbs": entry["verbs"]})
            continue
        scope = "Namespaced" if entry["namespaced"] else "Cluster"
        described[name] = {"resource": name, "responseKind": kind, "scope": scope, "singularResource": entry["singularName"], "verbs": entry["verbs"]}
        described[name] |= {field: entry[field] for field in ("shortNames", "categories") if field in entry}
    return list(described.values())
