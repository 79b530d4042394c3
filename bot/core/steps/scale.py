"""The steps that change how many pods a workload has: its replicas, or what its autoscaler may choose from."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Code, Line, line
from bot.core.data import Frozen
from bot.core.durations import notation
from bot.core.errors import Conflict
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import Cluster, Json, World
from bot.core.steps.live import existing
from bot.core.steps.marks import OPERATION, SCALED, Stamp, annotations, foreign, marked_otherwise, marking
from bot.core.steps.watch import watch
from bot.core.workload import status, wanted

_REPLICAS = "/spec/replicas"
_AGAIN = "Ask again: the plan is then made afresh."


class ScaleStep(Frozen):
    """Brings a workload from `before` to `after` replicas by its scale subresource, and waits until that many are ready.

    That subresource carries no annotation: whose number it is (`owner_before`: whose it was) is written on the workload first, under a `test` of the replicas.
    """

    kind: Literal["scale"] = "scale"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    workload: str
    name: str
    before: int
    after: int
    owner_before: str | None
    deadline: timedelta

    @property
    def target(self) -> str:
        return f"{self.workload.lower()}/{self.name}"

    @property
    def change(self) -> str:
        return f"{self.before} → {_pods(self.after)}"

    @property
    def was(self) -> str:
        return _pods(self.before)

    @property
    def now(self) -> str:
        return _pods(self.after)

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {self.change}")

    def difference(self, other: object) -> list[str]:
        if not isinstance(other, ScaleStep):
            return [f"{self.target} would be changed in another way"]
        if other.before != self.before:
            return [f"{self.target} has {_pods(other.before)} now, not {self.before}"]
        return [f"{self.target} would be changed with other settings"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Writes whose number it is, then the number, and returns whether it is our change. Raises Conflict when the number is neither before nor after."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        mine = annotations(workload).get(SCALED) == stamp.operation
        if wanted(workload) == self.after:
            return mine
        if wanted(workload) != self.before:
            raise Conflict(f"{self.target} has {_pods(wanted(workload))} now, not {self.before} as planned.", _AGAIN)
        if not mine:
            await self._mark(world, cluster, workload, (self.owner_before, stamp.operation))
        await self._set(world, cluster, self.before, self.after)
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Sets the number back where it still is ours. Returns why it was left alone, or ""."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        mark, now = annotations(workload).get(SCALED), wanted(workload)
        if mark == self.owner_before and now == self.before:
            return ""
        if mark != stamp.operation:
            return foreign(self.target, mark)
        if now not in (self.before, self.after):
            return f"{self.target} has {_pods(now)} now, which this operation did not set"
        if now == self.after:
            await self._set(world, cluster, self.after, self.before)
        await self._mark(world, cluster, await existing(cluster, self.workload, self.name), (stamp.operation, self.owner_before))
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Looks once: what a rollout's new pods may fail of, the pods that are to come may fail of too."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        number = self.before if undoing else self.after
        if wanted(workload) != number:
            why = f"{self.target} has {_pods(wanted(workload))} now: somebody else scaled it meanwhile"
            return Failed(code="Superseded", why=why), dict(seen)
        outcome, memory = await watch(cluster, workload, since=since, now=world.now, seen=seen, deadline=self.deadline)
        if isinstance(outcome, Failed):
            return outcome.model_copy(update={"new": ""}), memory
        there = int(status(workload).get("replicas", 0))
        if isinstance(outcome, Done) and there > number:
            return Waiting(text=f"{_pods(there - number)} still to end"), memory
        return (Done(text="all of them ready" if number else "none is left") if isinstance(outcome, Done) else outcome), memory

    async def _mark(self, world: World, cluster: Cluster, workload: Json, mark: tuple[str | None, str | None]) -> None:
        tests, writes = marking(workload, {SCALED: mark})
        same = {"op": "test", "path": _REPLICAS, "value": wanted(workload)}
        world.about_to_act()
        try:
            await cluster.patch(self.workload, self.name, [same, *tests, *writes])
        except Conflict as refused:
            now = await existing(cluster, self.workload, self.name)
            text = marked_otherwise(self.target, now, {SCALED: mark}) or f"{self.target} has {_pods(wanted(now))} now, not {wanted(workload)}."
            raise Conflict(text, _AGAIN) from refused

    async def _set(self, world: World, cluster: Cluster, old: int, new: int) -> None:
        """Of a Scale zero replicas are left out: there a `test` for null is the test for zero."""
        world.about_to_act()
        try:
            operations: list[Json] = [{"op": "test", "path": _REPLICAS, "value": old or None}, {"op": "add", "path": _REPLICAS, "value": new}]
            await cluster.patch(self.workload, self.name, operations, subresource="scale")
        except Conflict as refused:
            now = await existing(cluster, self.workload, self.name)
            raise Conflict(f"{self.target} has {_pods(wanted(now))} now, not {old} as planned.", _AGAIN) from refused


class BoundsStep(Frozen):
    """Changes between which numbers an autoscaler chooses, and waits until the workload has such a number, all ready. `autoscaler` is its name."""

    kind: Literal["bounds"] = "bounds"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    workload: str
    name: str
    autoscaler: str
    before: tuple[int, int]
    after: tuple[int, int]
    owner_before: str | None
    deadline: timedelta

    @property
    def target(self) -> str:
        return f"horizontalpodautoscaler/{self.autoscaler}"

    @property
    def change(self) -> str:
        return f"HPA {_range(self.before)} → {_range(self.after)}"

    @property
    def was(self) -> str:
        return f"HPA {_range(self.before)}"

    @property
    def now(self) -> str:
        return f"HPA {_range(self.after)}"

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {self.change}")

    def difference(self, other: object) -> list[str]:
        if not isinstance(other, BoundsStep):
            return [f"{self.target} would be changed in another way"]
        if other.before != self.before:
            return [f"{self.target} goes from {_range(other.before)} now, not {_range(self.before)}"]
        return [f"{self.target} would be changed with other settings"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        cluster = world.clusters[self.environment]
        scaler = await existing(cluster, "HorizontalPodAutoscaler", self.autoscaler)
        if bounds(scaler) == self.after:
            return annotations(scaler).get(OPERATION) == stamp.operation
        await self._patch(world, cluster, scaler, (self.before, self.after), (self.owner_before, stamp.operation))
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        cluster = world.clusters[self.environment]
        scaler = await existing(cluster, "HorizontalPodAutoscaler", self.autoscaler)
        mark = annotations(scaler).get(OPERATION)
        if bounds(scaler) == self.before and mark == self.owner_before:
            return ""
        if mark != stamp.operation:
            return foreign(self.target, mark)
        if bounds(scaler) != self.after:
            return f"{self.target} goes from {_range(bounds(scaler))} now, which this operation did not set"
        await self._patch(world, cluster, scaler, (self.after, self.before), (stamp.operation, self.owner_before))
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        cluster = world.clusters[self.environment]
        scaler = await existing(cluster, "HorizontalPodAutoscaler", self.autoscaler)
        workload = await existing(cluster, self.workload, self.name)
        least, most = self.before if undoing else self.after
        if bounds(scaler) != (least, most):
            return Failed(code="Superseded", why=f"{self.target} goes from {_range(bounds(scaler))} now: somebody else changed it meanwhile"), dict(seen)
        number = wanted(workload)
        if least <= number <= most:
            outcome, memory = await watch(cluster, workload, since=since, now=world.now, seen=seen, deadline=self.deadline)
            return (Done(text=f"{_pods(number)} ready") if isinstance(outcome, Done) else outcome), memory
        if world.now - since < self.deadline:
            return Waiting(text=f"the autoscaler has not followed yet: {_pods(number)}"), dict(seen)
        why = f"not finished after {notation(self.deadline)}: the autoscaler still wants {_pods(number)}"
        return Failed(code="DeadlineExceeded", why=why, hint=f"`kubectl describe hpa {self.autoscaler}` says what it waits for."), dict(seen)

    async def _patch(
        self, world: World, cluster: Cluster, scaler: Json, limits: tuple[tuple[int, int], tuple[int, int]], mark: tuple[str | None, str | None]
    ) -> None:
        tests, writes = marking(scaler, {OPERATION: mark})
        fields = ("/spec/minReplicas", "/spec/maxReplicas")
        checks = [{"op": "test", "path": path, "value": value} for path, value in zip(fields, limits[0], strict=True)]
        sets = [{"op": "replace", "path": path, "value": value} for path, value in zip(fields, limits[1], strict=True)]
        world.about_to_act()
        try:
            await cluster.patch("HorizontalPodAutoscaler", self.autoscaler, [*checks, *tests, *sets, *writes])
        except Conflict as refused:
            now = await existing(cluster, "HorizontalPodAutoscaler", self.autoscaler)
            other = marked_otherwise(self.target, now, {OPERATION: mark})
            text = other if bounds(now) == limits[0] and other else f"{self.target} goes from {_range(bounds(now))} now, not {_range(limits[0])} as planned."
            raise Conflict(text, _AGAIN) from refused


def bounds(scaler: Json) -> tuple[int, int]:
    """Returns the least and the most replicas that an autoscaler chooses."""
    return int(scaler["spec"].get("minReplicas", 1)), int(scaler["spec"]["maxReplicas"])


def _pods(count: int) -> str:
    return f"{count} pod{'' if count == 1 else 's'}"


def _range(limits: tuple[int, int]) -> str:
    return f"{limits[0]}–{limits[1]}"
