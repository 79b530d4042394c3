"""Where issues are (GitHub), as action items see them: made, closed and opened again here, and looked at in case somebody did so there."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

MARK = "<!-- {mark} -->"
"""How the words by which we know an issue of ours again stand in its text: nobody sees them there."""


@dataclass(frozen=True)
class Issue:
    """`by`: who closed it, where that is known; `planned`: it was closed because it is done, not because it will not be."""

    number: int
    open: bool
    url: str
    by: str = ""
    planned: bool = True


class Issues(Protocol):
    """Repositories are `owner/name`. Besides what all ports raise: NotFound where there is no such repository, or we may not see it."""

    async def create(self, repository: str, title: str, text: str, mark: str) -> Issue:
        """Makes an issue that is known by `mark`. Raises Unavailable also where it may have been made: `find` says whether it was."""
        ...

    async def find(self, repository: str, mark: str, since: datetime) -> Issue | None:
        """Returns the issue that is known by `mark`, made after `since`, or None."""
        ...

    async def move(self, repository: str, number: int, *, open: bool, planned: bool = True) -> Issue | None:
        """Closes an issue, or opens it again, and returns it; None where it is there no more."""
        ...

    async def changed(self, repository: str, since: datetime) -> list[Issue]:
        """Returns the issues that somebody touched after `since`."""
        ...
