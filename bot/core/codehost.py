"""Where the code is (GitHub), as checks before a deploy see it: a version's commit, what was said of that commit, and which workflows ran on it.

Conclusions are GitHub's own words (`success`, `timed_out`), None while something has not finished.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Repository:
    """`branch` is the default one; `expires` when our token does, where it says."""

    name: str
    branch: str
    private: bool
    expires: datetime | None = None


@dataclass(frozen=True)
class Check:
    """A commit status or a check run. `suite`: the check suite that it belongs to, which is a workflow's run where that has the same."""

    name: str
    conclusion: str | None
    url: str = ""
    suite: int | None = None


@dataclass(frozen=True)
class Workflow:
    """`file` is the name of its file, such as `tests.yml`."""

    id: int
    name: str
    file: str


@dataclass(frozen=True)
class Run:
    """A run of a workflow (by its id) on a commit. Of two runs the one with the greater `id` is the later; `at`: when it ended, or began if it has not."""

    id: int
    workflow: int
    name: str
    conclusion: str | None
    at: datetime
    url: str = ""
    suite: int | None = None


class CodeHost(Protocol):
    """Repositories are `owner/name`. Besides what all ports raise: NotFound where there is no such repository, or we may not see it."""

    async def repository(self, name: str) -> Repository:
        """Returns what there is to know of the repository itself."""
        ...

    async def commit(self, repository: str, tag: str) -> str | None:
        """Returns the sha of the commit that a tag names, also through tag objects, or None when there is no such tag."""
        ...

    async def statuses(self, repository: str, commit: str) -> list[Check]:
        """Returns the newest status of each context. `commit` may also be a branch."""
        ...

    async def check_runs(self, repository: str, commit: str) -> list[Check]:
        """Returns the latest check runs of each suite. `commit` may also be a branch."""
        ...

    async def workflows(self, repository: str) -> list[Workflow]:
        """Returns the workflows that there are."""
        ...

    async def runs(self, repository: str, commit: str) -> list[Run]:
        """Returns all workflows' runs on a commit (by its whole sha)."""
        ...
