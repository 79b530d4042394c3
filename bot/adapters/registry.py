"""A container registry (OCI distribution specification 1.1; tokens as distribution's "Token Authentication Specification").

Which digest a tag names is asked by HEAD, which registries do not count as a pull.
"""

import asyncio
import base64
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from bot.adapters.http import FAILURES, USER_AGENT, next_page, read, retry_after, tls, why
from bot.core.errors import Invalid, Throttled, Unauthenticated, Unavailable

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
TIME_LIMIT = timedelta(seconds=15)
MANIFEST_LIMIT = 4 * 1024 * 1024  # what the specification asks registries to take at least
PAGE, MAX_TAGS = 1000, 20_000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DEFAULT_LIFETIME = 60  # seconds, of a token that does not say: the token specification's figure


@asynccontextmanager
async def open_registry(
    url: str | None, username: str | None, password: SecretStr | None, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator["OciRegistry"]:
    """Yields the registry. `url` is asked instead of the host in an image's name (None: that host); it may carry `user:password@`."""
    async with httpx.AsyncClient(transport=transport, verify=tls(), follow_redirects=True, timeout=None, headers={"User-Agent": USER_AGENT}) as client:
        yield OciRegistry(client, url, username, password)


@dataclass(frozen=True)
class _Repository:
    """`base` is the registry's URL, `name` the repository there, `host` how a person calls the registry."""

    base: httpx.URL
    name: str

    @property
    def host(self) -> str:
        return self.base.netloc.decode()


class OciRegistry:
    """Implements `ports.Registry`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str | None = None,
        username: str | None = None,
        password: SecretStr | None = None,
        time_limit: timedelta = TIME_LIMIT,
    ) -> None:
        """`time_limit` is for each answer; a question may take four: challenge, token, answer, and the manifest itself."""
        given = httpx.URL(url) if url else None
        self._client = client
        self._url = given.copy_with(userinfo=b"") if given else None
        self._username = username or (given.username if given else "")
        self._password = password.get_secret_value() if password else (given.password if given else "")
        self._time_limit = time_limit.total_seconds()
        self._authorized: dict[_Repository, tuple[str, float]] = {}

    async def digest(self, image: str) -> str | None:
        """Returns the digest (`sha256:…`) that `host/name:tag` has now, or None. Raises Unauthenticated, Throttled, Unavailable, Invalid."""
        name, _, tag = image.rpartition(":")
        repository = self._repository(name)
        path = f"v2/{repository.name}/manifests/{tag}"
        response, _ = await self._ask(repository, "HEAD", path, {"Accept": ", ".join(MANIFEST_TYPES)})
        if response.status_code == 404:
            return None
        digest = response.headers.get("docker-content-digest", "")
        if _DIGEST.fullmatch(digest):
            return str(digest)
        response, content = await self._ask(repository, "GET", path, {"Accept": ", ".join(MANIFEST_TYPES)})
        if response.status_code == 404:
            return None
        if response.headers.get("content-type", "").partition(";")[0].strip() not in MANIFEST_TYPES or len(content) >= MANIFEST_LIMIT:
            raise Unavailable(f"The registry {repository.host} answers with something that is not an image's manifest.", "Is it a registry? See REGISTRY_URL.")
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    async def tags(self, repository: str) -> list[str]:
        """Returns the tags of `host/name`, at most 20,000; empty when there is no such repository. Raises like `digest`."""
        asked = self._repository(repository)
        pages: list[str | httpx.URL] = [f"v2/{asked.name}/tags/list?n={PAGE}"]
        found: list[str] = []
        while pages and len(found) < MAX_TAGS:
            response, content = await self._ask(asked, "GET", pages.pop(), {})
            if response.status_code != 404:
                page = _tags(asked, content)
                found += page
                pages = [url for url in [next_page(response)] if url and page]
        return found[:MAX_TAGS]

    def _repository(self, image: str) -> _Repository:
        """Splits `host/name` as Docker does: without a host, or with a first part that cannot be one, it is Docker Hub's."""
        host, slash, name = image.partition("/")
        if not slash or not ("." in host or ":" in host or host == "localhost"):
            host, name = "docker.io", image if slash else f"library/{image}"
        if self._url is not None:
            return _Repository(self._url.copy_with(path=self._url.path.rstrip("/") + "/"), name)
        scheme = "http" if re.match(r"(localhost|127\.\d+\.\d+\.\d+)(:|$)", host) else "https"
        return _Repository(httpx.URL(f"{scheme}://{'registry-1.docker.io' if host == 'docker.io' else host}/"), name)

    async def _ask(self, repository: _Repository, method: str, path: str | httpx.URL, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """Makes the request, with a new token when the registry wants one; returns an answer that is a success or a 404."""
        url = repository.base.join(path)
        header, until = self._authorized.get(repository, ("", 0.0))
        known = {"Authorization": header} if time.monotonic() < until else {}
        response, content = await self._send(repository, method, url, headers | known)
        if response.status_code == 401:
            authorization = await self._authorize(repository, response)
            response, content = await self._send(repository, method, url, headers | {"Authorization": authorization})
        if response.status_code != 404:
            self._raise_for(repository, response)
        return response, content

    async def _send(self, repository: _Repository, method: str, url: httpx.URL, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        try:
            async with asyncio.timeout(self._time_limit), self._client.stream(method, url, headers=headers) as response:
                return response, await read(response, MANIFEST_LIMIT)
        except FAILURES as error:
            raise Unavailable(f"The registry {repository.host} cannot be asked: {why(error)}.", "Try again, or see whether it is up.") from error

    def _raise_for(self, repository: _Repository, response: httpx.Response) -> None:
        status = response.status_code
        if status in (401, 403):
            raise self._refused(repository)
        if status == 429:
            raise Throttled(f"The registry {repository.host} asks to wait.", retry_after(response))
        if 400 <= status < 500:
            raise Invalid(f"The registry {repository.host} does not understand the request for {repository.name} (HTTP {status}).")
        if not response.is_success:
            raise Unavailable(f"The registry {repository.host} is out of order (HTTP {status}).", "Try again in a minute.")

    def _refused(self, repository: _Repository) -> Unauthenticated:
        given = "does not accept our credentials for" if self._username or self._password else "lets nobody read without credentials"
        text = f"The registry {repository.host} {given} {repository.name}, or there is no such repository."
        return Unauthenticated(text, "REGISTRY_USERNAME and REGISTRY_PASSWORD hold the credentials; they need the right to pull.")

    async def _authorize(self, repository: _Repository, response: httpx.Response) -> str:
        """Returns the Authorization header that the challenge of a 401 asks for, and keeps it for as long as it holds."""
        challenge = ", ".join(response.headers.get_list("www-authenticate"))
        if bearer := re.search(r"(?i)\bbearer\s+(.*)", challenge):
            header, seconds = await self._token(repository, dict(re.findall(r'(\w+)="([^"]*)"', bearer[1])))
        elif re.search(r"(?i)\bbasic\b", challenge) and self._username:
            header, seconds = self._basic(), float("inf")
        else:
            raise self._refused(repository)
        self._authorized[repository] = (header, time.monotonic() + seconds)
        return header

    async def _token(self, repository: _Repository, challenge: dict[str, str]) -> tuple[str, float]:
        realm = repository.base.join(challenge.get("realm", ""))
        if realm.scheme != "https" and repository.base.scheme == "https":
            raise Unavailable(f"The registry {repository.host} wants our credentials sent to {realm.host} without encryption; they were not sent.")
        parameters = {"service": challenge.get("service", ""), "scope": challenge.get("scope") or f"repository:{repository.name}:pull"}
        headers = {"Authorization": self._basic()} if self._username else {}
        response, content = await self._send(repository, "GET", realm.copy_merge_params({key: value for key, value in parameters.items() if value}), headers)
        self._raise_for(repository, response)
        document = _json(repository, content)
        token, lifetime = document.get("token") or document.get("access_token"), document.get("expires_in", _DEFAULT_LIFETIME)
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise Unavailable(f"The token service of the registry {repository.host} answers without a token.")
        return f"Bearer {token}", 0.9 * lifetime if isinstance(lifetime, int | float) else _DEFAULT_LIFETIME

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self._username}:{self._password}".encode()).decode()


def _json(repository: _Repository, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Unavailable(f"The registry {repository.host} answers with something that is not JSON.", "Is it a registry? See REGISTRY_URL.")
    return document


def _tags(repository: _Repository, content: bytes) -> list[str]:
    listed = _json(repository, content).get("tags")
    return [tag for tag in listed if isinstance(tag, str)] if isinstance(listed, list) else []
