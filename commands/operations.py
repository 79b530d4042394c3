"""`/aiec operations`, `/aiec show op-142`: what is under way and what was done, from our own records."""

from collections.abc import Sequence
from typing import Annotated

from sqlmodel import col, select

from bot.command import Command, Context, Read
from bot.core.card import Card, Evidence, Row, Time, line
from bot.core.data import Frozen
from bot.core.errors import NotFound
from bot.core.operation import Operation, Phase, Stage
from bot.core.operation_card import diff, operation_card
from bot.core.parse import Param
from bot.core.text import duration
from bot.ledger import figures_key
from bot.store.tables import EventRow, MessageRow, OperationRow
from bot.store.transaction import Transaction
from commands.arguments import OperationName

SHOWN = 10


def number_of(name: str) -> int:
    """Returns the number of an operation's name (`op-142`; the parser has checked its form)."""
    return int(name.rpartition("-")[2])


def load(tx: Transaction, name: str) -> tuple[OperationRow, Operation]:
    """Returns an operation and its row, held for the transaction. Raises NotFound."""
    row = tx.get(OperationRow, number_of(name), lock=True)
    if row is None:
        raise NotFound(f"There is no operation {name}.", "`/aiec operations` lists the latest.")
    return row, Operation.model_validate(row.document)


def latest(tx: Transaction, environment: str | None = None, limit: int = SHOWN) -> list[Operation]:
    """Returns the latest operations, the newest first."""
    query = select(OperationRow).order_by(col(OperationRow.id).desc()).limit(limit)
    if environment is not None:
        query = query.where(OperationRow.environment == environment)
    return [Operation.model_validate(row.document) for row in tx.all(query)]


def under_way(tx: Transaction) -> list[Operation]:
    """Returns the operations that are not over, the oldest first."""
    alive = col(OperationRow.state).in_([Phase.WAITING, Phase.RUNNING, Phase.UNDOING])
    return [Operation.model_validate(row.document) for row in tx.all(select(OperationRow).where(alive).order_by(col(OperationRow.id)))]


def rows(operations: Sequence[Operation]) -> tuple[Row, ...]:
    """Returns one row an operation: its name, what, its state, who and for how long."""
    return tuple(_row(operation) for operation in operations)


def _row(operation: Operation) -> Row:
    state = operation.phase.value.replace("_", " ")
    took = f" in {duration(operation.ended_at - operation.started_at)}" if operation.ended_at and operation.started_at else ""
    return Row(
        name=operation.name, text=line(f"{operation.plan.title} · {state}{took} · {operation.actor.name} · ", Time(at=operation.created_at, style="date"))
    )


class ListArguments(Frozen):
    environment: Annotated[str | None, Param(choices="environments", metavar="env", help="only this environment's")] = None


async def _list(arguments: ListArguments, context: Context) -> Card:
    found = await context.store.read(lambda tx: latest(tx, arguments.environment))
    where = f" in {arguments.environment}" if arguments.environment else ""
    if not found:
        return Card(headline=line(f"No operations{where} yet"), lines=(line("The first: `/aiec deploy staging v1.2.0`."),))
    return Card(headline=line(f"The latest operations{where}"), rows=rows(found))


class ShowArguments(Frozen):
    operation: OperationName


async def _show(arguments: ShowArguments, context: Context) -> Card:
    def read(tx: Transaction) -> tuple[Operation, list[EventRow], Card | None]:
        _, operation = load(tx, arguments.operation)
        events = list(tx.all(select(EventRow).where(EventRow.subject == operation.name).order_by(col(EventRow.id))))
        shown = tx.get(MessageRow, figures_key(operation))
        return operation, events, Card.model_validate(shown.card) if shown is not None else None

    operation, events, figures = await context.store.read(read)
    card = operation_card(operation)
    if figures is not None:
        card = card.model_copy(update={"lines": (*card.lines, *figures.lines), "chart": figures.chart})
    timeline = Evidence(title="Timeline (UTC)", text="\n".join(told(events)))
    actions = tuple(action for action in card.actions if action.command != "show")  # it is shown here
    return card.model_copy(update={"checks": operation.plan.checks, "evidence": (diff(operation.plan), timeline, *card.evidence), "actions": actions})


_STAGES = {
    Stage.INTENDED: "about to begin",
    Stage.APPLIED: "under way",
    Stage.DONE: "done",
    Stage.FAILED: "failed",
    Stage.UNDO_INTENDED: "about to be put back",
    Stage.UNDO_APPLIED: "being put back",
    Stage.UNDONE: "was put back",
    Stage.KEPT: "left as it is",
    Stage.UNDO_FAILED: "could not be put back",
}
_PHASES = {Phase.RUNNING: "begun", Phase.UNDOING: "what was changed is put back"}
_FOLLOWED = {f"step.{Stage.INTENDED}": f"step.{Stage.APPLIED}", f"step.{Stage.UNDO_INTENDED}": f"step.{Stage.UNDO_APPLIED}"}


def told(events: Sequence[EventRow]) -> list[str]:
    """Returns a line for each thing that an operation's log says to people: neither how its message was brought about, nor that a step was about to begin when
    it then began. What was about to begin and never did stays, because that is where something broke off.
    """
    began = {(event.kind, (event.payload or {}).get("target")) for event in events}
    return [
        _event(event)
        for event in events
        if not event.kind.startswith("message.") and (_FOLLOWED.get(event.kind), (event.payload or {}).get("target")) not in began
    ]


def _event(event: EventRow) -> str:
    payload, (family, _, kind) = event.payload or {}, event.kind.partition(".")
    if family == "step":
        stage = _STAGES.get(Stage(kind), kind)
        said = f"{payload.get('target', '')} {stage}"
    else:
        said = _PHASES[Phase(kind)] if kind in _PHASES else kind.replace("_", " ")
    by = "" if event.actor == "aiec" else f" by {event.actor}"
    why = payload.get("text") or payload.get("because")
    return f"{event.at:%H:%M:%S}  {said}{by}{f': {why}' if why else ''}"


OPERATIONS = Command(
    name="operations",
    arguments=ListArguments,
    does=Read(_list),
    permission="status",
    group="look",
    summary="the latest operations and how they went",
    examples=("operations", "operations prod"),
)
SHOW = Command(
    name="show",
    arguments=ShowArguments,
    does=Read(_show),
    permission="status",
    group="look",
    summary="one operation: plan, checks, diff, timeline and figures",
    examples=("show op-142",),
)
