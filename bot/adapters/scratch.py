"""A PostgreSQL server for trials: backups are restored there by the pg_restore of the machine that aiec runs on, counted, and dropped again."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from bot.core.backups import Counts
from bot.core.errors import AiecError, Invalid, Unavailable
from bot.core.postgres import COUNT

_TAIL = 2000
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}


class Server:
    """Implements `bot.core.backups.Scratch`. `url` is that of a database whose role may create others."""

    def __init__(self, url: str) -> None:
        self._url = url
        given = conninfo_to_dict(url)
        self._where = f"{given.get('host', 'this machine')}:{given.get('port', 5432)}"
        self._variables = {_VARIABLES[name]: str(value) for name, value in given.items() if name in _VARIABLES}

    async def system(self) -> str:
        return str((await self._ask("SELECT system_identifier FROM pg_control_system()"))[0])

    async def restore(self, name: str, archive: AsyncIterator[bytes]) -> Counts:
        await self.drop(name)
        await self._run(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        try:
            await self._fill(name, archive)
            tables, rows = await self._ask(COUNT, name)
            return Counts(tables=int(str(tables)), rows=int(str(rows)))
        finally:
            await self.drop(name)

    async def drop(self, name: str) -> None:
        await self._run(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    async def _fill(self, name: str, archive: AsyncIterator[bytes]) -> None:
        """Feeds pg_restore; the password is in its environment, where nobody else sees it."""
        command = ["pg_restore", "--exit-on-error", "--no-password", "--no-owner", "--no-privileges", f"--dbname={name}"]
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=asyncio.subprocess.DEVNULL, stderr=pipe, env={"PATH": os.defpath, **os.environ, **self._variables}
            )
        except FileNotFoundError as error:
            raise Invalid("There is no pg_restore where aiec runs.", "Install PostgreSQL's client programs there, of the server's version.") from error
        complaints = asyncio.create_task(_tail(process.stderr))
        try:
            await _feed(process.stdin, archive)
            code = await process.wait()
            said = (await complaints).strip().splitlines()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await complaints
        if code != 0:
            raise Invalid(f"It cannot be restored: pg_restore ended with exit code {code}{f': {said[-1]}' if said else ''}", "Take another backup.")

    async def _run(self, statement: object) -> None:
        try:
            async with await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5) as connection:
                await connection.execute(statement)  # type: ignore[call-overload]
        except psycopg.Error as error:
            raise self._error(error) from error

    async def _ask(self, statement: str, name: str | None = None) -> tuple[object, ...]:
        url = make_conninfo(self._url, dbname=name) if name is not None else self._url
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
                found = await (await connection.execute(statement.encode())).fetchone()
        except psycopg.Error as error:
            raise self._error(error) from error
        return tuple(found or ())

    def _error(self, error: psycopg.Error) -> AiecError:
        said = str(error).strip().splitlines()
        return Unavailable(f"The server for trials at {self._where} refuses: {said[0] if said else type(error).__name__}", "Check `backup.verify.target`.")


async def _feed(stdin: asyncio.StreamWriter | None, archive: AsyncIterator[bytes]) -> None:
    """All of the archive is read, also when pg_restore wants no more of it: only then is it known to be whole."""
    assert stdin is not None
    listens = True
    async for piece in archive:
        if listens:
            try:
                stdin.write(piece)
                await stdin.drain()
            except (BrokenPipeError, ConnectionResetError):
                listens = False
    stdin.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await stdin.wait_closed()


async def _tail(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    said = b""
    while piece := await stream.read(_TAIL):
        said = (said + piece)[-_TAIL:]
    return said.decode(errors="replace")
