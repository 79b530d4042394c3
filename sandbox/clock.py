"""The sandbox's one clock. Every stand-in reads it, so that moving it moves the whole simulated world."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Time that can be moved forwards, never backwards. `Clock.real()` also passes by itself, `Clock.manual()` only by `advance`."""

    def __init__(self, base: Callable[[], datetime]) -> None:
        self._base = base
        self._offset = timedelta()

    @classmethod
    def real(cls) -> Clock:
        """The machine's time plus whatever `advance` has added."""
        return cls(lambda: datetime.now(UTC))

    @classmethod
    def manual(cls, start: datetime) -> Clock:
        """Stands still at `start` (aware; any zone) until `advance`."""
        if start.tzinfo is None:
            raise ValueError("start must be an aware datetime")
        still = start.astimezone(UTC)
        return cls(lambda: still)

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return self._base() + self._offset

    def advance(self, seconds: float) -> None:
        """Moves the clock forward by `seconds` (not negative)."""
        if seconds < 0:
            raise ValueError("time does not go backwards")
        self._offset += timedelta(seconds=seconds)
