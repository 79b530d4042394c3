"""Real archives of pg_dump, made on the server that TEST_DATABASE_URL names: the sandbox's pods then write them, and they are tried on that server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bot.core.steps.restore import told_apart
from tests.databases import SERVER, database

FOUND = "2 tables, 203 rows"
"""What is in an archive, as a message says it."""

_QUICK = "CREATE OR REPLACE FUNCTION public.weighed(int) RETURNS bool LANGUAGE sql AS 'SELECT true'"
_SLOW = "CREATE OR REPLACE FUNCTION public.weighed(int) RETURNS bool LANGUAGE sql AS 'SELECT pg_sleep(1) IS NOT NULL'"


def asked(statement: str) -> list[tuple[Any, ...]]:
    """Runs a statement on the server and returns what it found."""
    with psycopg.connect(SERVER or "", autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def trials(store: Path, name: str) -> list[str]:
    """The databases on the server in which that backup of prod is tried at this moment; others play beside us."""
    return [found for (found,) in asked(f"SELECT datname FROM pg_database WHERE datname LIKE 'aiec_verify_%_{told_apart(str(store), 'prod', name)}'")]


@contextmanager
def archive(folder: Path, *, slow: bool = False) -> Iterator[bytes]:
    """Yields an archive; one that is `slow` takes three seconds to be restored, in the table `weights`."""
    with database("postgresql", folder) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_QUICK.encode())
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, word text)")
            connection.execute("INSERT INTO orders SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 200) n")
            connection.execute("CREATE TABLE weights (grams int CHECK (public.weighed(grams)))")
            connection.execute("INSERT INTO weights SELECT n FROM generate_series(1, 3) n")
            if slow:
                connection.execute(_SLOW.encode())
        yield subprocess.run(["pg_dump", "--format=custom", f"--dbname={url}"], check=True, capture_output=True).stdout
