"""The registry's errors: the codes and texts of the OCI distribution specification, in docker-registry's words."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.registry.wire import answer

_MESSAGES = {
    "BLOB_UNKNOWN": (404, "blob unknown to registry"),
    "BLOB_UPLOAD_INVALID": (404, "blob upload invalid"),
    "BLOB_UPLOAD_UNKNOWN": (404, "blob upload unknown to registry"),
    "DENIED": (403, "requested access to the resource is denied"),
    "DIGEST_INVALID": (400, "provided digest did not match uploaded content"),
    "MANIFEST_BLOB_UNKNOWN": (400, "blob unknown to registry"),
    "MANIFEST_INVALID": (400, "manifest invalid"),
    "MANIFEST_UNKNOWN": (404, "manifest unknown"),
    "NAME_UNKNOWN": (404, "repository name not known to registry"),
    "PAGINATION_NUMBER_INVALID": (400, "invalid number of results requested"),
    "UNAUTHORIZED": (401, "authentication required"),
}


class RegistryError(Exception):
    """Ends a request with `code`; `details` has one entry for each error of that code (none: one error without details)."""

    def __init__(self, code: str, *details: Any, message: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, text = _MESSAGES[code]
        self.headers = headers or {}
        self.errors = [{"code": code, "message": message or text, "detail": detail} for detail in details] or [{"code": code, "message": message or text}]


def handle(request: Request, error: Exception) -> Response:
    """The exception handler for `RegistryError`."""
    assert isinstance(error, RegistryError)
    return answer({"errors": error.errors}, error.status, error.headers)
