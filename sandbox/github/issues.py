"""Issues of a repository: made, closed and opened again over the API, or by somebody in front of a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.github.refusal import Refusal

if TYPE_CHECKING:
    from sandbox.github.state import Repository

Json = dict[str, Any]
API, HTML = "https://api.github.com", "https://github.com"
LONGEST = 256
REASONS = ("completed", "not_planned", "reopened", "duplicate")


@dataclass
class Issue:
    """`reason`: why it has its state, in GitHub's words; `by`: who closed it. A deleted one answers 410."""

    number: int
    title: str
    body: str | None
    user: str
    created: datetime
    updated: datetime
    state: str = "open"
    reason: str | None = None
    closed: datetime | None = None
    by: str | None = None
    deleted: bool = False
    pull: bool = False

    def move(self, state: str, reason: str | None, by: str, now: datetime) -> None:
        """Closes it, or opens it again; the state that it has already changes nothing."""
        if state == self.state:
            return
        done = state == "closed"
        self.state, self.updated = state, now
        self.reason = (reason or "completed") if done else "reopened"
        self.closed, self.by = (now, by) if done else (None, None)


def create(where: Repository, given: Any, user: str, now: datetime) -> Json:
    """`POST /repos/…/issues`."""
    _enabled(where)
    title = given.get("title") if isinstance(given, dict) else None
    if not isinstance(title, str) or not title.strip() or len(title) > LONGEST:
        raise Refusal(422, "Validation Failed")
    made = where.issue(title, given.get("body"), user, now)
    return wire(where, made)


def change(where: Repository, number: str, given: Any, user: str, now: datetime) -> Json:
    """`PATCH /repos/…/issues/{number}`, as far as its state goes."""
    found = one(where, number)
    state, reason = given.get("state", found.state), given.get("state_reason")
    if state not in ("open", "closed") or reason not in (None, *REASONS):
        raise Refusal(422, "Validation Failed")
    found.move(state, reason, user, now)
    return wire(where, found)


def one(where: Repository, number: str) -> Issue:
    """Returns an issue by its number. Raises Refusal."""
    _enabled(where)
    found = next((issue for issue in where.issues if str(issue.number) == number), None)
    if found is None:
        raise Refusal(404, "Not Found")
    if found.deleted:
        raise Refusal(410, "This issue was deleted")
    return found


def listed(where: Repository, state: str, since: datetime | None) -> list[Issue]:
    """Returns the issues and pull requests in that state (all, open, closed) that were touched since then, the latest first."""
    _enabled(where)
    found = [issue for issue in where.issues if not issue.deleted and state in ("all", issue.state) and (since is None or issue.updated >= since)]
    return sorted(found, key=lambda issue: issue.updated, reverse=True)


def _enabled(where: Repository) -> None:
    if not where.has_issues:
        raise Refusal(410, "Issues has been disabled in this repository.")


def wire(where: Repository, issue: Issue) -> Json:
    """The issue as JSON."""
    url = f"{API}/repos/{where.name}/issues/{issue.number}"
    kind = "pull" if issue.pull else "issues"
    return {
        "id": where.id * 1000 + issue.number,
        "node_id": f"I_{where.id}_{issue.number}",
        "url": url,
        "repository_url": f"{API}/repos/{where.name}",
        "comments_url": f"{url}/comments",
        "html_url": f"{HTML}/{where.name}/{kind}/{issue.number}",
        "number": issue.number,
        "state": issue.state,
        "state_reason": issue.reason,
        "title": issue.title,
        "body": issue.body,
        "user": {"login": issue.user, "type": "User"},
        "labels": [],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "locked": False,
        "comments": 0,
        "created_at": _time(issue.created),
        "updated_at": _time(issue.updated),
        "closed_at": _time(issue.closed) if issue.closed else None,
        "closed_by": {"login": issue.by, "type": "User"} if issue.by else None,
        **({"pull_request": {"url": f"{API}/repos/{where.name}/pulls/{issue.number}"}} if issue.pull else {}),
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
