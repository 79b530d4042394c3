"""Saving operations, with everything that follows from their new state in the same transaction: events, the message, the lock, releases."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlmodel import col, select

from bot.core.card import Card, Verdict
from bot.core.config import Config
from bot.core.events import Event
from bot.core.operation import Operation, Phase, Run, expire
from bot.core.operation_card import alone_card, details, emergency_card, operation_card
from bot.core.plan import differences
from bot.core.steps import ServiceStep, short
from bot.destinations import mail
from bot.store.tables import LockRow, OperationRow, ReleaseRow
from bot.store.transaction import Message, Transaction

Beside = tuple[str, Card]
"""What an operation's thread shows, under a name of its own."""
FIGURES = "figures"


class LostLease(Exception):
    """Somebody else changed the operation since it was claimed (an approval, a cancellation, another replica); what was learned is looked up again."""


def store(
    tx: Transaction,
    config: Config,
    before: Operation,
    after: Operation,
    fence: int,
    next_at: datetime | None,
    keep: bool = False,
    beside: Sequence[Beside] = (),
) -> None:
    """Saves what a visit made of an operation, and puts what is said `beside` it into its thread; `keep` holds the lease for the rest of the visit.
    Raises LostLease when somebody was faster."""
    row = tx.get(OperationRow, after.number, lock=True)
    if row is None or row.fence != fence:
        raise LostLease
    row.next_at = None if after.phase.over else next_at
    row.lease_until = row.lease_until if keep else None
    if after == before:
        tx.save(row)
    else:
        write(tx, config, row, before, after)
    for name, card in beside:
        channel = config.environments[after.plan.environment].channel
        tx.send(Message(key=f"{after.name}/{name}", channel=channel, card=card, thread_of=after.name))


def figures_key(operation: Operation) -> str:
    """Returns the key of the message that shows an operation's figures."""
    return f"{operation.name}/{FIGURES}"


def launch(tx: Transaction, operation: Operation) -> Operation:
    """Takes the environment's lock and returns the operation running; refused when somebody else holds it, or another operation is under way there.
    A plan that is not exclusive needs neither."""
    environment = operation.plan.environment
    if tx.now >= operation.expires_at:
        return expire(operation, tx.now)
    if not operation.plan.exclusive:
        return operation.start(tx.now)
    held = tx.get(LockRow, environment, lock=True)
    if held is not None and held.holder not in (operation.name, operation.actor.name):
        return operation.end(Phase.REFUSED, tx.now, f"{held.holder} holds {environment} since {held.since:%H:%M} UTC: {held.reason}")
    if (other := under_way(tx, environment)) is not None:
        return operation.end(Phase.REFUSED, tx.now, f"{other} is under way in {environment}")
    if held is None:
        tx.save(LockRow(environment=environment, holder=operation.name, reason=operation.plan.title, since=tx.now))
    return operation.start(tx.now)


def under_way(tx: Transaction, environment: str) -> str | None:
    """Returns the operation that is being carried out or undone there. Its requester's own lock does not tell it: he may free that at any time."""
    moving = col(OperationRow.state).in_([Phase.RUNNING, Phase.UNDOING])
    rows = tx.all(select(OperationRow).where(OperationRow.environment == environment, moving))
    return next((f"op-{row.id}" for row in rows if row.document["plan"].get("exclusive", True)), None)


def interrupt(tx: Transaction, config: Config, row: OperationRow, before: Operation, after: Operation) -> None:
    """Saves what a person made of an operation (approved, cancelled), and takes it away from whoever is visiting it."""
    row.fence, row.lease_until, row.next_at = row.fence + 1, None, None if after.phase.over else tx.now
    write(tx, config, row, before, after)


def _twin(tx: Transaction, wanted: Operation) -> Operation | None:
    alive = col(OperationRow.state).in_([Phase.WAITING, Phase.RUNNING])
    rows = tx.all(select(OperationRow).where(OperationRow.environment == wanted.plan.environment, alive))
    found = (Operation.model_validate(row.document) for row in rows)
    return next((one for one in found if _same(one, wanted)), None)


def _same(one: Operation, wanted: Operation) -> bool:
    """Whether somebody asks for the same again. Two plans of one restart differ by the moment that they carry, which is no difference."""
    if (one.actor.name, one.command, one.plan.emergency) != (wanted.actor.name, wanted.command, wanted.plan.emergency):
        return False
    if one.plan.approvals < wanted.plan.approvals:
        return False
    return one.plan.hash == wanted.plan.hash or not differences(one.plan, wanted.plan)


