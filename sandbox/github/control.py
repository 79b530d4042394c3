"""The control API of GitHub, below /_sandbox/github."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.routing import Route

from sandbox.github import wire
from sandbox.github.state import GitHub
from sandbox.routes import route

Permission = Literal["actions", "checks", "contents", "issues", "pull_requests", "statuses"]
RunState = Literal["queued", "in_progress", "completed", "waiting", "requested", "pending"]
Conclusion = Literal[
    "success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required", "stale", "startup_failure"
]  # fmt: skip


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Tag(_Body):
    repository: str
    tag: str
    commit: str | None = Field(default=None, pattern="^[0-9a-f]{40}$")
    annotated: int = Field(default=0, ge=0, le=5)
    remove: bool = False


class _Status(_Body):
    repository: str
    commit: str
    context: str
    state: Literal["error", "failure", "pending", "success"]
    description: str | None = None
    target_url: str | None = None


class _Check(_Body):
    repository: str
    commit: str
    name: str
    status: RunState = "completed"
    conclusion: Conclusion | None = "success"
    app: str = "shop-ci"


class _Workflow(_Body):
    repository: str
    name: str
    file: str | None = None
    state: Literal["active", "deleted", "disabled_fork", "disabled_inactivity", "disabled_manually"] = "active"


class _Run(_Body):
    repository: str
    workflow: str
    commit: str
    status: RunState = "completed"
    conclusion: Conclusion | None = "success"
    event: str = "push"
    jobs: tuple[str, ...] = ()
    ago: float = Field(default=0.0, ge=0.0)


class _Repository(_Body):
    name: str
    private: bool = False
    branch: str = "main"


class _Token(_Body):
    token: str
    may: list[Permission] = ["actions", "checks", "contents", "issues", "statuses"]
    expires: AwareDatetime | None = None


class _Issue(_Body):
    repository: str
    number: int | None = None
    title: str = "something"
    state: Literal["open", "closed", "deleted"] = "open"
    reason: Literal["completed", "not_planned"] = "completed"
    by: str = "octocat"


class _Limit(_Body):
    left: int | None = Field(ge=0)
    resets_in: float = Field(default=3600.0, ge=0.0)


class _Initial(_Repository):
    """A repository of a scenario."""

    tags: list[str] = []
    workflows: list[str] = []
    runs: list[dict[str, Any]] = []
    statuses: list[dict[str, Any]] = []
    checks: list[dict[str, Any]] = []


def load(github: GitHub, data: Any) -> None:
    """Makes a repository from plain data: {name, private?, branch?, tags?: […], workflows?: [name], runs?, statuses?, checks?: [{commit: tag or sha, …}]}."""
    body = _Initial.model_validate(data)
    github.add(body.name, private=body.private, branch=body.branch)
    for tag in body.tags:
        github.tag(body.name, tag)
    for workflow in body.workflows:
        github.workflow(body.name, workflow)
    for run in body.runs:
        _run(github, _Run.model_validate({"repository": body.name, **run}))
    for status in body.statuses:
        _status(github, _Status.model_validate({"repository": body.name, **status}))
    for check in body.checks:
        _check(github, _Check.model_validate({"repository": body.name, **check}))


def _run(github: GitHub, body: _Run) -> str:
    made = github.run(
        body.repository, body.workflow, body.commit,
        status=body.status, conclusion=body.conclusion, event=body.event, jobs=body.jobs, ago=body.ago,
    )  # fmt: skip
    return made.sha


def _status(github: GitHub, body: _Status) -> None:
    github.status(body.repository, body.commit, body.context, body.state, body.description, body.target_url)


def _check(github: GitHub, body: _Check) -> None:
    github.check(body.repository, body.commit, body.name, status=body.status, conclusion=body.conclusion, app=body.app)


def touch(github: GitHub, repository: str, number: int | None, state: str, *, title: str = "", reason: str = "completed", by: str = "octocat") -> int:
    """Somebody in front of a browser makes an issue, closes it, opens it again or deletes it. KeyError when there is none."""
    where, now = github[repository], github.clock.now()
    found = where.issue(title, None, by, now) if number is None else next((one for one in where.issues if one.number == number), None)
    if found is None:
        raise KeyError(f"issue {number} in {where.name}")
    if state == "deleted":
        found.deleted = True
    else:
        found.move(state, reason, by, now)
    return found.number


def control(github: GitHub) -> list[Route]:
    """The routes that look at and change `github`."""
    return [*_contents(github), *_access(github)]


def _contents(github: GitHub) -> list[Route]:
    async def listing(request: Request) -> Any:
        """The repositories: tags with their commits, statuses, checks, workflows and runs."""
        return {one.name: wire.described(github, one) for one in github.repositories.values()}

    async def repository(request: Request) -> Any:
        """Make a repository, or change it: {name, private?, branch?}."""
        body = _Repository.model_validate_json(await request.body())
        github.add(body.name, private=body.private, branch=body.branch)
        return {}

    async def tag(request: Request) -> Any:
        """Put a tag on a commit (or one of its own), or take it away: {repository, tag, commit?, annotated?: how many tag objects, remove?}."""
        body = _Tag.model_validate_json(await request.body())
        if body.remove:
            github.untag(body.repository, body.tag)
            return {}
        return {"commit": github.tag(body.repository, body.tag, commit=body.commit, annotated=body.annotated)}

    async def status(request: Request) -> Any:
        """Say something of a commit: {repository, commit: tag, branch or sha, context, state, description?, target_url?}."""
        _status(github, _Status.model_validate_json(await request.body()))
        return {}

    async def check(request: Request) -> Any:
        """Check a commit as an app that is not Actions: {repository, commit, name, status?, conclusion?, app?}. The app's check of that name is replaced."""
        _check(github, _Check.model_validate_json(await request.body()))
        return {}

    async def workflow(request: Request) -> Any:
        """Make a workflow: {repository, name, file?, state?}."""
        body = _Workflow.model_validate_json(await request.body())
        return {"id": github.workflow(body.repository, body.name, body.file, body.state).id}

    async def run(request: Request) -> Any:
        """Run a workflow on a commit: {repository, workflow, commit, status?, conclusion?, event?, jobs?, ago?: seconds}. Its jobs are check runs."""
        return {"commit": _run(github, _Run.model_validate_json(await request.body()))}

    async def issue(request: Request) -> Any:
        """Close an issue as somebody, open it again, or delete it; without a number make one: {repository, number?, title?, state?, reason?, by?}."""
        body = _Issue.model_validate_json(await request.body())
        return {"number": touch(github, body.repository, body.number, body.state, title=body.title, reason=body.reason, by=body.by)}

    return [
        route("/repositories", listing, "GET"),
        route("/issues", issue),
        route("/repositories", repository),
        route("/tags", tag),
        route("/statuses", status),
        route("/checks", check),
        route("/workflows", workflow),
        route("/runs", run),
    ]


def _access(github: GitHub) -> list[Route]:
    async def token(request: Request) -> Any:
        """Declare a token: {token, may?: what it may read where that is private, and write, expires?}. From then on other tokens are refused."""
        body = _Token.model_validate_json(await request.body())
        github.tokens[body.token] = frozenset(body.may)
        github.expires.pop(body.token, None)
        if body.expires is not None:
            github.expires[body.token] = body.expires
        return {}

    async def limit(request: Request) -> Any:
        """Say how many requests are answered before the rate limit is reset: {left: number or null, resets_in?: seconds}."""
        body = _Limit.model_validate_json(await request.body())
        github.limit(body.left, body.resets_in)
        return {}

    return [route("/tokens", token), route("/limit", limit)]
