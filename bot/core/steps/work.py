"""The steps that take longer than a look: their work goes on beside the engine, and looking at them asks how far it is."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.core.card import Line, line
from bot.core.data import Frozen
from bot.core.errors import Unavailable
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import World
from bot.core.steps.marks import Stamp
from bot.core.works import Say

AGAIN, BROKE = "again", "broke"
"""The keys of a step's memory that say when it was begun anew, and since when it waits for that."""

PAUSE = timedelta(seconds=30)
"""How long the far end is left alone when a connection broke."""


class WorkStep(Frozen):
    """Its work is done once: `found` says whether it is, also after a crash, which leaves nothing of the work itself; then it is begun anew, once.

    `environment`, `service`: where; `name`: the id that is looked for.
    """

    wave: int = 0
    environment: str
    service: str
    name: str

    @property
    def target(self) -> str:
        raise NotImplementedError

    @property
    def change(self) -> str:
        raise NotImplementedError

    @property
    def now(self) -> str:
        raise NotImplementedError

    @property
    def was(self) -> str:
        return "what was before"

    def describe(self) -> Line:
        return line(self.change)

    async def found(self, world: World) -> str | None:
        """Returns what came of the work if it is done, else None."""
        raise NotImplementedError

    async def work(self, world: World, say: Say) -> str:
        """Does the work and returns what came of it. What it leaves when it fails, or is stopped, does not look like its result."""
        raise NotImplementedError

    async def clear(self, world: World) -> None:
        """Removes what unfinished work has left."""
        raise NotImplementedError

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Begins the work, unless it is done."""
        if await self.found(world) is None:
            self._begin(world)
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Stops the work. What is done already is left."""
        assert world.works is not None
        await world.works.stop(self.target)
        if await self.found(world) is not None:
            return f"it was done already: {self.now}"
        world.about_to_act()
        await self.clear(world)
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        """Asks how far it is."""
        assert world.works is not None
        if undoing:
            return Done(text="stopped"), {}
        work = world.works.look(self.target)
        if work is None:
            return await self._lost(world, seen)
        again = AGAIN in seen
        if work.done is not None:
            return Done(text=f"{work.done}; begun anew once" if again else work.done), {}
        if work.error is None:
            return Waiting(text=f"{work.text or 'begins'}{' (begun anew)' if again else ''}"), dict(seen)
        if isinstance(work.error, Unavailable) and not again:
            broke = seen.get(BROKE, world.now)
            if world.now - broke < PAUSE:
                return Waiting(text=f"is begun anew soon: {work.error.text}"), {BROKE: broke}
            self._begin(world)
            return Waiting(text="begun anew"), {AGAIN: world.now}
        return Failed(code=work.error.code, why=work.error.text, hint=work.error.hint), {}

    async def _lost(self, world: World, seen: Mapping[str, datetime]) -> tuple[Outcome, dict[str, datetime]]:
        """Nothing is known of the work here: the process that did it is no more."""
        if (done := await self.found(world)) is not None:
            return Done(text=done), {}
        if AGAIN in seen:
            world.about_to_act()
            await self.clear(world)
            why = "aiec was stopped twice while it was under way, and nothing of it is left."
            return Failed(code="interrupted", why=why, hint="Look whether aiec has enough memory, then ask again."), {}
        self._begin(world)
        return Waiting(text="begun anew, because aiec was stopped"), {AGAIN: world.now}

    def _begin(self, world: World) -> None:
        assert world.works is not None
        world.about_to_act()
        world.works.start(self.target, lambda say: self.work(world, say))
