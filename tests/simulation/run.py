"""The deploys of one run: a seed decides who does what when, and what goes wrong on the way. The same seed gives the same run, line by line."""

from sqlalchemy import Engine

from bot.bot import Bot
from tests.simulation import ending, scene
from tests.simulation.database import new_database
from tests.simulation.invariants import Witness
from tests.simulation.outsiders import Outsiders
from tests.simulation.people import People
from tests.simulation.process import AUDIT_KEY
from tests.simulation.stage import Report, Stage, played

STEPS = (5, 11)
QUIET = 80
"""Looks at the bot after everybody has left: by then nothing may be left to do."""


class Deploys(Stage):
    def __init__(self, seed: int, engine: Engine, *, verbose: bool = False) -> None:
        super().__init__(seed, engine, verbose=verbose)
        luck = self._luck
        self._world = scene.world(seed, *luck.choice((("v1.0.0", "v1.1.0"), ("v1.1.0", "v1.2.0"), ("v1.0.0", "v1.0.0"))))
        self._config = scene.config(luck.choice((1, 1, 1, 2)), luck.choice(("rollback", "rollback", "stop")))
        self._watching: Witness = Witness(str(engine.url.database), self._world, self._config, self.say)
        self._people = People(luck, self._world.slack, self.say)
        self._outsiders = Outsiders(luck, self._world, self._watching, self.say)
        self.trouble()
        self._process = self.start()

    async def somebody(self, bot: Bot) -> None:
        await self._people.act(bot)

    def elsewhere(self) -> None:
        self._outsiders.act()

    async def run(self) -> Report:
        """Plays the whole run and returns what was wrong."""
        witness = self._watching
        try:
            for _ in range(self._luck.randint(*STEPS)):
                if self._luck.random() < 0.4:
                    self._outsiders.act()
                for _ in range(self._luck.choice((0, 1, 1, 1, 2))):
                    await self.step(self._people.act(self._process.bot))
                await self.step(self.settle(self._process))
                if witness.problems:
                    break
                self._world.clock.advance(self._luck.choice((0.5, 1, 2, 2, 5, 5, 10, 20, 40, 90)))
            if not witness.problems:
                await self._quiet()
        finally:
            witness.rows.close()
        return Report(self._seed, witness.problems, self.trace, witness.endings)

    async def _quiet(self) -> None:
        """Nothing goes wrong any more, nobody does anything any more: time passes, and everything must come to its end."""
        self._outsiders.leave()
        self.calm()
        for _ in range(QUIET):
            await self.step(self.settle(self._process))
            due = self._watching.next_due()
            if self._watching.problems or due is None:
                break
            wait = max(0.0, (due - self._world.clock.now()).total_seconds())
            self._world.clock.advance(wait + self._luck.choice((0, 5, 20)))
        await self.step(self._process.bot.engine.settle())
        for problem in ending.problems(self._process.store, self._world.slack, AUDIT_KEY, twice=self._paused) if not self._watching.problems else ():
            self._watching.problem(problem)


def play(seed: int, *, verbose: bool = False) -> Report:
    """Plays the run of a seed, from nothing."""
    with new_database(verbose=verbose) as engine:
        return played(Deploys(seed, engine, verbose=verbose).run())
