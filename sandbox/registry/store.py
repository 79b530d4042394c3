"""What the registry holds: repositories of blobs, manifests and tags, uploads under way, and who may read."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sandbox.clock import Clock

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
INDEXES = {OCI_INDEX: OCI_MANIFEST, DOCKER_LIST: DOCKER_MANIFEST}
_CONFIG = {
    OCI_MANIFEST: ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"),
    DOCKER_MANIFEST: ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
}
TOKEN_LIFETIME = timedelta(minutes=5)


def digest_of(content: bytes) -> str:
    """`sha256:` and the hexadecimal digest of exactly these bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Manifest:
    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.content)


@dataclass
class Upload:
    """A blob on its way in. Every answer moves on to a new `state`; the next request has to bring it."""

    repository: str
    content: bytes = b""

    @property
    def state(self) -> str:
        return hashlib.sha256(self.content + self.repository.encode()).hexdigest()[:32]


@dataclass
class Repository:
    private: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def resolve(self, reference: str) -> Manifest | None:
        """The manifest that a tag or a digest names."""
        return self.manifests.get(self.tags.get(reference, reference))


@dataclass(frozen=True)
class Grant:
    """What a bearer token allows until when: pairs of repository and action (`pull`, `push`)."""

    allowed: frozenset[tuple[str, str]]
    expires: datetime


class Registry:
    """Repositories by name (`team/gateway`, without a host). `auth`: none, basic (everything needs it), or token (as ghcr.io: public ones anonymously)."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self.clock = clock
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, Upload] = {}
        self.auth: Literal["none", "basic", "token"] = "none"
        self.accounts: dict[str, str] = {}
        self.grants: dict[str, Grant] = {}
        self._random = random.Random(seed)

    def put_image(self, name: str, *tags: str, media_type: str = OCI_INDEX, content: str | None = None, private: bool | None = None) -> str:
        """Makes a tiny image and tags it; returns the digest that the tags name.

        The digest depends on nothing but `media_type` and `content` (default: name and first tag), so it is the same in every run. An index holds
        one manifest, for linux/amd64. `private` (None: as it was) hides the repository from anonymous readers where `auth` is token.
        """
        if media_type not in (*INDEXES, *_CONFIG):
            raise ValueError(f"media_type must be one of {', '.join((*INDEXES, *_CONFIG))}")
        repository = self.repositories.setdefault(name, Repository())
        if private is not None:
            repository.private = private
        image_type = INDEXES.get(media_type, media_type)
        manifest = _image(repository, content or ":".join((name, *tags[:1])), image_type)
        if media_type in INDEXES:
            platform = {"architecture": "amd64", "os": "linux"}
            manifest = _manifest(repository, media_type, manifests=[_described(image_type, manifest.content) | {"platform": platform}])
        repository.tags.update(dict.fromkeys(tags, manifest.digest))
        return manifest.digest

    def remove(self, name: str, reference: str | None = None) -> None:
        """Takes away a tag, or a manifest with its tags when `reference` is a digest, or the whole repository. KeyError if it is not there."""
        if reference is None:
            del self.repositories[name]
            return
        repository = self.repositories[name]
        if reference in repository.tags:
            del repository.tags[reference]
            return
        del repository.manifests[reference]
        repository.tags = {tag: digest for tag, digest in repository.tags.items() if digest != reference}

    def digest(self, name: str, reference: str) -> str | None:
        """The digest that a tag (or a digest) of a repository names, or None: what a kubelet finds when it pulls."""
        manifest = self.repositories.get(name, Repository()).resolve(reference)
        return manifest.digest if manifest else None

    def begin_upload(self, name: str) -> str:
        """Opens an upload into the repository `name` and returns its id."""
        identifier = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        self.uploads[identifier] = Upload(name)
        return identifier

    def token(self, username: str | None, scopes: frozenset[tuple[str, str]]) -> str | None:
        """A bearer token for what `username` (None: anonymous) may do of `scopes`, or None where that is nothing of what was asked."""
        allowed = scopes if username else frozenset(scope for scope in scopes if scope[1] == "pull" and self._public(scope[0]))
        if scopes and not allowed:
            return None
        token = f"sandbox-{self._random.getrandbits(128):032x}"
        self.grants[token] = Grant(allowed, self.clock.now() + TOKEN_LIFETIME)
        return token

    def _public(self, name: str) -> bool:
        # ghcr.io tells nobody whether a repository that he may not read exists.
        return name in self.repositories and not self.repositories[name].private


def _image(repository: Repository, content: str, media_type: str) -> Manifest:
    layer = f"layer of {content}\n".encode()
    config = _json({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}})
    repository.blobs |= {digest_of(blob): blob for blob in (layer, config)}
    config_type, layer_type = _CONFIG[media_type]
    return _manifest(repository, media_type, config=_described(config_type, config), layers=[_described(layer_type, layer)])


def _manifest(repository: Repository, media_type: str, **fields: Any) -> Manifest:
    manifest = Manifest(media_type, _json({"schemaVersion": 2, "mediaType": media_type, **fields}))
    repository.manifests[manifest.digest] = manifest
    return manifest


def _described(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
