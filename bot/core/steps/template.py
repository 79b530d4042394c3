"""The steps that bring a workload to another pod template as a whole: back to an earlier revision, or to the same one, started anew."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Code, Line, line
from bot.core.data import Frozen
from bot.core.errors import Conflict
from bot.core.fields import changes, drift
from bot.core.outcome import Outcome
from bot.core.ports import Cluster, Json, World
from bot.core.steps.forced import delete_unready
from bot.core.steps.live import existing
from bot.core.steps.marks import CHANGE_CAUSE, OPERATION, Marks, Stamp, annotations, foreign, marked_otherwise, marking, short, superseded
from bot.core.steps.watch import watch
from bot.core.workload import container_image

_TEMPLATE = "/spec/template"


class TemplateStep(Frozen):
    """Replaces the whole pod template `old` by `new`, under a `test` of all of `old`, and waits until the rollout is complete.

    `before`, `after`: what the service's own `container` runs, by which people call it; `cause_before`, `owner_before` are the annotations that stand there
    (None: absent).
    """

    wave: int
    environment: str
    service: str
    workload: str
    name: str
    container: str
    before: str
    after: str
    old: Json
    new: Json
    cause_before: str | None
    owner_before: str | None
    deadline: timedelta

    @property
    def target(self) -> str:
        return f"{self.workload.lower()}/{self.name}"

    @property
    def keeps(self) -> str:
        """The name of the revision that is rolled out, where it is known: of its pods none is deleted."""
        return ""

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Changes the template and returns whether it is our change. Raises Conflict, naming what differs, when the template is neither old nor new."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        if workload["spec"]["template"] == self.new:
            if self.keeps:
                await delete_unready(cluster, workload, self.keeps)
            return annotations(workload).get(OPERATION) == stamp.operation
        marks = {CHANGE_CAUSE: (self.cause_before, stamp.cause), OPERATION: (self.owner_before, stamp.operation)}
        world.about_to_act()
        await self._patch(cluster, workload, (self.old, self.new), marks)
        if self.keeps:
            await delete_unready(cluster, workload, self.keeps)
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Puts template and annotations back where they still carry our stamp. Returns why it was left alone, or "". Raises Conflict when somebody changes the
        workload at the same moment.
        """
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        marks, template = annotations(workload), workload["spec"]["template"]
        if template == self.old and marks.get(OPERATION) == self.owner_before:
            await delete_unready(cluster, workload)
            return ""
        if marks.get(OPERATION) != stamp.operation:
            return foreign(self.target, marks.get(OPERATION))
        if template != self.new:
            return f"{self.target} has another template now ({short(_image(template, self.container))}), which this operation did not bring"
        cause = marks.get(CHANGE_CAUSE)
        cause_back = self.cause_before if cause == stamp.cause else cause
        back = {CHANGE_CAUSE: (cause, cause_back), OPERATION: (stamp.operation, self.owner_before)}
        world.about_to_act()
        await self._patch(cluster, workload, (self.new, self.old), back)
        await delete_unready(cluster, workload)
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Looks at the rollout once, as `kubectl rollout status` would, and at the new pods for the cause of a failure."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        if workload["spec"]["template"] != (self.old if undoing else self.new):
            return superseded(self.target, _image(workload["spec"]["template"], self.container)), dict(seen)
        return await watch(cluster, workload, since=since, now=world.now, seen=seen, deadline=self.deadline)

    async def _patch(self, cluster: Cluster, workload: Json, template: tuple[Json, Json], marks: Marks) -> None:
        tests, writes = marking(workload, marks)
        whole = [{"op": "test", "path": _TEMPLATE, "value": template[0]}, *tests, {"op": "replace", "path": _TEMPLATE, "value": template[1]}, *writes]
        try:
            await cluster.patch(self.workload, self.name, whole)
        except Conflict as refused:
            now = await existing(cluster, self.workload, self.name)
            other = _changed(self.target, template[0], now["spec"]["template"]) or marked_otherwise(self.target, now, marks)
            text = other or f"{self.target} was changed at the same moment."
            raise Conflict(text, "Nothing was changed. Ask again: the plan is then made afresh.") from refused

    def _drifted(self, other: "TemplateStep") -> list[str]:
        """What a fresh plan found otherwise before the change."""
        if (said := _changed(self.target, self.old, other.old)) is not None:
            return [said.rstrip(".")]
        if other.owner_before != self.owner_before:
            return [f"{self.target} was changed by {other.owner_before or 'somebody'} meanwhile"]
        return []


class RollbackStep(TemplateStep):
    """Returns to the template of an earlier revision, as `kubectl rollout undo` does. `revision` is its number, `present` the one before the change;
    `revision_name` the ControllerRevision's of a StatefulSet, whose pods that never got ready have to be deleted.
    """

    kind: Literal["rollback"] = "rollback"
    version: Literal[1] = 1
    revision: int
    present: int
    revision_name: str = ""

    @property
    def keeps(self) -> str:
        return self.revision_name if self.workload == "StatefulSet" else ""

    def describe(self) -> Line:
        return line(Code(text=self.service), f" revision {self.present} → {self.revision}: {short(self.before)} → {short(self.after)}")

    def difference(self, other: object) -> list[str]:
        """Returns in words what a fresh plan's step for the same target has otherwise than this one."""
        if not isinstance(other, RollbackStep):
            return [f"{self.target} would be changed in another way"]
        if found := self._drifted(other):
            return found
        if other.new != self.new:
            return [f"revision {other.revision} of {self.target} would be returned to, which is not what revision {self.revision} was"]
        same = {"present": self.present, "revision": self.revision, "cause_before": self.cause_before}
        return [] if other.model_copy(update=same) == self else [f"{self.target} would be changed with other settings"]


class RestartStep(TemplateStep):
    """Starts all pods anew, as `kubectl rollout restart` does: `new` is `old` with the moment `at` in an annotation, by which it is found after a crash."""

    kind: Literal["restart"] = "restart"
    version: Literal[1] = 1
    at: str

    @property
    def change(self) -> str:
        return f"restarts {short(self.before)}"

    @property
    def was(self) -> str:
        return "the pods that were there"

    @property
    def now(self) -> str:
        return "restarted"

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {self.change}")

    def difference(self, other: object) -> list[str]:
        """The moment differs with each plan, and is the approved one's."""
        if not isinstance(other, RestartStep):
            return [f"{self.target} would be changed in another way"]
        if found := self._drifted(other):
            return found
        same = {"at": self.at, "new": self.new, "cause_before": self.cause_before}
        return [] if other.model_copy(update=same) == self else [f"{self.target} would be changed with other settings"]


def _image(template: Json, container: str) -> str:
    return container_image({"spec": {"template": template}}, container) or ""


def _changed(target: str, expected: Json, found: Json) -> str | None:
    """Says where a template differs from what was expected; None when it does not."""
    first = next(iter(changes(found, expected, _TEMPLATE)), None)
    return f"{target} was changed meanwhile: {drift(first, first.before, first.after)}." if first else None
