"""How the registry's answers are written."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer as docker-registry writes it."""
    body = json.dumps(content, separators=(",", ":")) + "\n"
    return Response(body, status, API_VERSION | (headers or {}), "application/json; charset=utf-8")


def empty(status: int, **headers: str) -> Response:
    """An answer that says everything in its headers, whose names are given with `_` for `-`."""
    return Response(b"", status, API_VERSION | {name.replace("_", "-"): value for name, value in headers.items()})


def here(request: Request, path: str) -> str:
    """The absolute URL of `path` on the address that the client used (the registry may be served below a prefix)."""
    return f"{request.url.scheme}://{request.headers['host']}{request.scope.get('root_path', '')}{path}"
