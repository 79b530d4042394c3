"""The step that sees whether what was changed stays well."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from bot.core.card import Line, line
from bot.core.data import Frozen
from bot.core.gates import MetricGate, Reading, look
from bot.core.outcome import UNANSWERED, Done, Failed, Outcome, Waiting
from bot.core.ports import Json, World
from bot.core.steps.marks import Stamp, superseded
from bot.core.workload import container_image, readiness


class Expected(Frozen):
    """A workload and the image that one of its containers shall run."""

    workload: str
    name: str
    container: str
    image: str

    @property
    def target(self) -> str:
        return f"{self.workload.lower()}/{self.name}"


class VerifyStep(Frozen):
    """Changes nothing: sees that the health URLs answer, the workloads stay complete and the gates pass for `hold`, and fails when they do not for `patience`,
    or at once when a workload runs something else. `workloads` and `gates` are those of this wave and of all before it.
    """

    kind: Literal["verify"] = "verify"
    version: Literal[1] = 1
    wave: int
    environment: str
    urls: tuple[str, ...]
    workloads: tuple[Expected, ...]
    timeout: timedelta
    hold: timedelta
    patience: timedelta
    gates: tuple[MetricGate, ...] = ()

    @property
    def target(self) -> str:
        return f"health of {self.environment} after wave {self.wave}"

    def describe(self) -> Line:
        return line(f"health for {int(self.hold.total_seconds())} s: ", ", ".join(self.urls) or "pods only")

    def difference(self, other: object) -> list[str]:
        """Which workloads it looks at follows from the other steps, and differs with them; figures and health move by themselves, and the checks judge them."""
        if isinstance(other, VerifyStep) and other.model_copy(update={"workloads": self.workloads, "gates": self.gates, "urls": self.urls}) == self:
            return []
        return [f"{self.target} would be checked otherwise"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        return False

    async def undo(self, world: World, stamp: Stamp) -> str:
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Looks once. `seen` remembers since when it is well, or since when it is not; a time in which nothing could be seen counts for neither."""
        if undoing:
            return Done(text=""), {}
        if UNANSWERED in seen:
            seen = {}
        cluster = world.clusters[self.environment]
        found = await asyncio.gather(*(cluster.get(one.workload, one.name) for one in self.workloads))
        for one, workload in zip(self.workloads, found, strict=True):
            if workload is not None and container_image(workload, one.container) != one.image:
                return superseded(one.target, container_image(workload, one.container) or "nothing"), {}
        probes, readings = await asyncio.gather(asyncio.gather(*(self._probe(world, url) for url in self.urls)), look(world.metrics, self.gates))
        problems = [problem for problem in (*probes, *map(_incomplete, self.workloads, found), *map(_unmet, readings)) if problem is not None]
        if problems:
            return self._ill(problems[0], seen.get("ill", world.now), world.now)
        return self._well([one.said for one in readings], seen.get("well", world.now), world.now)

    def _ill(self, problem: Failed, since: datetime, now: datetime) -> tuple[Outcome, dict[str, datetime]]:
        if now - since < self.patience:
            return Waiting(text=problem.why), {"ill": since}
        return problem.model_copy(update={"why": f"{problem.why}, for {int((now - since).total_seconds())} s"}), {}

    def _well(self, figures: list[str], since: datetime, now: datetime) -> tuple[Outcome, dict[str, datetime]]:
        elapsed, hold = (int(length.total_seconds()) for length in (now - since, self.hold))
        if now - since >= self.hold:
            return Done(text="; ".join([f"healthy for {hold} s", *figures])), {}
        return Waiting(text="; ".join(["healthy so far", *figures]), progress=(elapsed, hold)), {"well": since}

    async def _probe(self, world: World, url: str) -> Failed | None:
        answer = await world.prober.probe(url, self.timeout)
        return None if answer.status is not None and 200 <= answer.status < 300 else _unhealthy(f"{url}: {answer.text}")


def _incomplete(expected: Expected, workload: Json | None) -> Failed | None:
    if workload is None:
        return _unhealthy(f"{expected.target} does not exist any more")
    ready, wanted = readiness(workload)
    return None if ready >= wanted else _unhealthy(f"{expected.target}: {ready} of {wanted} pods ready")


def _unhealthy(why: str) -> Failed:
    return Failed(code="Unhealthy", why=why, hint="`/aiec status` shows what runs.")


def _unmet(reading: Reading) -> Failed | None:
    return None if reading.passes else Failed(code="GateFailed", why=reading.said, hint=reading.hint)
