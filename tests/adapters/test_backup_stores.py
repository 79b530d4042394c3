"""Where backups lie: a folder and a bucket keep the same promises."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from bot.adapters.backups import open_backups
from bot.core.backups import Backups
from bot.core.errors import Forbidden, Invalid, NotFound, Unavailable

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tester", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
PIECE = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 on loopback; where it is and who we are is said as AWS' client wants it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    given = CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield given["AWS_ENDPOINT_URL"]
    finally:
        server.stop()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@asynccontextmanager
async def at(url: str) -> AsyncIterator[Backups]:
    async with open_backups(url) as store:
        yield store


@pytest.fixture(params=["folder", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backups]:
    url = tmp_path.as_uri()
    if request.param == "bucket":
        request.getfixturevalue("endpoint")
        name = f"backups-{tmp_path.name.replace('_', '-').lower()[:40]}".rstrip("-")
        boto3.client("s3").create_bucket(Bucket=name)
        url = f"s3://{name}/of/aiec"
    async with at(url) as found:
        yield found


async def whole(store: Backups, name: str) -> bytes:
    return b"".join([piece async for piece in store.read(name)])


async def put(store: Backups, name: str, *pieces: bytes) -> None:
    async with store.create(name) as sink:
        for piece in pieces:
            await sink.write(piece)


async def test_what_is_written_is_read_again(store: Backups) -> None:
    pieces = [PIECE] * 20 + [b"the end"]
    await put(store, "prod/one.dump", *pieces)
    await put(store, "prod/empty.dump")
    await put(store, "staging/other.dump", b"x")
    assert await whole(store, "prod/one.dump") == b"".join(pieces)
    assert await whole(store, "prod/empty.dump") == b""
    assert await store.names("prod/") == ["prod/empty.dump", "prod/one.dump"]
    await put(store, "prod/one.dump", b"another one")
    assert await whole(store, "prod/one.dump") == b"another one"


async def test_nobody_sees_a_file_before_it_is_whole(store: Backups) -> None:
    async with store.create("prod/one.dump") as sink:
        await sink.write(PIECE * 20)
        assert await store.names("") == []


@pytest.mark.parametrize("size", [0, 20])
async def test_of_one_that_fails_nothing_is_left(store: Backups, size: int, tmp_path: Path) -> None:
    async def fails() -> None:
        async with store.create("prod/one.dump") as sink:
            await sink.write(PIECE * size)
            raise Unavailable("half-way")

    with pytest.raises(Unavailable, match="half-way"):
        await fails()
    assert await store.names("") == []
    assert left_in(tmp_path) == []
    assert uploads(store) == []


def left_in(folder: Path) -> list[str]:
    return [one.name for one in folder.rglob("*") if one.is_file()]


def uploads(store: Backups) -> list[str]:
    if not store.where.startswith("s3://"):
        return []
    answer = boto3.client("s3").list_multipart_uploads(Bucket=store.where.split("/")[2])
    return [one["Key"] for one in answer.get("Uploads", ())]


async def test_what_a_killed_process_left_goes_with_the_next_attempt(store: Backups, tmp_path: Path) -> None:
    left = store.create("prod/one.dump")
    await (await left.__aenter__()).write(PIECE * 20)
    others = store.create("prod/one.dump.other")
    await (await others.__aenter__()).write(PIECE)
    await put(store, "prod/one.dump", b"whole")
    assert await store.names("") == ["prod/one.dump"]
    assert len([name for name in left_in(tmp_path) if name.endswith(".partial")]) + len(uploads(store)) == 1
    await store.remove("prod/one.dump.other")
    assert uploads(store) == []
    assert left_in(tmp_path) in ([], ["one.dump"])


async def test_what_is_removed_is_gone_and_may_be_removed_again(store: Backups) -> None:
    await put(store, "prod/one.dump", b"x")
    await store.remove("prod/one.dump")
    await store.remove("prod/one.dump")
    assert await store.names("") == []
    with pytest.raises(NotFound):
        await whole(store, "prod/one.dump")


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    async with at((tmp_path / "nowhere").as_uri()) as store:
        with pytest.raises(Invalid, match=r"There is no folder .*nowhere for backups"):
            await store.names("")
        with pytest.raises(Invalid, match="There is no folder"):
            await put(store, "prod/one.dump", b"x")
        assert not (tmp_path / "nowhere").exists()


async def test_a_bucket_that_is_not_there(endpoint: str) -> None:
    async with at("s3://no-such-bucket/x") as store:
        for attempt in (store.names(""), put(store, "prod/one.dump", b"x"), whole(store, "prod/one.dump")):
            with pytest.raises(Invalid, match="There is no bucket no-such-bucket for backups"):
                await attempt


async def test_a_bucket_that_nobody_answers_for(endpoint: str, tmp_path: Path) -> None:
    os.environ["AWS_ENDPOINT_URL"], before = "http://127.0.0.1:9", endpoint
    try:
        async with at("s3://bucket/x") as store:
            with pytest.raises(Unavailable, match="s3://bucket/x cannot be reached"):
                await store.names("")
    finally:
        os.environ["AWS_ENDPOINT_URL"] = before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
async def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The file of an attempt is a link to the device that is always full."""
    folder = tmp_path / "prod"
    folder.mkdir()

    async def fails(store: Backups) -> None:
        async with store.create("prod/one.dump") as sink:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, descriptor(next(folder.glob("*.partial"))))
            os.close(full)
            await sink.write(PIECE * 2)

    async with at(tmp_path.as_uri()) as store:
        with pytest.raises(Unavailable, match="is full: No space left on device"):
            await fails(store)
    assert left_in(folder) == []


def descriptor(path: Path) -> int:
    """The number by which this process has the file open."""
    return next(int(one.name) for one in Path("/proc/self/fd").iterdir() if os.path.exists(one) and os.path.samefile(one, path))


@contextmanager
def no_superuser() -> Iterator[None]:
    """The superuser may write everywhere, and is user 65534 meanwhile."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_folder_that_may_not_be_written_to() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        async with at(Path(folder).as_uri()) as store:
            with no_superuser(), pytest.raises(Forbidden, match="permission denied"):
                await put(store, "prod/one.dump", b"x")
        assert os.listdir(folder) == []
