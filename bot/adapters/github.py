"""GitHub's REST API, version 2022-11-28 (docs.github.com/rest): tags, commit statuses, check runs, workflows and their runs. What writes there
(`github_issues`, `github_pulls`) goes by its `ask`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from bot.adapters.http import FAILURES, USER_AGENT, next_page, read, retry_after, tls, why
from bot.core.codehost import Check, Repository, Run, Workflow
from bot.core.errors import AiecError, Forbidden, Invalid, NotFound, Throttled, Unauthenticated, Unavailable
from bot.core.text import cut, duration

Json = dict[str, Any]
T = TypeVar("T")

API_VERSION = "2022-11-28"
TIME_LIMIT = timedelta(seconds=10)
ANSWER_LIMIT = 16 * 1024 * 1024  # a check run may carry 128 KiB of text, and a page has a hundred
PAGE, MAX_PAGES = 100, 10
MAX_TAG_OBJECTS = 5
_UNTOLD_WAIT = timedelta(minutes=1)  # what GitHub asks for when a limit is met and no header says how long
_LONGEST_WAIT = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "Try again in a minute; https://www.githubstatus.com says how GitHub is."


@asynccontextmanager
async def open_github(
    url: str, token: SecretStr | None, transport: httpx.AsyncBaseTransport | None = None, time_limit: timedelta = TIME_LIMIT
) -> AsyncIterator["GitHub"]:
    """Yields the API at `url` (of an Enterprise Server `https://HOST/api/v3`). Without a token only public repositories are seen."""
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION, "User-Agent": USER_AGENT}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.get_secret_value()}"
    async with httpx.AsyncClient(transport=transport, verify=tls(), base_url=url, follow_redirects=True, timeout=None, headers=headers) as client:
        yield GitHub(client, anonymous=token is None, time_limit=time_limit)


class GitHub:
    """Implements `codehost.CodeHost`. `time_limit` is for a whole question, with all of its pages."""

    def __init__(self, client: httpx.AsyncClient, *, anonymous: bool = False, time_limit: timedelta = TIME_LIMIT) -> None:
        self._client = client
        self._host = client.base_url.netloc.decode()
        self._anonymous = anonymous
        self._time_limit = time_limit.total_seconds()

    async def repository(self, name: str) -> Repository:
        """Raises NotFound, in words that tell a repository that is hidden from us from one that is not there, as far as GitHub does."""
        response, body = await self.ask(f"repos/{name}")
        if response.status_code == 404:
            raise self.unseen(name)
        try:
            return Repository(str(body["full_name"]), str(body["default_branch"]), bool(body["private"]), _expiry(response))
        except (TypeError, KeyError) as error:
            raise self._nonsense() from error

    async def commit(self, repository: str, tag: str) -> str | None:
        """Follows tag objects, and tag objects of tag objects, to their commit."""
        try:
            async with asyncio.timeout(self._time_limit):
                return await self._commit(repository, tag)
        except TimeoutError as error:
            raise self._silent(error) from error

    async def _commit(self, repository: str, tag: str) -> str | None:
        response, body = await self.ask(f"repos/{repository}/git/ref/tags/{quote(tag)}")
        if response.status_code in (404, 409):
            await self.repository(repository)
            return None
        for _ in range(MAX_TAG_OBJECTS):
            try:
                kind, sha = body["object"]["type"], str(body["object"]["sha"])
            except (TypeError, KeyError) as error:
                raise self._nonsense() from error
            if kind != "tag":
                return sha if kind == "commit" else None
            _, body = await self.ask(f"repos/{repository}/git/tags/{sha}")
        return None

    async def statuses(self, repository: str, commit: str) -> list[Check]:
        """Of each context GitHub shows the newest status; `pending` is not finished."""
        return await self.listed(repository, f"commits/{quote(commit)}/status", "statuses", _status)

    async def check_runs(self, repository: str, commit: str) -> list[Check]:
        """The latest ones, as GitHub filters them."""
        return await self.listed(repository, f"commits/{quote(commit)}/check-runs", "check_runs", _check_run)

    async def workflows(self, repository: str) -> list[Workflow]:
        """Deleted ones are left out."""
        found = await self.listed(repository, "actions/workflows", "workflows", lambda one: (_workflow(one), one["state"]))
        return [workflow for workflow, state in found if state != "deleted"]

    async def runs(self, repository: str, commit: str) -> list[Run]:
        """Also runs that were started by hand, or by another event, on that commit."""
        return await self.listed(repository, f"actions/runs?head_sha={quote(commit)}", "workflow_runs", _run)

    async def listed(self, repository: str, path: str, key: str | None, make: Callable[[Json], T]) -> list[T]:
        """Returns what `make` makes of the members of the lists that stand under `key` (None: that the answers are), of all pages. A list that cannot be read
        to its end is no answer."""
        url: str | httpx.URL = f"repos/{repository}/{path}{'&' if '?' in path else '?'}per_page={PAGE}"
        found: list[T] = []
        try:
            async with asyncio.timeout(self._time_limit):
                for _ in range(MAX_PAGES):
                    response, body = await self.ask(url)
                    if response.status_code == 404:
                        raise self.unseen(repository)
                    if response.status_code == 410:
                        raise self.switched_off(repository)
                    found += [make(one) for one in (body if key is None else body[key])]
                    if "next" not in response.links:
                        return found
                    url = next_page(response) or ""
                    if not url:
                        raise Unavailable(f"GitHub ({self._host}) continues its answer on another host, which is not asked.", "Correct GITHUB_API_URL.")
        except TimeoutError as error:
            raise self._silent(error) from error
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise self._nonsense() from error
        what = (key or "issues").replace("_", " ")
        raise Unavailable(f"GitHub ({self._host}) lists more than {MAX_PAGES * PAGE} {what} for {repository}; they were not all read.")

    async def ask(self, url: str | httpx.URL, method: str = "GET", content: Json | None = None) -> tuple[httpx.Response, Any]:
        """Returns an answer that is a success, a 404, a 409 (of an empty repository) or a 410, and its body. Raises what any other means."""
        try:
            async with asyncio.timeout(self._time_limit), self._client.stream(method, url, json=content) as response:
                answer = await read(response, ANSWER_LIMIT)
        except FAILURES as error:
            raise self._silent(error) from error
        body = _json(answer)
        if response.status_code not in (404, 409, 410) and not response.is_success:
            raise self._refused(response, str(body.get("message", "")) if isinstance(body, dict) else "")
        if body is None:
            raise self._nonsense()
        return response, body

    def read(self, make: Callable[[Json], T], body: Any) -> T:
        """Returns what `make` makes of an answer. Raises Unavailable where that is nothing that GitHub answers."""
        try:
            return make(body)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise self._nonsense() from error

    def _refused(self, response: httpx.Response, said: str) -> AiecError:
        status, host = response.status_code, self._host
        if status == 422 and response.request.method != "GET":
            return Invalid(f"GitHub ({host}) does not take it: {cut(said, 120) or 'no reason given'}.")
        if status in (403, 429) and (wait := _wait(response, said)) is not None:
            more = " Without GITHUB_TOKEN it answers 60 requests an hour." if self._anonymous else ""
            return Throttled(f"GitHub ({host}) asks to wait for {duration(wait)} (rate limit).{more}", wait)
        if status == 401:
            return Unauthenticated(f"GitHub ({host}) does not accept GITHUB_TOKEN: it is wrong, expired or revoked.", "Make a new token, and set GITHUB_TOKEN.")
        if status == 403:
            needed = response.headers.get("x-accepted-github-permissions", "").replace("=", ": ")
            text = f"GitHub ({host}) refuses GITHUB_TOKEN the question: {cut(said, 120) or 'forbidden'}."
            return Forbidden(text, f"Give the token the permission `{needed}`." if needed else "See docs/configuration.md for what the token needs.")
        return Unavailable(f"GitHub ({host}) does not answer the question: {cut(said, 120) or 'no reason given'} (HTTP {status}).", _HINT)

    def unseen(self, repository: str) -> NotFound:
        """What a 404 on something of a repository means: GitHub answers it for what is hidden from us as well."""
        if self._anonymous:
            text = f"{repository} does not exist at GitHub ({self._host}), or is private, which cannot be told apart without GITHUB_TOKEN."
            return NotFound(text, "Set GITHUB_TOKEN, or correct the repository in aiec.yaml.")
        text = f"{repository} does not exist at GitHub ({self._host}), or GITHUB_TOKEN may not see it."
        return NotFound(text, "Correct the repository in aiec.yaml, or give the token access to it.")

    def switched_off(self, repository: str) -> Invalid:
        """What a 410 on the issues of a repository means."""
        return Invalid(f"{repository} has its issues switched off at GitHub ({self._host}).", "Switch them on, or correct `github.issues` in aiec.yaml.")

    def _silent(self, error: Exception) -> Unavailable:
        return Unavailable(f"GitHub ({self._host}) cannot be asked: {why(error)}.", _HINT)

    def _nonsense(self) -> Unavailable:
        return Unavailable(f"GitHub ({self._host}) answers with something that is not what its documentation says.", "Is GITHUB_API_URL right?")


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _status(one: Json) -> Check:
    return Check(str(one["context"]), None if one["state"] == "pending" else str(one["state"]), one.get("target_url") or "")


def _check_run(one: Json) -> Check:
    return Check(str(one["name"]), _conclusion(one), one.get("html_url") or "", (one.get("check_suite") or {}).get("id"))


def _workflow(one: Json) -> Workflow:
    return Workflow(int(one["id"]), str(one["name"]), str(one["path"]).rpartition("/")[2])


def _run(one: Json) -> Run:
    conclusion = _conclusion(one)
    at = one["updated_at"] if conclusion is not None else one.get("run_started_at") or one["created_at"]
    return Run(
        id=int(one["id"]),
        workflow=int(one["workflow_id"]),
        name=str(one.get("name") or ""),
        conclusion=conclusion,
        at=datetime.fromisoformat(at),
        url=one.get("html_url") or "",
        suite=one.get("check_suite_id"),
    )


def _conclusion(one: Json) -> str | None:
    """A conclusion counts once the status is `completed`: while something runs again it may still show the last one."""
    return str(one["conclusion"]) if one["status"] == "completed" and one.get("conclusion") else None


def _wait(response: httpx.Response, said: str) -> timedelta | None:
    """Returns how long to wait where a refusal is a rate limit's (docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api), else None."""
    if "retry-after" in response.headers:
        return retry_after(response)
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return min(max(timedelta(seconds=int(reset)) - (datetime.now(UTC) - _EPOCH), timedelta(seconds=1)), _LONGEST_WAIT)
    return _UNTOLD_WAIT if response.status_code == 429 or "rate limit" in said.lower() else None


def _expiry(response: httpx.Response) -> datetime | None:
    """Returns when our token expires, as in `2026-12-01 00:00:00 UTC` or with an offset; None where it is not said."""
    said = response.headers.get("github-authentication-token-expiration", "")
    try:
        at = datetime.fromisoformat(said.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
