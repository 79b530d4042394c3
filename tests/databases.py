"""A database of its own for whoever tests against one: a SQLite file, or a database on the PostgreSQL server that TEST_DATABASE_URL names."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from bot.store.migrate import upgrade
from bot.store.store import make_engine

SERVER = os.environ.get("TEST_DATABASE_URL")
needs_postgresql = pytest.mark.skipif(not SERVER, reason="TEST_DATABASE_URL names no PostgreSQL server")
KINDS = ("sqlite", pytest.param("postgresql", marks=needs_postgresql))


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Yields the URL of an empty database and drops it afterwards. `folder` is where SQLite's file goes."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'aiec.db'}"
        return
    server = make_url(SERVER or "").set(drivername="postgresql+psycopg")
    name = f"aiec_test_{uuid.uuid4().hex}"
    _on_server(server, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        _on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def database_with_schema(kind: str, folder: Path) -> Iterator[str]:
    """As `database`, with the schema and nothing in it."""
    with database(kind, folder) as url:
        if kind == "sqlite":
            with_schema(folder / "aiec.db")
        else:
            _upgraded(url)
        yield url


def with_schema(path: Path) -> str:
    """Makes a SQLite database with the schema and nothing in it, and returns its URL. The migrations run once in a process; after that it is a copy."""
    path.write_bytes(_template())
    return f"sqlite:///{path}"


@cache
def _template() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        _upgraded(f"sqlite:///{path}")
        return path.read_bytes()


def _upgraded(url: str) -> None:
    engine = make_engine(url, durable=False)
    upgrade(engine)
    engine.dispose()


def _on_server(server: URL, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
