"""What will happen, in order of time: the only way in which anything happens later."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime

Action = Callable[[], None]


class Timeline:
    """Actions at their due times; those due at the same time run in the order in which they were added.

    `now` is the time that is being played: an action that is run late still sees the time at which it was due.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._queue: list[tuple[datetime, int, Action]] = []
        self._added = 0

    def at(self, when: datetime, action: Action) -> None:
        self._added += 1
        heapq.heappush(self._queue, (when, self._added, action))

    def next_due(self) -> datetime | None:
        return self._queue[0][0] if self._queue else None

    def play(self, until: datetime) -> None:
        """Runs everything that is due by `until`, what it adds included, and leaves `now` there."""
        while self._queue and self._queue[0][0] <= until:
            when, _, action = heapq.heappop(self._queue)
            self.now = max(self.now, when)
            action()
        self.now = max(self.now, until)
