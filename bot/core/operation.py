"""An operation: an approved plan on its way, as a state machine of pure functions.

`waiting → running → done`, or from running `→ undoing → rolled_back | cancelled | failed`; from waiting `→ cancelled | expired | refused`.
"""

from datetime import datetime
from enum import StrEnum

from bot.core.approvers import ask, needed
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.outcome import Failed
from bot.core.plan import Plan
from bot.core.request import Actor, Origin


class Stage(StrEnum):
    """Where one step is. INTENDED is written before acting, so that after a crash it is known that the change may have happened."""

    PENDING = "pending"
    INTENDED = "intended"
    APPLIED = "applied"
    DONE = "done"
    FAILED = "failed"
    UNDO_INTENDED = "undo_intended"
    UNDO_APPLIED = "undo_applied"
    UNDONE = "undone"
    KEPT = "kept"
    UNDO_FAILED = "undo_failed"


TOUCHED = frozenset({Stage.INTENDED, Stage.APPLIED, Stage.DONE, Stage.FAILED})
SETTLED = frozenset({Stage.PENDING, Stage.UNDONE, Stage.KEPT, Stage.UNDO_FAILED})


class Run(Frozen):
    """One step's progress. `ours`: whether it was we who changed it (False: it was there already, so it is not ours to undo).

    `seen` is the step's memory between looks (finding → since when); `since` when the present direction was applied; `tries` counts calls that got no answer.
    """

    stage: Stage = Stage.PENDING
    ours: bool = False
    since: datetime | None = None
    text: str = ""
    progress: tuple[int, int] | None = None
    seen: dict[str, datetime] = {}
    tries: int = 0


