"""A stand-in for PostgreSQL in pods whose image is one of postgres: enough of psql, pg_dump and pg_restore to take a backup and put it back.

The pod with the ordinal 0 is the primary. An archive is a header, a line of JSON for each table, and a line that ends it; it is read to its end, and
one that is cut off or changed is refused, as pg_restore refuses it. Statements are told by their form; one that is not known is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sandbox.kubernetes.execs import Answer, Call

VERSION = "15.18"
HEADER, FOOTER = b"PGDMP\x01\x0f\x00stand-in\n", b"-- end of archive\n"

_AND_THEN = '"$@" && printf %s "$0"'
"""The one shell script that is understood: a command, and when that went well the first word."""

Tables = dict[str, list[list[str]]]


@dataclass
class Server:
    """The databases of a namespace, by name: the rows of each table. `comments`: on databases; `closed`: those that take no connections."""

    databases: dict[str, Tables] = field(default_factory=lambda: {"postgres": {}, "aiecommerce": {"orders": [[str(n), "paid"] for n in range(500)]}})
    comments: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    system: str = "7300000000000000001"
    version: str = VERSION
    program: str = VERSION
    primaries: tuple[str, ...] = ("-0",)


class Postgres:
    """What the programs answer, by namespace."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}

    def server(self, namespace: str) -> Server:
        return self._servers.setdefault(namespace, Server())

    def run(self, call: Call) -> Answer | None:
        """Returns what a command does, or None when it is none of PostgreSQL's."""
        server = self.server(call.namespace)
        if call.command[:2] == ("sh", "-c") and call.command[2] == _AND_THEN:
            answer = self.run(replace(call, command=call.command[4:]))
            return replace(answer, stdout=answer.stdout + call.command[3].encode()) if answer is not None and answer.exit_code == 0 else answer
        programs: dict[str, Callable[[Server, Call], Answer]] = {"psql": _psql, "pg_dump": _dump, "pg_restore": _restore}
        program = programs.get(call.command[0])
        if program is None:
            return None
        if call.command[1:] == ("--version",):
            return _says(f"{call.command[0]} (PostgreSQL) {server.program}\n")
        return program(server, call)


def _psql(server: Server, call: Call) -> Answer:
    name = _option(call.command, "dbname")
    if refusal := _refusal(server, name, "psql"):
        return refusal
    said = []
    for statement in (word.removeprefix("--command=") for word in call.command if word.startswith("--command=")):
        known = next(((action, found) for form, action in _STATEMENTS if (found := re.match(form, statement))), None)
        if known is None:
            return _fails(1, f'ERROR:  the stand-in does not know the statement "{statement[:60]}"')
        action, found = known
        answer = action(server, call, name, [_unquoted(one) for one in found.groups()])
        if answer.startswith("ERROR"):
            return _fails(1, answer)
        said.append(answer)
    return _says("".join(f"{line}\n" for line in said if line))


