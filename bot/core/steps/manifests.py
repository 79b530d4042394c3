"""The step that makes a service what a folder of manifests says."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Line, line
from bot.core.data import Frozen
from bot.core.errors import Conflict, Contested
from bot.core.fields import drift
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ownership import others, said
from bot.core.ports import Cluster, World
from bot.core.steps.marks import Stamp, short
from bot.core.steps.object import MARKS, ObjectChange, Ref, put, put_back
from bot.core.steps.watch import watch


class ManifestsStep(Frozen):
    """Applies the objects of a service's folder one after the other, and waits until the rollouts of its workloads are complete.

    `before`, `after`: the image of the service's own container (before: empty where the workload is created). `objects`: those that are not so yet.
    `inventory`: all that the folder has or had, by which later plans find what was left behind. `take`: take over the fields of others.
    """

    kind: Literal["manifests"] = "manifests"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    workload: str
    name: str
    container: str
    before: str
    after: str
    objects: tuple[ObjectChange, ...]
    inventory: tuple[Ref, ...]
    take: bool
    deadline: timedelta

    @property
    def target(self) -> str:
        return f"{self.workload.lower()}/{self.name}"

    def describe(self) -> Line:
        return line(f"{self.service} {short(self.before)} → {short(self.after)}: ", ", ".join(one.title for one in self.objects))

    def difference(self, other: object) -> list[str]:
        """Returns in words what a fresh plan's step for the same service has otherwise; what a dry run makes anew each time is no difference."""
        if not isinstance(other, ManifestsStep):
            return [f"{self.target} would be changed in another way"]
        if other.after != self.after:
            return [f"the image {short(self.after)} is another one now ({other.after.rpartition('@')[2][:19]})"]
        fresh = {one.ref: one for one in other.objects}
        found = []
        for mine in self.objects:
            theirs = fresh.pop(mine.ref, None)
            if theirs is None:
                found.append(f"{mine.title} would no longer be changed")
            elif theirs != mine:
                found += _object_difference(mine, theirs)
        found += [f"{one.title} would be changed as well" for one in fresh.values()]
        rest = {"objects": self.objects, "inventory": self.inventory}
        return found or ([] if other.model_copy(update=rest) == self else [f"{self.target} would be changed with other settings"])

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Applies what has not been yet, in order, and returns whether anything is our change. What came before an error stays, and is ours to undo."""
        cluster = world.clusters[self.environment]
        ours = []
        for one in self.objects:
            try:
                ours.append(await put(world, cluster, one, stamp, self.service, take=self.take))
            except Contested as refused:
                text = said(one.title, others(refused.fields, MARKS) or refused.fields)
                raise Conflict(f"{text}, by now.", "Take it out of the manifest, or ask again with `--take-ownership`.") from refused
        return any(ours)

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Puts back what still carries our mark, the last first. Returns what was left alone and why, or ""."""
        cluster = world.clusters[self.environment]
        kept = [await put_back(world, cluster, one, stamp) for one in reversed(self.objects)]
        return "; ".join(filter(None, kept))

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Looks once at every workload that was changed. What `seen` remembers has the workload's name in front."""
        cluster = world.clusters[self.environment]
        watched = [one for one in self.objects if one.rolls_out and not (undoing and one.created)]
        looks = await asyncio.gather(*(self._look(cluster, one, world.now, since, seen, undoing) for one in watched))
        memory = {f"{one.title} {key}": at for one, (_, found) in zip(watched, looks, strict=True) for key, at in found.items()}
        return together({one.title: outcome for one, (outcome, _) in zip(watched, looks, strict=True)}), memory

    async def _look(
        self, cluster: Cluster, one: ObjectChange, now: datetime, since: datetime, seen: Mapping[str, datetime], undoing: bool
    ) -> tuple[Outcome, dict[str, datetime]]:
        live = await cluster.get(one.ref.kind, one.ref.name)
        if undoing and (live is None or one.differing(live, after=False)):
            return Done(text="left as somebody else made it"), {}
        astray = "" if undoing else one.gone_astray(live, self.container, self.after)
        if astray or live is None:
            return Failed(code="Superseded", why=astray), {}
        prefix = f"{one.title} "
        mine = {key.removeprefix(prefix): at for key, at in seen.items() if key.startswith(prefix)}
        return await watch(cluster, live, since=since, now=now, seen=mine, deadline=self.deadline)


def together(outcomes: Mapping[str, Outcome]) -> Outcome:
    """Returns the first failure, else what is waited for, else that all is done."""
    failed = [one for one in outcomes.values() if isinstance(one, Failed)]
    if failed:
        return failed[0]
    several = len(outcomes) > 1
    waiting = {title: one for title, one in outcomes.items() if isinstance(one, Waiting)}
    if waiting:
        counts = [one.progress for one in waiting.values() if one.progress]
        progress = (sum(done for done, _ in counts), sum(total for _, total in counts)) if counts else None
        return Waiting(text="; ".join(f"{title}: {one.text}" if several else one.text for title, one in waiting.items()), progress=progress)
    return Done(text="; ".join(f"{title}: {one.text}" if several else one.text for title, one in outcomes.items() if isinstance(one, Done)))


def _object_difference(mine: ObjectChange, theirs: ObjectChange) -> list[str]:
    if mine.manifest != theirs.manifest:
        return [f"{mine.title} stands otherwise in the folder now"]
    if mine.created != theirs.created:
        return [f"{mine.title} {'exists by now' if mine.created else 'does not exist any more'}"]
    if mine.created:
        return []
    now = {one.path: one for one in theirs.changes}
    for one in mine.changes:
        other = now.get(one.path)
        if other is None or other.before != one.before:
            return [f"{mine.title} was changed meanwhile: {drift(one, other.before if other else one.after, one.before)}"]
    if mine.changes != theirs.changes:
        added = next((one.spoken for one in theirs.changes if one not in mine.changes), "")
        return [f"{mine.title} was changed meanwhile: its {added} would be changed as well"]
    if mine.marks != theirs.marks:
        return [f"{mine.title} was changed meanwhile by another operation"]
    return []
