"""GitHub's REST API (docs.github.com/rest, version 2022-11-28): git references and tags, commit statuses, check runs, workflows and their runs; issues, and
branches, files and pull requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.github import issues, wire, writing
from sandbox.github.refusal import Refusal
from sandbox.github.state import HOURLY, GitHub, Repository, Run, Status

T = TypeVar("T")
Json = dict[str, Any]
Answer = Callable[[GitHub, Repository, Request], tuple[Json | list[Json], str]]
"""Returns the body and the `Link` header (empty: there is one page)."""

PAGE, MOST = 30, 100
DOCS = "https://docs.github.com/rest"
BOT = "aiec-bot"
"""Whoever holds a token."""


def asgi(github: GitHub) -> Starlette:
    """The application."""

    def route(path: str, permission: str, answer: Answer, method: str = "GET") -> Route:
        async def serve(request: Request) -> Response:
            limits = _limits(github)
            where = _readable(github, request, permission)
            if method != "GET":
                _writable(github, request, permission)
                request.state.given = _given(await request.body())
            body, link = answer(github, where, request)
            return _json(body, 201 if method == "POST" else 200, limits | ({"Link": link} if link else {}) | _token_headers(github, request))

        return Route(f"/repos/{{owner}}/{{name}}{path}", serve, methods=[method])

    return Starlette(
        routes=[
            route("", "", _repository),
            route("/git/ref/{ref:path}", "contents", _reference),
            route("/git/tags/{sha}", "contents", _tag),
            route("/commits/{ref:path}/status", "statuses", _status),
            route("/commits/{ref:path}/check-runs", "checks", _checks),
            route("/actions/workflows", "actions", _workflows),
            route("/actions/workflows/{workflow}/runs", "actions", _runs_of),
            route("/actions/runs", "actions", _runs),
            route("/issues", "issues", _issues),
            route("/issues", "issues", _create_issue, "POST"),
            route("/issues/{number}", "issues", _issue),
            route("/issues/{number}", "issues", _change_issue, "PATCH"),
            route("/contents/{path:path}", "contents", _bare(writing.file)),
            route("/pulls", "pull_requests", _bare(writing.pulls)),
            route("/git/refs", "contents", _bare(writing.reference), "POST"),
            route("/contents/{path:path}", "contents", _bare(writing.write), "PUT"),
            route("/pulls", "pull_requests", _bare(writing.pull), "POST"),
        ],
        exception_handlers={Refusal: _refused, 404: _refused, 405: _refused},
    )


def _bare(answer: Callable[[GitHub, Repository, Request], Json | list[Json]]) -> Answer:
    """An answer of one page."""
    return lambda github, where, request: (answer(github, where, request), "")


def _json(body: Json | list[Json], status: int, headers: dict[str, str]) -> Response:
    return Response(json.dumps(body), status, headers, "application/json; charset=utf-8")


def _refused(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, Refusal) else Refusal(404, "Not Found")
    return _json({"message": str(refusal), "documentation_url": DOCS, "status": str(refusal.status)}, refusal.status, refusal.headers)


def _limits(github: GitHub) -> dict[str, str]:
    """Counts the request, and refuses it when none is left."""
    now = github.clock.now()
    if github.left is not None and now >= github.resets:
        github.left = None
    used_up = github.left == 0
    if github.left:
        github.left -= 1
    left = HOURLY - 1 if github.left is None else github.left
    headers = {"x-ratelimit-limit": str(HOURLY), "x-ratelimit-remaining": str(left), "x-ratelimit-reset": str(int(github.resets.timestamp()))}
    if used_up:
        raise Refusal(403, "API rate limit exceeded for user ID 1.", headers)
    return headers


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() in ("bearer", "token") and token else None


def _token_headers(github: GitHub, request: Request) -> dict[str, str]:
    ends = github.expires.get(_token(request) or "")
    return {} if ends is None else {"github-authentication-token-expiration": f"{ends:%Y-%m-%d %H:%M:%S} UTC"}


def _readable(github: GitHub, request: Request, permission: str) -> Repository:
    """The repository that is asked for. What one may not see does not exist; what one may see and not read is forbidden."""
    token, now = _token(request), github.clock.now()
    if token is not None and ((github.tokens and token not in github.tokens) or github.expires.get(token, now) < now):
        raise Refusal(401, "Bad credentials")
    try:
        where = github[f"{request.path_params['owner']}/{request.path_params['name']}"]
    except KeyError:
        raise Refusal(404, "Not Found") from None
    if where.private and token is None:
        raise Refusal(404, "Not Found")
    if where.private and permission and not github.may(token, permission):
        raise Refusal(403, "Resource not accessible by personal access token", {"x-accepted-github-permissions": f"{permission}=read"})
    return where


def _writable(github: GitHub, request: Request, permission: str) -> None:
    if (token := _token(request)) is None:
        raise Refusal(401, "Requires authentication")
    if not github.may(token, permission):
        raise Refusal(403, "Resource not accessible by personal access token", {"x-accepted-github-permissions": f"{permission}=write"})


def _given(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise Refusal(400, "Problems parsing JSON") from None


def _commit(github: GitHub, where: Repository, request: Request) -> str:
    ref = request.path_params["ref"]
    try:
        return github.commit(where.name, ref.removeprefix("tags/").removeprefix("heads/"))
    except KeyError:
        raise Refusal(422, f"No commit found for SHA: {ref}") from None


def _page(request: Request, found: Sequence[T]) -> tuple[Sequence[T], str]:
    """The page that is asked for, and the `Link` to the next one."""
    try:
        size, number = min(int(request.query_params.get("per_page", PAGE)), MOST), int(request.query_params.get("page", 1))
    except ValueError:
        size, number = PAGE, 1
    end = size * number
    link = f'<{request.url.include_query_params(page=number + 1)}>; rel="next"' if end < len(found) else ""
    return found[end - size : end], link


def _repository(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    token = _token(request)
    return wire.repository(where, push=github.may(token, "contents") if token is not None else None), ""


def _reference(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    kind, _, name = request.path_params["ref"].partition("/")
    if kind == "tags" and name in where.tags:
        sha = where.tags[name]
        return wire.reference(where, f"tags/{name}", sha, tag_object=sha in where.annotations), ""
    if kind == "heads" and name == where.branch:
        return wire.reference(where, f"heads/{name}", github.commit(where.name, name)), ""
    if kind == "heads" and name in where.branches:
        return wire.reference(where, f"heads/{name}", where.branches[name]), ""
    raise Refusal(404, "Not Found")


def _tag(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    if request.path_params["sha"] not in where.annotations:
        raise Refusal(404, "Not Found")
    return wire.tag(where, request.path_params["sha"]), ""


def _status(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    sha = _commit(github, where, request)
    newest: dict[str, Status] = {one.context: one for one in where.statuses.get(sha, [])}
    shown, link = _page(request, [*newest.values()])
    return wire.combined(where, sha, [*newest.values()], shown), link


def _checks(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    sha = _commit(github, where, request)
    found = where.checks.get(sha, [])[::-1]
    shown, link = _page(request, found)
    return {"total_count": len(found), "check_runs": [wire.check(where, sha, one) for one in shown]}, link


def _workflows(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    shown, link = _page(request, where.workflows)
    return {"total_count": len(where.workflows), "workflows": [wire.workflow(where, one) for one in shown]}, link


def _runs(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    return _listed(where, request, where.runs)


def _runs_of(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    wanted = request.path_params["workflow"]
    if wanted not in {name for one in where.workflows for name in (str(one.id), one.file)}:
        raise Refusal(404, "Not Found")
    return _listed(where, request, [run for run in where.runs if wanted in (str(run.workflow.id), run.workflow.file)])


def _listed(where: Repository, request: Request, runs: Sequence[Run]) -> tuple[Json, str]:
    sha = request.query_params.get("head_sha")
    found = [run for run in runs[::-1] if sha in (None, run.sha)]
    shown, link = _page(request, found)
    return {"total_count": len(found), "workflow_runs": [wire.run(where, one) for one in shown]}, link


def _issues(github: GitHub, where: Repository, request: Request) -> tuple[list[Json], str]:
    since = request.query_params.get("since")
    found = issues.listed(where, request.query_params.get("state", "open"), datetime.fromisoformat(since) if since else None)
    shown, link = _page(request, found)
    return [issues.wire(where, one) for one in shown], link


def _create_issue(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    return issues.create(where, request.state.given, BOT, github.clock.now()), ""


def _issue(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    return issues.wire(where, issues.one(where, request.path_params["number"])), ""


def _change_issue(github: GitHub, where: Repository, request: Request) -> tuple[Json, str]:
    return issues.change(where, request.path_params["number"], request.state.given, BOT, github.clock.now()), ""
