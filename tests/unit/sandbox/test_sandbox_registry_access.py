"""Who may read the sandbox's registry: tokens as ghcr.io gives them, basic authentication, and what the control API offers."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from sandbox.registry import Registry
from sandbox.server import Sandbox

INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPT = {"Accept": INDEX}
MANIFEST = "/v2/team/gateway/manifests/v1.0.0"


@pytest.fixture
def registry(sandbox: Sandbox) -> Registry:
    registry = sandbox.world.registry
    registry.accounts = {"robot": "secret"}
    registry.put_image("team/private", "v1", private=True)
    return registry


def challenge(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 401
    scheme, _, rest = answer.headers["www-authenticate"].partition(" ")
    return {"scheme": scheme, **dict(re.findall(r'(\w+)="([^"]*)"', rest))}


async def token(client: httpx.AsyncClient, wanted: dict[str, str], **arguments: Any) -> httpx.Response:
    return await client.get(wanted["realm"], params={"service": wanted["service"], "scope": wanted["scope"]}, **arguments)


@pytest.mark.parametrize("prefix", ["", "/registry"])
async def test_a_public_image_needs_an_anonymous_token(sandbox: Sandbox, client: httpx.AsyncClient, registry: Registry, prefix: str) -> None:
    registry.auth = "token"
    wanted = challenge(await client.get(prefix + MANIFEST, headers=ACCEPT))
    assert wanted == {
        "scheme": "Bearer",
        "realm": f"{sandbox.url}{prefix}/token",
        "service": f"127.0.0.1:{sandbox.port}",
        "scope": "repository:team/gateway:pull",
    }
    given = (await token(client, wanted)).json()["token"]
    answer = await client.get(prefix + MANIFEST, headers=ACCEPT | {"Authorization": f"Bearer {given}"})
    assert answer.status_code == 200
    other = await client.get(prefix + "/v2/team/private/manifests/v1", headers=ACCEPT | {"Authorization": f"Bearer {given}"})
    assert challenge(other)["error"] == "insufficient_scope"


@pytest.mark.parametrize("name", ["team/private", "team/nobody"])
async def test_nobody_is_told_whether_a_private_image_exists(client: httpx.AsyncClient, registry: Registry, name: str) -> None:
    registry.auth = "token"
    wanted = challenge(await client.get(f"/v2/{name}/manifests/v1", headers=ACCEPT))
    refused = await token(client, wanted)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")


async def test_an_account_may_read_what_is_private(client: httpx.AsyncClient, registry: Registry) -> None:
    registry.auth = "token"
    wanted = challenge(await client.get("/v2/team/private/manifests/v1", headers=ACCEPT))
    given = (await token(client, wanted, auth=("robot", "secret"))).json()["token"]
    answer = await client.get("/v2/team/private/manifests/v1", headers=ACCEPT | {"Authorization": f"Bearer {given}"})
    assert answer.status_code == 200
    wrong = await token(client, wanted, auth=("robot", "wrong"))
    assert (wrong.status_code, wrong.json()["errors"][0]) == (403, {"code": "DENIED", "message": "denied"})


async def test_a_token_expires_by_the_sandboxs_clock(sandbox: Sandbox, client: httpx.AsyncClient, registry: Registry) -> None:
    registry.auth = "token"
    given = await token(client, challenge(await client.get(MANIFEST, headers=ACCEPT)))
    headers = ACCEPT | {"Authorization": f"Bearer {given.json()['token']}"}
    sandbox.world.clock.advance(given.json()["expires_in"] - 1)
    assert (await client.get(MANIFEST, headers=headers)).status_code == 200
    sandbox.world.clock.advance(1)
    assert challenge(await client.get(MANIFEST, headers=headers))["error"] == "invalid_token"


async def test_pushing_needs_more_than_an_anonymous_token(client: httpx.AsyncClient, registry: Registry) -> None:
    registry.auth = "token"
    wanted = challenge(await client.post("/v2/team/gateway/blobs/uploads/"))
    assert wanted["scope"] == "repository:team/gateway:pull,push"
    for arguments, status in (({}, 401), ({"auth": ("robot", "secret")}, 202)):
        given = (await token(client, wanted, **arguments)).json()["token"]
        answer = await client.post("/v2/team/gateway/blobs/uploads/", headers={"Authorization": f"Bearer {given}"})
        assert answer.status_code == status


async def test_basic_authentication(client: httpx.AsyncClient, registry: Registry) -> None:
    registry.auth = "basic"
    refused = await client.get(MANIFEST, headers=ACCEPT)
    assert challenge(refused) == {"scheme": "Basic", "realm": "sandbox"}
    assert refused.json()["errors"][0]["code"] == "UNAUTHORIZED"
    assert (await client.get("/v2/", auth=("robot", "wrong"))).status_code == 401
    assert (await client.get("/v2/", headers={"Authorization": "Basic ???"})).status_code == 401
    assert (await client.get(MANIFEST, headers=ACCEPT, auth=("robot", "secret"))).status_code == 200


async def test_tags_are_paged_as_ghcr_does(client: httpx.AsyncClient, registry: Registry) -> None:
    registry.put_image("team/many", *(f"v{number}" for number in range(5)))
    first = await client.get("/v2/team/many/tags/list?n=2")
    assert first.json()["tags"] == ["v0", "v1"]
    assert first.headers["link"] == '</v2/team/many/tags/list?last=v1&n=2>; rel="next"'
    last = await client.get("/v2/team/many/tags/list?last=v3&n=2")
    assert last.json()["tags"] == ["v4"]
    assert "link" not in last.headers
    assert (await client.get("/v2/team/many/tags/list?n=x")).json()["errors"][0]["code"] == "PAGINATION_NUMBER_INVALID"
    assert (await client.get("/v2/_catalog?n=1")).json() == {"repositories": ["team/gateway"]}


async def test_images_are_put_and_removed_by_the_control_api(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    put = await client.post("/_sandbox/registry/images", json={"name": "team/new", "tags": ["v1", "latest"]})
    images = (await client.get("/_sandbox/registry/images")).json()
    assert images["team/new"] == {"tags": {"v1": put.json()["digest"], "latest": put.json()["digest"]}, "private": False}
    await client.post("/_sandbox/registry/remove", json={"name": "team/new", "reference": "latest"})
    assert (await client.get("/v2/team/new/tags/list")).json()["tags"] == ["v1"]
    await client.post("/_sandbox/registry/remove", json={"name": "team/new", "reference": put.json()["digest"]})
    assert (await client.get("/v2/team/new/manifests/v1", headers=ACCEPT)).status_code == 404
    await client.post("/_sandbox/registry/remove", json={"name": "team/new"})
    assert (await client.get("/v2/team/new/tags/list")).status_code == 404
    absent = await client.post("/_sandbox/registry/remove", json={"name": "team/new"})
    assert absent.status_code == 404
    assert (await client.post("/_sandbox/registry/images", json={"name": "a", "tags": [], "media_type": "x"})).status_code == 400


async def test_access_is_set_by_the_control_api(client: httpx.AsyncClient) -> None:
    await client.post("/_sandbox/registry/access", json={"auth": "basic", "accounts": {"robot": "secret"}})
    assert (await client.get("/v2/")).status_code == 401
    assert (await client.get("/v2/", auth=("robot", "secret"))).status_code == 200
    await client.post("/_sandbox/registry/access", json={"auth": "none"})
    assert (await client.get("/v2/")).status_code == 200


async def test_the_registry_is_taken_down_and_brought_back(client: httpx.AsyncClient) -> None:
    await client.post("/_sandbox/registry/down", json={"down": True})
    for _ in range(2):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await client.get("/v2/")
    await client.post("/_sandbox/registry/down", json={"down": False})
    await client.post("/_sandbox/registry/down", json={"down": False})
    assert (await client.get("/v2/")).status_code == 200


def test_digests_are_the_same_in_every_run(sandbox: Sandbox) -> None:
    one, other = sandbox.world.registry, sandbox.world.again().registry
    assert one.digest("team/gateway", "v1.0.0") == other.digest("team/gateway", "v1.0.0")
    assert one.put_image("a", "v1", content="same") == one.put_image("b", "v2", content="same")
    assert one.put_image("a", "v1") != one.put_image("a", "v2")
    assert one.digest("a", "v9") is None
