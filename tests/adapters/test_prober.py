"""HTTP health checks, against real servers on loopback."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.prober import open_prober
from bot.core.ports import Probe

Answer = Callable[[str], bytes | Awaitable[bytes]]
SECOND = timedelta(seconds=1)


def response(status: str, body: str = "", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@asynccontextmanager
async def server(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serves one answer a connection, by the path that was asked for, and yields the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(1)
            tls_where_none_is_spoken = first == b"\x16"
            head = b"? ? ?" if tls_where_none_is_spoken else await reader.readuntil(b"\r\n\r\n")
            said = answer(head.split(b" ")[1].decode())
            writer.write(said if isinstance(said, bytes) else await said)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client left first
        finally:
            writer.close()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with serving:
        yield serving.sockets[0].getsockname()[1]


async def probe(url: str, timeout: timedelta = 5 * SECOND) -> Probe:
    async with open_prober() as prober:
        return await prober.probe(url, timeout)


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (response("200 OK", "fine"), 200, "200 OK"),
        (response("204 No Content"), 204, "204 No Content"),
        (response("503 Service Unavailable", "database:\n \x1b[31mdown\u202e"), 503, "503 Service Unavailable: database: [31mdown"),
        (response("500 Internal Server Error", "x" * 100_000), 500, f"500 Internal Server Error: {'x' * 59}…"),
        (response("503 Service Unavailable", '{"dsn": "postgres://app:hunter2@db/shop"}'), 503, '503 Service Unavailable: {"dsn": [secret]}'),
        (response("404 Not Found"), 404, "404 Not Found"),
        (response("599 Odd", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")), 599, "599: ÿ"),
        (b"HTTP/1.1 200", None, "it closed the connection without a whole HTTP answer"),
        (b"", None, "it closed the connection without a whole HTTP answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None, "it closed the connection without a whole HTTP answer"),
        (response("500 Internal Server Error", "not gzip", Content_Encoding="gzip"), None, "its answer cannot be decoded"),
    ],
)
async def test_says_what_the_far_end_answered(answer: bytes, status: int | None, text: str) -> None:
    async with server(lambda _: answer) as port:
        found = await probe(f"http://127.0.0.1:{port}/health")
    assert (found.status, found.text) == (status, text)
    assert 0 < found.seconds < 5


async def test_follows_redirects_on_the_same_host_only() -> None:
    def answer(path: str) -> bytes:
        if path == "/old":
            return response("302 Found", Location="/health")
        if path == "/login":
            return response("302 Found", Location="https://login.example.com/?next=x")
        if path == "/circle":
            return response("302 Found", Location="/circle")
        return response("200 OK")

    async with server(answer) as port:
        base = f"http://127.0.0.1:{port}"
        assert (await probe(f"{base}/old")).status == 200
        away = await probe(f"{base}/login")
        assert (away.status, away.text) == (302, "302 Found: it redirects to another host (login.example.com), which is not followed")
        assert (await probe(f"{base}/circle")).text == "it redirects in a circle"


async def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    asked = asyncio.Event()

    async def never(_: str) -> bytes:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with server(never) as port:
        found = await probe(f"http://127.0.0.1:{port}/", timedelta(seconds=0.3))
    assert asked.is_set()
    assert (found.status, found.text) == (None, "it does not answer in time (0.3 s)")
    assert 0.3 <= found.seconds < 3


async def test_nobody_listens() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        found = await probe(f"http://127.0.0.1:{reserved.getsockname()[1]}/")
    assert (found.status, found.text) == (None, "it refuses the connection")


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://host/", "http://", "http://host:port/", "http://[::1", "http://xn--/", "http://127.0.0.1:99999/", "http://\ud800/"]
)
async def test_a_url_that_makes_no_sense_is_an_answer_too(url: str) -> None:
    found = await probe(url)
    assert found.status is None
    assert found.text in ("its URL is not a valid http:// or https:// one", "it cannot be connected to", "its name cannot be resolved")


async def test_a_name_that_does_not_exist() -> None:
    assert (await probe("http://nowhere.invalid/")).text == "its name cannot be resolved"


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*new, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_tls_errors_are_said_in_words(self_signed: ssl.SSLContext) -> None:
    async with server(lambda _: response("200 OK"), self_signed) as port:
        assert (await probe(f"https://127.0.0.1:{port}/")).text == "its certificate is not accepted: self-signed certificate"
    async with server(lambda _: response("400 Bad Request")) as port:
        assert (await probe(f"https://127.0.0.1:{port}/")).text == "it does not speak TLS as expected (WRONG_VERSION_NUMBER)"
