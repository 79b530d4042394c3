"""How one step's progress follows from what it did or what was seen of it: pure functions from a Run to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.core.card import Attachment
from bot.core.errors import AiecError, Throttled, Unauthenticated, Unavailable
from bot.core.operation import Operation, Phase, Run, Stage, current
from bot.core.outcome import UNANSWERED, Done, Failed, Outcome, Waiting

LOOK_EVERY = timedelta(seconds=2)
RETRY_AT_MOST_EVERY = timedelta(seconds=30)
GIVE_UP_AFTER = timedelta(minutes=10)
AT_ONCE = timedelta()


@dataclass(frozen=True)
class Move:
    """Where a step is now, its failure if it failed, how long to wait before the next visit, and the output that is said beside it."""

    run: Run
    wait: timedelta = AT_ONCE
    failure: Failed | None = None
    output: Attachment | None = None


def intend(operation: Operation) -> Operation:
    """Returns the operation with the intent to act written on every step that acts next. What was not changed by us needs no undoing."""
    for index in current(operation):
        run = operation.runs[index]
        if operation.phase is Phase.RUNNING and run.stage is Stage.PENDING:
            operation = operation.with_run(index, _to(run, Stage.INTENDED))
        elif operation.phase is Phase.UNDOING and run.stage not in (Stage.UNDO_INTENDED, Stage.UNDO_APPLIED):
            ours = run.ours or run.stage is Stage.INTENDED
            operation = operation.with_run(index, _to(run, Stage.UNDO_INTENDED if ours else Stage.UNDONE))
    return operation


def applied(run: Run, ours: bool, now: datetime) -> Move:
    """The step acted; `ours`: it was we who changed it."""
    return Move(_to(run, Stage.APPLIED, ours=ours, since=now))


def put_back(run: Run, kept: str, now: datetime) -> Move:
    """The step was undone, or `kept` says why it was left alone."""
    return Move(_to(run, Stage.KEPT if kept else Stage.UNDO_APPLIED, since=now, text=kept, ours=True))


def looked(run: Run, outcome: Outcome, seen: Mapping[str, datetime]) -> Move:
    """The step was looked at."""
    match outcome:
        case Waiting():
            return Move(run.model_copy(update={"text": outcome.text, "progress": outcome.progress, "seen": dict(seen), "tries": 0}), LOOK_EVERY)
        case Done():
            return Move(_to(run, Stage.UNDONE if run.stage is Stage.UNDO_APPLIED else Stage.DONE, text=outcome.text), output=outcome.output)
        case Failed():
            return given_up(run, outcome)


def unanswered(run: Run, error: AiecError, now: datetime) -> Move:
    """There was no answer, our credentials have expired, or somebody was faster: tried again with a growing pause, for as long as GIVE_UP_AFTER; `seen` keeps
    since when."""
    since = run.seen.get(UNANSWERED, now)
    if now - since >= GIVE_UP_AFTER:
        return given_up(run, Failed(code=error.code, why=error.text, hint=error.hint), unsure=True)
    pause = error.retry_after if isinstance(error, Throttled) else min(timedelta(seconds=2 ** min(run.tries, 5)), RETRY_AT_MOST_EVERY)
    seen = {**run.seen, UNANSWERED: since}
    said = "no answer, tries again" if isinstance(error, Unavailable) else "tries again"
    advice = f" {error.hint}" if isinstance(error, Unauthenticated) else ""
    return Move(run.model_copy(update={"tries": run.tries + 1, "text": f"{said}: {error.text}{advice}", "seen": seen}), pause)


def given_up(run: Run, failure: Failed, *, unsure: bool = False) -> Move:
    """The step failed, forward or backward. `unsure`: it is not known whether it acted; what may be ours is looked at when undoing."""
    backward = run.stage in (Stage.UNDO_INTENDED, Stage.UNDO_APPLIED)
    ours = run.ours or (unsure and run.stage is Stage.INTENDED)
    return Move(_to(run, Stage.UNDO_FAILED if backward else Stage.FAILED, text=failure.why, ours=ours), failure=failure, output=failure.output)


def _to(run: Run, stage: Stage, *, text: str = "", **changes: Any) -> Run:
    return run.model_copy(update={"stage": stage, "text": text, "progress": None, "seen": {}, "tries": 0, **changes})
