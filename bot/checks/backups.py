"""Where backups lie, the server that they are tried on, and the right to run what makes them."""

import shutil
from pathlib import Path

from bot.bot import Ports
from bot.checks.finding import Finding, failed, off, ok, wrong
from bot.core.backups import Backups, Scratch
from bot.core.durations import notation
from bot.core.errors import AiecError
from bot.core.ports import Cluster
from bot.settings import Settings

PROBE = "aiec-check"
SHARED = ("nfs", "cifs", "smb", "ceph", "gluster", "lustre", "fuse", "9p", "virtiofs")
"""How the names of file systems begin that several machines may use at once."""
BREAKS = "backups"
UNPRUNED = "there is no place to export to, so that nothing of aiec's own records is pruned and the database grows: set AIEC_BACKUP_URL"


async def backups(settings: Settings, ports: Ports) -> list[Finding]:
    """Returns what there is to say about the store and the server for trials."""
    wanted, kept = settings.config.backup, settings.config.retention
    if ports.backups is None:  # said by the variables
        return [off("retention", UNPRUNED)] if kept else []
    found = [*await _store(ports.backups), *_private(settings)]
    if kept is not None:
        where = f"records go to {ports.backups.where} and are pruned then, after {notation(kept.application)}, events after {notation(kept.audit)}"
        found.append(ok("retention", where))
    if wanted.verify is not None and wanted.verify.target is not None:
        found.append(await _trial(wanted.verify.target, ports.scratch))
    return found


async def rights(environment: str, cluster: Cluster) -> list[Finding]:
    """Returns whether we may run commands in the pods of the environment whose database is backed up."""
    lacking = [verb for verb in ("get", "create") if not await cluster.allowed(verb, "", "pods", "exec")]
    if not lacking:
        return [ok(f"backups {environment}", "we may run commands in its pods")]
    text = f"we may not {' and '.join(lacking)} pods/exec in namespace {cluster.namespace}"
    return [wrong(f"backups {environment}", text, "backup, restore", "apply deploy/backups in that namespace")]


async def _store(store: Backups) -> list[Finding]:
    try:
        await store.names("")
        async with store.create(PROBE) as sink:
            await sink.write(b"written by aiec check")
        await store.remove(PROBE)
    except AiecError as error:
        return [failed("backups", error, BREAKS)]
    return [ok("backups", f"{store.where} can be read and written")]


def _private(settings: Settings) -> list[Finding]:
    """With PostgreSQL there may be several replicas, and a folder of one is not the others'."""
    url = settings.backup_url or ""
    if not url.startswith("file:") or settings.database_url.startswith("sqlite"):
        return []
    kind = _file_system(Path(url.removeprefix("file://")))
    if kind.startswith(SHARED):
        return []
    text = f"AIEC_BACKUP_URL is a folder of this machine alone ({kind}), and with PostgreSQL there are several replicas"
    return [wrong("backups", text, "each replica has backups of its own, which go with its pod", "use s3://, or a volume that all replicas mount")]


def _file_system(path: Path) -> str:
    """Returns the type of the file system that a folder is on, as the kernel calls it."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    real = path.resolve()
    on = [(place, kind) for place, kind in mounts if real.is_relative_to(place.replace("\\040", " "))]
    return max(on, key=lambda one: len(one[0]), default=("", "unknown"))[1]


async def _trial(name: str, scratch: Scratch | None) -> Finding:
    if scratch is None:
        return wrong("backup.verify", f"{name} is not set", "verifying backups", f"set it to the URL of a PostgreSQL server for trials, or {name}_FILE")
    if shutil.which("pg_restore") is None:
        return wrong("backup.verify", "there is no pg_restore here", "verifying backups", "install PostgreSQL's client programs, of the server's version")
    try:
        await scratch.system()
    except AiecError as error:
        return failed("backup.verify", error, "verifying backups")
    return ok("backup.verify", "the server for trials answers, and pg_restore is there")
