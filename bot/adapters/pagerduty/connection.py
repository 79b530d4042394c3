"""The vendor's client, which is synchronous, made fit for the loop: each call in a thread of a small pool, one request each, within a time limit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx2
from pagerduty import Error, EventsApiV2Client, RestApiV2Client, UrlError

from bot.adapters.http import tls, why
from bot.adapters.pagerduty.errors import refuse
from bot.core.errors import Refused, Unavailable

API_URL = "https://api.pagerduty.com"
EVENTS_URL = "https://events.pagerduty.com"
TIME_LIMIT = timedelta(seconds=10)
THREADS = 4
"""PagerDuty wants the requests of one token one after the other, more or less."""

T = TypeVar("T")


class Run(Protocol):
    """How a call that waits for the network is made: in production in a thread."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


@dataclass(frozen=True)
class Connection:
    """The clients of both APIs. `events` is None without a routing key. What a call raises is of `bot.core.errors`."""

    rest: RestApiV2Client
    events: EventsApiV2Client | None
    run: Run
    time_limit: timedelta = TIME_LIMIT

    async def ask(self, call: Callable[[RestApiV2Client], T]) -> T:
        """Makes one request to the REST API."""
        return await self._within(lambda: call(self.rest), "PAGERDUTY_API_URL")

    async def signal(self, call: Callable[[EventsApiV2Client], T]) -> T:
        """Makes one request to the Events API. Raises Refused without a routing key."""
        events = self.events
        if events is None:
            raise Refused(
                "There is no way to page by an event: PAGERDUTY_ROUTING_KEY is not set.", "Set it to the integration key of the service (Events API v2)."
            )
        return await self._within(lambda: call(events), "PAGERDUTY_EVENTS_URL")

    async def _within(self, work: Callable[[], T], variable: str) -> T:
        try:
            async with asyncio.timeout(self.time_limit.total_seconds()):
                return await self.run(work)
        except (Error, UrlError) as error:
            cause = error.__cause__
            if isinstance(cause, httpx2.TransportError):
                raise _unavailable(f"cannot be asked: {why(cause)}", variable) from error
            raise _unavailable("answers with something that is not its own", variable) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise _unavailable(f"cannot be asked: {why(error)}", variable) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # The shape of an answer, as of a page that some proxy made.
            raise _unavailable("answers with something that cannot be read", variable) from error


def _unavailable(what: str, variable: str) -> Unavailable:
    return Unavailable(f"PagerDuty {what}.", f"Look at status.pagerduty.com, or correct {variable}.")


def connection(
    token: str,
    sender: str | None,
    routing_key: str | None,
    run: Run,
    *,
    api_url: str = API_URL,
    events_url: str = EVENTS_URL,
    time_limit: timedelta = TIME_LIMIT,
    transport: httpx2.BaseTransport | None = None,
) -> Connection:
    """Returns a connection. Every byte goes out by `transport`, where one is given; `run` makes the calls that wait for it."""
    rest = _client(RestApiV2Client, token, api_url, time_limit, transport, default_from=sender)
    events = _client(EventsApiV2Client, routing_key, events_url, time_limit, transport) if routing_key is not None else None
    return Connection(rest, events, run, time_limit)


@asynccontextmanager
async def open_connection(
    token: str, sender: str | None, routing_key: str | None, *, api_url: str = API_URL, events_url: str = EVENTS_URL, time_limit: timedelta = TIME_LIMIT
) -> AsyncIterator[Connection]:
    """Yields a connection with threads of its own. Proxies come from the environment. `sender`: the e-mail address that what is done is done for."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="pagerduty")

    async def in_thread(work: Callable[[], T], /) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    opened = connection(token, sender, routing_key, in_thread, api_url=api_url, events_url=events_url, time_limit=time_limit)
    try:
        yield opened
    finally:
        # Whatever still waits for an answer ends by its own time limits.
        pool.shutdown(wait=False, cancel_futures=True)
        for client in (opened.rest, opened.events):
            if client is not None:
                client.close()


def _client(kind: Any, secret: str, url: str, time_limit: timedelta, transport: httpx2.BaseTransport | None, **others: Any) -> Any:
    """The vendor's client takes https alone for an address; where another one is meant, the transport knows."""
    given = urlsplit(url)
    if given.scheme == "http" and transport is None:
        transport = _Plain(verify=tls())
    client = kind(
        secret, base_url=given._replace(scheme="https").geturl().rstrip("/"), verify=tls(), transport=transport, event_hooks={"response": [refuse]}, **others
    )
    # Else it would sleep and try again in its thread, after we have given the call up. (What it does after an answer, `refuse` forestalls.)
    client.max_network_attempts = 0
    client.timeout = httpx2.Timeout(time_limit.total_seconds())
    return client


class _Plain(httpx2.HTTPTransport):
    """Plain HTTP, for an API URL that says so."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(scheme="http")
        return super().handle_request(request)
