"""PostgreSQL in a service's pods, by its own programs: which pod is the primary, and what they are asked to do.

Source: PostgreSQL's documentation of psql, pg_dump and pg_restore.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from bot.core.backups import Counts
from bot.core.data import Frozen
from bot.core.ending import Ending
from bot.core.errors import CommandFailed, Invalid, NotFound, Refused, Unavailable
from bot.core.ports import Cluster, Json

_STATE = "SELECT pg_is_in_recovery(), current_setting('server_version_num'), current_setting('server_version'), system_identifier FROM pg_control_system()"
COUNT = (
    "SELECT count(*), coalesce(sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I', schemaname, tablename), false, true, '')))"
    "[1]::text::bigint), 0) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)([\w.]*)")
END = "aiec: here ends the archive"
"""What is written after an archive, and is no part of it."""
_LONGEST = 64 * 1024


class Database(Frozen):
    """A database as aiec.yaml says it: whose pods, in which container, under which user, and what it is called."""

    workload: str
    workload_name: str
    container: str
    user: str
    name: str


@dataclass(frozen=True)
class Primary:
    """The pod that takes writes. `major`: the server's; `system`: its identifier, which is the same on its replicas."""

    pod: str
    major: int
    version: str
    system: str


async def primary(cluster: Cluster, database: Database) -> Primary:
    """Returns the one pod that is not in recovery. Raises Refused when there is none, or more than one; Forbidden when we may not ask."""
    workload = await cluster.get(database.workload, database.workload_name)
    if workload is None:
        raise NotFound(
            f"{database.workload} {database.workload_name} does not exist in {cluster.namespace}.", "Correct `backup.database.service` in aiec.yaml."
        )
    labels = ",".join(f"{key}={value}" for key, value in (workload["spec"]["selector"].get("matchLabels") or {}).items())
    pods = [pod["metadata"]["name"] for pod in await cluster.list("Pod", labels=labels) if _runs(pod, database.container)]
    if not pods:
        raise Refused(f"No pod of {database.workload.lower()}/{database.workload_name} runs.", "`/aiec pods` says why.")
    states = await asyncio.gather(*(_state(cluster, database, pod) for pod in pods))
    found = [one for one in states if isinstance(one, Primary)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(
            f"{' and '.join(one.pod for one in found)} all say that they are the primary.", "Find out which of them is right before anything else is done."
        )
    said = "; ".join(f"{pod} {one}" for pod, one in zip(pods, states, strict=True))
    raise Refused(f"There is no primary of {database.workload_name}: {said}.", "Promote a replica, or start the primary.")


async def _state(cluster: Cluster, database: Database, pod: str) -> Primary | str:
    """Returns the pod as a primary, or why it is none."""
    try:
        answer = await query(cluster, database, pod, "postgres", _STATE)
    except CommandFailed as failed:
        return f"does not answer ({failed.text})"
    recovering, number, version, system = _fields(answer, 4)
    return "is a replica" if recovering == "t" else Primary(pod, int(number) // 10000, version, system)


def _fields(answer: str, count: int) -> list[str]:
    found = answer.strip().split("|")
    if len(found) != count:
        raise Unavailable(f"psql answered {answer[:80]!r}, which is not what was asked.")
    return found


def _runs(pod: Json, container: str) -> bool:
    running = any(one["name"] == container and "running" in (one.get("state") or {}) for one in pod.get("status", {}).get("containerStatuses") or [])
    return running and "deletionTimestamp" not in pod["metadata"]


async def output(cluster: Cluster, pod: str, container: str, command: Sequence[str]) -> str:
    """Runs a command and returns what it wrote."""
    written = b""
    async for piece in cluster.exec(pod, container=container, command=command):
        if piece.stream == "stdout":
            written += piece.data
            if len(written) > _LONGEST:
                raise Unavailable(f"{command[0]} in {pod} says more than was asked.")
    return written.decode(errors="replace")


async def query(cluster: Cluster, database: Database, pod: str, name: str, *statements: str) -> str:
    """Runs statements, each in a transaction of its own, in the database `name`; returns fields with `|` between them."""
    command = ["psql", "--no-psqlrc", "--no-password", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
    asked = [f"--command={statement}" for statement in statements]
    return await output(cluster, pod, database.container, [*command, f"--username={database.user}", f"--dbname={name}", *asked])


async def version_of(cluster: Cluster, database: Database, pod: str, program: str, server: int) -> str:
    """Returns a program's version. Raises Refused when it is older than the server, whose databases it then does not understand."""
    found = _VERSION.search(await output(cluster, pod, database.container, [program, "--version"]))
    if found is None:
        raise Invalid(f"`{program} --version` in {pod} does not say a version of PostgreSQL.")
    if int(found[1]) < server:
        raise Refused(f"`{program}` in {pod} is of version {found[1]}, older than the server's {server}.", "Use an image that has the server's own programs.")
    return found[1] + found[2]


async def dump(cluster: Cluster, database: Database, pod: str) -> AsyncIterator[bytes]:
    """Yields the database as an archive in the custom format, which is whole only when this ended. Raises as `Cluster.exec` does, and Unavailable when its
    end is missing."""
    command = ["pg_dump", "--format=custom", "--no-password", f"--username={database.user}", database.name]
    ending = Ending(END.encode())
    try:
        async for piece in _stdout(cluster, pod, database.container, ["sh", "-c", '"$@" && printf %s "$0"', END, *command], None):
            if passed := ending.take(piece):
                yield passed
    except CommandFailed as failed:
        raise CommandFailed(failed.text.replace("`sh`", "`pg_dump`", 1), failed.exit_code, failed.stderr, failed.hint) from failed
    if not ending.arrived:
        raise Unavailable(f"The end of what pg_dump wrote in {pod} did not arrive, although it is said to have succeeded.", "It is tried again.")


async def restore(cluster: Cluster, database: Database, pod: str, name: str, archive: AsyncIterator[bytes]) -> None:
    """Restores an archive into a database that is there and empty; stops at the first error."""
    command = ["pg_restore", "--exit-on-error", "--no-password", f"--username={database.user}", f"--dbname={name}"]
    async for _ in _stdout(cluster, pod, database.container, command, archive):
        pass


async def _stdout(cluster: Cluster, pod: str, container: str, command: Sequence[str], stdin: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    async for piece in cluster.exec(pod, container=container, command=command, stdin=stdin):
        if piece.stream == "stdout":
            yield piece.data


async def comment(cluster: Cluster, database: Database, pod: str, name: str) -> str | None:
    """Returns the comment on a database (empty: none), or None when there is no such database."""
    asked = f"SELECT 'is|' || coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = {literal(name)}"
    answer = (await query(cluster, database, pod, "postgres", asked)).rstrip("\n")
    return answer.removeprefix("is|") if answer else None


async def create(cluster: Cluster, database: Database, pod: str, name: str, mark: str) -> None:
    """Creates an empty database, like the live one in encoding and locale, with a comment that says whose it is. Raises Refused when there is one."""
    asked = f"SELECT pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba) FROM pg_database WHERE datname = {literal(database.name)}"
    like = (await query(cluster, database, pod, "postgres", asked)).strip()
    more = ""
    if like:
        encoding, collate, ctype, owner = _fields(like, 4)
        more = f" OWNER {identifier(owner)} ENCODING {literal(encoding)} LC_COLLATE {literal(collate)} LC_CTYPE {literal(ctype)}"
    made = f"CREATE DATABASE {identifier(name)} TEMPLATE template0{more}"
    await query(cluster, database, pod, "postgres", made, f"COMMENT ON DATABASE {identifier(name)} IS {literal(mark)}")


async def drop(cluster: Cluster, database: Database, pod: str, name: str, mark: str) -> None:
    """Drops a database that carries our mark, and no other."""
    if await comment(cluster, database, pod, name) == mark:
        await query(cluster, database, pod, "postgres", f"DROP DATABASE {identifier(name)} WITH (FORCE)")


async def remark(cluster: Cluster, database: Database, pod: str, name: str, mark: str) -> None:
    """Writes another comment on a database."""
    await query(cluster, database, pod, "postgres", f"COMMENT ON DATABASE {identifier(name)} IS {literal(mark)}")


async def admit(cluster: Cluster, database: Database, pod: str, name: str) -> None:
    """Lets a database take connections, if it is there."""
    if await comment(cluster, database, pod, name) is not None:
        await query(cluster, database, pod, "postgres", f"ALTER DATABASE {identifier(name)} ALLOW_CONNECTIONS true")


async def swap(cluster: Cluster, database: Database, pod: str, fresh: str, kept: str) -> None:
    """Puts the database `fresh` in the place of the live one, which is kept as `kept`. Whoever is connected loses the connection; when it fails, the live one
    is the live one still."""
    live = database.name
    lock = f"ALTER DATABASE {identifier(live)} ALLOW_CONNECTIONS false"
    leave = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IN ({literal(live)}, {literal(fresh)})"
    aside, here = f"{identifier(live)} RENAME TO {identifier(kept)}", f"{identifier(fresh)} RENAME TO {identifier(live)}"
    swapped = "; ".join(f"ALTER DATABASE {one}" for one in (aside, here, f"{identifier(kept)} ALLOW_CONNECTIONS true"))
    await query(cluster, database, pod, "postgres", lock, leave, f"BEGIN; {swapped}; COMMIT")


async def count(cluster: Cluster, database: Database, pod: str, name: str) -> Counts:
    """Counts the tables of a database and all their rows."""
    return counts(await query(cluster, database, pod, name, COUNT))


def counts(answer: str) -> Counts:
    tables, rows = _fields(answer, 2)
    return Counts(tables=int(tables), rows=int(rows))


def identifier(name: str) -> str:
    """Returns a name as SQL writes it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def literal(text: str) -> str:
    """Returns a text as SQL writes it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
