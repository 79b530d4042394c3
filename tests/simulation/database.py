"""The databases of runs: each begins with a new file, in memory, whose schema is made once."""

import gc
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from bot.store.migrate import upgrade
from bot.store.store import make_engine

MEMORY = Path("/dev/shm")


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="aiec-simulation-", dir=MEMORY if MEMORY.is_dir() else None)


@cache
def _template() -> Path:
    """A database with the schema and nothing in it."""
    path = Path(_folder().name) / "template.db"
    engine = make_engine(f"sqlite:///{path}", durable=False)
    upgrade(engine)
    engine.dispose()
    return path


@cache
def _engine() -> Engine:
    """The engine of all runs of this process, with what SQLAlchemy has learned of the bot's statements."""
    return make_engine(f"sqlite:///{_folder().name}/aiec.db", durable=False)


@contextmanager
def new_database(*, verbose: bool) -> Iterator[Engine]:
    """Yields the engine of an empty database. As long as the run lasts, what the bot logs of all that goes wrong is kept out of the way, and nobody looks
    for cycles: that would take a fifth of the time, and a run makes few."""
    engine = _engine()
    engine.dispose()
    for file in Path(_folder().name).glob("aiec.db*"):
        file.unlink()
    shutil.copyfile(_template(), str(engine.url.database))
    log = logging.getLogger("aiec")
    before = log.level
    log.setLevel(logging.WARNING if verbose else logging.CRITICAL)
    gc.disable()
    try:
        yield engine
    finally:
        log.setLevel(before)
        gc.enable()