class Phase(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    UNDOING = "undoing"
    DONE = "done"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"

    @property
    def over(self) -> bool:
        return self not in (Phase.WAITING, Phase.RUNNING, Phase.UNDOING)


class Approval(Frozen):
    by: str
    at: datetime


class Operation(Frozen):
    """`number` is said as `op-142`; `arguments` are the request's, so that a fresh plan can be made; `because` says why it ended so, or what it waits for."""

    number: int
    command: str
    arguments: dict[str, object]
    actor: Actor
    origin: Origin
    plan: Plan
    runs: tuple[Run, ...]
    phase: Phase
    created_at: datetime
    expires_at: datetime
    approvals: tuple[Approval, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure: Failed | None = None
    cancelled_by: str = ""
    because: str = ""

    @property
    def name(self) -> str:
        return f"op-{self.number}"

    @property
    def approved(self) -> bool:
        return len(self.approvals) >= self.plan.approvals

    @property
    def approvers(self) -> list[str]:
        """Who has approved it."""
        return [given.by for given in self.approvals]

    def approve(self, actor: Actor, plan_hash: str, now: datetime) -> "Operation":
        """Returns the operation with one more approval. Raises Refused: not waiting, expired, another plan, one's own, twice."""
        if self.phase is not Phase.WAITING:
            raise Refused(
                f"{self.name} does not wait for an approval any more: it is {self.phase.value.replace('_', ' ')}.",
                f"`/aiec show {self.name}` says how it went.",
            )
        if now >= self.expires_at:
            raise Refused(f"The approval of {self.name} expired at {self.expires_at:%H:%M} UTC.", "Ask for it again; the plan is then made afresh.")
        if plan_hash and plan_hash != self.plan.hash:
            raise Refused(f"That button belongs to another plan than {self.name} has now.", f"Look at it again: `/aiec show {self.name}`.")
        if actor.name == self.actor.name:
            why = "somebody else has to approve it" if self.plan.approvers or not self.plan.permission else "nobody else may approve it"
            raise Refused(f"{self.name} is your own request: {why}.", f"{ask(self.plan, self.approvers)}, or cancel it: `/aiec cancel {self.name}`.")
        if actor.name in self.approvers:
            waits = "" if self.approved else f"; it waits for {needed(self.plan, self.approvers)}"
            raise Refused(f"You have approved {self.name} already{waits}.")
        return self.model_copy(update={"approvals": (*self.approvals, Approval(by=actor.name, at=now))})

    def start(self, now: datetime) -> "Operation":
        return self.model_copy(update={"phase": Phase.RUNNING, "started_at": now})

    def end(self, phase: Phase, now: datetime, because: str = "") -> "Operation":
        return self.model_copy(update={"phase": phase, "ended_at": now, "because": because})

    def with_run(self, index: int, run: Run) -> "Operation":
        return self.model_copy(update={"runs": (*self.runs[:index], run, *self.runs[index + 1 :])})


def begin(number: int, command: str, arguments: dict[str, object], actor: Actor, origin: Origin, plan: Plan, now: datetime) -> Operation:
    """Returns a new operation that waits for its approvals (none needed: it is approved as it stands)."""
    return Operation(
        number=number,
        command=command,
        arguments=arguments,
        actor=actor,
        origin=origin,
        plan=plan,
        runs=tuple(Run() for _ in plan.steps),
        phase=Phase.WAITING,
        created_at=now,
        expires_at=now + plan.expires_after,
    )


def current(operation: Operation) -> list[int]:
    """Returns the indexes of the steps to move now: forward the first wave that is not done, backward the last wave that is not settled."""
    waves = [step.wave for step in operation.plan.steps]
    if operation.phase is Phase.RUNNING:
        open_ = [i for i, run in enumerate(operation.runs) if run.stage is not Stage.DONE]
        return [i for i in open_ if waves[i] == min(waves[j] for j in open_)]
    if operation.phase is Phase.UNDOING:
        open_ = [i for i, run in enumerate(operation.runs) if run.stage not in SETTLED]
        return [i for i in open_ if waves[i] == max(waves[j] for j in open_)]
    return []


def expire(operation: Operation, now: datetime) -> Operation:
    """Returns a waiting operation ended when its time is over: nobody approved it, or it could not start while the approval was good."""
    if now < operation.expires_at:
        return operation
    because = f"it could not start in time{f': {operation.because}' if operation.because else ''}" if operation.approved else "nobody approved it in time"
    return operation.end(Phase.EXPIRED, now, because)


def fail(operation: Operation, failure: Failed, now: datetime) -> Operation:
    """Returns what becomes of a running operation whose step failed: it is undone where the plan says so, else it ends failed."""
    operation = operation.model_copy(update={"failure": operation.failure or failure})
    return operation.model_copy(update={"phase": Phase.UNDOING}) if operation.plan.undo_on_failure else operation.end(Phase.FAILED, now)


def cancel(operation: Operation, actor: Actor, now: datetime) -> Operation:
    """Returns the cancelled operation: a waiting one ends, a running one is undone first. Raises Refused when it is over or already being undone."""
    if operation.phase is Phase.WAITING:
        return operation.model_copy(update={"cancelled_by": actor.name}).end(Phase.CANCELLED, now)
    if operation.phase is Phase.RUNNING:
        return operation.model_copy(update={"cancelled_by": actor.name, "phase": Phase.UNDOING})
    if operation.phase is Phase.UNDOING:
        raise Refused(f"{operation.name} is being undone already.", f"`/aiec show {operation.name}` says how far it is.")
    raise Refused(
        f"{operation.name} is over: it is {operation.phase.value.replace('_', ' ')}.",
        f"`/aiec rollback {operation.plan.environment} --operation {operation.name}` undoes it.",
    )


def settle(operation: Operation, now: datetime) -> Operation:
    """Returns the operation ended, if all its steps have got where they were going; else unchanged."""
    stages = [run.stage for run in operation.runs]
    if operation.phase is Phase.RUNNING and all(stage is Stage.DONE for stage in stages):
        return operation.end(Phase.DONE, now)
    if operation.phase is Phase.UNDOING and all(stage in SETTLED for stage in stages):
        if Stage.UNDO_FAILED in stages or Stage.KEPT in stages:
            return operation.end(Phase.FAILED, now, "not everything could be put back")
        return operation.end(Phase.CANCELLED if operation.cancelled_by and operation.failure is None else Phase.ROLLED_BACK, now)
    return operation
