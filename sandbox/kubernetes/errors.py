"""What the API server answers when it refuses: Status objects with Kubernetes' own codes, reasons and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.resources import Resource


class ApiError(Exception):
    """A refusal. `body()` is the Status object that goes with HTTP status `code`."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> Object:
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason}
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong (field.Error)."""

    reason: str
    field: str
    message: str


def required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")


def wrong(field: str, value: str, detail: str) -> Cause:
    """`value` as Kubernetes prints it: strings quoted, objects as JSON."""
    return Cause("FieldValueInvalid", field, f"Invalid value: {value}: {detail}")


def unsupported(field: str, value: str, supported: Sequence[str]) -> Cause:
    allowed = ", ".join(f'"{word}"' for word in supported)
    return Cause("FieldValueNotSupported", field, f'Unsupported value: "{value}": supported values: {allowed}')


def forbidden_field(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {detail}")


def duplicate(field: str, value: str) -> Cause:
    return Cause("FieldValueDuplicate", field, f'Duplicate value: "{value}"')


def _details(resource: Resource, name: str) -> Object:
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return {**details, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.key} "{name}" not found', _details(resource, name))


def no_such_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{resource.key} "{name}" already exists', _details(resource, name))


_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: Resource, name: str, why: str = _MODIFIED) -> ApiError:
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {resource.key} "{name}": {why}', _details(resource, name))


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    return ApiError(403, "Forbidden", f'{resource.key} "{name}" is forbidden: {why}', _details(resource, name))


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 with every cause, worded as field.ErrorList is."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: Object = {"name": name} if name else {}
    if group:
        details["group"] = group
    details["kind"] = kind
    details["causes"] = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {joined}', details)


def patch_refused() -> ApiError:
    """What every JSON Patch gets that cannot be applied: a failed `test`, a missing path, an unknown operation. It says no more than this."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unsupported_media_type() -> ApiError:
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def expired(requested: int, oldest: int) -> ApiError:
    """A watch from a version that is no longer kept."""
    return ApiError(410, "Expired", f"too old resource version: {requested} ({oldest})")
