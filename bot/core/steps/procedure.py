"""The step that runs a named command in a service's container, once: it is never known of a command that running it twice does no harm."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Code, Evidence, Line, line
from bot.core.data import Frozen
from bot.core.durations import notation
from bot.core.errors import AiecError, CommandFailed, Conflict
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import Cluster, Json, World
from bot.core.redact import redacted
from bot.core.steps.live import existing
from bot.core.steps.marks import RAN, Stamp, annotations, marking
from bot.core.text import cut, printable
from bot.core.workload import container_of, ready

WITHIN = timedelta(seconds=40)
"""How long a command may take: a manager's turn is little longer. What takes more begins it, and has a `check` that says when it is over."""
BEGUN = " begun"
_LONGER = "What takes longer begins it, and has a `check` in aiec.yaml that says when it is over."
_KEPT, _SHOWN = 4_000, 300


class ProcedureStep(Frozen):
    """Runs `command` in `container` of one ready pod of the service's workload, and then `look`, where there is one, until that succeeds, for `deadline` at
    most.

    `at` is the moment of the plan: written on the workload before, and with BEGUN behind it when the command starts, so that a crash in between never makes it
    run twice. `ran_before` stands there now.
    """

    kind: Literal["procedure"] = "procedure"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    workload: str
    name: str
    container: str
    procedure: str
    command: tuple[str, ...]
    look: tuple[str, ...] = ()
    deadline: timedelta
    at: str
    ran_before: str | None

    @property
    def target(self) -> str:
        return f"{self.procedure} in {self.workload.lower()}/{self.name}"

    @property
    def change(self) -> str:
        return f"runs {self.procedure}"

    @property
    def was(self) -> str:
        return f"without {self.procedure}"

    @property
    def now(self) -> str:
        return f"ran {self.procedure}"

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {self.change}: ", Code(text=" ".join(self.command)))

    def difference(self, other: object) -> list[str]:
        """The moment differs with each plan, and is the approved one's."""
        if not isinstance(other, ProcedureStep):
            return [f"{self.target} would be done in another way"]
        if other.ran_before != self.ran_before:
            return [f"another command ran in {self.workload.lower()}/{self.name} meanwhile"]
        same = other.model_copy(update={"at": self.at}) == self
        return [] if same else [f"{self.procedure} is another command now: {' '.join(other.command)}"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Writes on the workload that it is about to run. Raises Conflict when another one ran meanwhile."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        if (annotations(workload).get(RAN) or "").removesuffix(BEGUN) == self.at:
            return True
        world.about_to_act()
        await self._mark(cluster, workload, (self.ran_before, self.at))
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        return f"{self.procedure} has run, and no command takes it back"

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Runs the command at the first look, and its `look` at each of the others."""
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        mark = annotations(workload).get(RAN)
        if mark == self.at:
            world.about_to_act()
            await self._mark(cluster, workload, (self.at, self.at + BEGUN))
            said = await self._run(cluster, workload, self.command)
            return (said if isinstance(said, Failed) or not self.look else Waiting(text="ran, and is looked at")), {"ran": world.now}
        if mark != self.at + BEGUN:
            return Failed(code="Superseded", why=f"another command ran in {self.workload.lower()}/{self.name} meanwhile"), {}
        if not self.look:
            why = f"whether {self.procedure} ran to its end is not known: aiec was stopped while it ran"
            return Failed(code="unknown", why=why, hint="It is not run again by itself. See what it did, then ask again."), {}
        said = await self._run(cluster, workload, self.look)
        if isinstance(said, Done):
            return Done(text=f"checked: {said.text}" if said.text else "checked"), {}
        if world.now - since < self.deadline:
            return Waiting(text=f"not over yet: {said.why}"), dict(seen)
        return said.model_copy(update={"why": f"not over after {notation(self.deadline)}: {said.why}"}), {}

    async def _run(self, cluster: Cluster, workload: Json, command: Sequence[str]) -> Done | Failed:
        """Returns what a command said in the end, without secrets."""
        labels = ",".join(f"{key}={value}" for key, value in workload["spec"]["selector"].get("matchLabels", {}).items())
        pods = sorted((pod for pod in await cluster.list("Pod", labels=labels) if ready(pod)), key=lambda pod: str(pod["metadata"]["name"]))
        if not pods:
            return Failed(
                code="no_pods", why=f"no pod of {self.workload.lower()}/{self.name} is ready", hint=f"`/aiec diagnose {self.environment} {self.service}`"
            )
        pod, written = pods[0], b""
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                async for piece in cluster.exec(pod["metadata"]["name"], container=container_of(pod, self.container), command=command):
                    written = (written + piece.data)[-_KEPT:]
        except TimeoutError:
            why = f"`{command[0]}` did not end within {notation(WITHIN)}; it may still run in {pod['metadata']['name']}"
            return Failed(
                code="timed_out",
                why=why,
                hint=_LONGER,
                evidence=_evidence(written),
            )
        except CommandFailed as error:
            return Failed(code=error.code, why=redacted(printable(error.text)).rstrip("."), hint=error.hint, evidence=_evidence(written))
        except AiecError as error:
            return Failed(code=error.code, why=error.text.rstrip("."), hint=error.hint, evidence=_evidence(written))
        return Done(text=cut(" / ".join(_text(written).split("\n")[-3:]), _SHOWN))

    async def _mark(self, cluster: Cluster, workload: Json, mark: tuple[str | None, str]) -> None:
        tests, writes = marking(workload, {RAN: mark})
        try:
            await cluster.patch(self.workload, self.name, [*tests, *writes])
        except Conflict as refused:
            text = f"Another command ran in {self.workload.lower()}/{self.name} meanwhile."
            raise Conflict(text, "Nothing was run. Ask again: the plan is then made afresh.") from refused


def _text(written: bytes) -> str:
    return redacted(printable(written.decode(errors="replace"))).strip()


def _evidence(written: bytes) -> tuple[Evidence, ...]:
    return (Evidence(title="what it wrote", text=_text(written)),) if written.strip() else ()
