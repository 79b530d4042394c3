"""Backups as data, and the place where they lie as an interface.

A backup is a file and a description beside it, which is written last: a file without one is what an attempt left behind, and is no backup.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Literal, Protocol

from pydantic import ValidationError

from bot.core.config import Keep
from bot.core.data import Frozen
from bot.core.errors import Invalid, NotFound
from bot.core.suggest import did_you_mean, ended, quoted

SUFFIXES = {"database": ".dump", "config": ".yaml"}

ALL_WITHIN = timedelta(days=1)
"""How long before the newest backup all others are kept, whatever else is kept of their day."""

_BLOCK = 1024 * 1024
_DESCRIPTION = ".json"
_VERIFIED = ".verified.json"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Sink(Protocol):
    """A file that is being written."""

    async def write(self, data: bytes) -> None: ...


class Backups(Protocol):
    """Files by name (`prod/database-20261126-010003.dump`). Every method raises only `bot.core.errors`: NotFound, Forbidden, Unauthenticated, Unavailable
    (out of reach, full), Invalid (the place itself is not there)."""

    @property
    def where(self) -> str:
        """What the place is called in messages, without secrets."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """Returns the names of the files that begin so."""
        ...

    def create(self, name: str) -> AbstractAsyncContextManager[Sink]:
        """Writes a file that nobody sees before the block has ended well; after one that did not there is none, nor anything that an earlier attempt left."""
        ...

    def read(self, name: str) -> AsyncIterator[bytes]:
        """Yields a file's content, in pieces. Raises NotFound."""
        ...

    async def remove(self, name: str) -> None:
        """Removes a file, and what attempts at writing it left behind; one that is not there is removed already."""
        ...

    async def close(self) -> None: ...


class Backup(Frozen):
    """What is known of a backup. `size` in bytes; `versions`: of the programs that made it; `system`: the identifier of the database server that it comes from;
    `things`: how many objects a config backup has; `secrets`: what became of its Secrets.
    """

    name: str
    environment: str
    kind: Literal["database", "config"]
    made_at: datetime
    size: int
    sha256: str
    database: str = ""
    system: str = ""
    versions: dict[str, str] = {}
    things: int = 0
    secrets: str = ""

    @property
    def file(self) -> str:
        return file_of(self.environment, self.kind, self.name)


class Verified(Frozen):
    """That a backup was read to its end and restored: when, and what was found in it."""

    at: datetime
    tables: int
    rows: int


class Counts(Frozen):
    """What a restored database has."""

    tables: int
    rows: int

    def __str__(self) -> str:
        return f"{self.tables} table{'' if self.tables == 1 else 's'}, {self.rows} row{'' if self.rows == 1 else 's'}"


class Listed(Frozen):
    backup: Backup
    verified: Verified | None = None


class Scratch(Protocol):
    """The database server that backups are tried on."""

    async def system(self) -> str:
        """Returns the server's identifier, by which production's own is told."""
        ...

    async def restore(self, name: str, archive: AsyncIterator[bytes]) -> Counts:
        """Restores an archive into a new database of that name, counts its rows, and drops it again, whatever happens. Raises Invalid for an archive that
        cannot be restored."""
        ...

    async def drop(self, name: str) -> None:
        """Drops a database of that name, which somebody was killed over, if there is one."""
        ...


def backup_name(kind: str, at: datetime) -> str:
    """Returns what a backup is called."""
    return f"{kind}-{at:%Y%m%d-%H%M%S}"


def file_of(environment: str, kind: str, name: str) -> str:
    return f"{environment}/{name}{SUFFIXES[kind]}"


async def pour(pieces: AsyncIterator[bytes], sink: Sink, so_far: Callable[[int], None] = lambda _: None) -> tuple[str, int]:
    """Writes what comes into a file, in blocks: one is hashed and written while the next one is taken. Returns its SHA-256 and how many bytes it has; `so_far`
    is called with these now and then, and what it raises ends it."""
    digest, size, waiting = hashlib.sha256(), 0, 0
    block: list[bytes] = []
    under_way: asyncio.Task[None] | None = None

    async def put(data: bytes) -> None:
        await asyncio.to_thread(digest.update, data)
        await sink.write(data)

    try:
        async for piece in pieces:
            block.append(piece)
            waiting += len(piece)
            if waiting < _BLOCK:
                continue
            if under_way is not None:
                await under_way
            so_far(size)
            under_way = asyncio.create_task(put(b"".join(block)))
            size, waiting, block = size + waiting, 0, []
        if under_way is not None:
            await under_way
        await put(b"".join(block))
        return digest.hexdigest(), size + waiting
    finally:
        if under_way is not None:
            await asyncio.gather(under_way, return_exceptions=True)  # its thread may still write


