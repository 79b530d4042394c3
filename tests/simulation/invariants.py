"""What must hold after every commit and every change in the cluster, watched from outside the bot: the database's rows, the objects, nothing in between."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bot.core.access import allowed
from bot.core.config import Config
from bot.core.operation import SETTLED, Operation, Phase, Stage
from bot.core.request import Actor
from bot.core.steps import CHANGE_CAUSE, OPERATION, ImageStep
from sandbox.world import World
from tests.simulation.scene import BAD, NAMESPACES, TRUSTED

Json = dict[str, Any]
Place = tuple[str, str]
"""An environment and a service in it."""

NEXT = {
    None: {Phase.WAITING, Phase.RUNNING, Phase.REFUSED},
    Phase.WAITING: {Phase.RUNNING, Phase.CANCELLED, Phase.EXPIRED, Phase.REFUSED},
    Phase.RUNNING: {Phase.UNDOING, Phase.DONE, Phase.FAILED, Phase.ROLLED_BACK, Phase.CANCELLED},
    Phase.UNDOING: {Phase.FAILED, Phase.ROLLED_BACK, Phase.CANCELLED},
}
DUE = (
    "select min(max(next_at, coalesce(lease_until, next_at))) from operations where next_at is not null",
    "select min(max(next_at, coalesce(lease_until, next_at))) from messages where next_at is not null",
    "select min(max(received_at, coalesce(lease_until, received_at))) from requests where state = 'received'",
)
ACTIVE = (Phase.RUNNING, Phase.UNDOING)


class Witness:
    """Collects in `problems` what should never have been. `patched` and `committed` are called when it has happened, `turn` before the bot moves."""

    def __init__(self, database: str, world: World, config: Config, trace: Callable[[str], None]) -> None:
        self.rows = sqlite3.connect(database, isolation_level=None)
        self.problems: list[str] = []
        self._world, self._config, self._trace = world, config, trace
        self._phases: dict[int, Phase] = {}
        self._changes: Counter[tuple[int, Place, bool]] = Counter()
        self._last: dict[Place, int | None] = {}
        self._foreign: dict[Place, int] = {}
        self._turn = 0
        self._began = world.clock.now()

    @property
    def endings(self) -> Counter[str]:
        """How many operations there are in each phase."""
        return Counter(phase.value for phase in self._phases.values())

    def turn(self) -> None:
        """What others do from here on, the bot may not have seen when it decides."""
        self._turn += 1
        self._began = self._world.clock.now()

    def problem(self, text: str) -> None:
        self._trace(f"!! {text}")
        self.problems.append(text)

    # ---- the cluster

    def foreign(self, place: Place) -> None:
        """Somebody other than the bot has changed a service's image."""
        self._last[place] = None
        self._foreign[place] = self._turn

    def patched(self, namespace: str, name: str, before: Json, after: Json) -> None:
        """The bot has changed a Deployment. There is an operation that may, at this moment, in exactly this way."""
        environment = next(key for key, value in NAMESPACES.items() if value == namespace)
        place, images = (environment, name), (image_of(before), image_of(after))
        whose = [self._operation(mark) for mark in (marks(after).get(OPERATION), marks(before).get(OPERATION))]
        forward = self._planned(whose[0], place, images, Stage.INTENDED)
        backward = self._planned(whose[1], place, (images[1], images[0]), Stage.UNDO_INTENDED)
        operation = forward or backward
        if operation is None:
            said = [f"{each.name} is {each.phase.value}" if each else "no operation" for each in whose]
            self.problem(f"{place} went from {images[0]} to {images[1]} and no operation was at that step ({' / '.join(said)})")
            return
        self._trace(f"  {operation.name} {'changes' if forward else 'undoes'} {place}: {images[0][-28:]} -> {images[1][-28:]}")
        self._overwritten(operation, place, before, after, undone=forward is None)
        self._in_order(operation, place, undone=forward is None)
        self._changes[operation.number, place, forward is not None] += 1
        if self._changes[operation.number, place, forward is not None] > 1:
            self.problem(f"{operation.name} {'changed' if forward else 'undid'} {place} twice")
        self._last[place] = operation.number if forward else None

    def _planned(self, operation: Operation | None, place: Place, images: tuple[str, str], stage: Stage) -> Operation | None:
        """The operation, if it is under way and now at the step that changes this place so."""
        if operation is None or operation.phase not in ACTIVE:
            return None
        for step, run in zip(operation.plan.steps, operation.runs, strict=True):
            if isinstance(step, ImageStep) and (step.environment, step.service) == place and (step.before, step.after) == images and run.stage is stage:
                return operation
        return None

    def _overwritten(self, operation: Operation, place: Place, before: Json, after: Json, *, undone: bool) -> None:
        """Of what was there, nothing but the image and our two annotations may be different, and those only if they are ours to change."""
        step = next(step for step in operation.plan.steps if isinstance(step, ImageStep) and (step.environment, step.service) == place)
        if not undone and marks(before).get(CHANGE_CAUSE) != step.cause_before:
            self.problem(f"{operation.name} overwrote the change-cause that somebody wrote on {place} after the plan: {marks(before).get(CHANGE_CAUSE)!r}")
        if undone and operation.name not in marks(before).get(CHANGE_CAUSE, "") and marks(after).get(CHANGE_CAUSE) != marks(before).get(CHANGE_CAUSE):
            self.problem(f"{operation.name} undid the change-cause that somebody else wrote on {place}: {marks(before).get(CHANGE_CAUSE)!r}")
        if _others(before) != _others(after):
            self.problem(f"{operation.name} changed more of {place} than it said: {_others(before)} became {_others(after)}")

    def _in_order(self, operation: Operation, place: Place, *, undone: bool) -> None:
        """A wave begins when those before it are done, and is put back when those after it are."""
        pairs = [*zip(operation.plan.steps, operation.runs, strict=True)]
        wave = next(step.wave for step, _ in pairs if isinstance(step, ImageStep) and (step.environment, step.service) == place)
        if not undone and any(step.wave < wave and run.stage is not Stage.DONE for step, run in pairs):
            self.problem(f"{operation.name} changed {place} before the waves before it were done")
        if undone and any(step.wave > wave and run.stage not in SETTLED for step, run in pairs):
            self.problem(f"{operation.name} undid {place} before the waves after it were put back")

    # ---- the database

    def committed(self) -> None:
        """A transaction has been committed."""
        active: Counter[str] = Counter()
        for number, state, environment in self.rows.execute("select id, state, environment from operations order by id").fetchall():
            phase, before = Phase(state), self._phases.get(number)
            active[environment] += phase in ACTIVE
            if phase is not before:
                self._phases[number] = phase
                self._trace(f"  op-{number} {environment}: {before and before.value} -> {phase.value}")
                self._moved(self._operation(f"op-{number}"), before, phase)
        self.problem(f"several operations run at once: {dict(active)}") if max(active.values(), default=0) > 1 else None

    def _moved(self, operation: Operation | None, before: Phase | None, after: Phase) -> None:
        assert operation is not None
        if after not in NEXT.get(before, ()):
            self.problem(f"{operation.name} went from {before} to {after}")
        if after is Phase.RUNNING:
            self._started(operation)
        if after.over:
            self._ended(operation)

    def _started(self, operation: Operation) -> None:
        plan, name = operation.plan, operation.name
        needed = self._config.environments[plan.environment].approvals
        approvers = {given.by for given in operation.approvals}
        if len(approvers) < needed or operation.actor.name in approvers:
            self.problem(f"{name} of {operation.actor.name} started with the approvals {sorted(approvers)}")
        for given in operation.approvals:
            if given.at >= operation.expires_at or not self._may(given.by, plan.environment):
                self.problem(f"{name} started with an approval that does not count: {given}")
        if operation.started_at is None or operation.started_at >= operation.expires_at:
            self.problem(f"{name} started at {operation.started_at}, when its approval had expired at {operation.expires_at}")
        if any(check.verdict == "blocked" or (check.verdict == "waived" and not plan.emergency) for check in plan.checks):
            self.problem(f"{name} started against a check")
        since, now = (f"{moment:%Y-%m-%d %H:%M:%S.%f}" for moment in (self._began, self._world.clock.now()))
        frozen = "select reason from freezes where environment = ? and starts_at < ? and (ends_at is null or ends_at > ?)"
        if not plan.emergency and self.rows.execute(frozen, (plan.environment, since, now)).fetchall():
            self.problem(f"{name} started in a freeze")
        holder = self.rows.execute("select holder from locks where environment = ?", (plan.environment,)).fetchone()
        if holder is None or holder[0] not in (name, operation.actor.name):
            self.problem(f"{name} started while {holder} held {plan.environment}")

    def _may(self, person: str, environment: str) -> bool:
        groups = frozenset({"@devops"}) if person in TRUSTED else frozenset[str]()
        return allowed(self._config, Actor(name=person, known=person in self._config.people), groups, "deploy", environment).allowed

    def _ended(self, operation: Operation) -> None:
        """What it says of each service is true."""
        for step, run in zip(operation.plan.steps, operation.runs, strict=True):
            if not isinstance(step, ImageStep):
                continue
            place = (step.environment, step.service)
            workload = self._world.kubernetes.get("Deployment", NAMESPACES[step.environment], step.name)
            now = image_of(workload) if workload else ""
            unseen = self._foreign.get(place) == self._turn
            if operation.phase is Phase.DONE and any(f"-{fate}@" in step.after for fate in BAD):
                self.problem(f"{operation.name} is done, and {step.after} can never have been healthy")
            if operation.phase is Phase.DONE and now != step.after and not unseen:
                self.problem(f"{operation.name} is done, and {place} runs {now}, not {step.after}")
            ours = now == step.after and self._last.get(place) == operation.number and workload is not None and marks(workload).get(OPERATION) == operation.name
            if ours and operation.phase in (Phase.ROLLED_BACK, Phase.CANCELLED) and not unseen:
                self.problem(f"{operation.name} is {operation.phase.value}, and {place} still runs {now}, which it brought")
            if ours and run.stage in (Stage.PENDING, Stage.UNDONE) and not unseen:
                self.problem(f"{operation.name} says that {place} is {run.stage.value}, and it still runs what it brought")

    def _operation(self, name: str | None) -> Operation | None:
        if not name or not name.startswith("op-"):
            return None
        row = self.rows.execute("select document from operations where id = ?", (int(name[3:]),)).fetchone()
        return Operation.model_validate(json.loads(row[0])) if row else None

    def next_due(self) -> datetime | None:
        """When the bot has something to do next, if ever: what a process that died has left locked is not free before its lease is over."""
        found = [self.rows.execute(query).fetchone()[0] for query in DUE]
        times = [datetime.fromisoformat(at).replace(tzinfo=UTC) for at in found if at]
        return min(times, default=None)

    def look(self) -> None:
        """No lock outlives its operation."""
        for environment, holder in self.rows.execute("select environment, holder from locks where holder like 'op-%'").fetchall():
            if self._phases.get(int(holder[3:])) not in ACTIVE:
                self.problem(f"{holder} is over and still holds {environment}")


def image_of(workload: Json) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def marks(workload: Json) -> dict[str, str]:
    found: dict[str, str] = workload["metadata"].get("annotations") or {}
    return found


def _others(workload: Json) -> Json:
    """The object without what a deploy may change, and without what the API server and its controllers write."""
    kept: Json = json.loads(json.dumps({"metadata": workload["metadata"], "spec": workload["spec"]}))
    kept["spec"]["template"]["spec"]["containers"][0].pop("image")
    for field in ("resourceVersion", "generation"):
        kept["metadata"].pop(field, None)
    for annotation in (CHANGE_CAUSE, OPERATION):
        kept["metadata"].get("annotations", {}).pop(annotation, None)
    return kept
