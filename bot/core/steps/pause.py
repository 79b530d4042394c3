"""The step that holds a Deployment's rollout, or lets it go on, as `kubectl rollout pause` and `resume` do."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Code, Line, line
from bot.core.data import Frozen
from bot.core.errors import Conflict
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import Cluster, Json, World
from bot.core.steps.live import existing
from bot.core.steps.marks import PAUSED, Marks, Stamp, annotations, foreign, marked_otherwise, marking
from bot.core.steps.watch import watch
from bot.core.workload import status, wanted

_PATH = "/spec/paused"


class PauseStep(Frozen):
    """Brings `spec.paused` of a Deployment from `before` to `after`, and when it is let go waits until the rollout is complete.

    Who holds it stands beside the mark of who deployed it (`owner_before`: who held it before): holding changes no template.
    """

    kind: Literal["pause"] = "pause"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    workload: str
    name: str
    before: bool
    after: bool
    owner_before: str | None
    deadline: timedelta

    @property
    def target(self) -> str:
        return f"{self.workload.lower()}/{self.name}"

    @property
    def change(self) -> str:
        return "pauses its rollouts" if self.after else "lets its rollouts go on"

    @property
    def was(self) -> str:
        return _word(self.before)

    @property
    def now(self) -> str:
        return _word(self.after)

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {self.change}")

    def difference(self, other: object) -> list[str]:
        if not isinstance(other, PauseStep):
            return [f"{self.target} would be changed in another way"]
        if other.before != self.before:
            return [f"{self.target} is {other.was} by now"]
        return [f"{self.target} would be changed with other settings"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Changes it and returns whether it is our change. Raises Conflict when somebody changes it at the same moment."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        if paused(workload) == self.after:
            return annotations(workload).get(PAUSED) == stamp.operation
        world.about_to_act()
        await self._patch(cluster, workload, self.after, {PAUSED: (self.owner_before, stamp.operation)})
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Puts it back where it still is ours. Returns why it was left alone, or ""."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        mark = annotations(workload).get(PAUSED)
        if mark == self.owner_before and paused(workload) == self.before:
            return ""
        if mark != stamp.operation:
            return foreign(self.target, mark)
        if paused(workload) != self.after:
            return f"{self.target} is {_word(paused(workload))} now, which this operation did not bring"
        world.about_to_act()
        await self._patch(cluster, workload, self.before, {PAUSED: (stamp.operation, self.owner_before)})
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Looks once. What is held is done as soon as the controller has seen it, and says how far its rollout has come."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        held = self.before if undoing else self.after
        if paused(workload) != held:
            why = f"{self.target} is {_word(paused(workload))} now: somebody else changed it meanwhile"
            return Failed(code="Superseded", why=why), dict(seen)
        if not held:
            return await watch(cluster, workload, since=since, now=world.now, seen=seen, deadline=self.deadline)
        if int(status(workload).get("observedGeneration", 0)) < int(workload["metadata"]["generation"]):
            return Waiting(text="the controller has not seen it yet"), dict(seen)
        return Done(text=halfway(workload)), {}

    async def _patch(self, cluster: Cluster, workload: Json, held: bool, marks: Marks) -> None:
        """What is not held has no such member: a `test` for null is the one for false."""
        tests, writes = marking(workload, marks)
        change: Json = {"op": "add", "path": _PATH, "value": True} if held else {"op": "remove", "path": _PATH}
        try:
            await cluster.patch(self.workload, self.name, [{"op": "test", "path": _PATH, "value": None if held else True}, *tests, change, *writes])
        except Conflict as refused:
            now = await existing(cluster, self.workload, self.name)
            text = marked_otherwise(self.target, now, marks) or f"{self.target} is {_word(paused(now))} by now."
            raise Conflict(text, "Ask again: the plan is then made afresh.") from refused


def paused(workload: Json) -> bool:
    """Returns whether the workload's rollout is held."""
    return bool(workload["spec"].get("paused"))


def halfway(workload: Json) -> str:
    """Returns how far a rollout that is held has come."""
    new, all_ = int(status(workload).get("updatedReplicas", 0)), wanted(workload)
    return f"with {new} of {all_} pods from the new template" if new < all_ else "no rollout was under way"


def _word(held: bool) -> str:
    return "paused" if held else "not paused"
