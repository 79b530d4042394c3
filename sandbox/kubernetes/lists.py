"""Collections as a client asks for them: selected, in pages, consistent from page to page, as JSON or as a table."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable

from sandbox.kubernetes.errors import ApiError, bad_request
from sandbox.kubernetes.objects import Key, Object, key_of
from sandbox.kubernetes.requests import JSON, Request, Response, Target
from sandbox.kubernetes.selectors import parse_fields, parse_labels
from sandbox.kubernetes.store import Store, to_json

_TOO_OLD = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."


def selection(request: Request, target: Target) -> Callable[[Object], bool] | None:
    """The test that the request's selectors stand for; None when everything is selected. Raises ApiError 400."""
    labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    labelled = parse_labels(labels) if labels else None
    matching = parse_fields(target.resource, fields) if fields else None
    name = target.name
    if labelled is matching is None and not name:
        return None

    def selected(obj: Object) -> bool:
        meta = obj["metadata"]
        if name and meta["name"] != name:
            return False
        return (labelled is None or labelled(meta.get("labels", {}))) and (matching is None or matching(obj))

    return selected


def list_page(store: Store, request: Request, target: Target) -> tuple[list[Object], Object]:
    """The objects of one page and the list's metadata. Raises ApiError 400 for bad parameters, 410 for a page of a list that is no longer known."""
    _check_version(request)
    selected = selection(request, target)
    token = request.query.get("continue")
    version, start = _read_token(token) if token else (store.version, None)
    objects = store.at_version(target.resource, target.namespace, version)
    if objects is None:
        raise ApiError(410, "Expired", _TOO_OLD)
    found = objects if selected is None else [obj for obj in objects if selected(obj)]
    if start is not None:
        found = [obj for obj in found if key_of(obj) > start]
    meta: Object = {"resourceVersion": str(version)}
    limit = request.integer("limit")
    if limit and len(found) > limit:
        meta["continue"] = _write_token(version, key_of(found[limit - 1]))
        if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):
            meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return found, meta


def list_response(store: Store, target: Target, objects: list[Object], meta: Object) -> Response:
    """Items of a list carry neither kind nor apiVersion."""
    resource = target.resource
    items = b",{".join([store.encode_rest(obj) for obj in objects])
    opening = b',"items":[{' if objects else b',"items":['
    head = f'{{"kind":"{resource.kind}List","apiVersion":"{resource.api_version}","metadata":'.encode()
    return Response(200, {"content-type": JSON}, b"".join((head, to_json(meta), opening, items, b"]}")))


def _check_version(request: Request) -> None:
    version = request.query.get("resourceVersion", "")
    if version and not version.isdecimal():
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax')


def _write_token(version: int, last: Key) -> str:
    return base64.urlsafe_b64encode(to_json({"v": "meta.k8s.io/v1", "rv": version, "start": list(last)})).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, Key]:
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = content["start"]
        return int(content["rv"]), (str(namespace), str(name))
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise bad_request("invalid continue token: continue key is not valid") from None
