"""The step that takes a backup of a database."""

from datetime import datetime
from typing import Literal

from bot.core import postgres
from bot.core.backups import Backup, Backups, Listed, describe, file_of, forget, listed, pour, size_of, superfluous
from bot.core.config import Keep
from bot.core.errors import Refused, Unavailable
from bot.core.ports import World
from bot.core.steps.work import WorkStep
from bot.core.works import Say

SAID_EVERY = 16 * 1024 * 1024
"""After how many bytes it says how far it is."""


class TakeStep(WorkStep):
    """What all backups are: a file in the store, and its description. `made_at`: when it was planned, which is its name too; `keep`: what is kept of its kind
    when it is there.
    """

    made_at: datetime
    keep: Keep

    @property
    def what(self) -> Literal["database", "config"]:
        raise NotImplementedError

    @property
    def target(self) -> str:
        return f"backup {self.environment}/{self.name}"

    @property
    def now(self) -> str:
        return f"backup {self.name}"

    @property
    def was(self) -> str:
        return "no new backup"

    def difference(self, other: object) -> list[str]:
        """The moment differs with each plan, and is the approved one's."""
        if not isinstance(other, type(self)):
            return [f"{self.target} would be made in another way"]
        return [] if other.model_copy(update={"name": self.name, "made_at": self.made_at}) == self else [f"{self.target} would be made with other settings"]

    async def found(self, world: World) -> str | None:
        for one in await listed(store_of(world), self.environment):
            if one.backup.name == self.name:
                return said(one.backup)
        return None

    async def clear(self, world: World) -> None:
        await forget(store_of(world), self.environment, self.what, self.name)

    async def finish(self, world: World, backup: Backup) -> str:
        """Makes the file a backup, and removes those that are not kept."""
        store = store_of(world)
        world.about_to_act()
        await describe(store, backup)
        gone = superfluous([one.backup for one in await self._others(store)], self.keep)
        for one in gone:
            world.about_to_act()
            await forget(store, one.environment, one.kind, one.name)
        removed = f"; {len(gone)} older removed ({', '.join(one.name for one in gone)})" if gone else ""
        return said(backup) + removed

    async def _others(self, store: Backups) -> list[Listed]:
        return [one for one in await listed(store, self.environment) if one.backup.kind == self.what]


class DatabaseBackupStep(TakeStep):
    """`pg_dump` in the primary, into the store while it is hashed. The primary is looked for when it begins."""

    kind: Literal["backup database"] = "backup database"
    version: Literal[1] = 1
    database: postgres.Database

    @property
    def what(self) -> Literal["database", "config"]:
        return "database"

    @property
    def change(self) -> str:
        return f"pg_dump of {self.database.name}"

    async def work(self, world: World, say: Say) -> str:
        cluster, store = world.clusters[self.environment], store_of(world)
        source = await postgres.primary(cluster, self.database)
        program = await postgres.version_of(cluster, self.database, source.pod, "pg_dump", source.major)
        say(f"pg_dump in {source.pod}")
        told = 0

        def so_far(size: int) -> None:
            nonlocal told
            if size - told >= SAID_EVERY:
                told = size
                say(f"{size_of(size)} of {source.pod}")
                world.about_to_act()

        async with store.create(file_of(self.environment, self.what, self.name)) as sink:
            sha256, size = await pour(postgres.dump(cluster, self.database, source.pod), sink, so_far)
            if not size:
                raise Unavailable(f"pg_dump in {source.pod} succeeded and wrote nothing, which is no backup.")
            world.about_to_act()
        backup = Backup(
            name=self.name,
            environment=self.environment,
            kind=self.what,
            made_at=self.made_at,
            size=size,
            sha256=sha256,
            database=self.database.name,
            system=source.system,
            versions={"server": source.version, "pg_dump": program},
        )
        return await self.finish(world, backup)


def said(backup: Backup) -> str:
    """Returns a backup's figures in words."""
    versions = ", ".join(f"{name} {version}" for name, version in backup.versions.items())
    things = f"{backup.things} objects, " if backup.kind == "config" else ""
    secrets = f", Secrets {backup.secrets}" if backup.secrets else ""
    return f"{things}{size_of(backup.size)}, SHA-256 {backup.sha256[:12]}… ({versions}){secrets}"


def store_of(world: World) -> Backups:
    """Returns where backups lie. Raises Refused when nobody said it."""
    if world.backups is None:
        raise Refused("There is no place for backups.", "Set AIEC_BACKUP_URL to file:///PATH or s3://BUCKET/PREFIX.")
    return world.backups