def _state(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    recovering = "f" if call.pod.endswith(server.primaries) else "t"
    major = server.version.partition(".")[0]
    return f"{recovering}|{major}00{server.version.partition('.')[2]:0>2}|{server.version}|{server.system}"


def _count(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    tables = server.databases[name]
    return f"{len(tables)}|{sum(map(len, tables.values()))}"


def _comment_of(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    return f"is|{server.comments.get(given[0], '')}" if given[0] in server.databases else ""


def _locale(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    return "UTF8|C.UTF-8|C.UTF-8|postgres" if given[0] in server.databases else ""


def _create(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    if given[0] in server.databases:
        return f'ERROR:  database "{given[0]}" already exists'
    server.databases[given[0]] = {}
    return ""


def _drop(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    if server.databases.pop(given[0], None) is None:
        return f'ERROR:  database "{given[0]}" does not exist'
    server.comments.pop(given[0], None)
    return ""


def _comment(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    server.comments[given[0]] = given[1]
    return ""


def _connections(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    if given[0] not in server.databases:
        return f'ERROR:  database "{given[0]}" does not exist'
    (server.closed.discard if given[1] == "true" else server.closed.add)(given[0])
    return ""


def _terminate(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    return "0"


def _renames(server: Server, call: Call, name: str, given: Sequence[str]) -> str:
    for old, new in (given[:2], given[2:4]):
        if new in server.databases:
            return f'ERROR:  database "{new}" already exists'
        server.databases[new] = server.databases.pop(old)
        server.comments[new] = server.comments.pop(old, "")
        if old in server.closed:
            server.closed.remove(old)
            server.closed.add(new)
    server.closed.discard(given[4])
    return ""


_NAME, _TEXT = r'("(?:[^"]|"")*")', r"('(?:[^']|'')*')"
_RENAME = rf"ALTER DATABASE {_NAME} RENAME TO {_NAME}"
_STATEMENTS: tuple[tuple[str, Callable[[Server, Call, str, Sequence[str]], str]], ...] = (
    (r"SELECT pg_is_in_recovery\(\)", _state),
    (r"SELECT count\(\*\), coalesce\(sum\(", _count),
    (rf"SELECT 'is\|' .* WHERE datname = {_TEXT}", _comment_of),
    (rf"SELECT pg_encoding_to_char.* WHERE datname = {_TEXT}", _locale),
    (rf"CREATE DATABASE {_NAME}", _create),
    (rf"DROP DATABASE {_NAME}", _drop),
    (rf"COMMENT ON DATABASE {_NAME} IS {_TEXT}", _comment),
    (rf"ALTER DATABASE {_NAME} ALLOW_CONNECTIONS (true|false)", _connections),
    (r"SELECT count\(pg_terminate_backend\(pid\)\)", _terminate),
    (rf"BEGIN; {_RENAME}; {_RENAME}; ALTER DATABASE {_NAME} ALLOW_CONNECTIONS true; COMMIT", _renames),
)


def _unquoted(text: str) -> str:
    mark = text[0]
    return text[1:-1].replace(mark * 2, mark) if mark in "\"'" else text


def _dump(server: Server, call: Call) -> Answer:
    if refusal := _refusal(server, call.command[-1], "pg_dump"):
        return refusal
    return Answer("", stdout=archive(server.databases[call.command[-1]]))


def archive(tables: Tables) -> bytes:
    """Returns an archive with these tables."""
    lines = [json.dumps({"table": name, "rows": rows}).encode() + b"\n" for name, rows in tables.items()]
    return HEADER + b"".join(lines) + FOOTER


def _restore(server: Server, call: Call) -> Answer:
    name = _option(call.command, "dbname")
    if refusal := _refusal(server, name, "pg_restore"):
        return refusal
    if not call.stdin.startswith(HEADER):
        return _fails(1, "pg_restore: error: input file does not appear to be a valid archive")
    if not call.stdin.endswith(FOOTER):
        return _fails(1, "pg_restore: error: could not read from input file: end of file")
    for line in call.stdin.removeprefix(HEADER).removesuffix(FOOTER).splitlines():
        try:
            table = json.loads(line)
            server.databases[name][table["table"]] = table["rows"]
        except (ValueError, KeyError):
            return _fails(1, "pg_restore: error: could not uncompress data: incorrect data check")
    return _says("")


def _option(command: Sequence[str], name: str) -> str:
    return next((word.partition("=")[2] for word in command if word.startswith(f"--{name}=")), "postgres")


def _refusal(server: Server, name: str, program: str) -> Answer | None:
    where = f'{program}: error: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: FATAL: '
    code = 2 if program == "psql" else 1
    if name not in server.databases:
        return _fails(code, f'{where} database "{name}" does not exist')
    if name in server.closed:
        return _fails(code, f'{where} database "{name}" is not currently accepting connections')
    return None


def _says(text: str) -> Answer:
    return Answer("", stdout=text.encode())


def _fails(code: int, text: str) -> Answer:
    return Answer("", stderr=f"{text}\n".encode(), exit_code=code)
