"""The adapter on the sandbox's GitHub, and on answers that only a broken one gives."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bot.adapters.github import GitHub, open_github
from bot.core.errors import AiecError, Forbidden, NotFound, Throttled, Unauthenticated, Unavailable
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.world import World

SHOP = "acme/shop"
TOKEN = SecretStr("github_pat_good")
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build({})) as found:
        found.world.github.add(SHOP)
        yield found


@pytest.fixture
async def code(sandbox: Sandbox) -> AsyncIterator[GitHub]:
    async with open_github(sandbox.urls["github"], TOKEN, time_limit=timedelta(seconds=2)) as found:
        yield found


async def test_a_tag_is_the_commit_that_it_names_also_through_tag_objects(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    assert await code.commit(SHOP, "v1.0.0") is None
    github.tag(SHOP, "v1.0.0", commit=SHA)
    github.tag(SHOP, "v1.1.0", commit=SHA, annotated=1)
    github.tag(SHOP, "v1.2.0", commit=SHA, annotated=3)
    github.tag(SHOP, "release/gateway-v1.0.0", commit=SHA)
    assert [await code.commit(SHOP, tag) for tag in ("v1.0.0", "v1.1.0", "v1.2.0", "release/gateway-v1.0.0")] == [SHA] * 4
    assert await code.commit(SHOP, "v1") is None


async def test_of_each_context_the_newest_status(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    sha = github.tag(SHOP, "v1.0.0")
    assert await code.statuses(SHOP, sha) == []
    for context, state in (("ci/build", "pending"), ("ci/build", "success"), ("ci/scan", "pending"), ("ci/lint", "error")):
        github.status(SHOP, sha, context, state, target_url=f"https://ci.example.com/{state}")
    found = {one.name: (one.conclusion, one.url) for one in await code.statuses(SHOP, sha)}
    assert found == {
        "ci/build": ("success", "https://ci.example.com/success"),
        "ci/scan": (None, "https://ci.example.com/pending"),
        "ci/lint": ("error", "https://ci.example.com/error"),
    }


async def test_check_runs_with_their_suites_and_conclusions(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    sha = github.tag(SHOP, "v1.0.0")
    github.check(SHOP, sha, "scan", conclusion="timed_out")
    github.check(SHOP, sha, "docs", conclusion="skipped")
    github.check(SHOP, sha, "sign", status="in_progress")
    run = github.run(SHOP, "tests", sha, jobs=("unit",))
    found = {one.name: one for one in await code.check_runs(SHOP, sha)}
    assert {name: one.conclusion for name, one in found.items()} == {"scan": "timed_out", "docs": "skipped", "sign": None, "unit": "success"}
    assert found["unit"].suite == run.suite
    assert found["scan"].suite == found["docs"].suite != run.suite
    assert found["scan"].url.startswith("https://github.com/acme/shop/")


async def test_workflows_and_their_runs_on_a_commit(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    sha, other = github.tag(SHOP, "v1.0.0"), github.tag(SHOP, "v1.1.0")
    github.workflow(SHOP, "Performance tests", "perf.yml")
    github.workflow(SHOP, "old", state="deleted")
    first = github.run(SHOP, "Performance tests", sha, conclusion="failure", ago=7200)
    second = github.run(SHOP, "Performance tests", sha, status="in_progress", ago=60)
    github.run(SHOP, "Performance tests", other)
    assert [(one.name, one.file) for one in await code.workflows(SHOP)] == [("Performance tests", "perf.yml")]
    runs = {one.id: one for one in await code.runs(SHOP, sha)}
    assert {id: one.conclusion for id, one in runs.items()} == {first.id: "failure", second.id: None}
    assert abs(runs[first.id].at - (datetime.now(UTC) - timedelta(hours=2))) < timedelta(seconds=30)
    assert runs[first.id].suite == first.suite
    assert runs[first.id].workflow == first.workflow.id


async def test_all_pages_are_read(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    sha = github.tag(SHOP, "v1.0.0")
    for number in range(230):
        github.status(SHOP, sha, f"ci/{number}", "success")
        github.check(SHOP, sha, f"check {number}")
        github.run(SHOP, f"workflow {number}", sha)
    assert len({one.name for one in await code.statuses(SHOP, sha)}) == 230
    assert len(await code.check_runs(SHOP, sha)) == 460
    assert len(await code.workflows(SHOP)) == 230
    assert len(await code.runs(SHOP, sha)) == 230


async def test_a_list_that_does_not_end_is_no_answer() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"workflows": []}, headers={"Link": f'<{request.url}&page=2>; rel="next"'})

    async with open_github("https://api.github.com", None, httpx.MockTransport(respond)) as code:
        with pytest.raises(Unavailable, match="lists more than 1000 workflows for acme/shop"):
            await code.workflows(SHOP)


async def test_the_token_does_not_follow_a_page_to_another_host() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.github.com"
        return httpx.Response(200, json={"workflows": []}, headers={"Link": '<https://elsewhere.example.com/2>; rel="next"'})

    async with open_github("https://api.github.com", TOKEN, httpx.MockTransport(respond)) as code:
        with pytest.raises(Unavailable, match="on another host"):
            await code.workflows(SHOP)


async def test_a_repository_that_is_not_there_and_one_that_is_hidden(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    github.add("acme/secret", private=True)
    with pytest.raises(NotFound, match=r"acme/shap does not exist at GitHub .*, or GITHUB_TOKEN may not see it"):
        await code.repository("acme/shap")
    with pytest.raises(NotFound, match="acme/shap does not exist"):
        await code.commit("acme/shap", "v1.0.0")
    assert (await code.repository("acme/secret")).private
    async with open_github(sandbox.urls["github"], None) as anonymous:
        assert (await anonymous.repository(SHOP)).branch == "main"
        for question in (anonymous.repository("acme/secret"), anonymous.workflows("acme/secret")):
            with pytest.raises(NotFound, match="cannot be told apart without GITHUB_TOKEN") as refused:
                await question
            assert refused.value.hint.startswith("Set GITHUB_TOKEN")


async def test_a_token_that_is_wrong_or_expired(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    github.tokens[TOKEN.get_secret_value()] = frozenset()
    github.expires[TOKEN.get_secret_value()] = datetime.now(UTC) + timedelta(days=3)
    expires = (await code.repository(SHOP)).expires
    assert expires is not None
    assert timedelta(days=2) < expires - datetime.now(UTC) <= timedelta(days=3)
    github.expires[TOKEN.get_secret_value()] = datetime.now(UTC) - timedelta(days=1)
    with pytest.raises(Unauthenticated, match="does not accept GITHUB_TOKEN: it is wrong, expired or revoked") as refused:
        await code.repository(SHOP)
    assert TOKEN.get_secret_value() not in refused.value.text + refused.value.hint


async def test_a_right_that_is_missing_is_named(sandbox: Sandbox, code: GitHub) -> None:
    github = sandbox.world.github
    github.add("acme/secret", private=True)
    github.tokens[TOKEN.get_secret_value()] = frozenset({"contents"})
    assert await code.commit("acme/secret", "v1.0.0") is None
    with pytest.raises(Forbidden, match="Resource not accessible by personal access token") as refused:
        await code.runs("acme/secret", SHA)
    assert refused.value.hint == "Give the token the permission `actions: read`."


async def test_a_limit_that_is_used_up_says_when_to_come_again(sandbox: Sandbox, code: GitHub) -> None:
    sandbox.world.github.limit(1, 600)
    await code.repository(SHOP)
    with pytest.raises(Throttled, match=r"asks to wait for .* \(rate limit\)\.$") as refused:
        await code.repository(SHOP)
    assert timedelta(seconds=590) < refused.value.retry_after <= timedelta(seconds=600)
    async with open_github(sandbox.urls["github"], None) as anonymous:
        with pytest.raises(Throttled, match="Without GITHUB_TOKEN it answers 60 requests an hour"):
            await anonymous.repository(SHOP)


@pytest.mark.parametrize(("status", "after", "seconds"), [(403, 30.0, 30), (429, 90.0, 90), (429, None, 60)])
async def test_other_limits(sandbox: Sandbox, code: GitHub, status: int, after: float | None, seconds: int) -> None:
    sandbox.world.faults.add(Fault(kind="status", system="github", status=status, retry_after=after))
    with pytest.raises(Throttled) as refused:
        await code.repository(SHOP)
    assert refused.value.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("kind", ["status", "hang", "drop", "garbage"])
async def test_no_answer_is_unavailable(sandbox: Sandbox, kind: Any) -> None:
    sandbox.world.github.tag(SHOP, "v1.0.0")
    sandbox.world.faults.add(Fault(kind=kind, system="github", status=502))
    async with open_github(sandbox.urls["github"], None, time_limit=timedelta(seconds=0.5)) as code:
        for question in (code.repository(SHOP), code.commit(SHOP, "v1.0.0"), code.statuses(SHOP, SHA), code.runs(SHOP, SHA)):
            with pytest.raises(Unavailable, match="GitHub"):
                await question


async def test_the_time_limit_is_for_all_pages(sandbox: Sandbox) -> None:
    for number in range(900):
        sandbox.world.github.workflow(SHOP, f"w{number}")
    sandbox.world.faults.add(Fault(kind="latency", system="github", seconds=0.2))
    async with open_github(sandbox.urls["github"], None, time_limit=timedelta(seconds=0.5)) as code:
        with pytest.raises(Unavailable, match="does not answer in time"):
            await code.workflows(SHOP)


def answers(status: int, body: Any, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, content=body, headers=headers) if isinstance(body, str) else httpx.Response(status, json=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<html>", Unavailable),
        ("[]", Unavailable),
        ({}, Unavailable),
        ({"workflow_runs": None}, Unavailable),
        ({"workflow_runs": ["x"]}, Unavailable),
        ({"workflow_runs": [{"id": 1, "workflow_id": 2, "status": "completed", "conclusion": "success", "updated_at": "yesterday"}]}, Unavailable),
    ],
)
async def test_other_answers(body: Any, error: type[AiecError]) -> None:
    async with open_github("https://api.github.com", None, httpx.MockTransport(answers(200, body))) as code:
        with pytest.raises(error, match="not what its documentation says"):
            await code.runs(SHOP, SHA)


async def test_a_renamed_repository_is_followed() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/repos/acme/shop":
            return httpx.Response(301, headers={"Location": "https://api.github.com/repositories/7"})
        return httpx.Response(200, json={"full_name": "acme/store", "default_branch": "main", "private": False})

    async with open_github("https://api.github.com", TOKEN, httpx.MockTransport(respond)) as code:
        assert (await code.repository(SHOP)).name == "acme/store"


async def test_an_empty_repository_has_no_tag() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/git/ref/tags/v1.0.0"):
            return httpx.Response(409, json={"message": "Git Repository is empty."})
        return httpx.Response(200, json={"full_name": SHOP, "default_branch": "main", "private": False})

    async with open_github("https://api.github.com", TOKEN, httpx.MockTransport(respond)) as code:
        assert await code.commit(SHOP, "v1.0.0") is None


async def test_a_run_that_runs_again_does_not_show_its_last_conclusion() -> None:
    run = {
        "id": 1,
        "workflow_id": 2,
        "status": "in_progress",
        "conclusion": "failure",
        "updated_at": "2026-11-01T03:00:00Z",
        "created_at": "2026-11-01T03:00:00Z",
    }
    async with open_github("https://api.github.com", None, httpx.MockTransport(answers(200, {"workflow_runs": [run]}))) as code:
        assert [one.conclusion for one in await code.runs(SHOP, SHA)] == [None]


async def test_what_every_request_carries() -> None:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"full_name": SHOP, "default_branch": "main", "private": False})

    async with open_github("https://github.example.com/api/v3", TOKEN, httpx.MockTransport(respond)) as code:
        await code.repository(SHOP)
    assert str(seen[0].url) == "https://github.example.com/api/v3/repos/acme/shop"
    assert seen[0].headers["Authorization"] == "Bearer github_pat_good"
    assert seen[0].headers["Accept"] == "application/vnd.github+json"
    assert seen[0].headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert seen[0].headers["User-Agent"] == "aiec"
