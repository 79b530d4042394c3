"""JSON in Go's spelling. An API server decides a JSON Patch's `test` by the text of a string, as its own encoder writes it, and not by what it means.

Seen on Kubernetes 1.36: a `test` for `a→b` sent as `"a\\u2192b"`, or for `a&b` sent as it is, is refused although the value is just that.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from kubernetes.aio.client.rest import RESTClientObject

_ESCAPED = re.compile("[<>&\u2028\u2029]")


def spelled(value: Any) -> str:
    """Returns JSON as Go's encoding/json writes it: UTF-8, with the characters escaped that mean something in HTML or end lines in JavaScript."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


class Refused(Exception):
    """A WebSocket that was asked for and not given: the answer instead."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status, self.headers, self.body = status, headers, body


class Rest(RESTClientObject):
    """The client's HTTP layer, which escapes everything that is not ASCII, with bodies spelled anew; and WebSockets over the same connections."""

    def _create_pool_manager(self) -> Any:
        return _Session(super()._create_pool_manager())

    async def socket(self, url: str, headers: Mapping[str, str], protocols: Sequence[str]) -> aiohttp.ClientWebSocketResponse:
        """Opens a WebSocket that leaves pings to its reader. Raises Refused, with what the server said, and what aiohttp raises."""
        if self.pool_manager is None:
            self.pool_manager = self._create_pool_manager()
        session: Any = self.pool_manager
        opened: aiohttp.ClientWebSocketResponse = await session.socket(url, headers=headers, protocols=protocols, proxy=self.proxy)
        return opened


class _Session:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._sockets: aiohttp.ClientSession | None = None

    async def request(self, *, data: Any = None, **args: Any) -> aiohttp.ClientResponse:
        body = spelled(json.loads(data)).encode("utf-8", "replace") if isinstance(data, str) else data
        return await self._session.request(**args, data=body)

    async def socket(self, url: str, *, headers: Mapping[str, str], protocols: Sequence[str], proxy: str | None) -> aiohttp.ClientWebSocketResponse:
        if self._sockets is None:
            self._sockets = aiohttp.ClientSession(connector=self._session.connector, connector_owner=False, trust_env=True, raise_for_status=_refused)
        limits = aiohttp.ClientWSTimeout(ws_receive=None, ws_close=2.0)
        return await self._sockets.ws_connect(url, headers=headers, protocols=protocols, proxy=proxy, autoping=False, max_msg_size=0, timeout=limits)

    async def close(self) -> None:
        if self._sockets is not None:
            await self._sockets.close()
        await self._session.close()


async def _refused(response: aiohttp.ClientResponse) -> None:
    """Called with every answer to the asking for a WebSocket: aiohttp's own error forgets what the server said."""
    if response.status != 101:
        raise Refused(response.status, response.headers, await response.read())
