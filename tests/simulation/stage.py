"""What all runs have in common: a seed, processes that live and die, faults on the way to the far ends, and time that only the run moves."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Engine

from bot.bot import Bot
from bot.core.config import Config
from bot.core.errors import Unavailable
from sandbox.faults import Fault
from sandbox.world import World
from tests.simulation.farends import FLIGHT, Crash, Life, Line
from tests.simulation.process import Odds, Process, Watcher

LEASES = 120
"""Seconds after which nothing is held any more by a process that died."""
ROUNDS = 100
LONG_ENOUGH = timedelta(minutes=2)
HARMLESS = Odds()


@dataclass(frozen=True)
class Report:
    seed: int
    problems: list[str]
    trace: list[str]
    endings: Counter[str]
    """How many of its operations or incidents ended how."""


class Watching(Watcher, Protocol):
    """Whoever collects in `problems` what should never have been."""

    problems: list[str]

    def problem(self, text: str) -> None: ...

    def turn(self) -> None:
        """The bot is about to move."""

    def look(self) -> None:
        """The bot has moved."""

    def next_due(self) -> datetime | None: ...


class Stage:
    """One run. `somebody` asks the bot for something, `elsewhere` things happen without it; `trouble` says how much goes wrong on the way."""

    _world: World
    _config: Config
    _watching: Watching
    _process: Process

    def __init__(self, seed: int, engine: Engine, *, verbose: bool = False) -> None:
        self._luck = random.Random(seed)
        self._seed, self._engine, self._verbose = seed, engine, verbose
        self.trace: list[str] = []
        self._odds, self._interference, self._pauses = HARMLESS, 0.0, 0.0
        self._busy = self._paused = False
        self._lives = 0

    def say(self, text: str) -> None:
        line = f"{self._world.clock.now():%H:%M:%S} {text}"
        self.trace.append(line)
        if self._verbose:
            print(line, flush=True)

    async def somebody(self, bot: Bot) -> None:
        raise NotImplementedError

    def elsewhere(self) -> None:
        raise NotImplementedError

    def trouble(self) -> None:
        """Decides what goes wrong in this run."""
        luck = self._luck
        self._odds = Odds(deadly=luck.choice((0, 0, 0.01, 0.03)), broken=luck.choice((0, 0, 0, 0.01)))
        self._interference = luck.choice((0, 0.01, 0.05))
        self._pauses = luck.choice((0, 0, 0.01, 0.05))
        for fault in _weather(luck):
            self._world.faults.add(fault)

    def calm(self) -> None:
        """Nothing goes wrong any more, and a new process has the engine to itself."""
        self.say("all is quiet")
        self._world.faults.clear()
        self._odds, self._interference, self._pauses = HARMLESS, 0.0, 0.0
        self._process = self.start()
        self._world.clock.advance(LEASES)

    def start(self) -> Process:
        self._lives += 1
        name = f"process-{self._lives}"
        self.say(f"{name} starts")
        line = Line(self._world, Life(), self._luck, self.say, self._meanwhile)
        return Process(name, self._engine, self._config, line, self._watching, self._luck, self._odds)

    async def step(self, doing: Coroutine[Any, Any, None]) -> None:
        """Lets the bot do something; if it dies of it, another process takes its place."""
        self._watching.turn()
        process = self._process
        try:
            await doing
        except Crash:
            process.life.end()
        await _others_end()
        if self._process.life.dead:
            self._process = self.start()
        self._watching.look()
        if (process.bot.engine.failures or self._process.bot.engine.failures) and not self._odds.broken:
            self._watching.problem("a manager failed: see the log")

    async def settle(self, process: Process) -> None:
        """Ticks while anything is due; `Engine.settle` would tick once more to see that nothing is. Calls that hang take time, in which more falls due: after
        a while that is for the next step."""
        clock, rounds = self._world.clock, 0
        began = at = clock.now()
        while at - began <= LONG_ENOUGH:
            due = self._watching.next_due()
            try:
                if due is None or due > at or not await process.bot.engine.tick():
                    return
            except Unavailable:
                return
            rounds, at = rounds + 1 if clock.now() == at else 0, clock.now()
            if rounds == ROUNDS:
                self._watching.problem(f"the engine does not come to rest: {ROUNDS} rounds in a moment and still something moves")
                return

    async def _meanwhile(self) -> None:
        """While a call of the bot is on its way: colleagues act, people ask and are answered, or the whole process stands still for too long."""
        if self._busy:
            return
        self._busy = True
        try:
            if self._luck.random() < self._interference:
                self.elsewhere()
            if self._luck.random() < self._interference:
                await self.somebody(self._process.bot)
                with suppress(Unavailable):
                    await self._process.requests.update(self._world.clock.now())
            if self._luck.random() < self._pauses:
                await self._pause()
        finally:
            self._busy = False

    async def _pause(self) -> None:
        """Stops the process for so long that another one takes the engine over; then it goes on, and knows nothing of it."""
        paused = self._process
        self._paused = paused.life.paused = True
        for _ in range(FLIGHT):
            await asyncio.sleep(0)
        self._process = self.start()
        self._world.clock.advance(self._luck.choice((20, 40, 100)))
        try:
            for _ in range(self._luck.randint(1, 4)):
                await self.somebody(self._process.bot)
                await self.settle(self._process)
                self._world.clock.advance(self._luck.choice((1, 5, 20)))
        except Crash:
            self._process.life.end()
        self.say(f"{paused.name} goes on")
        paused.life.paused = False


def _weather(luck: random.Random) -> list[Fault]:
    """What goes wrong at the far ends in this run: nothing, a little, or much of a few things."""
    often = luck.choice((0.0, 0.01, 0.05, 0.15))
    faults = [
        Fault(kind="drop", probability=often),
        Fault(kind="drop_after", probability=often, seconds=luck.choice((0, 10))),
        Fault(kind="hang", probability=often / 2),
        Fault(kind="garbage", probability=often / 2),
        Fault(kind="latency", probability=often, seconds=luck.choice((1, 5, 9))),
        *(Fault(kind="status", probability=often, status=status, retry_after=luck.choice((None, 1, 20))) for status in (429, 500, 503)),
        Fault(kind="kill", probability=luck.choice((0, 0, 0.01, 0.03)), at=luck.choice(("request", "answer")), call=lambda: None),
    ]
    return [fault for fault in luck.sample(faults, luck.randint(0, len(faults))) if fault.probability]


class _Timeless(asyncio.SelectorEventLoop):
    """A loop in which no time passes: the managers' patience is of real seconds, and a busy machine must change nothing in a run."""

    def time(self) -> float:
        return 0.0


def played(run: Coroutine[Any, Any, Report]) -> Report:
    """Plays a run to its end."""
    with asyncio.Runner(loop_factory=_Timeless) as runner:
        return runner.run(run)


async def _others_end() -> None:
    """Waits for what a dead process still has under way: each of its tasks dies as soon as it tries anything."""
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)
