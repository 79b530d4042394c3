"""HTTP health checks: one GET as a load balancer makes it, over a connection of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus

import httpx

from bot.adapters.http import FAILURES, USER_AGENT, read, tls, why
from bot.core.ports import Probe
from bot.core.redact import redacted
from bot.core.suggest import quoted

MAX_REDIRECTS = 3
BODY_LIMIT = 1024


@asynccontextmanager
async def open_prober(transport: httpx.AsyncBaseTransport | None = None) -> AsyncIterator["HttpProber"]:
    """Yields the prober. A kept connection would go on to the pod that answered last: each probe opens its own."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(transport=transport, verify=tls(), limits=limits, headers={"User-Agent": USER_AGENT}) as client:
        yield HttpProber(client)


class HttpProber:
    """Implements `ports.Prober`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def probe(self, url: str, timeout: timedelta) -> Probe:
        """GETs the URL, follows redirects on the same host, and says what came. `timeout` is for all of it."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                status, text = await self._follow(httpx.URL(url))
        except FAILURES as error:
            status, text = None, why(error)
            if isinstance(error, TimeoutError | httpx.TimeoutException):
                text += f" ({timeout.total_seconds():g} s)"
        return Probe(status, text, time.perf_counter() - started)

    async def _follow(self, url: httpx.URL) -> tuple[int, str]:
        host = url.host
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client.stream("GET", url, timeout=None) as response:
                target = response.next_request.url if response.next_request else None
                if target is None:
                    return response.status_code, await _said(response)
                if target.host != host:
                    return response.status_code, f"{_status(response)}: it redirects to another host ({quoted(target.host)}), which is not followed"
            url = target
        raise httpx.TooManyRedirects("")


async def _said(response: httpx.Response) -> str:
    if response.is_success:
        return _status(response)
    body = quoted(redacted((await read(response, BODY_LIMIT)).decode("utf-8", "replace")))
    return f"{_status(response)}: {body}" if body else _status(response)


def _status(response: httpx.Response) -> str:
    try:
        return f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    except ValueError:
        return str(response.status_code)
