"""The step that removes what a folder of manifests has no more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from bot.core.card import Line, line
from bot.core.data import Frozen
from bot.core.outcome import Done, Outcome, Waiting
from bot.core.ports import Json, World
from bot.core.steps.marks import Stamp
from bot.core.steps.object import Ref, ref, remove, restore_ownership


class Removal(Frozen):
    """An object that goes: as it was, with its marks, and the fields of it that we had applied."""

    thing: Json
    owned: Json | None

    @property
    def ref(self) -> Ref:
        return ref(self.thing)


class PruneStep(Frozen):
    """Deletes objects that an earlier operation applied for the service, each only while it still carries that mark."""

    kind: Literal["prune"] = "prune"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    removals: tuple[Removal, ...]

    @property
    def target(self) -> str:
        return f"leftovers of {self.service}"

    @property
    def titles(self) -> str:
        return ", ".join(one.ref.title for one in self.removals)

    def describe(self) -> Line:
        return line(f"{self.service} removes {self.titles}")

    def difference(self, other: object) -> list[str]:
        """Which objects go is what was approved; what stands in them is put back as it is found when they go."""
        if isinstance(other, PruneStep) and [one.ref for one in other.removals] == [one.ref for one in self.removals]:
            return []
        return [f"{self.target} would be removed otherwise: {other.titles if isinstance(other, PruneStep) else 'not at all'}, not {self.titles}"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Deletes what is still there. Raises Conflict when something carries another mark by now."""
        cluster = world.clusters[self.environment]
        for one in self.removals:
            await remove(world, cluster, one.thing)
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Creates again what is not there any more."""
        cluster = world.clusters[self.environment]
        for one in self.removals:
            if await cluster.get(one.ref.kind, one.ref.name) is None:
                world.about_to_act()
                await restore_ownership(world, cluster, await cluster.apply(one.thing), one.owned)
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Waits until what was deleted is gone: a finalizer may hold it."""
        if undoing:
            return Done(text=""), {}
        cluster = world.clusters[self.environment]
        there = [one.ref.title for one in self.removals if await cluster.get(one.ref.kind, one.ref.name) is not None]
        return (Waiting(text=f"{', '.join(there)} still to end") if there else Done(text=f"removed {self.titles}")), {}
