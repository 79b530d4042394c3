"""The registry adapter: the same questions to the sandbox's registry and to a real docker-registry; what only a stand-in can be made to do, there."""

import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from bot.adapters.registry import OciRegistry, open_registry
from bot.core.errors import AiecError, Invalid, Throttled, Unauthenticated, Unavailable
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.world import World
from tests.adapters.test_registry_sandbox_is_real import CONTENT, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Registry, digest

HOST = "ghcr.example.com"
NAME = "shop/gateway"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(params=["sandbox", "real"])
async def far_end(request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    """A client of a repository that nobody else uses."""
    name = f"test/{uuid.uuid4().hex}"
    if request.param == "sandbox":
        async with Sandbox(World.build({})) as sandbox, httpx.AsyncClient(base_url=sandbox.urls["registry"]) as client:
            yield Registry(client, name)
    elif url := os.environ.get("TEST_REGISTRY"):
        async with httpx.AsyncClient(base_url=url) as client:
            yield Registry(client, name)
    else:
        pytest.skip("TEST_REGISTRY names no registry")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build({})) as running:
        yield running


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])
async def test_a_tag_has_the_digest_of_what_was_pushed(far_end: Registry, media_type: str) -> None:
    await far_end.push("v1.2.0", media_type)
    async with open_registry(str(far_end.client.base_url), None, None) as registry:
        assert await registry.digest(f"{HOST}/{far_end.name}:v1.2.0") == digest(CONTENT[media_type])
        assert await registry.digest(f"{HOST}/{far_end.name}:v9.9.9") is None


async def test_what_does_not_exist_is_none_and_has_no_tags(far_end: Registry) -> None:
    async with open_registry(str(far_end.client.base_url), None, None) as registry:
        assert await registry.digest(f"{HOST}/{far_end.name}:v1.2.0") is None
        assert await registry.tags(f"{HOST}/{far_end.name}") == []


async def test_tags_are_listed(far_end: Registry) -> None:
    for tag in ("v1.0.0", "v1.1.0", "v1.2.0-rc.1"):
        await far_end.push(tag, OCI_INDEX)
    async with open_registry(str(far_end.client.base_url), None, None) as registry:
        assert sorted(await registry.tags(f"{HOST}/{far_end.name}")) == ["v1.0.0", "v1.1.0", "v1.2.0-rc.1"]


async def test_tags_come_in_pages(sandbox: Sandbox) -> None:
    sandbox.world.registry.put_image(NAME, *(f"v1.0.{number}" for number in range(2500)))
    async with open_registry(sandbox.url, None, None) as registry:
        assert len(set(await registry.tags(f"{HOST}/{NAME}"))) == 2500


async def test_without_a_url_the_host_of_the_image_is_asked(sandbox: Sandbox) -> None:
    expected = sandbox.world.registry.put_image(NAME, "v1.2.0")
    async with open_registry(None, None, None) as registry:
        assert await registry.digest(f"127.0.0.1:{sandbox.port}/{NAME}:v1.2.0") == expected


async def test_a_public_image_is_read_with_an_anonymous_token(sandbox: Sandbox) -> None:
    expected = sandbox.world.registry.put_image(NAME, "v1.2.0")
    sandbox.world.registry.auth = "token"
    async with open_registry(sandbox.url, None, None) as registry:
        assert await registry.digest(f"{HOST}/{NAME}:v1.2.0") == expected
        assert await registry.digest(f"{HOST}/{NAME}:v1.2.1") is None
        assert await registry.tags(f"{HOST}/{NAME}") == ["v1.2.0"]
    assert len(sandbox.world.registry.grants) == 1


async def test_a_token_that_is_no_longer_good_is_replaced(sandbox: Sandbox) -> None:
    expected = sandbox.world.registry.put_image(NAME, "v1.2.0")
    sandbox.world.registry.auth = "token"
    async with open_registry(sandbox.url, None, None) as registry:
        await registry.digest(f"{HOST}/{NAME}:v1.2.0")
        sandbox.world.registry.grants.clear()
        assert await registry.digest(f"{HOST}/{NAME}:v1.2.0") == expected


