"""The step that takes back what an earlier operation applied from a folder of manifests."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from bot.core.card import Code, Line, line
from bot.core.data import Frozen
from bot.core.errors import Conflict
from bot.core.outcome import Outcome
from bot.core.ports import World
from bot.core.steps.manifests import ManifestsStep
from bot.core.steps.marks import Stamp, short


class UndoStep(Frozen):
    """Puts back field by field what `of` has changed, which carries `stamp`, and waits until the rollouts are complete. `of` has only what still carries it.

    What it puts back gets the marks that stood there before, so that a crash in between is found by them.
    """

    kind: Literal["undo"] = "undo"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    before: str
    after: str
    of: ManifestsStep
    stamp: Stamp

    @property
    def target(self) -> str:
        return self.of.target

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {short(self.before)} → {short(self.after)}: ", ", ".join(one.title for one in self.of.objects))

    def difference(self, other: object) -> list[str]:
        if not isinstance(other, UndoStep):
            return [f"{self.target} would be changed in another way"]
        return self.of.difference(other.of)

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Puts back all of it. Raises Conflict when something does not carry the mark any more."""
        if kept := await self.of.undo(world, self.stamp):
            raise Conflict(f"{kept[0].upper()}{kept[1:]}.", "Ask again: the plan is then made afresh.")
        return True

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Applies it again, as it was."""
        try:
            await self.of.apply(world, self.stamp)
        except Conflict as refused:
            return refused.text.rstrip(".")
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        return await self.of.check(world, since, seen, undoing=not undoing)
