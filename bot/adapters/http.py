"""What the HTTP adapters share: a bounded read, and what went wrong on the way, in words."""

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache

import httpx

USER_AGENT = "aiec"
# By name: the vendor's client of PagerDuty brings a successor of httpx, whose errors are called the same.
_SAID = {
    "ConnectTimeout": "it cannot be connected to in time",
    "TimeoutException": "it does not answer in time",
    "TimeoutError": "it does not answer in time",
    "TooManyRedirects": "it redirects in a circle",
    "UnsupportedProtocol": "its URL is not a valid http:// or https:// one",
    "InvalidURL": "its URL is not a valid http:// or https:// one",
    "UnicodeError": "its URL is not a valid http:// or https:// one",
    "RemoteProtocolError": "it closed the connection without a whole HTTP answer",
    "DecodingError": "its answer cannot be decoded",
}
_RETRY_AFTER = timedelta(seconds=30)


@cache
def tls() -> ssl.SSLContext:
    """Returns the one TLS configuration of all clients: reading the certificates of all authorities takes a tenth of a second, and some memory, each time."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_client(url: str, transport: httpx.AsyncBaseTransport | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client of the API at `url`, which may carry `user:password@`. It waits for ever: the time limit of a whole answer is for whoever asks."""
    given = httpx.URL(url)
    auth = (given.username, given.password) if given.userinfo else None
    base = given.copy_with(userinfo=b"")
    async with httpx.AsyncClient(transport=transport, verify=tls(), base_url=base, auth=auth, timeout=None, headers={"User-Agent": USER_AGENT}) as client:
        yield client


async def read(response: httpx.Response, limit: int) -> bytes:
    """Returns at most `limit` bytes of a streamed response's body, decoded; the rest is never fetched."""
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) >= limit:
            break
    return content[:limit]


def next_page(response: httpx.Response) -> httpx.URL | None:
    """Returns the next page's URL, which must be on the same host: our credentials go with the request."""
    link = response.links.get("next", {}).get("url")
    if not link:
        return None
    url = response.url.join(link)
    return url if (url.scheme, url.netloc) == (response.url.scheme, response.url.netloc) else None


def retry_after(response: httpx.Response) -> timedelta:
    """Returns how long the far end asks to wait: seconds or a date (RFC 9110), between one second and an hour."""
    value = response.headers.get("retry-after", "")
    try:
        wait = timedelta(seconds=int(value)) if value.isdecimal() else parsedate_to_datetime(value) - datetime.now(UTC)
    except (ValueError, OverflowError, TypeError):
        wait = _RETRY_AFTER
    return min(max(wait, timedelta(seconds=1)), timedelta(hours=1))


def why(error: Exception) -> str:
    """Returns why there was no HTTP answer, as the second half of a sentence whose subject is the far end."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, socket.gaierror):
            return "its name cannot be resolved"
        if isinstance(cause, ConnectionRefusedError):
            return "it refuses the connection"
    for name in (kind.__name__ for kind in type(error).__mro__):
        if name in _SAID:
            return _SAID[name]
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        return f"it does not speak TLS as expected ({tls.reason or 'handshake failed'})"
    return "the connection to it broke" if type(error).__name__ in ("ReadError", "WriteError") else "it cannot be connected to"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The chain of what led to an error; one of several connection attempts may tell more than their sum."""
    if error is None:
        return
    yield error
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _causes(each)
    yield from _causes(error.__cause__ or error.__context__)


# A port beyond 65535 comes out of anyio as a group of an OverflowError.
FAILURES = (httpx.HTTPError, httpx.InvalidURL, UnicodeError, TimeoutError, ExceptionGroup)
"""What a request may raise because of the far end or its URL."""
