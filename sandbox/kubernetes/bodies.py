"""The objects in requests: parsed, of the right kind, decoded; unknown fields refused, warned of or ignored, as `fieldValidation` asks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import yaml

from sandbox.kubernetes import errors
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.patch import STRATEGIC, go_text
from sandbox.kubernetes.requests import JSON, Request, Response, Target, go_json_error
from sandbox.kubernetes.schema import Decoded, DecodingError, decode, go_type

YAML = "application/yaml"
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
_TYPE_META = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'


def read_object(request: Request, target: Target) -> Decoded:
    """What is to be created or put. Raises ApiError: 400 for what is no such object, 415 for another format, 422 for a bad fieldValidation."""
    scale = target.subresource == "scale"
    kind, version = ("Scale", "autoscaling/v1") if scale else (target.resource.kind, target.resource.api_version)
    sent = _parse(request, kind)
    named = (sent.get("apiVersion", version), sent.get("kind", kind))
    cannot = f'{named[1]} in version "{named[0].rpartition("/")[2]}" cannot be handled as a {kind}'
    if named != (version, kind):
        raise errors.bad_request(f'{cannot}: no kind "{named[1]}" is registered for version "{named[0]}" in scheme "pkg/runtime/scheme.go:111"')
    if scale:
        return Decoded(sent)
    strict = _validation(request) == "Strict"
    try:
        decoded = decode(target.resource, sent)
    except DecodingError as error:
        raise errors.bad_request(f"{cannot}: {error.decoding}") from None
    if decoded.unknown and strict:
        raise errors.bad_request(f"{cannot}: {_strict(decoded)}")
    return decoded


def _parse(request: Request, kind: str) -> Object:
    if request.content_type not in (JSON, YAML):
        accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise ApiError(415, "UnsupportedMediaType", message)
    unrecognized = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error"
    try:
        sent = yaml.safe_load(request.body) if request.content_type == YAML else json.loads(request.body)
    except yaml.YAMLError as error:
        raise errors.bad_request(f"error decoding request body: {error}") from None
    except json.JSONDecodeError as error:
        raise errors.bad_request(f"{unrecognized}: {go_json_error(error)} ({request.body.decode(errors='replace')})") from None
    if not isinstance(sent, dict):
        text = request.body.decode(errors="replace")
        raise errors.bad_request(f"{unrecognized}: json: cannot unmarshal {go_type(sent)} into Go value of type {_TYPE_META} ({text})")
    return sent


def read_patched(request: Request, target: Target, patch: Any, patched: Object, stored: Object) -> Decoded:
    """The result of a patch. One that cannot be decoded is the patch's fault: 422 with the whole of the result or, of a strategic one, of the patch."""
    resource, strategic = target.resource, request.content_type == STRATEGIC
    strict = _validation(request) == "Strict"
    decoded, why = Decoded(), ""
    if patched.get("kind") != resource.kind or patched.get("apiVersion") != resource.api_version:
        why = f'no kind "{patched.get("kind")}" is registered for version "{patched.get("apiVersion")}" in scheme "pkg/runtime/scheme.go:111"'
    else:
        try:
            decoded = decode(resource, patched, stored)
        except DecodingError as error:
            why = error.converting if strategic else error.decoding
    if decoded.unknown and strict:
        why = _strict(decoded)
    if not why:
        return decoded
    shown = json.dumps(go_text(patch) if strategic else json.dumps(patched, separators=(",", ":")))
    message = f"Invalid value: {shown}: {why}"
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]
    raise ApiError(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": causes})


def warn(response: Response, request: Request, decoded: Decoded) -> Response:
    """With a warning for every field that was dropped, unless the client does not want to know."""
    if not decoded.unknown or _validation(request) == "Ignore":
        return response
    warnings = ", ".join(f'299 - "unknown field \\"{path}\\""' for path in decoded.unknown)
    return replace(response, headers={**response.headers, "warning": warnings})


def _strict(decoded: Decoded) -> str:
    return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in decoded.unknown)


def _validation(request: Request) -> str:
    value = request.query.get("fieldValidation", "")
    if value not in _VALIDATIONS:
        raise errors.invalid("meta.k8s.io", _OPTIONS[request.method], "", [errors.unsupported("fieldValidation", value, _VALIDATIONS)])
    return value
