"""One HTTP call to an API server: credentials, a time limit, JSON, errors."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from bot.adapters.kubernetes.errors import Call, error_of, status_of
from bot.adapters.kubernetes.rest import Refused
from bot.core.errors import Unauthenticated, Unavailable
from bot.core.ports import Json

TIME_LIMIT = 10.0
"""Seconds that a call may take, its answer's body included."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

_CONNECT = 10.0
# An API server sends a bookmark about once a minute: a connection that was silent for longer is dead.
_SILENCE = 90.0
_GOODBYE = 1.0


class Rest(Protocol):
    """The HTTP layer, as `kubernetes.aio.client.rest.RESTClientObject` has it; another may stand in its place, in process.

    What `request` returns needs `status`, `headers` and `await read()`; for a watch also `response.content`, an asynchronous iterator over its lines, and
    `response.close()`. `body` is the object to be sent, not its text.
    """

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: Any = None, post_params: Any = None, _request_timeout: Any = None
    ) -> Any: ...

    async def socket(self, url: str, headers: Mapping[str, str], protocols: Sequence[str]) -> aiohttp.ClientWebSocketResponse: ...

    async def close(self) -> None: ...


Opening = Callable[[], Awaitable[tuple[Configuration, Rest]]]
"""Reads again what says where an API server is, and with which credentials. Raises Unavailable while that cannot be read."""


class Api:
    """The API server of one environment. `configuration` holds its address and credentials, `name` is how to call it in errors. `opening`: what gives both
    later, where they could not be read at the start."""

    def __init__(self, configuration: Configuration, rest: Rest, name: str, opening: Opening | None = None) -> None:
        self._configuration = configuration
        self._rest = rest
        self._name = name
        self._opening = opening
        self._one = asyncio.Lock()

    @property
    def name(self) -> str:
        return f"{self._name} ({self._configuration.host})"

    async def ready(self) -> None:
        """Returns when there is an address and credentials, which may be wrong. Raises Unavailable as long as there are none."""
        if self._opening is None:
            return
        async with self._one:
            if self._opening is not None:
                self._configuration, self._rest = await self._opening()
                self._opening = None

    async def call(
        self, call: Call, method: str, path: str, query: Mapping[str, str | int] | None = None, *, body: Any = None, content: str = JSON, accept: str = JSON
    ) -> bytes:
        """Returns the body of a successful answer. Raises what `bot.adapters.kubernetes.errors` makes of any other, and of none within `TIME_LIMIT`."""
        try:
            async with asyncio.timeout(TIME_LIMIT):
                response = await self._send(method, path, query, body, content, accept, aiohttp.ClientTimeout(total=TIME_LIMIT))
                answer: bytes = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error, call) from error
        if response.status >= 300:
            raise error_of(response.status, status_of(answer), response.headers, call, self.name)
        return answer

    async def json(self, call: Call, method: str, path: str, query: Mapping[str, str | int] | None = None, *, member: str = "metadata", **how: Any) -> Json:
        """Does `call` and returns its answer's JSON object. Raises Unavailable when it is none, or lacks the member that it has to have."""
        answer = await self.call(call, method, path, query, **how)
        try:
            parsed = _parse(answer)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict) or member not in parsed:
            raise self.nonsense(answer, call)
        return parsed

    def nonsense(self, answer: bytes, call: Call) -> Unavailable:
        """Returns the error for an answer that an API server would not give: something else speaks for it, or it was cut off."""
        text = f"{self.name[0].upper()}{self.name[1:]} answered nonsense to {call.verb} {call.target}: {answer[:80]!r}"
        return Unavailable(text, "Check that its address is an API server's.")

    @asynccontextmanager
    async def stream(self, call: Call, path: str, query: Mapping[str, str | int], accept: str) -> AsyncIterator[aiohttp.StreamReader]:
        """Opens a watch or a log, and gives what comes. Raises as `call` does, also from the lines; Unavailable when it was silent for too long."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
        try:
            async with asyncio.timeout(TIME_LIMIT):
                response = await self._send("GET", path, query, None, JSON, accept, limits)
                if response.status >= 300:
                    raise error_of(response.status, status_of(await response.read()), response.headers, call, self.name)
            try:
                yield response.response.content
            finally:
                response.response.close()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error, call) from error

    @asynccontextmanager
    async def socket(self, call: Call, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Opens a WebSocket, whose silence is its reader's concern. Raises as `call` does."""
        try:
            async with asyncio.timeout(TIME_LIMIT):
                await self.ready()
                url = f"{self._configuration.host}{path}?{urlencode(query)}"
                opened = await self._rest.socket(url, {"User-Agent": "aiec", **await self._credentials()}, protocols)
        except Refused as answer:
            raise error_of(answer.status, status_of(answer.body), answer.headers, call, self.name) from answer
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error, call) from error
        try:
            yield opened
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error, call) from error
        finally:
            # Who hangs up politely reads the rest first, of which there may be no end.
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await opened.close()

    async def close(self) -> None:
        await self._rest.close()

    async def _credentials(self) -> dict[str, str]:
        try:
            settings: Any = await self._configuration.auth_settings()
        except (ConfigException, OSError) as error:
            raise Unauthenticated(f"The credentials for {self.name} cannot be read: {error}", "Check KUBECONFIG, or the mounted service account.") from error
        return {setting["key"]: setting["value"] or "" for setting in settings.values()}

    async def _send(
        self, method: str, path: str, query: Mapping[str, str | int] | None, body: Any, content: str, accept: str, limits: aiohttp.ClientTimeout
    ) -> Any:
        await self.ready()
        headers = {"Accept": accept, "Content-Type": content, "User-Agent": "aiec", **await self._credentials()}
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        return await self._rest.request(method, url, headers=headers, body=body, _request_timeout=limits)

    def _unreachable(self, error: Exception, call: Call) -> Unavailable:
        what = f"did not answer within {TIME_LIMIT:g} s" if isinstance(error, TimeoutError) else f"cannot be reached: {error}"
        text = f"{self.name[0].upper()}{self.name[1:]} {what} (to {call.verb} {call.target})."
        return Unavailable(text, "Check that it is up and that this machine reaches it: kubectl get --raw /readyz")


def _parse(answer: bytes) -> Any:
    """JSON without the garbage collector: it would walk through the growing tree over and over, and take five times as long for a thousand pods."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return json.loads(answer)
    finally:
        if collecting:
            gc.enable()
