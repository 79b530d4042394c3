"""Backups in a folder. A file is written under another name, flushed to the disk and then renamed, so that there is a whole one or none."""

import asyncio
import errno
import glob
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bot.core.errors import AiecError, Forbidden, Invalid, NotFound, Unavailable

_PIECE = 1024 * 1024
_FLUSH_EVERY = 32 * 1024 * 1024
_PARTIAL = ".partial"
_ATTEMPT = "?" * 8


class Folder:
    """Implements `bot.core.backups.Backups`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.where = str(path)

    async def names(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(self._names, prefix)

    def _names(self, prefix: str) -> list[str]:
        with self._trouble():
            if not self._path.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no such folder", str(self._path))
            found = [one.relative_to(self._path).as_posix() for one in self._path.rglob("*") if one.is_file() and one.suffix != _PARTIAL]
        return sorted(name for name in found if name.startswith(prefix))

    @asynccontextmanager
    async def create(self, name: str) -> AsyncIterator["_File"]:
        target = self._path / name
        # A process that was taken for dead may still write: it must meet nothing of ours.
        partial = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}{_PARTIAL}")
        file = _File(self, await asyncio.to_thread(self._begin, partial, target.name))
        try:
            yield file
            await file.finish()
            await asyncio.to_thread(self._publish, partial, target)
        except BaseException:
            await file.close()
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    def _begin(self, partial: Path, name: str) -> BinaryIO:
        with self._trouble():
            if not self._path.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no such folder", str(self._path))
            partial.parent.mkdir(exist_ok=True)
            for left in partial.parent.glob(f"{glob.escape(name)}.{_ATTEMPT}{_PARTIAL}"):
                left.unlink(missing_ok=True)
            return partial.open("wb", buffering=_PIECE)

    def _publish(self, partial: Path, target: Path) -> None:
        with self._trouble():
            partial.replace(target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # or the new name could be forgotten in a power failure
            finally:
                os.close(folder)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread((self._path / name).open, "rb")
        except OSError as error:
            raise self.error(error) from error
        with file:
            while True:
                try:
                    piece = await asyncio.to_thread(file.read, _PIECE)
                except OSError as error:
                    raise self.error(error) from error
                if not piece:
                    return
                yield piece

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(self._remove, name)

    def _remove(self, name: str) -> None:
        with self._trouble():
            path = self._path / name
            for one in (path, *path.parent.glob(f"{glob.escape(path.name)}.{_ATTEMPT}{_PARTIAL}")):
                one.unlink(missing_ok=True)

    async def close(self) -> None:
        return

    def _trouble(self) -> "_Trouble":
        return _Trouble(self)

    def error(self, error: OSError) -> AiecError:
        """Returns what the operating system refused, for a person."""
        if isinstance(error, FileNotFoundError):
            if not self._path.is_dir():
                return Invalid(f"There is no folder {self.where} for backups.", "Mount it, or correct AIEC_BACKUP_URL.")
            return NotFound(f"{error.filename} does not exist.")
        if isinstance(error, PermissionError):
            return Forbidden(f"aiec may not use {error.filename or self.where}: permission denied.", "Give the folder to the user that aiec runs as.")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Unavailable(f"{self.where} is full: {error.strerror}.", "Make room, or keep fewer backups (`backup.*.keep` in aiec.yaml).")
        return Unavailable(f"{self.where} cannot be used: {error.strerror or error}.", "Look at the disk.")


class _Trouble:
    """Turns what the operating system says into our errors."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise self._folder.error(error) from error


class _File:
    """What is written goes to the disk while more is written, so that little of it is left to wait for in the end."""

    def __init__(self, folder: Folder, file: BinaryIO) -> None:
        self._folder, self._file = folder, file
        self._since = 0
        self._flushing: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        try:
            if len(data) >= _PIECE:
                await asyncio.to_thread(self._file.write, data)
            else:
                self._file.write(data)
            self._since += len(data)
            if self._since >= _FLUSH_EVERY and (self._flushing is None or self._flushing.done()):
                await self._flushed()
                self._since = 0
                self._flushing = asyncio.ensure_future(asyncio.to_thread(os.fdatasync, self._file.fileno()))
        except OSError as error:
            raise self._folder.error(error) from error

    async def _flushed(self) -> None:
        if self._flushing is not None:
            await self._flushing

    async def finish(self) -> None:
        try:
            await self._flushed()
            await asyncio.to_thread(self._flush)
        except OSError as error:
            raise self._folder.error(error) from error

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    async def close(self) -> None:
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        with suppress(OSError):
            self._file.close()
