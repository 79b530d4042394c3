"""The manager that moves operations: one step a visit, its intent written before it acts, so that it may die between any two lines."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import select as columns
from sqlmodel import col, or_, select

from bot.command import Change, Command, Context
from bot.core.card import Card, line
from bot.core.config import Config
from bot.core.errors import AiecError, Conflict, Unauthenticated, Unavailable
from bot.core.figures import figures_card
from bot.core.operation import Operation, Phase, Stage, current, expire, fail, settle
from bot.core.outcome import Failed
from bot.core.plan import differences
from bot.core.ports import World
from bot.core.progress import AT_ONCE, LOOK_EVERY, Move, applied, given_up, intend, looked, put_back, unanswered
from bot.core.request import Request
from bot.core.steps import SEVERAL, Stamp
from bot.ledger import FIGURES, Beside, LostLease, launch, store
from bot.store.due import NOW, Due, Look, free
from bot.store.store import Store
from bot.store.tables import OperationRow
from bot.store.transaction import Transaction

BATCH = 20
LEASE = timedelta(seconds=90)

log = logging.getLogger("aiec.operations")


class OperationManager:
    """`update` takes the operations that are due (or whose environment stirred) and moves each by one step."""

    name = "operations"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config, commands: Mapping[str, Command[Any]], world: Callable[[], World]) -> None:
        self._store = store
        self._config = config
        self._commands = commands
        self._world = world
        self._stirred: set[str] = set()

    def stir(self, environment: str) -> None:
        """Says that something changed in an environment: its operations are looked at on the next update, due or not."""
        self._stirred.add(environment)

    async def active(self) -> frozenset[str]:
        """Returns the environments in which an operation is under way, and which are thus worth watching."""
        return await self._store.read(active)

    def look(self) -> Look:
        return True if self._stirred else _DUE.there

    async def update(self, now: datetime) -> bool:
        """Moves what is due and returns whether there was anything."""
        stirred, self._stirred = self._stirred, set()
        claimed = await self._store.transaction(lambda tx: _claim(tx, stirred))
        await asyncio.gather(*(self._visit(operation, fence) for operation, fence in claimed))
        return bool(claimed)

    async def _visit(self, operation: Operation, fence: int) -> None:
        try:
            if operation.phase is Phase.WAITING:
                await self._consider(operation, fence)
            else:
                await self._advance(operation, fence)
        except LostLease:
            return

    async def _save(
        self, before: Operation, after: Operation, fence: int, next_at: datetime | None = None, *, keep: bool = False, beside: Sequence[Beside] = ()
    ) -> None:
        await self._store.transaction(lambda tx: store(tx, self._config, before, after, fence, next_at, keep, beside))

    async def _consider(self, operation: Operation, fence: int) -> None:
        """Starts an approved operation if its plan still holds, ends one whose approval came too late, and leaves the others waiting."""
        now = self._store.clock.now()
        if not operation.approved or now >= operation.expires_at:
            await self._save(operation, expire(operation, now), fence, operation.expires_at)
            return
        try:
            obstacle = await self._obstacle(operation)
        except Unavailable as error:
            await self._save(operation, operation.model_copy(update={"because": error.text}), fence, min(now + LOOK_EVERY, operation.expires_at))
            return
        except AiecError as error:
            obstacle = error.text
        if obstacle:
            await self._save(operation, operation.end(Phase.REFUSED, now, obstacle), fence)
            return
        await self._store.transaction(lambda tx: store(tx, self._config, operation, launch(tx, operation), fence, now))

    async def _obstacle(self, operation: Operation) -> str:
        """Plans afresh and returns what has changed since the approval, or which check stands in the way now; empty when the plan holds."""
        command = self._commands[operation.command]
        assert isinstance(command.does, Change)
        request = Request(key=operation.name, command=operation.command, arguments=operation.arguments, actor=operation.actor, origin=operation.origin)
        context = Context(request, self._config, self._world(), self._store, self._commands)
        fresh = await command.does.plan(command.arguments.model_validate(operation.arguments), context)
        drift = differences(operation.plan, fresh)
        return "; ".join(drift or [check.text for check in fresh.blocks])

    async def _advance(self, operation: Operation, fence: int) -> None:
        intended = intend(operation)
        if intended != operation:
            await self._save(operation, intended, fence, self._store.clock.now(), keep=True)
        world = self._world()
        moves = current(intended)
        made = await asyncio.gather(*(self._move(intended, index, world) for index in moves))
        now = self._store.clock.now()
        after = intended
        for index, move in zip(moves, made, strict=True):
            after = after.with_run(index, move.run)
            if move.failure is not None and after.phase is Phase.RUNNING:
                after = fail(after, move.failure, now)
        after = settle(after, now)
        turned = after.phase is not intended.phase or current(after) != moves
        beside = [*_outputs(after, moves, made), *await self._figures(world, after)]
        await self._save(intended, after, fence, now if turned else now + min((move.wait for move in made), default=AT_ONCE), beside=beside)

    async def _figures(self, world: World, operation: Operation) -> list[Beside]:
        """The figures of an operation that is over; it ends all the same when there is a mistake of ours in them."""
        try:
            card = await figures_card(world, self._config, operation)
        except Exception:
            log.exception("%s: its figures", operation.name)
            return []
        return [(FIGURES, card)] if card is not None else []

    async def _move(self, operation: Operation, index: int, world: World) -> Move:
        """Acts or looks once. Whatever goes wrong has an outcome: no operation may hang on a mistake of ours."""
        run, step = operation.runs[index], operation.plan.steps[index]
        try:
            match run.stage:
                case Stage.INTENDED:
                    return applied(run, await step.apply(world, stamp_of(operation)), world.now)
                case Stage.UNDO_INTENDED:
                    return put_back(run, await step.undo(world, stamp_of(operation)), world.now)
                case _:
                    undoing = run.stage is Stage.UNDO_APPLIED
                    return looked(run, *await step.check(world, run.since or world.now, run.seen, undoing=undoing))
        except (Unavailable, Unauthenticated) as error:
            return unanswered(run, error, world.now)
        except AiecError as error:
            if isinstance(error, Conflict) and run.stage is Stage.UNDO_INTENDED:
                return unanswered(run, error, world.now)
            return given_up(run, Failed(code=error.code, why=error.text, hint=error.hint), unsure=isinstance(step, SEVERAL))
        except Exception as error:
            log.exception("%s: step %s", operation.name, step.target)
            why = f"aiec itself failed at {step.target}: {type(error).__name__}"
            return given_up(run, Failed(code="defect", why=why, hint="Its log says where; please report it."), unsure=True)


def _outputs(operation: Operation, indices: Sequence[int], moves: Sequence[Move]) -> list[Beside]:
    """What commands wrote, as files."""
    found = []
    for index, move in zip(indices, moves, strict=True):
        if move.output is not None:
            headline = line(f"What {operation.plan.steps[index].target} wrote")
            found.append((f"output-{index + 1}", Card(headline=headline, file=move.output)))
    return found


def stamp_of(operation: Operation) -> Stamp:
    """Returns what the operation writes on what it changes."""
    return Stamp(operation=operation.name, cause=f"{operation.plan.title} by {operation.actor.name} ({operation.name})")


_MOVING = col(OperationRow.state).in_([Phase.RUNNING, Phase.UNDOING])
_STIRRED = _MOVING & col(OperationRow.environment).in_(bindparam("stirred", expanding=True))
_ON_TIME = col(OperationRow.next_at) <= NOW
_DUE, _DUE_OR_STIRRED = (
    Due(select(OperationRow).where(when, free(OperationRow.lease_until)).order_by(col(OperationRow.next_at))) for when in (_ON_TIME, or_(_ON_TIME, _STIRRED))
)


def _claim(tx: Transaction, stirred: set[str]) -> list[tuple[Operation, int]]:
    claimed = []
    for row in _DUE_OR_STIRRED.claim(tx, BATCH, stirred=[*stirred]) if stirred else _DUE.claim(tx, BATCH):
        row.fence, row.lease_until = row.fence + 1, tx.now + LEASE
        claimed.append((Operation.model_validate(row.document), tx.save(row).fence))
    return claimed


_UNDER_WAY = columns(col(OperationRow.environment)).where(_MOVING).distinct()


def active(tx: Transaction) -> frozenset[str]:
    """Returns the environments in which an operation is under way."""
    return frozenset(tx.session.connection().execute(_UNDER_WAY).scalars())
