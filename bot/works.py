"""Work beside the engine, as tasks of this process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.core.errors import AiecError
from bot.core.works import Say, Work

KEPT = 100
"""How many endings are remembered: a step looks at its own within seconds."""

log = logging.getLogger("aiec.works")


class Tasks:
    """Implements `bot.core.works.Works`. `ended` is called when one is over."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._works: dict[str, Work] = {}

    def start(self, key: str, work: Callable[[Say], Awaitable[str]]) -> None:
        if key in self._tasks:
            return
        self._works.pop(key, None)
        self._works[key] = Work()
        self._tasks[key] = asyncio.create_task(self._run(key, work), name=key)

    def look(self, key: str) -> Work | None:
        return self._works.get(key)

    async def stop(self, key: str) -> None:
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._works.pop(key, None)

    async def idle(self) -> None:
        """Waits until nothing is under way."""
        while self._tasks:
            await asyncio.wait([*self._tasks.values()])

    async def close(self) -> None:
        """Stops everything."""
        for key in [*self._tasks]:
            await self.stop(key)

    async def _run(self, key: str, work: Callable[[Say], Awaitable[str]]) -> None:
        def say(text: str) -> None:
            self._works[key] = Work(text)

        try:
            self._works[key] = Work(done=await work(say))
        except AiecError as error:
            self._works[key] = Work(error=error)
        except asyncio.CancelledError:
            self._works.pop(key, None)
            raise
        except Exception as defect:
            log.exception("%s failed", key)
            self._works[key] = Work(error=AiecError(f"aiec itself failed at {key}: {type(defect).__name__}", "Its log says where; please report it."))
        finally:
            del self._tasks[key]
            for old in [*self._works][:-KEPT]:
                if old not in self._tasks:
                    del self._works[old]
            self._ended()