@pytest.mark.parametrize("auth", ["token", "basic"])
async def test_a_private_image_needs_our_credentials(sandbox: Sandbox, auth: str) -> None:
    expected = sandbox.world.registry.put_image(NAME, "v1.2.0", private=True)
    sandbox.world.registry.auth = "token" if auth == "token" else "basic"
    sandbox.world.registry.accounts["aiec"] = "p:ä@/ss"
    async with open_registry(sandbox.url, "aiec", SecretStr("p:ä@/ss")) as registry:
        assert await registry.digest(f"{HOST}/{NAME}:v1.2.0") == expected
        assert await registry.tags(f"{HOST}/{NAME}") == ["v1.2.0"]
    async with open_registry(sandbox.url.replace("//", "//aiec:p%3A%C3%A4%40%2Fss@"), None, None) as registry:
        assert await registry.digest(f"{HOST}/{NAME}:v1.2.0") == expected


@pytest.mark.parametrize("auth", ["token", "basic"])
@pytest.mark.parametrize(("password", "said"), [(None, "lets nobody read without credentials"), (SecretStr("s3cr3t"), "does not accept our credentials for")])
async def test_refused_credentials_say_which_registry_and_which_variables(sandbox: Sandbox, auth: str, password: SecretStr | None, said: str) -> None:
    sandbox.world.registry.put_image(NAME, "v1.2.0", private=True)
    sandbox.world.registry.auth = "token" if auth == "token" else "basic"
    async with open_registry(sandbox.url, "aiec" if password else None, password) as registry:
        with pytest.raises(Unauthenticated) as caught:
            await registry.digest(f"{HOST}/{NAME}:v1.2.0")
    assert caught.value.text == f"The registry 127.0.0.1:{sandbox.port} {said} {NAME}, or there is no such repository."
    assert caught.value.hint.startswith("REGISTRY_USERNAME and REGISTRY_PASSWORD")


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Fault(kind="status", status=503), Unavailable, "is out of order (HTTP 503)"),
        (Fault(kind="status", status=400), Invalid, "does not understand the request for shop/gateway (HTTP 400)"),
        (Fault(kind="status", status=403), Unauthenticated, "or there is no such repository"),
        (Fault(kind="drop"), Unavailable, "cannot be asked: it closed the connection without a whole HTTP answer"),
        (Fault(kind="hang"), Unavailable, "cannot be asked: it does not answer in time"),
    ],
)
async def test_trouble_at_the_far_end_is_one_of_our_errors(sandbox: Sandbox, fault: Fault, error: type[AiecError], said: str) -> None:
    sandbox.world.faults.add(fault)
    async with httpx.AsyncClient(timeout=None) as client:
        registry = OciRegistry(client, sandbox.url, time_limit=timedelta(seconds=0.5))
        for question in (registry.digest(f"{HOST}/{NAME}:v1.2.0"), registry.tags(f"{HOST}/{NAME}")):
            with pytest.raises(error) as caught:
                await question
            assert said in caught.value.text
            assert type(caught.value) is error


async def test_garbage_is_no_list_of_tags(sandbox: Sandbox) -> None:
    sandbox.world.registry.put_image(NAME, "v1.2.0")
    sandbox.world.faults.add(Fault(kind="garbage"))
    async with open_registry(sandbox.url, None, None) as registry:
        with pytest.raises(Unavailable):
            await registry.tags(f"{HOST}/{NAME}")


async def test_nobody_listens() -> None:
    async with open_registry("http://127.0.0.1:1", None, None) as registry:
        with pytest.raises(Unavailable, match=r"The registry 127\.0\.0\.1:1 cannot be asked: it refuses the connection\."):
            await registry.digest(f"{HOST}/{NAME}:v1.2.0")


async def test_a_registry_that_asks_to_wait_says_for_how_long(sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(kind="status", status=429, retry_after=7))
    async with open_registry(sandbox.url, None, None) as registry:
        with pytest.raises(Throttled) as caught:
            await registry.digest(f"{HOST}/{NAME}:v1.2.0")
    assert caught.value.retry_after == timedelta(seconds=7)


