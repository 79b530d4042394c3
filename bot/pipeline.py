"""The one door: every request, whoever makes it and wherever, is stored, authorised, planned, approved, executed, reported and recorded the same way.

`Door` stores; `RequestManager` takes what is stored from there, so that a crash after the acknowledgement loses nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, partial
from typing import Any

from pydantic import BaseModel
from sqlalchemy import bindparam
from sqlmodel import col, select

from bot.command import Bookkeeping, Change, Command, Context, Read, environment_of
from bot.core.access import allowed, who_may
from bot.core.approvers import addressed
from bot.core.card import Action, Attachment, Card, Channel, Line, Ref, Time, line
from bot.core.config import Config
from bot.core.errors import AiecError, Denied, NotFound, Refused
from bot.core.events import Event
from bot.core.operation import Operation, begin
from bot.core.operation_card import refused_card, rehearsal_card
from bot.core.parse import Choices, bind, find_command, validate, words
from bot.core.plan import Plan, demanding
from bot.core.ports import World
from bot.core.request import Actor, Origin, Request
from bot.deliveries import Deliveries, again_at
from bot.groups import Groups
from bot.ledger import create
from bot.store.due import Due, Look, free
from bot.store.store import NoDatabase, Store
from bot.store.tables import RequestRow
from bot.store.transaction import Message, Transaction

INSERT_WITHIN = timedelta(seconds=1)
CHANGE_GETS_STALE_AFTER = timedelta(minutes=5)
BATCH = 20
LEASE = timedelta(seconds=90)
INTERRUPTED_FOR = timedelta(seconds=5)
"""After which a request is taken again that the database left in the middle."""

log = logging.getLogger("aiec.requests")

Commands = Mapping[str, Command[Any]]


class Door:
    """The way in: understands a request, stores it, and only then lets the caller acknowledge it."""

    def __init__(self, store: Store, config: Config, commands: Commands) -> None:
        self._store = store
        self._config = config
        self._commands = commands
        self._choices = choices(config, commands)

    def understand(self, text: str, *, key: str, actor: Actor, origin: Origin) -> Request:
        """Returns the request that a text such as `deploy prod v1.2.0` notes; no text at all asks for the overview. Raises UsageError."""
        said = words(text)
        name = find_command(said, spoken(self._commands)) if said else "overview"
        command = self._commands[name]
        arguments = bind(command.arguments, said[len(name.split()) :], self._choices, command=name, examples=command.examples)
        return Request(key=key, command=name, arguments=arguments.model_dump(mode="json"), actor=actor, origin=origin, text=text)

    async def submit(self, request: Request) -> int:
        """Stores the request and returns its number; the same key again returns the same number.

        Raises Unavailable when it could not be stored within a second: nothing was done then, and nothing will be.
        """
        lane = lane_of(request, self._commands.get(request.command))
        return await self._store.transaction(lambda tx: insert(tx, request, lane), within=INSERT_WITHIN)


class Lane(StrEnum):
    """Requests of one lane wait for each other, those of different lanes do not: an alert must not wait for somebody's plan, nor an acknowledgement for Slack.

    MACHINE: what webhooks and schedules bring; BOOK: people's bookkeeping, one transaction each; LOOK: reads, such as a long log; WORK: plans.
    """

    MACHINE = "machine"
    BOOK = "book"
    LOOK = "look"
    WORK = "work"


MACHINES = ("webhook", "schedule")
"""The origins that may ask for internal commands."""
SENDERS = {"alertmanager": "Alertmanager"}
"""The actors of webhooks, as people call them."""


def lane_of(request: Request, command: Command[Any] | None) -> Lane:
    """Returns the lane of a request."""
    if request.origin.kind in MACHINES and not (command is not None and isinstance(command.does, Change)):
        return Lane.MACHINE
    match command.does if command is not None else None:
        case Bookkeeping():
            return Lane.BOOK
        case Read():
            return Lane.LOOK
        case _:
            return Lane.WORK


def spoken(commands: Commands) -> list[str]:
    """Returns the names of the commands that people may use."""
    return [name for name, command in commands.items() if not command.internal]


def choices(config: Config, commands: Commands) -> Choices:
    """Returns the lists that arguments are chosen from."""
    return {
        "environments": [*config.environments],
        "services": [*config.services],
        "deployable": [name for name, service in config.services.items() if service.deployable and service.image],
        "people": [*config.people],
        "severities": [*config.severities],
        "policies": [*config.escalation.policies] if config.escalation else [],
        "commands": [*dict.fromkeys([*spoken(commands), *(name.partition(" ")[0] for name in spoken(commands))])],  # and their families
    }


_KNOWN = Due(select(RequestRow).where(RequestRow.key == bindparam("key")))


def insert(tx: Transaction, request: Request, lane: Lane) -> int:
    """Stores a request in somebody's transaction: what wants it and the request are saved together or not at all. The same key again is the same request."""
    for known in _KNOWN.rows(tx, 1, key=request.key):
        return known.number
    row = tx.save(RequestRow(key=request.key, received_at=tx.now, lane=lane, document=request.model_dump(mode="json")))
    # What a machine sent has events of its own, one for each thing that became of it.
    arguments = {} if lane is Lane.MACHINE else request.arguments
    tx.record(Event(kind="request.received", subject=row.name, actor=request.actor.name, data={"command": request.command, "arguments": arguments}))
    return row.number


