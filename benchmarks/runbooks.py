"""How long it takes to load runbooks: to read them from a folder, and to hold every command and every way through them against this version."""

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result
from bot.adapters.shelf import Folders
from bot.config_file import read
from bot.settings import SHIPPED as CONFIG
from commands.registry import COMMANDS
from runbooks import reading
from runbooks.library import SHIPPED, Library


async def measure(*, count: int = 200, rounds: int = 5) -> list[Result]:
    """Loads so many, copies in turn of those that come with aiec."""
    took = []
    texts = [path.read_text() for path in sorted(SHIPPED.glob("*.md"))]
    config = read(CONFIG)
    with tempfile.TemporaryDirectory(prefix="aiec-bench-") as folder:
        for number in range(count):
            text = texts[number % len(texts)]
            (Path(folder) / f"runbook-{number}.md").write_text(f"{text}\n<!-- {number} -->\n")
        for _ in range(rounds):
            reading.known.cache_clear()
            began = time.perf_counter()
            library = Library(Folders([Path(folder)]).pages(), config, COMMANDS)
            took.append(time.perf_counter() - began)
            assert len(library.good) == count, library.refused
    return [Result(f"{count} runbooks loaded", "s", statistics.median(took), goal=0.5)]
