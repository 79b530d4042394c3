"""The database: whether it can be reached and written to, and has the schema that this version needs."""

import asyncio
import os
import tempfile
from pathlib import Path

from sqlalchemy import make_url

from bot.checks.finding import Finding, failed, ok, wrong
from bot.core.errors import Unavailable
from bot.settings import Settings
from bot.store.migrate import missing
from bot.store.store import make_engine

BREAKS = "everything: the bot does not start"


async def database(settings: Settings) -> list[Finding]:
    """Returns what is to be said of DATABASE_URL. A SQLite file that is not there yet is not made."""
    return await asyncio.to_thread(_look, settings.database_url)


def _look(url: str) -> list[Finding]:
    if not url.startswith("sqlite"):
        return [_schema(url, "PostgreSQL answers", migrates=False)]
    path = Path(make_url(url).database or "").absolute()
    if problem := _unwritable(path):
        return [wrong("database", problem, BREAKS, "correct DATABASE_URL or the rights of the folder; in a container it is a mounted volume")]
    said = f"SQLite at {path}, for one replica"
    return [_schema(url, said, migrates=True) if path.exists() else ok("database", f"{said}; it will be made at the start")]


def _unwritable(path: Path) -> str:
    """Returns why SQLite could not write there: it needs the file and, for its journal, the folder."""
    if path.is_dir():
        return f"{path} is a folder, not a file"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be written to"
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return ""
    except OSError as error:
        return f"the folder {path.parent} cannot be written to ({error.strerror})"


def _schema(url: str, said: str, *, migrates: bool) -> Finding:
    engine = make_engine(url)
    try:
        problem = missing(engine)
    except Unavailable as error:
        return failed("database", error, BREAKS)
    finally:
        engine.dispose()
    if not problem:
        return ok("database", f"{said}; the schema fits")
    return ok("database", f"{said}; its schema is brought up to date at the start") if migrates else wrong("database", problem, BREAKS, "run `aiec migrate`")