@dataclass(frozen=True)
class Answer:
    """What became of a request. `state` as in RequestRow; `make` creates its operation in the same transaction that answers; `aside` is said beside it."""

    state: str
    card: Card | None = None
    error: AiecError | None = None
    plan: Plan | None = None
    make: Callable[[int], Operation] | None = None
    aside: Line | None = None

    def result(self) -> dict[str, Any]:
        error = {"code": self.error.code, "text": self.error.text, "try": self.error.hint} if self.error else None
        card = self.card.model_dump(mode="json") if self.card else None
        planned = self.plan.model_dump(mode="json", include={"checks", "steps"}) if self.plan else {"checks": [], "steps": []}
        aside = Card(headline=self.aside).model_dump(mode="json") if self.aside else None
        return {"state": self.state, "card": card, "aside": aside, "error": error, **planned}


def failed(error: AiecError) -> Answer:
    """Returns the answer that an error is."""
    return Answer(error.code if error.code in ("denied", "refused", "usage") else "failed", error_card(error), error)


class RequestManager:
    """Takes the stored requests of some lanes: authorises, reads or books or plans, and answers. `world` gives the outside as it is now; `deliveries` is told
    how it goes with those of webhooks."""

    name = "requests"
    patience = timedelta(seconds=60)

    def __init__(
        self, store: Store, config: Config, commands: Commands, groups: Groups, world: Callable[[], World], deliveries: Deliveries, *lanes: Lane
    ) -> None:
        self._open = _open(*(lanes or Lane))
        self.name = f"requests: {lanes[0]}" if len(lanes) == 1 else self.name
        self._store = store
        self._config = config
        self._commands = commands
        self._groups = groups
        self._world = world
        self._deliveries = deliveries
        self._choices = choices(config, commands)
        self._interrupted: dict[int, datetime] = {}

    def look(self) -> Look:
        return True if self._again(self._store.clock.now()) else self._open.there

    async def update(self, now: datetime) -> bool:
        """Answers what has been stored and returns whether there was anything."""
        again = self._again(now)
        claimed = await self._store.transaction(lambda tx: _claim(tx, self._open, again))
        for number in again:
            self._interrupted.pop(number, None)
        await asyncio.gather(*(self._take(number, request, received) for number, request, received in claimed))
        return bool(claimed)

    def _again(self, now: datetime) -> list[int]:
        return [number for number, at in self._interrupted.items() if at <= now]

    async def _take(self, number: int, request: Request, received: datetime) -> None:
        """Answers a request. Where our own database fails meanwhile it has no answer, for it was acknowledged, and whoever sent it sends nothing more."""
        try:
            await self._answer(number, request, received)
        except NoDatabase as error:
            log.warning("request-%s waits: %s", number, error.text)
            self._interrupted[number] = self._store.clock.now() + INTERRUPTED_FOR

    async def _answer(self, number: int, request: Request, received: datetime) -> None:
        command = self._commands.get(request.command)
        aside: Line | None = None
        try:
            if command is None or (command.internal and request.origin.kind not in MACHINES):
                raise NotFound(f"There is no command {request.command} in this version.")
            arguments = validate(command.arguments, request.arguments, self._choices, command=request.command, examples=command.examples)
            context = await self._decided(command, arguments, request)
            aside = _remembered(command, environment_of(arguments), context)
            match command.does:
                case Read(run):
                    answer = Answer("answered", await run(arguments, context))
                case Bookkeeping(apply):
                    booked = partial(Answer, "answered", aside=aside)
                    await self._store.transaction(lambda tx: self._finish(tx, number, request, lambda: booked(apply(arguments, context, tx))))
                    return
                case Change() as change:
                    answer = await self._change(change, command, arguments, context, received)
        except NoDatabase:
            raise
        except Exception as error:
            if not isinstance(error, AiecError):
                log.exception("request-%s: %s", number, request.command)
            answer = failed(error if isinstance(error, AiecError) else _defect(request, error))
            if request.origin.kind == "webhook":
                self._deliveries.failures += 1
                if await self._store.transaction(lambda tx, error=error: self._put_off(tx, number, request, error)):  # type: ignore[misc]
                    return
        await self._store.transaction(lambda tx: self._finish(tx, number, request, lambda: replace(answer, aside=aside)))

    async def _decided(self, command: Command[Any], arguments: BaseModel, request: Request) -> Context:
        """Authorises; a defect while deciding is a denial. What a webhook brought is not denied for it: it is kept, and tried again."""
        try:
            return await self._authorise(command, arguments, request)
        except AiecError:
            raise
        except Exception as error:
            if request.origin.kind == "webhook":
                raise
            log.exception("request-%s: %s", request.key, request.command)
            raise Denied("It cannot be decided whether you may do that, so nothing was done.", "Ask again; if it goes on, aiec's log says why.") from error

    async def _authorise(self, command: Command[Any], arguments: BaseModel, request: Request) -> Context:
        """Returns the context if the actor may. Whoever cannot be decided on is denied."""
        known = await self._groups.of(request.actor)
        context = Context(request, self._config, self._world(), self._store, self._commands, known.groups, known.as_of)
        # A schedule is aiec.yaml's own, which says who may what.
        if command.permission and request.origin.kind != "schedule":
            decision = context.allows(command.permission, environment_of(arguments))
            if not decision.allowed:
                raise Denied(decision.reason, f"`/aiec help` lists what you may do, {request.actor.name}.{_unheard(command, arguments, context)}")
        return context

    async def _change(self, change: Change[Any], command: Command[Any], arguments: BaseModel, context: Context, received: datetime) -> Answer:
        request = context.request
        if context.now - received > CHANGE_GETS_STALE_AFTER:
            raise Refused(f"That was asked at {received:%H:%M} UTC, and is too old to be done unasked now.", "Ask again if you still want it.")
        plan = addressed(demanding(await change.plan(arguments, context), request.approvals), context.config, command.permission, request.actor.name)
        if plan.blocks:
            again = Action(label="Plan again", command=command.name, arguments=request.arguments)
            return Answer("refused", refused_card(plan, again), Refused(plan.blocks[0].text, plan.blocks[0].hint), plan)
        if change.rehearsal(arguments):
            return Answer("answered", rehearsal_card(plan), plan=plan)
        return Answer(
            "operation",
            None,
            plan=plan,
            make=lambda number: begin(number, command.name, request.arguments, request.actor, request.origin, plan, context.now),
        )

    def _put_off(self, tx: Transaction, number: int, request: Request, error: Exception) -> bool:
        """Keeps what a webhook brought, to take it in later: it was acknowledged, and is not sent again. Returns False when that was long enough."""
        row = tx.get(RequestRow, number, lock=True)
        if row is None or row.state != "received":
            return True
        self._deliveries.failed(tx, _sender(request), error)
        row.lease_until = again_at(row.received_at, tx.now)
        tx.save(row)
        tx.record(Event(kind="delivery.failed", subject=row.name, actor=request.actor.name, data={"command": request.command, "because": str(error)[:500]}))
        return row.lease_until is not None

    def _finish(self, tx: Transaction, number: int, request: Request, make: Callable[[], Answer]) -> None:
        """Answers the request, unless another engine that took it over has done so meanwhile."""
        row = tx.get(RequestRow, number, lock=True)
        if row is None or row.state != "received":
            return
        answer = make()
        if request.origin.kind == "webhook" and answer.error is None:
            self._deliveries.taken(tx, _sender(request))
        card = answer.card
        if answer.make is not None:
            operation = create(tx, self._config, answer.make)
            row.operation = operation.number
            card = Card(headline=line(Ref(key=operation.name, text=operation.name), f" · {operation.plan.title} · in ", self._channel(operation)))
        if answer.aside is not None:
            card = card.model_copy(update={"lines": (*card.lines, answer.aside)}) if card is not None else Card(headline=answer.aside)
        row.state, row.result, row.finished_at, row.lease_until = answer.state, answer.result(), tx.now, None
        tx.save(row)
        data: dict[str, Any] = {"command": request.command, "because": answer.error.text if answer.error else ""}
        data |= {"remembered_groups": True} if answer.aside else {}
        tx.record(Event(kind=f"request.{answer.state}", subject=row.name, actor=request.actor.name, data=data))
        if card is not None and request.origin.kind == "slack" and request.origin.channel is not None:
            private = {"only_for": request.actor.slack, "response_url": request.origin.response_url}
            if card.file is not None and request.actor.slack is not None:
                card = _by_direct_message(tx, row.name, card, card.file, request.actor.slack)
            tx.send(Message(key=row.name, channel=request.origin.channel, card=card, **private))

    def _channel(self, operation: Operation) -> Channel:
        return Channel(name=self._config.environments[operation.plan.environment].channel)


