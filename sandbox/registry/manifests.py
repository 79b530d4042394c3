"""What a manifest must be to be taken in, and which one a client gets for what it accepts (as docker-registry 2.8 decides)."""

from __future__ import annotations

import json
from typing import Any

from sandbox.registry.errors import RegistryError
from sandbox.registry.store import DOCKER_LIST, DOCKER_MANIFEST, INDEXES, OCI_INDEX, OCI_MANIFEST, Manifest, Repository


def parse(repository: Repository, media_type: str, content: bytes) -> Manifest:
    """The manifest that `content` is, all of whose blobs or manifests are in the repository. MANIFEST_INVALID or MANIFEST_BLOB_UNKNOWN otherwise."""
    try:
        document = json.loads(content)
    except ValueError:
        raise RegistryError("MANIFEST_INVALID", {}) from None
    if media_type not in (*INDEXES, *INDEXES.values()) or not isinstance(document, dict):
        raise RegistryError("MANIFEST_INVALID", {})
    # OCI may leave the type out of the document; Docker may not.
    if document.get("mediaType", media_type if media_type in (OCI_INDEX, OCI_MANIFEST) else None) != media_type:
        raise RegistryError("MANIFEST_INVALID", {})
    if missing := _missing(repository, media_type, document):
        raise RegistryError("MANIFEST_BLOB_UNKNOWN", *missing)
    return Manifest(media_type, content)


def _missing(repository: Repository, media_type: str, document: dict[str, Any]) -> list[str]:
    try:
        if media_type in INDEXES:
            wanted, held = [entry["digest"] for entry in document["manifests"]], set(repository.manifests)
        else:
            wanted, held = [entry["digest"] for entry in (*document["layers"], document["config"])], set(repository.blobs)
    except (KeyError, TypeError):
        raise RegistryError("MANIFEST_INVALID", {}) from None
    return [digest for digest in wanted if digest not in held]


def accepted(repository: Repository, manifest: Manifest, accept: list[str], *, by_tag: bool) -> Manifest:
    """The manifest to answer with. A client that does not name the types it knows is not served, whatever `*/*` says: that is how real registries are."""
    known = {part.split(";")[0].strip() for header in accept for part in header.split(",")}
    if manifest.media_type == OCI_MANIFEST and OCI_MANIFEST not in known:
        raise RegistryError("MANIFEST_UNKNOWN", message="OCI manifest found, but accept header does not support OCI manifests")
    if manifest.media_type == OCI_INDEX and OCI_INDEX not in known:
        raise RegistryError("MANIFEST_UNKNOWN", message="OCI index found, but accept header does not support OCI indexes")
    if not by_tag:
        return manifest
    if manifest.media_type == DOCKER_LIST and DOCKER_LIST not in known:
        manifest = _amd64(repository, manifest)
    # docker-registry would now try to write a schema 1 manifest, and cannot without the image's history.
    if manifest.media_type == DOCKER_MANIFEST and DOCKER_MANIFEST not in known:
        raise RegistryError("MANIFEST_INVALID", {})
    return manifest


def _amd64(repository: Repository, index: Manifest) -> Manifest:
    for entry in json.loads(index.content)["manifests"]:
        if entry.get("platform", {}).get("architecture") == "amd64" and entry["platform"].get("os") == "linux":
            return repository.manifests[entry["digest"]]
    raise RegistryError("MANIFEST_UNKNOWN")
