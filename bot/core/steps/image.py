"""The step that brings one container of a workload to another image."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Code, Line, line
from bot.core.data import Frozen
from bot.core.errors import Conflict
from bot.core.outcome import Outcome
from bot.core.ports import Cluster, Json, World
from bot.core.steps.forced import delete_stuck
from bot.core.steps.live import existing
from bot.core.steps.marks import CHANGE_CAUSE, OPERATION, Marks, Stamp, annotations, foreign, marked_otherwise, marking, short, superseded
from bot.core.steps.watch import watch
from bot.core.workload import container_image


class ImageStep(Frozen):
    """Brings one container of a workload from one image to another, and waits until the rollout is complete.

    `index` is the container's place in the pod template; `cause_before`, `owner_before` are the annotations that stand there (None: absent), for the undo.
    """

    kind: Literal["image"] = "image"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    workload: str
    name: str
    container: str
    index: int
    before: str
    after: str
    cause_before: str | None
    owner_before: str | None
    deadline: timedelta

    @property
    def target(self) -> str:
        return f"{self.workload.lower()}/{self.name}"

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {short(self.before)} → {short(self.after)}")

    def difference(self, other: object) -> list[str]:
        """Returns in words what a fresh plan's step for the same target has otherwise than this one."""
        if not isinstance(other, ImageStep):
            return [f"{self.target} would be changed in another way"]
        found = []
        if other.before != self.before:
            found.append(f"{self.target} runs {short(other.before)} now, not {short(self.before)}")
        if other.after != self.after:
            found.append(f"the image {short(self.after)} is another one now ({other.after.rpartition('@')[2][:19]})")
        if other.cause_before != self.cause_before and other.before == self.before:
            found.append(f"{self.target} was changed meanwhile: its change-cause is {other.cause_before!r}, not {self.cause_before!r}")
        if (other.container, other.index) != (self.container, self.index):
            found.append(f"the containers of {self.target} were rearranged")
        return found or [f"{self.target} would be changed with other settings"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Changes the image and returns whether it is our change. Raises Conflict, naming what differs, when the workload is neither at before nor at after."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        if self._image(workload) == self.after:
            return annotations(workload).get(OPERATION) == stamp.operation
        marks = {CHANGE_CAUSE: (self.cause_before, stamp.cause), OPERATION: (self.owner_before, stamp.operation)}
        world.about_to_act()
        await self._patch(cluster, workload, (self.before, self.after), marks)
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Puts image and annotations back where they still carry our stamp, and deletes our pods that would hold that up. Returns why it was left alone, or "".

        Raises Conflict when somebody changes the workload at the same moment: whether it is still ours is then to be looked at again.
        """
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        marks = annotations(workload)
        if self._image(workload) == self.before and marks.get(OPERATION) == self.owner_before:
            await delete_stuck(cluster, workload, self.container, self.after)
            return ""
        if marks.get(OPERATION) != stamp.operation:
            return foreign(self.target, marks.get(OPERATION))
        if self._image(workload) != self.after:
            return f"{self.target} runs {short(self._image(workload))} now, which this operation did not bring"
        cause = marks.get(CHANGE_CAUSE)
        cause_back = self.cause_before if cause == stamp.cause else cause
        back = {CHANGE_CAUSE: (cause, cause_back), OPERATION: (stamp.operation, self.owner_before)}
        world.about_to_act()
        await self._patch(cluster, workload, (self.after, self.before), back)
        await delete_stuck(cluster, workload, self.container, self.after)
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Looks at the rollout once, as `kubectl rollout status` would, and at the new pods for the cause of a failure."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        wanted = self.before if undoing else self.after
        if self._image(workload) != wanted:
            return superseded(self.target, self._image(workload)), dict(seen)
        return await watch(cluster, workload, since=since, now=world.now, seen=seen, deadline=self.deadline)

    def _image(self, workload: Json) -> str:
        return container_image(workload, self.container) or "nothing"

    async def _patch(self, cluster: Cluster, workload: Json, image: tuple[str, str], marks: Marks) -> None:
        """Replaces image and annotations, each given as (expected, wanted) and None where it is absent, under `test`s of what is expected: thus the API server
        itself refuses a drift. Raises Conflict, naming what differs.
        """
        path = f"/spec/template/spec/containers/{self.index}"
        tests, writes = marking(workload, marks)
        operations: list[Json] = [
            {"op": "test", "path": f"{path}/name", "value": self.container},
            {"op": "test", "path": f"{path}/image", "value": image[0]},
            *tests,
            {"op": "replace", "path": f"{path}/image", "value": image[1]},
            *writes,
        ]
        try:
            await cluster.patch(self.workload, self.name, operations)
        except Conflict as refused:
            now = await existing(cluster, self.workload, self.name)
            raise Conflict(self._drift(now, image[0], marks), "Nothing was changed. Ask again: the plan is then made afresh.") from refused

    def _drift(self, workload: Json, image: str, marks: Marks) -> str:
        """Says what is otherwise than expected: a refused `test` does not say it."""
        now = self._image(workload)
        if now != image:
            return f"{self.target} runs {short(now)} now, not {short(image)} as planned."
        return marked_otherwise(self.target, workload, marks) or f"The containers of {self.target} were rearranged meanwhile."