def create(tx: Transaction, config: Config, make: Callable[[int], Operation]) -> Operation:
    """Numbers and saves a new operation, and starts it where nobody needs to approve it. The same plan, asked for by the same person while it waits or
    runs, is that operation: of two clicks one counts."""
    if (twin := _twin(tx, make(0))) is not None:
        return twin
    row = tx.save(OperationRow(environment="", state=Phase.WAITING, document={}))
    planned = make(row.id or 0)
    row.environment, row.next_at = planned.plan.environment, planned.expires_at
    write(tx, config, row, None, planned)
    if planned.plan.emergency:
        tx.send(Message(key=f"{planned.name}/emergency", channel=config.channels.incidents, card=emergency_card(planned)))
        mail(tx, config, f"{planned.name}/emergency", emergency_card(planned))
    if planned.plan.alone:
        tx.send(Message(key=f"{planned.name}/alone", channel=config.channels.incidents, card=alone_card(planned)))
        mail(tx, config, f"{planned.name}/alone", alone_card(planned))
    if not planned.approved:
        return planned
    started = launch(tx, planned)
    row.next_at = None if started.phase.over else tx.now
    write(tx, config, row, planned, started)
    return started


def write(tx: Transaction, config: Config, row: OperationRow, before: Operation | None, after: Operation) -> None:
    """Saves an operation with everything that follows from its new state: events, its message, releases, the freed lock."""
    row.document, row.state = after.model_dump(mode="json"), after.phase
    tx.save(row)
    for event in _events(before, after):
        tx.record(event)
    if after.phase.over:
        _release(tx, after)
    card = operation_card(after)
    channel = config.environments[after.plan.environment].channel
    tx.send(Message(key=after.name, channel=channel, card=card))
    if card.evidence:
        tx.send(Message(key=f"{after.name}/evidence", channel=channel, card=details(after, card), thread_of=after.name))


def _release(tx: Transaction, operation: Operation) -> None:
    """Frees the lock of an operation that is over, and writes down which versions it brought."""
    held = tx.get(LockRow, operation.plan.environment, lock=True)
    if held is not None and held.holder == operation.name:
        tx.delete(held)
    if operation.phase is not Phase.DONE:
        return
    for step in operation.plan.steps:
        if isinstance(step, ServiceStep):
            place = (col(ReleaseRow.environment) == step.environment, col(ReleaseRow.service) == step.service)
            for row in tx.all(select(ReleaseRow).where(*place, col(ReleaseRow.until).is_(None))):
                row.until = tx.now
                tx.save(row)
            if not step.after:
                continue
            tx.save(
                ReleaseRow(
                    environment=step.environment,
                    service=step.service,
                    version=short(step.after),
                    image=step.after,
                    operation=operation.number,
                    healthy_at=tx.now,
                )
            )


def _events(before: Operation | None, after: Operation) -> list[Event]:
    """Returns what the log says of the way from one state to the next."""
    found = []
    if before is None:
        waived = [check.text for check in after.plan.checks if check.verdict is Verdict.WAIVED]
        data = {"command": after.command, "plan": after.plan.hash, "environment": after.plan.environment, "emergency": after.plan.emergency, "waived": waived}
        data |= {"alone": after.plan.alone} if after.plan.alone else {}
        found.append(Event(kind="operation.planned", subject=after.name, actor=after.actor.name, data=data))
    for approval in after.approvals[len(before.approvals) if before else 0 :]:
        found.append(Event(kind="operation.approved", subject=after.name, actor=approval.by, data={"plan": after.plan.hash}))
    old = before.runs if before else tuple(Run() for _ in after.runs)
    for step, was, run in zip(after.plan.steps, old, after.runs, strict=True):
        if run.stage is not was.stage:
            found.append(Event(kind=f"step.{run.stage}", subject=after.name, data={"target": step.target, "text": run.text}))
    if before is not None and after.phase is not before.phase:
        data = {"because": after.because, "failure": after.failure.code if after.failure else ""}
        found.append(Event(kind=f"operation.{after.phase}", subject=after.name, actor=after.cancelled_by or "aiec", data=data))
    return found
