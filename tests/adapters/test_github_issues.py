"""Issues on the sandbox's GitHub: made, found again, closed, opened again, and looked at; and what it refuses."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.adapters.github import open_github
from bot.adapters.github_issues import TITLE, GitHubIssues
from bot.core.errors import Forbidden, Invalid, NotFound, Throttled, Unauthenticated, Unavailable
from sandbox.faults import Fault
from sandbox.github.control import touch
from sandbox.server import Sandbox
from tests.adapters.test_github import SHOP, TOKEN, sandbox

__all__ = ["sandbox"]

MARK = "aiec shop act-7 2026-11-23T14:00:00Z"


@pytest.fixture
async def issues(sandbox: Sandbox) -> AsyncIterator[GitHubIssues]:
    async with open_github(sandbox.urls["github"], TOKEN, time_limit=timedelta(seconds=2)) as found:
        yield GitHubIssues(found)


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


async def test_an_issue_is_made_and_known_again_by_its_mark(sandbox: Sandbox, issues: GitHubIssues) -> None:
    assert await issues.find(SHOP, MARK, long_ago()) is None
    made = await issues.create(SHOP, "raise the pool size", "Action item act-7", MARK)
    assert (made.number, made.open, made.url) == (1, True, "https://github.com/acme/shop/issues/1")
    (there,) = sandbox.world.github[SHOP].issues
    assert there.title == "raise the pool size"
    assert there.body == f"Action item act-7\n\n<!-- {MARK} -->"
    assert await issues.find(SHOP, MARK, long_ago()) == made
    assert await issues.find(SHOP, MARK.replace("act-7", "act-70"), long_ago()) is None


async def test_a_title_that_is_too_long_is_cut(sandbox: Sandbox, issues: GitHubIssues) -> None:
    await issues.create(SHOP, "long " * 100, "all of it", MARK)
    assert len(sandbox.world.github[SHOP].issues[0].title) == TITLE


async def test_it_is_closed_and_opened_again(sandbox: Sandbox, issues: GitHubIssues) -> None:
    number = (await issues.create(SHOP, "raise it", "", MARK)).number
    closed = await issues.move(SHOP, number, open=False)
    assert closed is not None
    assert (closed.open, closed.planned, closed.by) == (False, True, "aiec-bot")
    assert await issues.move(SHOP, number, open=False) == closed, "once more is no mistake"
    opened = await issues.move(SHOP, number, open=True)
    assert opened is not None
    assert opened.open
    dropped = await issues.move(SHOP, number, open=False, planned=False)
    assert dropped is not None
    assert not dropped.planned


async def test_an_issue_that_is_there_no_more_and_a_repository_that_is_not(sandbox: Sandbox, issues: GitHubIssues) -> None:
    number = (await issues.create(SHOP, "raise it", "", MARK)).number
    touch(sandbox.world.github, SHOP, number, "deleted")
    assert await issues.move(SHOP, number, open=False) is None
    assert await issues.move(SHOP, 99, open=False) is None
    for question in (issues.move("acme/shap", 1, open=False), issues.create("acme/shap", "x", "", MARK), issues.changed("acme/shap", long_ago())):
        with pytest.raises(NotFound, match="acme/shap does not exist"):
            await question


async def test_what_was_touched_since_then(sandbox: Sandbox, issues: GitHubIssues) -> None:
    github = sandbox.world.github
    first, second = (touch(github, SHOP, None, "open", title=title) for title in ("one", "two"))
    github[SHOP].issue("a pull request", None, "octocat", github.clock.now(), pull=True)
    assert sorted(one.number for one in await issues.changed(SHOP, long_ago())) == [first, second]
    github.clock.advance(600)
    touch(github, SHOP, second, "closed", reason="not_planned", by="ana")
    (found,) = await issues.changed(SHOP, github.clock.now() - timedelta(minutes=5))
    assert (found.number, found.open, found.by, found.planned) == (second, False, "ana", False)


async def test_all_pages_are_read(sandbox: Sandbox, issues: GitHubIssues) -> None:
    for number in range(230):
        touch(sandbox.world.github, SHOP, None, "open", title=str(number))
    assert len(await issues.changed(SHOP, long_ago())) == 230


async def test_what_github_refuses(sandbox: Sandbox, issues: GitHubIssues) -> None:
    github = sandbox.world.github
    with pytest.raises(Invalid, match="does not take it: Validation Failed"):
        await issues.create(SHOP, " ", "", MARK)
    github[SHOP].has_issues = False
    for question in (issues.create(SHOP, "x", "", MARK), issues.changed(SHOP, long_ago())):
        with pytest.raises(Invalid, match="issues switched off"):
            await question
    github[SHOP].has_issues = True
    github.tokens[TOKEN.get_secret_value()] = frozenset({"contents"})
    with pytest.raises(Forbidden, match="Resource not accessible") as refused:
        await issues.create(SHOP, "x", "", MARK)
    assert refused.value.hint == "Give the token the permission `issues: write`."
    async with open_github(sandbox.urls["github"], None) as anonymous:
        with pytest.raises(Unauthenticated, match="GITHUB_TOKEN"):
            await GitHubIssues(anonymous).create(SHOP, "x", "", MARK)


@pytest.mark.parametrize("kind", ["status", "hang", "drop", "garbage"])
async def test_no_answer_is_unavailable(sandbox: Sandbox, kind: Any) -> None:
    sandbox.world.faults.add(Fault(kind=kind, system="github", status=502))
    async with open_github(sandbox.urls["github"], TOKEN, time_limit=timedelta(seconds=0.5)) as code:
        issues = GitHubIssues(code)
        for question in (issues.create(SHOP, "x", "", MARK), issues.move(SHOP, 1, open=False), issues.changed(SHOP, long_ago())):
            with pytest.raises(Unavailable, match="GitHub"):
                await question


async def test_a_limit_says_when_to_come_again(sandbox: Sandbox, issues: GitHubIssues) -> None:
    sandbox.world.faults.add(Fault(kind="status", system="github", status=403, retry_after=45.0))
    with pytest.raises(Throttled) as refused:
        await issues.create(SHOP, "x", "", MARK)
    assert refused.value.retry_after == timedelta(seconds=45)


@pytest.mark.parametrize("body", [{}, [], "x", {"number": "x", "state": "open", "html_url": ""}])
async def test_other_answers(body: Any) -> None:
    async with open_github("https://api.github.com", TOKEN, httpx.MockTransport(lambda _: httpx.Response(201, json=body))) as code:
        with pytest.raises(Unavailable, match="not what its documentation says"):
            await GitHubIssues(code).create(SHOP, "x", "", MARK)
