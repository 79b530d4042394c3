"""`aiec exec "deploy prod v1.2.0"`: a request from the terminal, through the same door, with or without a running bot, and with Slack down."""

import asyncio
import os
import pwd
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlmodel import col, or_, select

from bot.app import opened, ticking
from bot.bot import Bot
from bot.command import Change, Context
from bot.core.card import Card
from bot.core.errors import AiecError, Denied, UsageError
from bot.core.operation import Operation, Phase
from bot.core.operation_card import operation_card
from bot.core.request import Actor, Origin, Request
from bot.core.text import content
from bot.pipeline import error_card
from bot.screen import Screen
from bot.settings import Settings, load
from bot.store.tables import MessageRow, OperationRow, RequestRow
from bot.stream import stream
from commands.follow import Asked, resolved
from commands.logs import LogsArguments
from commands.registry import COMMANDS

POLL = 0.2
DECISIONS = ("approve", "cancel")
TERMINATED = "SIGTERM"
FLUSH = 5.0  # seconds for the last messages to leave
NOTHING: dict[str, Any] = {"request": None, "operation": None, "state": "", "verdicts": [], "before": {}, "after": {}, "error": None, "card": None}
EXIT = {
    "answered": 0,
    "failed": 1,
    "usage": 2,
    "denied": 3,
    "refused": 6,
    Phase.DONE: 0,
    Phase.FAILED: 1,
    Phase.WAITING: 4,
    Phase.ROLLED_BACK: 5,
    Phase.REFUSED: 6,
    Phase.EXPIRED: 6,
    Phase.CANCELLED: 7,
}


async def execute(text: str, *, person: str | None, yes: bool, as_json: bool) -> int:
    """Makes the request, shows its progress, and returns the exit code of its end. SIGTERM ends it in order, as Ctrl-C does."""
    screen = Screen(quiet=as_json)
    try:
        settings = load(os.environ)
        async with opened(settings) as bot:
            return await _request(bot, settings, screen, text, person, yes)
    except asyncio.CancelledError as end:
        screen.stop()
        if screen.ended:
            raise
        print(
            "No longer watched. What was asked for goes on where aiec runs: `aiec exec operations` shows it, `aiec exec 'cancel op-…'` ends it.",
            file=sys.stderr,
        )
        if end.args == (TERMINATED,):
            return 128 + signal.SIGTERM
        raise
    except AiecError as error:
        told = error_card(error)
        screen.end(told, {**NOTHING, "state": error.code, "error": {"code": error.code, "text": error.text, "try": error.hint}, "card": content(told)})
        return EXIT.get(error.code, 1)


async def _request(bot: Bot, settings: Settings, screen: Screen, text: str, person: str | None, yes: bool) -> int:
    request = bot.door.understand(text, key=f"terminal-{uuid.uuid4().hex}", actor=actor(bot, person), origin=Origin(kind="terminal"))
    follows = request.command == "logs" and bool(request.arguments["follow"])
    if follows and screen.quiet:
        raise UsageError("A followed log has no end, and so no JSON object.", "Leave out `--output json`, or `--follow`.")
    asks = isinstance(COMMANDS[request.command].does, Change) and sys.stdin.isatty() and not yes and not request.arguments.get("dry_run")
    if asks and not await _confirmed(request):
        return EXIT[Phase.CANCELLED]
    number = await bot.door.submit(request)
    async with _ending_in_order(), bot.watching(), ticking(bot):
        row, operation = await _follow(bot, number, screen)
        if request.command in DECISIONS and row.state == "answered" and await bot.engine.hold():
            seen = await _see_through(bot, str(request.arguments["operation"]), screen)
            operation = seen if request.command == "approve" else None  # what was cancelled ends as it was asked to: that is no failure
        if bot.ports.chat is not None:
            await _flush(bot)
    answer = (row.result or {}).get("card")
    card = operation_card(operation) if operation is not None else Card.model_validate(answer) if answer else None
    if (said := (row.result or {}).get("aside")) is not None:
        aside = Card.model_validate(said)
        card = card.model_copy(update={"lines": (*card.lines, aside.headline)}) if card is not None else aside
    screen.end(card, {**outcome(row, operation), "card": content(card) if card else None})
    if follows and row.state == "answered":
        await _stream(bot, request)
    return EXIT[operation.phase if operation is not None else row.state]