def _remembered(command: Command[Any], environment: str | None, context: Context) -> Line | None:
    """Returns that the actor may do this only by groups that he was in when Slack was heard last; nothing where Slack says it now, or it needs no group."""
    if context.groups_as_of is None or not context.groups:
        return None
    if command.permission and allowed(context.config, context.request.actor, frozenset(), command.permission, environment).allowed:
        return None
    groups = " and ".join(sorted(context.groups))
    return line(f"Slack does not say who is in which group now: that you are in {groups} is of ", Time(at=context.groups_as_of, style="date"), ".")


def _unheard(command: Command[Any], arguments: BaseModel, context: Context) -> str:
    """Returns half of a denial's advice: that a group might grant it, and of when it is that the actor is not in it."""
    granted = any(who.startswith("@") for who in who_may(context.config, command.permission, environment_of(arguments)))
    if context.groups_as_of is None or not granted:
        return ""
    return f" Slack does not say who is in which group now: what counts is of {context.groups_as_of:%Y-%m-%d %H:%M} UTC."


def _by_direct_message(tx: Transaction, name: str, card: Card, file: Attachment, person: str) -> Card:
    """Sends the file to the person, because what only one person sees in a channel cannot have one. Returns the card that says where it is."""
    key = f"{name}:direct"
    tx.send(Message(key=key, channel=person, card=Card(headline=card.headline)))
    tx.send(Message(key=f"{name}:file", channel=person, card=Card(headline=line(file.name), file=file), thread_of=key))
    return card.model_copy(update={"file": None, "lines": (*card.lines, line("As a file: ", Ref(key=key, text="in your direct messages")))})


