"""GitHub's issues (docs.github.com/rest/issues, version 2022-11-28), by the connection that reads the rest of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bot.adapters.github import GitHub
from bot.core.issues import MARK, Issue

TITLE = 256
"""Characters that GitHub takes for a title."""


class GitHubIssues:
    """Implements `issues.Issues`."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    async def create(self, repository: str, title: str, text: str, mark: str) -> Issue:
        """A title that is too long is cut; whoever calls has the whole in the text."""
        body = {"title": title[:TITLE], "body": f"{text}\n\n{MARK.format(mark=mark)}"}
        response, made = await self._github.ask(f"repos/{repository}/issues", "POST", body)
        if response.status_code == 404:
            raise self._github.unseen(repository)
        if response.status_code == 410:
            raise self._github.switched_off(repository)
        return self._github.read(_issue, made)

    async def find(self, repository: str, mark: str, since: datetime) -> Issue | None:
        """Looks through what was touched since then, as GitHub's search is minutes behind."""
        wanted = MARK.format(mark=mark)
        found = await self._touched(repository, since, lambda one: _issue(one) if wanted in (one.get("body") or "") else None)
        return next((one for one in found if one is not None), None)

    async def move(self, repository: str, number: int, *, open: bool, planned: bool = True) -> Issue | None:
        """An issue that was deleted, or moved to another repository, is there no more; one that is hidden with its repository raises NotFound."""
        reason = "reopened" if open else "completed" if planned else "not_planned"
        response, made = await self._github.ask(f"repos/{repository}/issues/{number}", "PATCH", {"state": "open" if open else "closed", "state_reason": reason})
        if response.status_code in (404, 410):
            await self._github.repository(repository)
            return None
        return self._github.read(_issue, made)

    async def changed(self, repository: str, since: datetime) -> list[Issue]:
        """Pull requests, which GitHub lists among issues, are left out."""
        return [one for one in await self._touched(repository, since, _issue) if one is not None]

    async def _touched(self, repository: str, since: datetime, make: Callable[[dict[str, Any]], Issue | None]) -> list[Issue | None]:
        path = f"issues?state=all&sort=updated&direction=asc&since={since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return await self._github.listed(repository, path, None, lambda one: make(one) if "pull_request" not in one else None)


def _issue(one: dict[str, Any]) -> Issue:
    return Issue(
        number=int(one["number"]),
        open=one["state"] == "open",
        url=str(one["html_url"]),
        by=str((one.get("closed_by") or {}).get("login") or ""),
        planned=one.get("state_reason") != "not_planned",
    )
