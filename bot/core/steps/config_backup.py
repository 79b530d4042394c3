"""The step that takes a backup of what is configured in a namespace."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Literal

from bot.core.backups import Backup, file_of
from bot.core.errors import Refused
from bot.core.ports import Cluster, Json, World
from bot.core.steps.backup import TakeStep, store_of
from bot.core.works import Say

MADE_BY_OTHERS = frozenset({"Event", "Lease", "Endpoints", "EndpointSlice", "CSIStorageCapacity", "PodMetrics"})
"""Kinds that Kubernetes itself keeps writing: nobody configures them."""
SEALED = "#sealed "
"""How the line of an encrypted Secret begins: a comment, to whatever reads YAML."""


class ConfigBackupStep(TakeStep):
    """Every object of every kind that the API server has, but for what others make again: without status and managedFields, one JSON document each, which is
    YAML too. `secrets`: left out, or encrypted.
    """

    kind: Literal["backup config"] = "backup config"
    version: Literal[1] = 1
    secrets: Literal["omit", "encrypt"]

    @property
    def what(self) -> Literal["database", "config"]:
        return "config"

    @property
    def change(self) -> str:
        return f"reads every kind of object, Secrets {'encrypted' if self.secrets == 'encrypt' else 'left out'}"

    async def work(self, world: World, say: Say) -> str:
        cluster, store = world.clusters[self.environment], store_of(world)
        digest, size, things = hashlib.sha256(), 0, 0
        async with store.create(file_of(self.environment, self.what, self.name)) as sink:
            async for kind, found in _all(cluster, await kinds(cluster, self.secrets)):
                say(f"{things} objects, {kind}")
                for thing in found:
                    document = _document(thing, world)
                    digest.update(document)
                    size, things = size + len(document), things + 1
                    await sink.write(document)
            world.about_to_act()
        backup = Backup(
            name=self.name,
            environment=self.environment,
            kind=self.what,
            made_at=self.made_at,
            size=size,
            sha256=digest.hexdigest(),
            things=things,
            versions={"Kubernetes": await cluster.version()},
            secrets="encrypted" if self.secrets == "encrypt" else "left out",
        )
        return await self.finish(world, backup)


async def kinds(cluster: Cluster, secrets: str) -> list[str]:
    """Returns the kinds of which somebody may have configured something, in the order of their names."""
    found = [kind for kind in await cluster.kinds() if kind.rpartition("/")[2] not in MADE_BY_OTHERS]
    return sorted(kind for kind in found if kind != "v1/Secret" or secrets == "encrypt")


async def unreadable(cluster: Cluster, wanted: list[str]) -> list[tuple[str, str]]:
    """Returns the group and the resource of those that we may not list."""
    served = [one for one in await asyncio.gather(*(cluster.served(kind) for kind in wanted)) if one is not None]
    allowed = await asyncio.gather(*(cluster.allowed("list", one.group, one.resource) for one in served))
    return [(one.group, one.resource) for one, may in zip(served, allowed, strict=True) if not may]


async def _all(cluster: Cluster, wanted: list[str]) -> AsyncIterator[tuple[str, list[Json]]]:
    """Yields the objects of one kind after the other, without those that a controller makes from others."""
    for kind in wanted:
        found = await cluster.list(kind)
        yield kind, [thing for thing in found if not _made(thing)]


def _made(thing: Json) -> bool:
    controlled = any(owner.get("controller") for owner in thing["metadata"].get("ownerReferences") or [])
    return controlled or (thing["kind"], thing["metadata"]["name"]) in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"))


def _document(thing: Json, world: World) -> bytes:
    gone = ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink")
    metadata = {name: value for name, value in thing["metadata"].items() if name not in gone}
    kept = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": metadata}
    kept |= {name: value for name, value in thing.items() if name not in (*kept, "status")}
    text = json.dumps(kept, ensure_ascii=False).encode()
    if thing["kind"] != "Secret":
        return b"---\n" + text + b"\n"
    if world.seal is None:
        raise Refused("There is no key to encrypt Secrets with.", "Set AIEC_BACKUP_KEY, or `backup.config.secrets: omit`.")
    return b"---\n" + SEALED.encode() + world.seal(text) + b"\n"