async def asked(handler: Handler, image: str = f"{HOST}/{NAME}:v1.2.0") -> str | None:
    """Returns what is made of answers that neither registry gives."""
    async with open_registry(None, "aiec", SecretStr("s3cr3t"), httpx.MockTransport(handler)) as registry:
        return await registry.digest(image)


@pytest.mark.parametrize(
    ("image", "url"),
    [
        ("ghcr.io/shop/gateway:v1", "https://ghcr.io/v2/shop/gateway/manifests/v1"),
        ("registry.example.com:5000/gateway:v1", "https://registry.example.com:5000/v2/gateway/manifests/v1"),
        ("localhost/gateway:v1", "http://localhost/v2/gateway/manifests/v1"),
        ("shop/gateway:v1", "https://registry-1.docker.io/v2/shop/gateway/manifests/v1"),
        ("postgres:15", "https://registry-1.docker.io/v2/library/postgres/manifests/15"),
    ],
)
async def test_an_image_names_its_registry_as_docker_reads_it(image: str, url: str) -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(404)

    assert await asked(handler, image) is None
    assert seen == [url]


async def test_without_the_header_the_manifest_itself_is_hashed() -> None:
    content = CONTENT[OCI_INDEX]

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content if request.method == "GET" else b"", headers={"Content-Type": f"{OCI_INDEX}; charset=utf-8"})

    assert await asked(handler) == f"sha256:{hashlib.sha256(content).hexdigest()}"


async def test_a_login_page_is_no_manifest() -> None:
    with pytest.raises(Unavailable, match="something that is not an image's manifest"):
        await asked(lambda _: httpx.Response(200, html="<h1>Sign in</h1>", headers={"Docker-Content-Digest": "sha256:oops"}))


async def test_credentials_are_not_sent_where_anybody_could_read_them() -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="http://tokens.example.com/token",service="x"'})

    with pytest.raises(Unavailable, match=r"to tokens\.example\.com without encryption; they were not sent"):
        await asked(handler)
    assert [request.url.host for request in sent] == [HOST]


@pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": 5}, {"token": "a\r\nb"}, [], "x"])
async def test_a_token_service_without_a_token(token: object) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json=token)
        return httpx.Response(401, headers={"WWW-Authenticate": f'Bearer realm="https://{HOST}/token"'})

    with pytest.raises(Unavailable, match="answers with"):
        await asked(handler)


@pytest.mark.parametrize("lifetime", [None, "soon", -1, 0, 1e12])
async def test_odd_lifetimes_of_tokens_do_no_harm(lifetime: object) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            assert request.url.params["scope"] == f"repository:{NAME}:pull"
            return httpx.Response(200, json={"access_token": "t", "expires_in": lifetime})
        if request.headers.get("Authorization") != "Bearer t":
            return httpx.Response(401, headers={"WWW-Authenticate": f'Bearer realm="https://{HOST}/token"'})
        return httpx.Response(200, headers={"Docker-Content-Digest": digest(b"")})

    assert await asked(handler) == digest(b"")


async def test_pages_elsewhere_are_not_fetched() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.host == HOST
        return httpx.Response(200, json={"tags": ["v1", None]}, headers={"Link": '<https://evil.example.com/v2/x/tags/list>; rel="next"'})

    async with open_registry(None, None, None, httpx.MockTransport(handler)) as registry:
        assert await registry.tags(f"{HOST}/{NAME}") == ["v1"]


@pytest.mark.parametrize(("header", "seconds"), [("", 30), ("soon", 30), ("0", 1), ("999999999999", 3600), ("Wed, 21 Oct 2015 07:28:00 GMT", 1)])
async def test_retry_after_in_every_form(header: str, seconds: int) -> None:
    with pytest.raises(Throttled) as caught:
        await asked(lambda _: httpx.Response(429, headers={"Retry-After": header}))
    assert caught.value.retry_after == timedelta(seconds=seconds)
