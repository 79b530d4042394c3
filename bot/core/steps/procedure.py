"""The step that runs a named command in a service's container, once: it is never known of a command that running it twice does no harm."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Code, Line, line
from bot.core.data import Frozen
from bot.core.durations import notation
from bot.core.errors import AiecError, Conflict, Refused
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import Cluster, Json, World
from bot.core.steps.live import existing
from bot.core.steps.marks import RAN, Stamp, annotations, marking
from bot.core.steps.written import failed, run, told
from bot.core.workload import container_of, ready
from bot.core.works import Say, Work

LOOK_WITHIN = timedelta(seconds=40)
"""How long a `look` may take: a manager's turn is little longer."""
BEGUN = " begun"
OVER = "over"
"""The key of the step's memory that says when its `look` ran first."""


class ProcedureStep(Frozen):
    """Runs `command` in `container` of one ready pod of the service's workload, beside the engine, for `timeout` at most; then `look`, where there is one,
    until that succeeds, for `deadline` at most.

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
    timeout: timedelta = timedelta(seconds=40)
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
        """Stops waiting for it."""
        assert world.works is not None
        work = world.works.look(self._key)
        if work is None or work.over:
            return f"{self.procedure} has run, and no command takes it back"
        await world.works.stop(self._key)
        return f"{self.procedure} may still run there, and no command takes it back"

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Begins the command at the first look, asks how it is at the others, and runs its `look` when it is over."""
        assert world.works is not None
        cluster = world.clusters[self.environment]
        workload = await existing(cluster, self.workload, self.name)
        mark = annotations(workload).get(RAN)
        if mark == self.at:
            return await self._begin(world, cluster, workload), {}
        if mark != self.at + BEGUN:
            return Failed(code="Superseded", why=f"another command ran in {self.workload.lower()}/{self.name} meanwhile"), {}
        work = world.works.look(self._key)
        if work is not None and not work.over:
            return Waiting(text=work.text or "begins"), {}
        if work is not None and work.error is not None:
            return failed(work.error, self._file), {}
        if self.look:
            return await self._look(world, cluster, workload, work, seen)
        if work is not None:
            text, output = told(work.done or "", self._file)
            return Done(text=text, output=output), {}
        why = f"whether {self.procedure} ran to its end is not known: aiec was stopped while it ran"
        return Failed(code="unknown", why=why, hint="It is not run again by itself. See what it did, then ask again."), {}

    async def _begin(self, world: World, cluster: Cluster, workload: Json) -> Outcome:
        assert world.works is not None
        pod, container = await self._place(cluster, workload)
        world.about_to_act()
        await self._mark(cluster, workload, (self.at, self.at + BEGUN))

        async def work(say: Say) -> str:
            say(f"runs in {pod}")
            return await run(cluster, pod, container, self.command, self.timeout, say)

        world.works.start(self._key, work)
        return Waiting(text=f"runs in {pod}")

    async def _look(
        self, world: World, cluster: Cluster, workload: Json, work: Work | None, seen: Mapping[str, datetime]
    ) -> tuple[Outcome, dict[str, datetime]]:
        since = seen.get(OVER, world.now)
        try:
            said, _ = told(await run(cluster, *await self._place(cluster, workload), self.look, LOOK_WITHIN), self._file)
        except AiecError as error:
            if world.now - since < self.deadline:
                return Waiting(text=f"not over yet: {error.text}"), {OVER: since}
            ended = failed(error, self._file)
            return ended.model_copy(update={"why": f"not over after {notation(self.deadline)}: {ended.why}"}), {}
        output = told(work.done or "", self._file)[1] if work is not None else None
        return Done(text=f"checked: {said}" if said else "checked", output=output), {}

    @property
    def _key(self) -> str:
        return f"{self.target} {self.at}"

    @property
    def _file(self) -> str:
        return f"{self.procedure}-{self.environment}-{datetime.fromisoformat(self.at):%Y%m%d-%H%M%S}.log"

    async def _place(self, cluster: Cluster, workload: Json) -> tuple[str, str]:
        """Returns a ready pod, and the container in it. Raises Refused when none is ready."""
        labels = ",".join(f"{key}={value}" for key, value in workload["spec"]["selector"].get("matchLabels", {}).items())
        pods = sorted((pod for pod in await cluster.list("Pod", labels=labels) if ready(pod)), key=lambda pod: str(pod["metadata"]["name"]))
        if not pods:
            raise Refused(f"no pod of {self.workload.lower()}/{self.name} is ready", f"`/aiec diagnose {self.environment} {self.service}`")
        return pods[0]["metadata"]["name"], container_of(pods[0], self.container)

    async def _mark(self, cluster: Cluster, workload: Json, mark: tuple[str | None, str]) -> None:
        tests, writes = marking(workload, {RAN: mark})
        try:
            await cluster.patch(self.workload, self.name, [*tests, *writes])
        except Conflict as refused:
            text = f"Another command ran in {self.workload.lower()}/{self.name} meanwhile."
            raise Conflict(text, "Nothing was run. Ask again: the plan is then made afresh.") from refused