async def listed(backups: Backups, environment: str) -> list[Listed]:
    """Returns an environment's backups, the latest first. Descriptions that make no sense are left out."""
    names = await backups.names(f"{environment}/")
    found = []
    for name in names:
        if not name.endswith(_DESCRIPTION) or name.endswith(_VERIFIED):
            continue
        one = _backup(await _whole(backups, name))
        if one is not None and one.file in names:
            mark = f"{environment}/{one.name}{_VERIFIED}"
            found.append(Listed(backup=one, verified=_verified(await _whole(backups, mark)) if mark in names else None))
    return sorted(found, key=lambda one: one.backup.made_at, reverse=True)


async def find(backups: Backups, environment: str, name: str) -> Backup:
    """Returns the backup of that name. Raises NotFound, saying what there is."""
    names = await backups.names(f"{environment}/")
    if f"{environment}/{name}{_DESCRIPTION}" not in names or name.endswith(".verified"):
        known = [one.rpartition("/")[2].removesuffix(_DESCRIPTION) for one in names if one.endswith(_DESCRIPTION) and not one.endswith(_VERIFIED)]
        raise NotFound(f"*{quoted(name)}* is no backup of {environment}{ended(did_you_mean(name, known))}", f"`/aiec backups {environment}` lists them.")
    found = _backup(await _whole(backups, f"{environment}/{name}{_DESCRIPTION}"))
    if found is None or found.name != name:
        raise Invalid(f"What is written about {name} in {backups.where} makes no sense: it is no description of a backup.", "Take another backup.")
    return found


async def describe(backups: Backups, backup: Backup) -> None:
    """Makes a file that is there a backup."""
    await _put(backups, f"{backup.environment}/{backup.name}{_DESCRIPTION}", backup)


async def mark_verified(backups: Backups, backup: Backup, verified: Verified) -> None:
    await _put(backups, f"{backup.environment}/{backup.name}{_VERIFIED}", verified)


async def forget(backups: Backups, environment: str, kind: str, name: str) -> None:
    """Removes a backup: first what makes it one."""
    for file in (f"{environment}/{name}{_DESCRIPTION}", f"{environment}/{name}{_VERIFIED}", file_of(environment, kind, name)):
        await backups.remove(file)


async def intact(backups: Backups, backup: Backup) -> AsyncIterator[bytes]:
    """Yields a backup's file. Raises Invalid in the end when it was not the one that was written."""
    digest, size = hashlib.sha256(), 0
    async for piece in backups.read(backup.file):
        digest.update(piece)
        size += len(piece)
        yield piece
    if size != backup.size:
        raise Invalid(f"{backup.name} is damaged: it has {size} bytes and was written with {backup.size}.", "Use another backup, and look at the store.")
    if digest.hexdigest() != backup.sha256:
        raise Invalid(f"{backup.name} is damaged: its SHA-256 is not the one that it was written with.", "Use another backup, and look at the store.")


def superfluous(backups: Sequence[Backup], keep: Keep) -> list[Backup]:
    """Returns those that `keep` does not keep, the oldest first: kept are the last of each of the latest days, and the last of each of the latest weeks,
    on which there was one, and all of the last day, so that one of a damaged database takes no good one away. Without any number all are kept."""
    if not keep.daily and not keep.weekly:
        return []
    newest = sorted(backups, key=lambda one: one.made_at, reverse=True)
    kept = {one.name for one in newest if newest[0].made_at - one.made_at < ALL_WITHIN}
    for form, limit in (("%Y-%m-%d", keep.daily), ("%G-%V", keep.weekly)):
        last: dict[str, str] = {}
        for one in newest:
            last.setdefault(f"{one.made_at:{form}}", one.name)
        kept |= {*[*last.values()][:limit]}
    return [one for one in reversed(newest) if one.name not in kept]


def size_of(size: int) -> str:
    """Returns a number of bytes as people read it."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} B"


async def _whole(backups: Backups, name: str) -> bytes:
    return b"".join([piece async for piece in backups.read(name)])


async def _put(backups: Backups, name: str, what: Frozen) -> None:
    async with backups.create(name) as sink:
        await sink.write(json.dumps(what.model_dump(mode="json"), indent=2).encode())


def _backup(written: bytes) -> Backup | None:
    try:
        return Backup.model_validate_json(written)
    except ValidationError:
        return None


def _verified(written: bytes) -> Verified | None:
    try:
        return Verified.model_validate_json(written)
    except ValidationError:
        return None
