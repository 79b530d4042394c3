"""The registry over HTTP (OCI distribution specification 1.0; where that leaves a choice, docker-registry 2.8)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.registry import auth, uploads
from sandbox.registry.errors import RegistryError, handle
from sandbox.registry.manifests import accepted, parse
from sandbox.registry.store import Registry, Repository
from sandbox.registry.wire import API_VERSION, answer, empty, here

_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_REFERENCE = re.compile(r"[\w][\w.-]{0,127}|[a-z0-9]+:[0-9a-f]{32,}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Endpoint = Callable[[Registry, Request], Awaitable[Response] | Response]


def asgi(registry: Registry) -> Starlette:
    """The application: /v2/… and the token service beside it."""

    def route(path: str, endpoint: Endpoint, *methods: str, protect: bool = True) -> Route:
        return Route(path, partial(_serve, registry, endpoint, protect), methods=methods or ("GET",))

    return Starlette(
        routes=[
            route("/token", _token, protect=False),
            route("/v2", _to_base, protect=False),
            route("/v2/", _base),
            route("/v2/_catalog", _catalog),
            route("/v2/{name:path}/tags/list", _tags),
            route("/v2/{name:path}/manifests/{reference}", _manifest),
            route("/v2/{name:path}/manifests/{reference}", _put_manifest, "PUT"),
            route("/v2/{name:path}/blobs/uploads/", uploads.begin, "POST"),
            route("/v2/{name:path}/blobs/uploads/{upload}", uploads.progress),
            route("/v2/{name:path}/blobs/uploads/{upload}", uploads.append, "PATCH"),
            route("/v2/{name:path}/blobs/uploads/{upload}", uploads.finish, "PUT"),
            route("/v2/{name:path}/blobs/uploads/{upload}", uploads.cancel, "DELETE"),
            route("/v2/{name:path}/blobs/{digest}", _blob),
        ],
        exception_handlers={RegistryError: handle, 404: _no_page},
    )


async def _serve(registry: Registry, endpoint: Endpoint, protect: bool, request: Request) -> Response:
    name = request.path_params.get("name")
    if (name is not None and not _NAME.fullmatch(name)) or not _REFERENCE.fullmatch(request.path_params.get("reference", "latest")):
        return _no_page(request)
    if protect:
        auth.authorize(registry, request, name)
    result = endpoint(registry, request)
    return result if isinstance(result, Response) else await result


def _no_page(request: Request, error: Exception | None = None) -> Response:
    return PlainTextResponse("404 page not found\n", 404, API_VERSION)


def _token(registry: Registry, request: Request) -> Response:
    return auth.token(registry, request)


def _to_base(registry: Registry, request: Request) -> Response:
    return RedirectResponse(here(request, "/v2/"), 301)


def _base(registry: Registry, request: Request) -> Response:
    return Response("{}", 200, API_VERSION, "application/json; charset=utf-8")


def _catalog(registry: Registry, request: Request) -> Response:
    return _page(request, "/v2/_catalog", {}, "repositories", sorted(registry.repositories))


def _tags(registry: Registry, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in registry.repositories:
        raise RegistryError("NAME_UNKNOWN", {"name": name})
    return _page(request, f"/v2/{name}/tags/list", {"name": name}, "tags", sorted(registry.repositories[name].tags))


def _page(request: Request, path: str, content: dict[str, Any], key: str, entries: list[str]) -> Response:
    """At most `n` entries after `last`, with a Link to the next page. docker-registry 2.8 gives all tags at once; ghcr.io and the specification page."""
    last, wanted = request.query_params.get("last", ""), request.query_params.get("n")
    entries = [entry for entry in entries if entry > last]
    if wanted is None:
        return answer(content | {key: entries})
    if not wanted.isdecimal():
        raise RegistryError("PAGINATION_NUMBER_INVALID", {"n": wanted})
    page = entries[: int(wanted)]
    more = page and len(page) < len(entries)
    prefix = request.scope.get("root_path", "")
    link = {"Link": f'<{prefix}{path}?last={page[-1]}&n={wanted}>; rel="next"'} if more else {}
    return answer(content | {key: page}, headers=link)


def _manifest(registry: Registry, request: Request) -> Response:
    name, reference = request.path_params["name"], request.path_params["reference"]
    repository = registry.repositories.get(name, Repository())
    manifest = repository.resolve(reference)
    if manifest is None:
        raise RegistryError("MANIFEST_UNKNOWN", {"Name": name, "Revision": reference} if _DIGEST.fullmatch(reference) else {"Tag": reference})
    manifest = accepted(repository, manifest, request.headers.getlist("accept"), by_tag=reference in repository.tags)
    tag = f'"{manifest.digest}"'
    if request.headers.get("if-none-match") in (tag, manifest.digest):
        return empty(304)
    headers = API_VERSION | {"Docker-Content-Digest": manifest.digest, "Etag": tag, "Content-Type": manifest.media_type}
    return Response(manifest.content, 200, headers)


async def _put_manifest(registry: Registry, request: Request) -> Response:
    name, reference = request.path_params["name"], request.path_params["reference"]
    repository = registry.repositories.get(name, Repository())
    manifest = parse(repository, request.headers.get("content-type", ""), await request.body())
    if ":" in reference and reference != manifest.digest:
        raise RegistryError("DIGEST_INVALID")
    registry.repositories[name] = repository
    repository.manifests[manifest.digest] = manifest
    if ":" not in reference:
        repository.tags[reference] = manifest.digest
    location = here(request, f"/v2/{name}/manifests/{manifest.digest}")
    return empty(201, Docker_Content_Digest=manifest.digest, Location=location)


def _blob(registry: Registry, request: Request) -> Response:
    name, digest = request.path_params["name"], request.path_params["digest"]
    if not _DIGEST.fullmatch(digest):
        raise RegistryError("DIGEST_INVALID", {})
    blob = registry.repositories.get(name, Repository()).blobs.get(digest)
    if blob is None:
        raise RegistryError("BLOB_UNKNOWN", digest)
    headers = API_VERSION | {"Docker-Content-Digest": digest, "Etag": f'"{digest}"', "Cache-Control": "max-age=31536000"}
    return Response(blob, 200, headers, "application/octet-stream")
