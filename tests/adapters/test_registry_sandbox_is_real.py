"""The sandbox's registry answers as a real docker-registry does: the same requests to both (the real one where TEST_REGISTRY names it)."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.world import World

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
EVERY_TYPE = ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST))
CONFIG = b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
LAYER = b"a layer"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(media_type: str, layer: bytes = LAYER) -> bytes:
    described = [{"mediaType": "application/octet-stream", "size": len(blob), "digest": digest(blob)} for blob in (CONFIG, layer)]
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "config": described[0], "layers": described[1:]}).encode()


def index(media_type: str, entry_type: str) -> bytes:
    content = manifest(entry_type)
    platform = {"architecture": "amd64", "os": "linux"}
    entry = {"mediaType": entry_type, "size": len(content), "digest": digest(content), "platform": platform}
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]}).encode()


CONTENT = {
    OCI_MANIFEST: manifest(OCI_MANIFEST),
    DOCKER_MANIFEST: manifest(DOCKER_MANIFEST),
    OCI_INDEX: index(OCI_INDEX, OCI_MANIFEST),
    DOCKER_LIST: index(DOCKER_LIST, DOCKER_MANIFEST),
}


@dataclass
class Registry:
    """A client of one repository that nobody else uses."""

    client: httpx.AsyncClient
    name: str

    async def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self.client.request(method, f"/v2/{self.name}{path}", **arguments)

    async def begin(self) -> str:
        started = await self.request("POST", "/blobs/uploads/")
        assert started.status_code == 202
        return started.headers["location"]

    async def finish(self, location: str, claimed: str, content: bytes = b"") -> httpx.Response:
        return await self.client.put(httpx.URL(location).copy_merge_params({"digest": claimed}), content=content)

    async def push_blob(self, content: bytes) -> None:
        assert (await self.finish(await self.begin(), digest(content), content)).status_code == 201

    async def push_manifest(self, reference: str, media_type: str, content: bytes) -> httpx.Response:
        return await self.request("PUT", f"/manifests/{reference}", content=content, headers={"Content-Type": media_type})

    async def push(self, reference: str, media_type: str) -> None:
        """An image that is complete: blobs, manifest, and the index that was asked for."""
        for blob in (CONFIG, LAYER):
            await self.push_blob(blob)
        for entry in {OCI_INDEX: [OCI_MANIFEST], DOCKER_LIST: [DOCKER_MANIFEST]}.get(media_type, []):
            assert (await self.push_manifest(digest(CONTENT[entry]), entry, CONTENT[entry])).status_code == 201
        assert (await self.push_manifest(reference, media_type, CONTENT[media_type])).status_code == 201


@pytest.fixture(params=["sandbox", "real"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    name = f"test/{uuid.uuid4().hex}"
    if request.param == "real":
        url = os.environ.get("TEST_REGISTRY")
        if not url:
            pytest.skip("TEST_REGISTRY names no registry")
        async with httpx.AsyncClient(base_url=url) as client:
            yield Registry(client, name)
    else:
        async with Sandbox(World.build({})) as sandbox, httpx.AsyncClient(base_url=sandbox.urls["registry"]) as client:
            yield Registry(client, name)


def errors(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(error["code"], error["message"]) for error in answer.json()["errors"]]


async def test_the_base_says_what_it_is(registry: Registry) -> None:
    answer = await registry.client.get("/v2/")
    assert (answer.status_code, answer.text) == (200, "{}")
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert (await registry.client.get("/v2")).status_code == 301


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("media_type", CONTENT)
async def test_a_manifest_is_found_by_tag_and_by_digest(registry: Registry, media_type: str, method: str) -> None:
    await registry.push("v1", media_type)
    for reference in ("v1", digest(CONTENT[media_type])):
        answer = await registry.request(method, f"/manifests/{reference}", headers={"Accept": EVERY_TYPE})
        assert answer.status_code == 200
        assert answer.headers["docker-content-digest"] == digest(CONTENT[media_type])
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-length"] == str(len(CONTENT[media_type]))
        assert answer.content == (CONTENT[media_type] if method == "GET" else b"")


@pytest.mark.parametrize(
    ("media_type", "accept", "expected"),
    [
        (OCI_MANIFEST, "*/*", (404, "MANIFEST_UNKNOWN")),
        (OCI_MANIFEST, DOCKER_MANIFEST, (404, "MANIFEST_UNKNOWN")),
        (OCI_INDEX, "*/*", (404, "MANIFEST_UNKNOWN")),
        (OCI_INDEX, OCI_MANIFEST, (404, "MANIFEST_UNKNOWN")),
        (OCI_INDEX, f"{OCI_INDEX};q=0.5", (200, OCI_INDEX)),
        (DOCKER_MANIFEST, "*/*", (400, "MANIFEST_INVALID")),
        (DOCKER_MANIFEST, OCI_MANIFEST, (400, "MANIFEST_INVALID")),
        (DOCKER_LIST, "*/*", (400, "MANIFEST_INVALID")),
        (DOCKER_LIST, DOCKER_MANIFEST, (200, DOCKER_MANIFEST)),
    ],
)
async def test_a_tag_is_answered_only_in_types_that_the_client_names(registry: Registry, media_type: str, accept: str, expected: tuple[int, str]) -> None:
    await registry.push("v1", media_type)
    answer = await registry.request("GET", "/manifests/v1", headers={"Accept": accept})
    said = answer.headers["content-type"] if answer.status_code == 200 else answer.json()["errors"][0]["code"]
    assert (answer.status_code, said) == expected


@pytest.mark.parametrize(("media_type", "status"), [(DOCKER_MANIFEST, 200), (DOCKER_LIST, 200), (OCI_MANIFEST, 404), (OCI_INDEX, 404)])
async def test_a_digest_is_answered_in_its_own_type_unless_that_is_ocis(registry: Registry, media_type: str, status: int) -> None:
    await registry.push("v1", media_type)
    answer = await registry.request("GET", f"/manifests/{digest(CONTENT[media_type])}", headers={"Accept": "*/*"})
    assert answer.status_code == status


async def test_an_unchanged_manifest_is_not_sent_again(registry: Registry) -> None:
    await registry.push("v1", OCI_MANIFEST)
    known = f'"{digest(CONTENT[OCI_MANIFEST])}"'
    answer = await registry.request("GET", "/manifests/v1", headers={"Accept": OCI_MANIFEST, "If-None-Match": known})
    assert answer.status_code == 304


async def test_what_is_missing_is_unknown(registry: Registry) -> None:
    await registry.push("v1", OCI_MANIFEST)
    absent = digest(b"absent")
    tag = await registry.request("GET", "/manifests/v9", headers={"Accept": EVERY_TYPE})
    assert (tag.status_code, tag.json()) == (404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {"Tag": "v9"}}]})
    by_digest = await registry.request("GET", f"/manifests/{absent}", headers={"Accept": EVERY_TYPE})
    assert by_digest.json()["errors"][0]["detail"] == {"Name": registry.name, "Revision": absent}
    blob = await registry.request("GET", f"/blobs/{absent}")
    assert (blob.status_code, errors(blob)) == (404, [("BLOB_UNKNOWN", "blob unknown to registry")])
    malformed = await registry.request("GET", "/blobs/sha256:abc")
    assert (malformed.status_code, errors(malformed)) == (400, [("DIGEST_INVALID", "provided digest did not match uploaded content")])
    nobody = Registry(registry.client, f"{registry.name}/nobody")
    assert (await nobody.request("HEAD", "/manifests/v1", headers={"Accept": EVERY_TYPE})).status_code == 404
    tags = await nobody.request("GET", "/tags/list")
    assert (tags.status_code, errors(tags)) == (404, [("NAME_UNKNOWN", "repository name not known to registry")])


async def test_tags_are_all_there_however_they_are_paged(registry: Registry) -> None:
    await registry.push("v1", OCI_MANIFEST)
    for tag in ("v3", "v2", "latest"):
        await registry.push_manifest(tag, OCI_MANIFEST, CONTENT[OCI_MANIFEST])
    found: list[str] = []
    following: httpx.URL | str | None = f"/v2/{registry.name}/tags/list?n=3"
    while following:
        answer = await registry.client.get(following)
        assert answer.json()["name"] == registry.name
        found += answer.json()["tags"]
        following = answer.links.get("next", {}).get("url")
    assert sorted(found) == ["latest", "v1", "v2", "v3"]


async def test_a_tag_can_move(registry: Registry) -> None:
    await registry.push("stable", OCI_MANIFEST)
    await registry.push("stable", DOCKER_MANIFEST)
    answer = await registry.request("HEAD", "/manifests/stable", headers={"Accept": EVERY_TYPE})
    assert answer.headers["docker-content-digest"] == digest(CONTENT[DOCKER_MANIFEST])


async def test_a_blob_is_pushed_in_chunks(registry: Registry) -> None:
    first = await registry.client.patch(await registry.begin(), content=LAYER[:3])
    assert (first.status_code, first.headers["range"]) == (202, "0-2")
    progress = await registry.client.get(first.headers["location"])
    assert (progress.status_code, progress.headers["range"]) == (204, "0-2")
    second = await registry.client.patch(first.headers["location"], content=LAYER[3:])
    assert second.headers["range"] == f"0-{len(LAYER) - 1}"
    done = await registry.finish(second.headers["location"], digest(LAYER))
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest(LAYER))
    blob = await registry.client.get(done.headers["location"])
    assert (blob.content, blob.headers["content-type"]) == (LAYER, "application/octet-stream")


async def test_a_wrong_digest_is_refused_and_leaves_the_upload_open(registry: Registry) -> None:
    chunk = await registry.client.patch(await registry.begin(), content=LAYER)
    location = chunk.headers["location"]
    wrong = await registry.finish(location, digest(b"other"))
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    missing = await registry.client.put(location)
    assert (missing.status_code, missing.json()["errors"][0]["detail"]) == (400, "digest missing")
    assert (await registry.finish(location, digest(LAYER))).status_code == 201
    again = await registry.finish(location, digest(LAYER))
    assert (again.status_code, errors(again)) == (404, [("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")])


async def test_an_old_location_and_a_cancelled_upload_are_refused(registry: Registry) -> None:
    old = await registry.begin()
    new = (await registry.client.patch(old, content=LAYER)).headers["location"]
    stale = await registry.client.patch(old, content=LAYER)
    assert (stale.status_code, errors(stale)) == (404, [("BLOB_UPLOAD_INVALID", "blob upload invalid")])
    assert (await registry.client.delete(new)).status_code == 204
    assert (await registry.finish(new, digest(LAYER))).status_code == 404


async def test_a_blob_is_mounted_from_another_repository(registry: Registry) -> None:
    await registry.push_blob(LAYER)
    other = Registry(registry.client, f"{registry.name}/other")
    mounted = await other.request("POST", "/blobs/uploads/", params={"mount": digest(LAYER), "from": registry.name})
    assert (mounted.status_code, mounted.headers["docker-content-digest"]) == (201, digest(LAYER))
    assert (await other.request("HEAD", f"/blobs/{digest(LAYER)}")).status_code == 200
    unknown = await other.request("POST", "/blobs/uploads/", params={"mount": digest(b"absent"), "from": registry.name})
    assert unknown.status_code == 202


@pytest.mark.parametrize(
    ("media_type", "content", "code"),
    [
        (OCI_MANIFEST, b"{", "MANIFEST_INVALID"),
        (OCI_MANIFEST, b"[]", "MANIFEST_INVALID"),
        ("", manifest(OCI_MANIFEST), "MANIFEST_INVALID"),
        (DOCKER_MANIFEST, manifest(OCI_MANIFEST), "MANIFEST_INVALID"),
        (DOCKER_MANIFEST, manifest(DOCKER_MANIFEST, layer=b"never pushed"), "MANIFEST_BLOB_UNKNOWN"),
        (OCI_INDEX, index(OCI_INDEX, DOCKER_MANIFEST), "MANIFEST_BLOB_UNKNOWN"),
    ],
)
async def test_a_manifest_that_is_not_whole_is_refused(registry: Registry, media_type: str, content: bytes, code: str) -> None:
    await registry.push("v1", OCI_MANIFEST)
    answer = await registry.push_manifest("v2", media_type, content)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
    assert (await registry.request("GET", "/tags/list")).json()["tags"] == ["v1"]


async def test_a_manifest_under_anothers_digest_is_refused(registry: Registry) -> None:
    await registry.push("v1", OCI_MANIFEST)
    answer = await registry.push_manifest(digest(b"other"), OCI_MANIFEST, CONTENT[OCI_MANIFEST])
    assert (answer.status_code, errors(answer)) == (400, [("DIGEST_INVALID", "provided digest did not match uploaded content")])


@pytest.mark.parametrize("path", ["/v2/UPPER/manifests/v1", "/v2/team/tiny/manifests/.bad", "/v2/-team/tiny/manifests/v1", "/v2/team/tiny/nothing"])
async def test_a_malformed_name_is_no_page(registry: Registry, path: str) -> None:
    answer = await registry.client.get(path, headers={"Accept": EVERY_TYPE})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")


@pytest.mark.parametrize(("method", "path"), [("POST", "/tags/list"), ("PATCH", "/manifests/v1"), ("PUT", f"/blobs/{digest(LAYER)}")])
async def test_a_wrong_method_is_not_allowed(registry: Registry, method: str, path: str) -> None:
    assert (await registry.request(method, path)).status_code == 405
