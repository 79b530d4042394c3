"""The incidents of one run: alerts, pages, phones and people, an hour or two of them, and what goes wrong on the way. The same seed gives the same run."""

from datetime import timedelta

from sqlalchemy import Engine

from bot.bot import Bot
from sandbox.pagerduty import due
from tests.simulation import aftermath, oncall
from tests.simulation.database import new_database
from tests.simulation.farends import Crash
from tests.simulation.oncall import LEVELS
from tests.simulation.post import Post
from tests.simulation.process import AUDIT_KEY, Process
from tests.simulation.responders import Responders
from tests.simulation.stage import Report, Stage, played
from tests.simulation.troublemakers import Alarms, Outages, Phones
from tests.simulation.vigil import Vigil

STEPS = (3, 7)
BEAT = 20.0
"""Seconds after which Alertmanager is looked at, whatever is due."""
BREATH = 4.0
"""Seconds that pass at least between two looks."""
LADDERS = (LEVELS, LEVELS, LEVELS, (("first", 3, ("engineer",)), ("second", 4, ("engineer",)), ("third", 5, ("lead",))))
"""Also one where the same person stands on two levels."""
QUIET = timedelta(minutes=16)
"""How long it is quiet before everything has to be the same on both sides."""

LAST_WORDS = 10
"""Looks at the bot until it has said what it has to say."""


class Incidents(Stage):
    def __init__(self, seed: int, engine: Engine, *, verbose: bool = False) -> None:
        super().__init__(seed, engine, verbose=verbose)
        luck = self._luck
        levels = luck.choice(LADDERS)
        self._world = oncall.world(seed, levels, max_alerts=luck.choice((0, 0, 2)))
        self._config = oncall.config(levels)
        self._watching: Vigil = Vigil(str(engine.url.database), self._world, self._config, self.say)
        self._alarms, self._phones = Alarms(luck, self._world, self.say), Phones(luck, self._world, self.say)
        self._outages = Outages(luck, self._world, self.say)
        self._people = Responders(luck, self._world.slack, self.say, lambda: self._watching.incidents)
        self._post = Post(self._world, luck, self.say, self._watching.took)
        self._post.lost = luck.choice((0, 0, 0.05, 0.3))
        self._unlucky = luck.choice((0, 0.1, 0.3))
        """How probable a long downtime, or an outage of somebody else, is at a step."""
        self._idle = luck.choice((0, 0.3, 0.7))
        """How probable it is that nobody does anything."""
        self.trouble()
        self._process = self.start()

    def start(self) -> Process:
        """What a process has not come to do before it died, nobody can have done: the next one has its whole time."""
        self._watching.running_since = self._world.clock.now()
        return super().start()

    async def somebody(self, bot: Bot) -> None:
        await self._people.act(bot)

    def elsewhere(self) -> None:
        self._luck.choice((self._alarms, self._phones)).act()

    async def run(self) -> Report:
        """Plays the whole run and returns what was wrong."""
        vigil, luck = self._watching, self._luck
        try:
            await self._pass(2)
            for _ in range(luck.randint(*STEPS)):
                for _ in range(luck.choice((1, 1, 2))):
                    self._alarms.act()
                if luck.random() < self._unlucky:
                    self._outages.act()
                await self._pass(luck.choice((2, 10, 40)))
                if luck.random() >= self._idle:
                    for _ in range(luck.choice((1, 1, 2, 3))):
                        await self._answers()
                if luck.random() < self._unlucky / 3:
                    await self._away(luck.choice((30, 300, 1500, 6000)))
                await self._pass(luck.choice((5, 30, 60, 120, 240, 480)))
                if vigil.problems:
                    break
            if not vigil.problems:
                await self._quiet()
        finally:
            vigil.rows.close()
        return Report(self._seed, vigil.problems, self.trace, vigil.endings)

    async def _answers(self) -> None:
        """Somebody does something, here or in PagerDuty."""
        if self._luck.random() < 0.5:
            await self.step(self._people.act(self._process.bot))
        else:
            self._phones.act()
        await self.step(self._moves())

    async def _pass(self, seconds: float) -> None:
        """Lets time pass, from one thing that is due to the next."""
        until = self._world.clock.now() + timedelta(seconds=seconds)
        while not self._watching.problems:
            await self.step(self._moves())
            now = self._world.clock.now()
            if now >= until:
                return
            self._world.clock.advance(min((until - now).total_seconds(), max(BREATH, self._wait())))

    def _wait(self) -> float:
        """Seconds until something is due for the bot or for PagerDuty."""
        now, account = self._world.clock.now(), self._world.pagerduty
        theirs = due.nearest(account)
        times = [self._watching.next_due(), theirs.at if theirs else None, *(one.due for one in account.webhooks.waiting)]
        return min([BEAT, *(max(0.0, (at - now).total_seconds()) for at in times if at is not None)])

    async def _moves(self) -> None:
        """What is on its way arrives, and the bot does what is due."""
        await self._post.bring(self._process.bot)
        await self.settle(self._process)

    async def _away(self, seconds: float) -> None:
        """Nothing of the bot runs for a while: what others tell it reaches nobody."""
        self.say(f"no process for {seconds:.0f} s")
        self._process.life.end()
        until = self._world.clock.now() + timedelta(seconds=seconds)
        while (now := self._world.clock.now()) < until:
            self._world.clock.advance(min(60.0, (until - now).total_seconds()))
            await self._post.bring(None)
            if self._luck.random() < 0.1:
                self.elsewhere()
        self._process = self.start()
        self._watching.running_since = self._world.clock.now()

    async def _meanwhile(self) -> None:
        await super()._meanwhile()
        if not self._busy and self._luck.random() < self._interference:
            self._busy = True
            try:
                await self._post.bring(self._process.bot)
            except Crash:
                self._process.life.end()
            finally:
                self._busy = False

    async def _pause(self) -> None:
        await super()._pause()
        self._watching.takeovers += 1
        self._watching.running_since = self._world.clock.now()

    async def _quiet(self) -> None:
        """Nothing goes wrong any more, nobody does anything any more: both sides come to agree, and whoever has to be called is called again and again."""
        self._outages.leave()
        self._post.lost = 0
        self.calm()
        self._watching.running_since = self._world.clock.now()
        await self._pass(QUIET.total_seconds())
        for _ in range(LAST_WORDS):
            if not self._watching.saying():
                break
            await self._pass(BREATH)
        if not self._watching.problems:
            for problem in aftermath.problems(self._process.store, self._world, self._config, self._watching, AUDIT_KEY, twice=self._paused):
                self._watching.problem(problem)


def play(seed: int, *, verbose: bool = False) -> Report:
    """Plays the run of a seed, from nothing."""
    with new_database(verbose=verbose) as engine:
        return played(Incidents(seed, engine, verbose=verbose).run())
