"""What takes longer than a manager's turn: work that goes on beside the engine, in the process that acts, and of which nothing is left when that dies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.core.errors import AiecError

Say = Callable[[str], None]
"""Says how far it is."""


@dataclass(frozen=True)
class Work:
    """How it stands: under way (`text` says how far), done (`done` says what came of it) or failed."""

    text: str = ""
    done: str | None = None
    error: AiecError | None = None

    @property
    def over(self) -> bool:
        return self.done is not None or self.error is not None


class Works(Protocol):
    def start(self, key: str, work: Callable[[Say], Awaitable[str]]) -> None:
        """Begins it, unless work with that key is under way. It returns what came of it, in words; whatever it raises is kept."""
        ...

    def look(self, key: str) -> Work | None:
        """Returns how it stands, or None when this process knows nothing of it."""
        ...

    async def stop(self, key: str) -> None:
        """Stops it, and waits until it has cleared up after itself."""
        ...
