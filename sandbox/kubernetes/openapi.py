"""As much of OpenAPI v3 as `kubectl apply` looks for before it trusts the server to validate: that every kind takes `fieldValidation`."""

from __future__ import annotations

from sandbox.kubernetes.access import Access
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.requests import Request, Response, json_response
from sandbox.kubernetes.resources import RESOURCES, Resource

ROOT = "/openapi/v3"


def answer(core: Core, access: Access, request: Request) -> Response | None:
    """The response, or None when the request is for another part."""
    path = request.path.rstrip("/")
    groups = {_api_path(resource) for resource in RESOURCES}
    if request.method != "GET" or not path.startswith(ROOT):
        return None
    if path == ROOT:
        return json_response({"paths": {group: {"serverRelativeURL": f"{ROOT}/{group}"} for group in sorted(groups)}})
    group = path.removeprefix(f"{ROOT}/")
    if group not in groups:
        return None
    paths = {f"/{group}/{_template(resource)}": _operations(resource) for resource in RESOURCES if _api_path(resource) == group}
    return json_response({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.3"}, "paths": paths})


def _api_path(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _template(resource: Resource) -> str:
    return f"{'namespaces/{namespace}/' if resource.namespaced else ''}{resource.plural}/{{name}}"


def _operations(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldManager", "fieldValidation")]
    return {"patch": {"parameters": parameters, "responses": {"200": {"description": "OK"}}, "x-kubernetes-group-version-kind": kind}}
