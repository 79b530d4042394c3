"""Pushing blobs: begin, append in order, finish with the digest. Every step answers where the next one goes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sandbox.registry.errors import RegistryError
from sandbox.registry.store import Registry, Repository, Upload, digest_of
from sandbox.registry.wire import empty, here


def begin(registry: Registry, request: Request) -> Response:
    """POST …/blobs/uploads/[?mount=DIGEST&from=NAME]: 202 with the upload's place, or 201 if the blob could be taken from another repository."""
    name = request.path_params["name"]
    mount, source = request.query_params.get("mount", ""), request.query_params.get("from", "")
    blob = registry.repositories.get(source, Repository()).blobs.get(mount)
    if blob is not None:
        registry.repositories.setdefault(name, Repository()).blobs[mount] = blob
        return _stored(request, name, mount)
    return _place(request, 202, registry, registry.begin_upload(name))


def progress(registry: Registry, request: Request) -> Response:
    """GET: how much has arrived."""
    identifier, _ = _upload(registry, request)
    return _place(request, 204, registry, identifier)


async def append(registry: Registry, request: Request) -> Response:
    """PATCH: the next bytes. Content-Range is not looked at, as docker-registry 2.8 does not."""
    identifier, upload = _upload(registry, request)
    upload.content += await request.body()
    return _place(request, 202, registry, identifier)


async def finish(registry: Registry, request: Request) -> Response:
    """PUT ?digest=…: the last bytes, and what all of them must add up to. A wrong digest leaves the upload open."""
    identifier, upload = _upload(registry, request)
    digest = request.query_params.get("digest")
    if digest is None:
        raise RegistryError("DIGEST_INVALID", "digest missing")
    content = upload.content + await request.body()
    if digest_of(content) != digest:
        raise RegistryError("DIGEST_INVALID", {"Digest": digest, "Reason": {}})
    del registry.uploads[identifier]
    registry.repositories.setdefault(upload.repository, Repository()).blobs[digest] = content
    return _stored(request, upload.repository, digest)


def cancel(registry: Registry, request: Request) -> Response:
    """DELETE: forgets the upload."""
    identifier, _ = _upload(registry, request)
    del registry.uploads[identifier]
    return empty(204, Docker_Upload_Uuid=identifier)


def _upload(registry: Registry, request: Request) -> tuple[str, Upload]:
    identifier, state = request.path_params["upload"], request.query_params.get("_state")
    if state is None:
        raise RegistryError("BLOB_UPLOAD_INVALID", {})
    upload = registry.uploads.get(identifier)
    if upload is None:
        raise RegistryError("BLOB_UPLOAD_UNKNOWN", {})
    if state != upload.state or upload.repository != request.path_params["name"]:
        raise RegistryError("BLOB_UPLOAD_INVALID")
    return identifier, upload


def _place(request: Request, status: int, registry: Registry, identifier: str) -> Response:
    upload = registry.uploads[identifier]
    location = here(request, f"/v2/{upload.repository}/blobs/uploads/{identifier}?_state={upload.state}")
    # docker-registry writes 0-0 for nothing as for one byte.
    return empty(status, Location=location, Range=f"0-{max(len(upload.content) - 1, 0)}", Docker_Upload_Uuid=identifier)


def _stored(request: Request, name: str, digest: str) -> Response:
    return empty(201, Location=here(request, f"/v2/{name}/blobs/{digest}"), Docker_Content_Digest=digest)
