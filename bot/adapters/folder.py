"""A folder in which texts are kept for good: of this machine, or a volume that several mount."""

import asyncio
import os
from pathlib import Path

from bot.core.errors import Unavailable
from bot.core.library import Text


class Folder:
    """Implements `Library`. `variable` is what it was named by."""

    def __init__(self, path: str, variable: str) -> None:
        self._path = Path(path).expanduser()
        self.name = f"folder {self._path}"
        self._variable = variable

    async def put(self, text: Text) -> str:
        """Whoever reads the file meanwhile sees the old text or the new one, never a part."""
        return await asyncio.to_thread(self._write, text.name, text.text.encode())

    async def ready(self) -> str:
        await asyncio.to_thread(self._write, ".aiec-check", b"written by aiec check\n")
        await asyncio.to_thread((self._path / ".aiec-check").unlink, True)
        return f"{self._path} can be written"

    def _write(self, name: str, content: bytes) -> str:
        path = self._path / name
        unfinished = path.with_name(f".{name}.{os.getpid()}")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            text = f"{path} cannot be written: {error.strerror or error}."
            raise Unavailable(text, f"Correct {self._variable}, or the rights of that folder.") from error
        return str(path)
