"""The steps that put a backup of a database back: into a new database, in the place of the live one, or for a trial."""

import hashlib
from datetime import datetime
from typing import Literal

from bot.core import postgres
from bot.core.backups import Backups, Verified, find, intact, listed, mark_verified, size_of
from bot.core.errors import AiecError, Invalid, Refused
from bot.core.ports import World
from bot.core.steps.backup import store_of
from bot.core.steps.work import WorkStep
from bot.core.works import Say

LONGEST_NAME = 63
"""Bytes of a name that PostgreSQL does not cut off."""


class RestoreStep(WorkStep):
    """`pg_restore` in the primary. `name` is the backup's, `into` the database that there is none of yet; or the live one (`kept`: under which name that is
    kept), which is replaced only when all of the backup is there. `at`: the moment of the plan, by which it is found after a crash.
    """

    kind: Literal["restore"] = "restore"
    version: Literal[1] = 1
    database: postgres.Database
    into: str
    kept: str = ""
    at: str

    @property
    def target(self) -> str:
        return f"restore {self.environment}/{self.name} into {self.into}"

    @property
    def change(self) -> str:
        return f"{self.name} in the place of {self.into}, which is kept as {self.kept}" if self.kept else f"{self.name} into the new database {self.into}"

    @property
    def now(self) -> str:
        return f"{self.into} is {self.name}"

    @property
    def was(self) -> str:
        return f"{self.into} as it was" if self.kept else "no new database"

    @property
    def fresh(self) -> str:
        """The database that is filled."""
        return fresh_name(self.into) if self.kept else self.into

    @property
    def _marks(self) -> tuple[str, str]:
        """The comments on the database while it is filled, and when it is done."""
        return f"being restored by aiec from {self.name} ({self.at})", f"restored by aiec from {self.name} ({self.at})"

    def difference(self, other: object) -> list[str]:
        """The moment differs with each plan, and is the approved one's."""
        if not isinstance(other, RestoreStep):
            return [f"{self.target} would be done in another way"]
        return [] if other.model_copy(update={"at": self.at, "kept": self.kept}) == self else [f"{self.target} would be done with other settings"]

    async def found(self, world: World) -> str | None:
        cluster = world.clusters[self.environment]
        source = await postgres.primary(cluster, self.database)
        if await postgres.comment(cluster, self.database, source.pod, self.into) != self._marks[1]:
            return None
        counted = await postgres.count(cluster, self.database, source.pod, self.into)
        return f"{counted}{f'; what was there before is {self.kept}' if self.kept else ''}"

    async def clear(self, world: World) -> None:
        cluster = world.clusters[self.environment]
        source = await postgres.primary(cluster, self.database)
        if self.kept:
            await postgres.admit(cluster, self.database, source.pod, self.into)
        for mark in self._marks if self.kept else self._marks[:1]:
            await postgres.drop(cluster, self.database, source.pod, self.fresh, mark)

    async def work(self, world: World, say: Say) -> str:
        """The archive is read twice: once to see that it is whole, before anything is changed."""
        cluster, store = world.clusters[self.environment], store_of(world)
        backup = await find(store, self.environment, self.name)
        size, total = 0, size_of(backup.size)
        async for piece in intact(store, backup):
            size += len(piece)
            say(f"reads {size_of(size)} of {total}")
        source = await postgres.primary(cluster, self.database)
        world.about_to_act()
        await self.clear(world)
        doing, done = self._marks
        world.about_to_act()
        await postgres.create(cluster, self.database, source.pod, self.fresh, doing)
        try:
            say(f"pg_restore of {total} in {source.pod}")
            await postgres.restore(cluster, self.database, source.pod, self.fresh, intact(store, backup))
            counted = await postgres.count(cluster, self.database, source.pod, self.fresh)
            world.about_to_act()
            await postgres.remark(cluster, self.database, source.pod, self.fresh, done)
            if self.kept:
                world.about_to_act()
                await postgres.swap(cluster, self.database, source.pod, self.fresh, self.kept)
        except AiecError:
            if world.held():
                await self.clear(world)
            raise
        return f"{counted}{f'; what was there before is {self.kept}' if self.kept else ''}"


def fresh_name(into: str) -> str:
    """Returns the name of the database that is filled before it takes another's place."""
    return f"{into[: LONGEST_NAME - 10]}_restoring"


class VerifyBackupStep(WorkStep):
    """Reads a backup to its end; of a database also restores it on the server for trials, and counts its rows there."""

    kind: Literal["verify backup"] = "verify backup"
    version: Literal[1] = 1
    what: Literal["database", "config"]
    at: str

    @property
    def target(self) -> str:
        return f"verify {self.environment}/{self.name}"

    @property
    def change(self) -> str:
        return f"restores {self.name} for a trial, and counts" if self.what == "database" else f"reads {self.name} to its end"

    @property
    def now(self) -> str:
        return f"{self.name} is good"

    @property
    def was(self) -> str:
        return "not verified"

    def difference(self, other: object) -> list[str]:
        """The moment differs with each plan, and is the approved one's."""
        same = isinstance(other, VerifyBackupStep) and other.model_copy(update={"at": self.at}) == self
        return [] if same else [f"{self.target} would be done in another way"]

    async def found(self, world: World) -> str | None:
        for one in await listed(store_of(world), self.environment):
            if one.backup.name == self.name and one.verified is not None and one.verified.at.isoformat() == self.at:
                return said(one.verified)
        return None

    async def clear(self, world: World) -> None:
        if self.what == "database" and world.scratch is not None:
            await world.scratch.drop(self._trial(store_of(world)))

    async def work(self, world: World, say: Say) -> str:
        store = store_of(world)
        backup = await find(store, self.environment, self.name)
        if backup.kind == "config":
            text = b"".join([piece async for piece in intact(store, backup)])
            things = sum(line == b"---" for line in text.splitlines())
            if things != backup.things:
                raise Invalid(f"{backup.name} has {things} objects, and was written with {backup.things}.", "Take another backup.")
            verified = Verified(at=self._at, tables=0, rows=things)
        else:
            scratch = world.scratch
            if scratch is None:
                raise Refused("There is no server to try backups on.", "Name the variable that has its URL in `backup.verify.target`.")
            if await scratch.system() == backup.system:
                raise Refused(f"The server to try backups on is the one that {backup.name} was taken from.", "Name another one in `backup.verify.target`.")
            say(f"restores {size_of(backup.size)}")
            counts = await scratch.restore(self._trial(store), intact(store, backup))
            verified = Verified(at=self._at, tables=counts.tables, rows=counts.rows)
        world.about_to_act()
        await mark_verified(store, backup, verified)
        return said(verified)

    def _trial(self, store: Backups) -> str:
        """What the database is called in which it is tried."""
        return f"aiec_verify_{self._at:%Y%m%d_%H%M%S}_{told_apart(store.where, self.environment, self.name)}"

    @property
    def _at(self) -> datetime:
        return datetime.fromisoformat(self.at)


def told_apart(*words: str) -> str:
    """Returns eight letters that stand for these words: others may try their backups on the same server, in the same second."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]


def said(verified: Verified) -> str:
    if not verified.tables:
        return f"read to its end: {verified.rows} objects"
    return f"read to its end and restored: {verified.tables} table{'' if verified.tables == 1 else 's'}, {verified.rows} rows"
