"""HTTP requests, taken apart: which verb, on which resource, of which object (apiserver's RequestInfo)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes.errors import ApiError, bad_request, no_such_resource
from sandbox.kubernetes.resources import BY_PATH, Resource
from sandbox.kubernetes.store import to_json

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


def json_response(value: Any, status: int = 200) -> Response:
    return Response(status, {"content-type": JSON}, to_json(value))


def text_response(text: str, status: int = 200) -> Response:
    return Response(status, {"content-type": "text/plain; charset=utf-8"}, text.encode())


def error_response(error: ApiError) -> Response:
    return json_response(error.body(), error.code)


def page_not_found() -> Response:
    """What Go's mux says of a path that no API group serves."""
    return text_response("404 page not found\n", 404)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a collection when `name` is empty. A namespace itself is an object without one."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, method: str, path: str, query: Mapping[str, str | list[str]], headers: Mapping[str, str], body: bytes) -> Request:
        first = {key: value if isinstance(value, str) else value[0] for key, value in query.items() if value}
        return cls(method.upper(), path, first, {key.lower(): value for key, value in headers.items()}, body)

    def flag(self, name: str) -> bool:
        """A boolean parameter as conversion reads it: present, and neither 0 nor false."""
        return self.query.get(name, "0").lower() not in ("0", "false")

    def integer(self, name: str) -> int | None:
        """A number among the parameters. Raises ApiError 400."""
        text = self.query.get(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", JSON).partition(";")[0].strip()


def parse_target(path: str) -> Target | None:
    """The target of an API path, or None when no such group and version is served. Raises ApiError 404 for an unknown resource in one that is."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        version, rest = parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        return None
    if not any(group == version for group, _ in BY_PATH):
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (version, rest[2]) in BY_PATH:
        namespace, rest = rest[1], rest[2:]
    resource = BY_PATH.get((version, rest[0]))
    if resource is None or len(rest) > 3 or (resource.namespaced and not namespace and len(rest) > 1):
        raise no_such_resource()
    subresource = rest[2] if len(rest) == 3 else ""
    if subresource and subresource not in resource.subresources:
        raise no_such_resource()
    return Target(resource, namespace, rest[1] if len(rest) > 1 else "", subresource)


def verb_of(request: Request, target: Target) -> str:
    """The verb that access rules speak of."""
    match request.method:
        case "GET" | "HEAD":
            if target.name:
                return "get"
            return "watch" if request.flag("watch") else "list"
        case "POST":
            return "create"
        case "PUT":
            return "update"
        case "DELETE":
            return "delete" if target.name else "deletecollection"
        case method:
            return method.lower()


def decode_json(body: bytes, what: str) -> Any:
    """`what` begins the message of the 400 that a body which is not JSON gets."""
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise bad_request(f"{what}{go_json_error(error)}") from None


def go_json_error(error: json.JSONDecodeError) -> str:
    """Go's words for what is wrong with a JSON text."""
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    return f"invalid character '{error.doc[error.pos]}' looking for beginning of value"