async def _stream(bot: Bot, request: Request) -> None:
    """Follows a log here, now that the door has let it through: what is only looked at needs no process but this one."""
    context = Context(request, bot.config, bot.world(), bot.store, COMMANDS)
    followed = await resolved(Asked(**LogsArguments.model_validate(request.arguments).model_dump(include={*Asked.__dataclass_fields__})), context)
    await stream(followed, bot.ports.clusters[followed.environment], bot.store.clock.now)


@asynccontextmanager
async def _ending_in_order() -> AsyncIterator[None]:
    """SIGTERM ends what is in the block as Ctrl-C does, and what is outside of it at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel, TERMINATED)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def actor(bot: Bot, person: str | None) -> Actor:
    """Returns who asks: the person of aiec.yaml whose `os_user` is this login, or whoever `--as` names where impersonation is allowed. Raises Denied."""
    people = bot.config.people
    if person is None:
        user = pwd.getpwuid(os.geteuid()).pw_name  # not $USER, which anybody can set
        name = bot.config.person_by_os_user(user)
        return Actor(name=name, slack=people[name].slack) if name else Actor(name=f"os:{user}", known=False)
    if not bot.config.terminal.impersonate:
        raise Denied("--as is not allowed here.", "`terminal.impersonate: true` in aiec.yaml allows it; that is for demonstrations and tests.")
    if person not in people:
        raise UsageError(f"*{person}* is nobody of `people` in aiec.yaml.", f"There are {', '.join(people)}.")
    return Actor(name=person, slack=people[person].slack)


async def _confirmed(request: Request) -> bool:
    """Asks whether to go on. The loop waits for the line, for a Ctrl-C that comes while `input` begins to read would be noticed only after the next line."""
    said = ", ".join(f"{name} {value}" for name, value in request.arguments.items() if value)
    print(f"{request.command}: {said} (as {request.actor.name}). Go on? [y/N] ", end="", flush=True)
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), typed.set)
    try:
        await typed.wait()
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # nothing has been asked for that would go on
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def _follow(bot: Bot, number: int, screen: Screen) -> tuple[RequestRow, Operation | None]:
    """Waits for the request's end, or for the moment when only people can go on."""
    while True:
        row = await bot.store.read(lambda tx: tx.get(RequestRow, number))
        assert row is not None
        operation = None
        if row.operation is not None:
            operation = await _operation(bot, row.operation)
        if operation is not None:
            screen.show(operation_card(operation))
            if operation.phase.over or (operation.phase is Phase.WAITING and not operation.approved):
                return row, operation
        elif row.state != "received":
            return row, None
        await asyncio.sleep(POLL)


async def _see_through(bot: Bot, name: str, screen: Screen) -> Operation | None:
    """Waits for the end of an operation that was decided on here: no other process ticks, so that it would stand still when this one ends."""
    while (operation := await _operation(bot, int(name.rpartition("-")[2]))) and not operation.phase.over and operation.approved:
        screen.show(operation_card(operation))
        await asyncio.sleep(POLL)
    return operation


async def _operation(bot: Bot, number: int) -> Operation | None:
    found = await bot.store.read(lambda tx: tx.get(OperationRow, number))
    return Operation.model_validate(found.document) if found else None


async def _flush(bot: Bot) -> None:
    """Waits until what is to be said has been said, or was tried once: later tries are for whichever process ticks next."""
    untried = or_(col(MessageRow.attempts) == 0, col(MessageRow.lease_until).is_not(None))
    on_the_way = select(MessageRow).where(col(MessageRow.next_at).is_not(None), untried)
    deadline = asyncio.get_running_loop().time() + FLUSH
    while await bot.store.read(lambda tx: tx.first(on_the_way)) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL)


CHANGES = ("image", "manifests", "rollback", "undo", "restart", "scale", "bounds")


def outcome(row: RequestRow, operation: Operation | None) -> dict[str, Any]:
    """Returns what `--output json` prints: request, operation, state, verdicts, what was before and after (images, numbers of pods), error."""
    result = row.result or {}
    steps = [step for step in result.get("steps", []) if step["kind"] in CHANGES]
    error = result.get("error")
    if operation is not None and operation.failure is not None:
        error = {"code": operation.failure.code, "text": operation.failure.why, "try": operation.failure.hint}
    elif operation is not None and operation.because:
        error = {"code": operation.phase.value, "text": operation.because, "try": ""}
    return {
        "request": row.name,
        "operation": operation.name if operation else None,
        "state": operation.phase.value if operation else row.state,
        "verdicts": [{name: check[name] for name in ("check", "verdict", "text")} for check in result.get("checks", [])],
        "before": {step["service"]: step["before"] for step in steps},
        "after": {step["service"]: step["after"] for step in steps},
        "error": error,
    }