def _sender(request: Request) -> str:
    return SENDERS.get(request.actor.name, request.actor.name)


def _defect(request: Request, error: Exception) -> AiecError:
    said = f"aiec itself failed at `{request.command}` ({type(error).__name__}); nothing was changed."
    return AiecError(said, "Its log says where; please report it.")


def error_card(error: AiecError) -> Card:
    """Returns an error as a person reads it: what is wrong, then what to do."""
    return Card(headline=line(error.text), lines=(line(error.hint),) if error.hint else ())


@cache
def _open(*lanes: Lane) -> Due[RequestRow]:
    theirs = (RequestRow.state == "received", col(RequestRow.lane).in_(lanes), free(RequestRow.lease_until))
    return Due(select(RequestRow).where(*theirs).order_by(col(RequestRow.id)))


def _claim(tx: Transaction, waiting: Due[RequestRow], interrupted: Sequence[int]) -> list[tuple[int, Request, datetime]]:
    again = (tx.get(RequestRow, number, lock=True) for number in interrupted)
    rows = {row.number: row for row in (*again, *waiting.claim(tx, BATCH)) if row is not None and row.state == "received"}
    claimed = []
    for row in rows.values():
        row.lease_until = tx.now + LEASE
        tx.save(row)
        claimed.append((row.number, Request.model_validate(row.document), row.received_at))
    return claimed
