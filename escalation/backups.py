"""The manager of backups that take themselves: when each is due, and that one which fails or is missed becomes an alert."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim
from sqlalchemy import bindparam
from sqlmodel import col, select

from bot.core.config import Config
from bot.core.operation import Phase
from bot.core.request import Actor, Origin, Request
from bot.store.due import Due, Look
from bot.store.incident_tables import ScheduleRow
from bot.store.store import Store
from bot.store.tables import OperationRow, RequestRow
from bot.store.transaction import Transaction
from escalation import own, schedule

LATE = timedelta(minutes=30)
"""How much later than planned one may begin: after that it was missed."""
ACTOR = Actor(name="schedule")
_OVER = {Phase.FAILED, Phase.REFUSED, Phase.ROLLED_BACK, Phase.CANCELLED, Phase.EXPIRED}


@dataclass(frozen=True)
class Job:
    """Something that aiec.yaml wants done again and again: a request at the moments of `cron`."""

    name: str
    environment: str
    service: str
    cron: str
    command: str
    arguments: dict[str, Any]


def jobs(config: Config) -> list[Job]:
    """Returns what is to be done by itself."""
    backup, found = config.backup, []
    if (one := backup.database) is not None:
        found.append(Job("database", one.env, one.service, one.cron, "backup", {"environment": one.env, "what": "database"}))
        if backup.verify is not None and backup.verify.target is not None:
            found.append(Job("verify", one.env, one.service, backup.verify.cron, "backup verify", {"environment": one.env, "backup": "latest"}))
    if (other := backup.config) is not None:
        found.append(Job("config", other.env, "", other.cron, "backup", {"environment": other.env, "what": "config"}))
    return found


class BackupManager:
    name = "backups"
    patience = timedelta(seconds=10)

    def __init__(self, store: Store, config: Config, submit: Callable[[Request], Awaitable[int]]) -> None:
        self._store, self._config, self._submit = store, config, submit
        self._jobs = jobs(config)
        self._later = {job.name: schedule.later(_schedule(job)) for job in self._jobs}
        self._told: dict[str, tuple[str, str]] = {}

    def look(self) -> Look:
        told = dict(self._told)
        return lambda tx: any(not self._later[job.name].any(tx) or _news(tx, job, told) is not None for job in self._jobs)

    async def update(self, now: datetime) -> bool:
        """Asks for what is due, and says what became of it."""
        moved = False
        for job in self._jobs:
            moved = await self._due(job, now) or await self._look(job) or moved
        return moved

    async def _due(self, job: Job, now: datetime) -> bool:
        """The first time it only learns when that is. One that was missed is done once, late."""
        name = _schedule(job)
        row = await self._store.read(lambda tx: tx.get(ScheduleRow, name))
        if row is not None and row.next_at > now:
            return False
        if row is not None:
            request = Request(key=_key(job, row.next_at), command=job.command, arguments=job.arguments, actor=ACTOR, origin=Origin(kind="schedule"))
            await self._submit(request)
        following = next(CronSim(job.cron, now.astimezone(UTC)))
        await self._store.transaction(lambda tx: tx.session.merge(ScheduleRow(name=name, next_at=following, done_at=now if row is not None else None)))
        return True

    async def _look(self, job: Job) -> bool:
        """Tells once how the last one went."""
        news = await self._store.read(lambda tx: _news(tx, job, self._told))
        if news is None:
            return False
        await self._store.transaction(lambda tx: _tell(tx, self._config, job, news[1]))
        self._told[job.name] = news
        return True


_MINE = Due(select(RequestRow).where(col(RequestRow.key) > bindparam("first"), col(RequestRow.key) < bindparam("last")).order_by(col(RequestRow.key).desc()))
"""The requests whose keys are between these two, the latest first."""


def _schedule(job: Job) -> str:
    return f"backup {job.name}"


def _key(job: Job, due: datetime) -> str:
    return f"schedule:{job.name}:{due.astimezone(UTC):%Y-%m-%dT%H:%M}"


def _news(tx: Transaction, job: Job, told: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """Returns the key of the last request and what is wrong with it, when that is known and was not told."""
    key, trouble = _went(tx, job)
    return (key, trouble) if trouble is not None and told.get(job.name) != (key, trouble) else None


def _went(tx: Transaction, job: Job) -> tuple[str, str | None]:
    """Returns the key of the last request, and what is wrong with it: nothing (empty), or None while that is not known."""
    row = next(iter(_MINE.rows(tx, 1, first=f"schedule:{job.name}:", last=f"schedule:{job.name};")), None)
    if row is None or row.state == "received":
        return "", None
    due = datetime.fromisoformat(row.key.removeprefix(f"schedule:{job.name}:")).replace(tzinfo=UTC)
    late = row.received_at - due
    if row.state != "operation":
        return row.key, f"it was {row.state}: {((row.result or {}).get('error') or {}).get('text') or 'nobody knows why'}"
    operation = tx.get(OperationRow, row.operation)
    if operation is None or operation.state in _OVER:
        failure = operation.document.get("failure") if operation is not None else None
        why = failure["why"] if failure else (operation.document["because"] if operation is not None else "")
        return row.key, f"op-{row.operation} {operation.state.replace('_', ' ') if operation is not None else 'is gone'}: {why}"
    if operation.state != Phase.DONE:
        return row.key, None
    missed = f"it was due at {due:%H:%M} UTC and was done at {row.received_at:%Y-%m-%d %H:%M}, for aiec did not run" if late > LATE else ""
    return row.key, missed


def _tell(tx: Transaction, config: Config, job: Job, trouble: str) -> None:
    """Fires the alert, or ends the one that fires."""
    what = "verification of the latest backup" if job.name == "verify" else f"backup of the {job.name}"
    labels = {"environment": job.environment, "backup": job.name, **({"service": job.service} if job.service else {})}
    summary = f"The scheduled {what} of {job.environment} did not go well: {trouble}" if trouble else ""
    own.fire(tx, config, "BackupFailed", summary, labels, group=f"backup {job.name}")
