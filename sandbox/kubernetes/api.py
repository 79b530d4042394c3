"""The REST verbs: what each method does to a collection, an object or a subresource."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.kubernetes import bodies, discovery, errors, lists, logs, metrics, openapi, reviews, tables
from sandbox.kubernetes.access import Access
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError, Cause
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC, apply_patch
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.requests import (
    JSON,
    Request,
    Response,
    Target,
    decode_json,
    error_response,
    json_response,
    page_not_found,
    parse_target,
    verb_of,
)
from sandbox.kubernetes.resources import DISRUPTION_BUDGETS, PODS
from sandbox.kubernetes.scale import scale_of, scaled_workload
from sandbox.kubernetes.selectors import matches_selector

PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC)
_ANSWERED_WITH_THE_OBJECT = {"persistentvolumeclaims", "persistentvolumes", "pods", "resourcequotas", "serviceaccounts", "services"}
"""Whose deletion at once is answered with what was deleted, not with a Status (ReturnDeletedObject)."""
_PROPAGATIONS = ("Foreground", "Background", "Orphan", "nil")


class Api:
    def __init__(self, core: Core, access: Access, container_logs: logs.Logs) -> None:
        self._core = core
        self._access = access
        self._logs = container_logs

    def answer(self, request: Request) -> Response:
        """The response to anything that is not a stream; refusals become Status objects."""
        try:
            user = self._access.authenticate(request, self._core.now)
            target = parse_target(request.path)
            if target is None:
                self._access.check_path(user, request)
                return self._without_target(request)
            self._access.check(user, verb_of(request, target), target)
            return self._verb(request, target)(request, target)
        except ApiError as error:
            return error_response(error)

    def open_stream(self, request: Request, verb: str) -> Target:
        """Checks a request that will be answered by a stream and returns what it is about. Raises ApiError."""
        user = self._access.authenticate(request, self._core.now)
        target = parse_target(request.path)
        if target is None:
            raise errors.no_such_resource()
        self._access.check(user, verb, target)
        return target

    def _without_target(self, request: Request) -> Response:
        for part in (discovery.answer, metrics.answer, reviews.answer, openapi.answer):
            response = part(self._core, self._access, request)
            if response is not None:
                return response
        return page_not_found()

    def _verb(self, request: Request, target: Target) -> Callable[[Request, Target], Response]:
        verbs: dict[tuple[str, bool], Callable[[Request, Target], Response]] = {
            ("GET", False): self._list,
            ("POST", False): self._create,
            ("DELETE", False): self._delete_collection,
            ("GET", True): self._get,
            ("PUT", True): self._replace,
            ("PATCH", True): self._patch,
            ("DELETE", True): self._delete,
        }
        special: dict[tuple[str, str], Callable[[Request, Target], Response]] = {
            ("GET", "log"): self._log,
            ("POST", "eviction"): self._evict,
            ("GET", "exec"): self._exec,
            ("POST", "exec"): self._exec,
        }
        found = special.get((request.method, target.subresource))
        if found is None and target.subresource in ("", "scale", "status"):
            found = verbs.get((request.method, bool(target.name)))
        if target.subresource in ("scale", "status") and request.method == "DELETE":
            found = None
        if found is None or (request.method == "POST" and target.resource.namespaced and not target.namespace):
            raise errors.method_not_allowed()
        return found

    # ---- reading

    def _list(self, request: Request, target: Target) -> Response:
        objects, meta = lists.list_page(self._core.store, request, target)
        if tables.wanted(request):
            return json_response(tables.table(self._core.now, request, target.resource, objects, meta))
        return lists.list_response(self._core.store, target, objects, meta)

    def _get(self, request: Request, target: Target) -> Response:
        obj = self._core.registry.get(target.resource, target.namespace, target.name)
        if target.subresource == "scale":
            return json_response(scale_of(obj))
        if tables.wanted(request):
            return json_response(tables.table(self._core.now, request, target.resource, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}))
        return Response(200, {"content-type": JSON}, self._core.store.encode(obj))

    def _log(self, request: Request, target: Target) -> Response:
        pod = self._core.registry.get(PODS, target.namespace, target.name)
        options = logs.Options.of(request, target.name)
        lines = self._logs.read(pod, options, self._core.now)
        return Response(200, {"content-type": "text/plain"}, logs.render(lines, options))

    def _exec(self, request: Request, target: Target) -> Response:
        self._core.registry.get(PODS, target.namespace, target.name)
        raise errors.bad_request("Upgrade request required")

    # ---- writing

    def _create(self, request: Request, target: Target) -> Response:
        sent = bodies.read_object(request, target)
        dry_run = _dry_run(request, "CreateOptions")
        created = self._core.registry.create(target.resource, target.namespace, sent.object, dry_run=dry_run)
        return bodies.warn(json_response(created, 201), request, sent)

    def _replace(self, request: Request, target: Target) -> Response:
        sent, dry_run = bodies.read_object(request, target), _dry_run(request, "UpdateOptions")
        meta = sent.object.setdefault("metadata", {})
        _check_name(meta, target)
        if target.resource.namespaced:
            meta.setdefault("namespace", target.namespace)
        if target.subresource == "scale":
            return self._rescale(target, sent.object, dry_run=dry_run)
        updated = self._core.registry.update(target.resource, sent.object, status=target.subresource == "status", dry_run=dry_run)
        return bodies.warn(json_response(updated), request, sent)

    def _patch(self, request: Request, target: Target) -> Response:
        if request.content_type not in PATCHES:
            raise errors.unsupported_media_type()
        dry_run = _dry_run(request, "PatchOptions")
        stored = self._core.registry.get(target.resource, target.namespace, target.name)
        strategic = request.content_type == STRATEGIC
        patch = decode_json(request.body, "" if strategic else "error decoding patch: ")
        patched = apply_patch(request.content_type, scale_of(stored) if target.subresource == "scale" else stored, patch, request.body)
        _check_name(patched.get("metadata") or {}, target)
        if target.subresource == "scale":
            return self._rescale(target, patched, dry_run=dry_run)
        read = bodies.read_patched(request, target, patch, patched, stored)
        uid = read.object["metadata"].get("uid", "")
        if uid != stored["metadata"]["uid"]:
            immutable = errors.wrong("metadata.uid", f'"{uid}"', "field is immutable")
            raise errors.invalid(target.resource.group, target.resource.kind, target.name, [immutable])
        updated = self._core.registry.update(target.resource, read.object, status=target.subresource == "status", dry_run=dry_run)
        return bodies.warn(json_response(updated), request, read)

    def _rescale(self, target: Target, scale: Object, *, dry_run: bool) -> Response:
        workload = self._core.registry.get(target.resource, target.namespace, target.name)
        updated = self._core.registry.update(target.resource, scaled_workload(workload, scale), dry_run=dry_run)
        return json_response(scale_of(updated))

    # ---- deleting

    def _delete(self, request: Request, target: Target) -> Response:
        options = _delete_options(request)
        obj, gone = self._core.registry.delete(target.resource, target.namespace, target.name, options)
        if not gone or target.resource.key in _ANSWERED_WITH_THE_OBJECT:
            return json_response(obj)
        details = {"name": target.name} | ({"group": target.resource.group} if target.resource.group else {})
        details |= {"kind": target.resource.plural, "uid": obj["metadata"]["uid"]}
        return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    def _delete_collection(self, request: Request, target: Target) -> Response:
        options = _delete_options(request)
        objects, meta = lists.list_page(self._core.store, request, target)
        for obj in objects:
            self._core.registry.delete(target.resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], options)
        return lists.list_response(self._core.store, target, objects, meta)

    def _evict(self, request: Request, target: Target) -> Response:
        """Refused with 429 when a budget does not allow it; counted against the budget until that is counted anew."""
        pod = self._core.registry.get(PODS, target.namespace, target.name)
        labels = pod["metadata"].get("labels", {})
        for budget in self._core.store.all(DISRUPTION_BUDGETS, target.namespace):
            if not matches_selector(budget["spec"].get("selector"), labels):
                continue
            status, name = budget["status"], budget["metadata"]["name"]
            if status["disruptionsAllowed"] < 1:
                wants = f"needs {status['desiredHealthy']} healthy pods and has {status['currentHealthy']} currently"
                cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {name} {wants}"}
                message = "Cannot evict pod as it would violate the pod's disruption budget."
                raise ApiError(429, "TooManyRequests", message, {"causes": [cause]})
            self._core.registry.write_status(DISRUPTION_BUDGETS, budget, {**status, "disruptionsAllowed": status["disruptionsAllowed"] - 1})
        self._core.registry.delete(PODS, target.namespace, target.name, DeleteOptions())
        return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)


def _check_name(meta: Object, target: Target) -> None:
    if meta.setdefault("name", target.name) != target.name:
        raise errors.bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})")
    if target.resource.namespaced and meta.get("namespace", target.namespace) != target.namespace:
        raise errors.bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _dry_run(request: Request, options: str) -> bool:
    value = request.query.get("dryRun")
    if value not in (None, "", "All"):
        cause = Cause("FieldValueNotSupported", "dryRun", f'Unsupported value: ["{value}"]: supported values: "All"')
        raise errors.invalid("meta.k8s.io", options, "", [cause])
    return value == "All"


def _delete_options(request: Request) -> DeleteOptions:
    """From the body, where there is one, else from the parameters."""
    sent = decode_json(request.body, "unable to decode delete options: ") if request.body else {}
    grace = sent.get("gracePeriodSeconds", request.integer("gracePeriodSeconds"))
    orphan = sent.get("orphanDependents")
    propagation = sent.get("propagationPolicy") or request.query.get("propagationPolicy") or ("Orphan" if orphan else "Background")
    if propagation not in _PROPAGATIONS:
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", [errors.unsupported("propagationPolicy", propagation, _PROPAGATIONS)])
    preconditions = sent.get("preconditions") or {}
    dry_run = _dry_run(request, "DeleteOptions") or sent.get("dryRun") == ["All"]
    return DeleteOptions(grace, propagation, preconditions.get("uid"), preconditions.get("resourceVersion"), dry_run)
