"""The news of a namespace: a watch for each kind, resumed where it broke off."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable

from bot.adapters.kubernetes.api import METADATA, METADATA_LIST, Api
from bot.adapters.kubernetes.errors import Call, Gone, error_of
from bot.adapters.kubernetes.kinds import KINDS
from bot.core.errors import Throttled, Unavailable

# How long the news of one moment are gathered: a rollout changes several objects at once.
_SETTLE = 0.05
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# The server ends a watch after this time; without it, after some time of its own choice.
_WATCH_SECONDS = 300


async def changes(api: Api, namespace: str, kinds: Iterable[str]) -> AsyncIterator[None]:
    """Yields once at the start and then whenever an object of those kinds came, changed or went; what happens between two looks is one.

    Lost connections, server errors and 410 are mended by itself, the last by beginning anew, which yields too, for something may have been missed.
    Raises what will not mend: Forbidden, Unauthenticated.
    """
    changed = asyncio.Event()
    tasks = [asyncio.create_task(_Watcher(api, namespace, kind, changed.set).run(), name=f"watch {kind}") for kind in kinds]
    for task in tasks:
        task.add_done_callback(lambda _: changed.set())
    try:
        while True:
            await changed.wait()
            await asyncio.sleep(_SETTLE)
            changed.clear()
            for task in tasks:
                if task.done():
                    task.result()
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Watcher:
    """Follows one kind. Only metadata is asked for: that an object changed is told by it as well, in a tenth of the bytes."""

    def __init__(self, api: Api, namespace: str, kind: str, notify: Callable[[], None]) -> None:
        self._api = api
        self._resource = KINDS[kind]
        self._path = self._resource.path(namespace)
        self._namespace = namespace
        self._notify = notify
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        """Runs until it is cancelled or meets an error that will not mend."""
        while True:
            pause = 0.0
            try:
                if not self._version:
                    self._version = await self._present()
                    self._notify()
                if not await self._follow():
                    self._failures += 1
            except Gone:
                self._version = ""
                self._failures += 1
            except Unavailable as error:
                self._failures += 1
                pause = error.retry_after.total_seconds() if isinstance(error, Throttled) else _FIRST_PAUSE
            await asyncio.sleep(max(pause, self._pause()))

    def _pause(self) -> float:
        """Nothing after a watch that told something, then ever longer; spread, so that many watchers do not come back all at once."""
        if self._failures <= 1:
            return 0.0
        return min(_FIRST_PAUSE * 2.0 ** min(self._failures, 16), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)

    async def _present(self) -> str:
        """Returns the version of the collection as it is now."""
        answer = await self._api.json(Call("list", self._resource, self._namespace), "GET", self._path, {"limit": 1}, accept=METADATA_LIST)
        return str(answer["metadata"]["resourceVersion"])

    async def _follow(self) -> bool:
        """Follows the changes since the known version until the server ends the watch. Returns whether there was any news; raises Gone when that is too old."""
        query: dict[str, str | int] = {"watch": 1, "allowWatchBookmarks": "true", "resourceVersion": self._version, "timeoutSeconds": _WATCH_SECONDS}
        call = Call("watch", self._resource, self._namespace)
        heard = False
        async with self._api.stream(call, self._path, query, METADATA) as lines:
            async for line in lines:
                if not line.strip():
                    continue
                try:
                    event = json.loads(line)
                    what, told = event["type"], event["object"]
                    if what != "ERROR":
                        self._version = told["metadata"]["resourceVersion"]
                except (ValueError, KeyError, TypeError):
                    raise self._api.nonsense(line, call) from None
                if what == "ERROR":
                    raise error_of(int(told.get("code") or 500), told, {}, call, self._api.name)
                self._failures, heard = 0, True
                if what != "BOOKMARK":
                    self._notify()
        return heard
