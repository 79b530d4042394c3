"""Runbooks in folders: every `*.md` of them, looked at anew each time, and read anew when one has changed.

A mounted ConfigMap is such a folder: its files are links into a hidden folder, which Kubernetes replaces as a whole.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot.core.shelf import Page

SUFFIX = ".md"
NO_RUNBOOK = ("README.md",)
LARGEST = 1024 * 1024

Signature = tuple[tuple[str, int, int, int], ...]


class Folders:
    """Implements `Shelf`. Of two files of a name the one in the later folder counts."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [*folders]
        self._seen: Signature | None = None
        self._pages: tuple[Page, ...] = ()

    def pages(self) -> tuple[Page, ...]:
        """Returns the pages as they are now; the same object again for as long as no file has changed."""
        signature = tuple(mark for folder in self._folders for mark in _marks(folder))
        if signature != self._seen:
            self._seen, self._pages = signature, tuple(page for folder in self._folders for page in _read(folder))
        return self._pages


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith(".") and path.name not in NO_RUNBOOK)


def _marks(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    try:
        for path in _files(folder):
            found = os.stat(path)
            yield str(path), found.st_mtime_ns, found.st_size, found.st_ino
    except OSError as error:
        yield str(folder), error.errno or 0, 0, 0


def _read(folder: Path) -> Iterator[Page]:
    try:
        paths = _files(folder)
    except OSError as error:
        yield Page(name="", where=str(folder), trouble=f"the folder cannot be read: {error.strerror}")
        return
    for path in paths:
        try:
            with path.open("rb") as file:
                text = file.read(LARGEST).decode("utf-8")
        except UnicodeDecodeError:
            yield Page(name=path.stem, where=str(path), trouble="it is not UTF-8 text")
        except OSError as error:
            yield Page(name=path.stem, where=str(path), trouble=f"it cannot be read: {error.strerror}")
        else:
            yield Page(name=path.stem, where=str(path), text=text)
