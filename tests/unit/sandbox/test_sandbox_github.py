"""The stand-in of GitHub over HTTP: who sees what, refusals in GitHub's words, pages, limits, and what the control API changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.world import World

SHOP = "/github/repos/acme/shop"


@pytest.fixture
async def far() -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    async with Sandbox(World.build({"github": [{"name": "acme/shop", "tags": ["v1"]}]})) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as client:
        yield sandbox, client


async def test_everything_is_arranged_over_http(far: Any) -> None:
    _, client = far

    async def tells(path: str, **body: Any) -> Any:
        answer = await client.post(f"/_sandbox/github/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    await tells("repositories", name="acme/other", branch="trunk")
    sha = (await tells("tags", repository="acme/other", tag="v2", annotated=1))["commit"]
    await tells("statuses", repository="acme/other", commit="v2", context="ci/x", state="pending")
    await tells("checks", repository="acme/other", commit=sha, name="lint", conclusion="skipped")
    await tells("workflows", repository="acme/other", name="tests", file="t.yaml")
    await tells("runs", repository="acme/other", workflow="tests", commit="v2", status="in_progress", jobs=["a", "b"], ago=60)
    assert (await client.get("/_sandbox/github/repositories")).json()["acme/other"] == {
        "private": False,
        "tags": {"v2": sha},
        "statuses": {sha: {"ci/x": "pending"}},
        "checks": {sha: {"lint": "skipped", "a": "in_progress", "b": "in_progress"}},
        "workflows": {"tests": "t.yaml"},
        "issues": {},
        "runs": [{"workflow": "tests", "commit": sha, "result": "in_progress"}],
    }
    other = "/github/repos/acme/other"
    tag = (await client.get(f"{other}/git/ref/tags/v2")).json()["object"]
    assert tag["type"] == "tag"
    assert (await client.get(f"{other}/git/tags/{tag['sha']}")).json()["object"]["sha"] == sha
    assert (await client.get(f"{other}/commits/{sha}/status")).json()["state"] == "pending"
    assert (await client.get(f"{other}/commits/v2/check-runs")).json()["total_count"] == 3
    assert [run["path"] for run in (await client.get(f"{other}/actions/workflows/t.yaml/runs")).json()["workflow_runs"]] == [".github/workflows/t.yaml"]
    await tells("tags", repository="acme/other", tag="v2", remove=True)
    assert (await client.get(f"{other}/git/ref/tags/v2")).status_code == 404


@pytest.mark.parametrize(
    ("states", "combined"),
    [
        ((), "pending"),
        (("success",), "success"),
        (("success", "pending"), "pending"),
        (("pending", "error"), "failure"),
        (("success", "failure"), "failure"),
    ],
)
async def test_the_combined_status_is_as_github_combines(far: Any, states: tuple[str, ...], combined: str) -> None:
    sandbox, client = far
    for number, state in enumerate(states):
        sandbox.world.github.status("acme/shop", "v1", f"ci/{number}", state)
    answer = (await client.get(f"{SHOP}/commits/v1/status")).json()
    assert (answer["state"], answer["total_count"]) == (combined, len(states))


async def test_a_list_comes_in_pages_with_a_link_to_the_next(far: Any) -> None:
    sandbox, client = far
    for number in range(5):
        sandbox.world.github.workflow("acme/shop", f"w{number}")
    first = await client.get(f"{SHOP}/actions/workflows?per_page=2")
    second = await client.get(first.links["next"]["url"])
    last = await client.get(second.links["next"]["url"])
    assert [[one["name"] for one in page.json()["workflows"]] for page in (first, second, last)] == [["w0", "w1"], ["w2", "w3"], ["w4"]]
    assert first.json()["total_count"] == 5
    assert "next" not in last.links


async def test_refusals_are_in_githubs_words(far: Any) -> None:
    sandbox, client = far
    github = sandbox.world.github
    github.add("acme/secret", private=True)

    async def refused(path: str, token: str | None = None) -> tuple[int, str]:
        answer = await client.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})
        return answer.status_code, answer.json().get("message", "")

    assert await refused("/github/repos/acme/none") == (404, "Not Found")
    assert await refused("/github/repos/acme/secret") == (404, "Not Found")
    assert await refused("/github/repos/acme/secret", "any") == (200, "")
    assert await refused(f"{SHOP}/commits/v9/status") == (422, "No commit found for SHA: v9")
    assert await refused(f"{SHOP}/actions/workflows/none.yml/runs") == (404, "Not Found")
    assert await refused("/github/user") == (404, "Not Found")
    github.tokens["good"] = frozenset({"contents"})
    assert await refused(SHOP, "any") == (401, "Bad credentials")
    assert await refused("/github/repos/acme/secret/git/ref/heads/main", "good") == (200, "")
    assert await refused("/github/repos/acme/secret/actions/runs", "good") == (403, "Resource not accessible by personal access token")
    assert await refused(f"{SHOP}/actions/runs", "good") == (200, "")


async def test_the_limit_counts_down_and_is_reset_by_the_clock(far: Any) -> None:
    sandbox, client = far
    await client.post("/_sandbox/github/limit", json={"left": 1, "resets_in": 60})
    assert (await client.get(SHOP)).headers["x-ratelimit-remaining"] == "0"
    refused = await client.get(SHOP)
    assert (refused.status_code, refused.json()["message"]) == (403, "API rate limit exceeded for user ID 1.")
    reset = sandbox.world.clock.now() + timedelta(seconds=60)
    assert abs(int(refused.headers["x-ratelimit-reset"]) - reset.timestamp()) < 5
    sandbox.world.clock.advance(61)
    assert (await client.get(SHOP)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("tags", {"repository": "acme/none", "tag": "v1"}, 404),
        ("tags", {"repository": "acme/shop", "tag": "v2", "commit": "abc"}, 400),
        ("statuses", {"repository": "acme/shop", "commit": "v9", "context": "x", "state": "success"}, 404),
        ("statuses", {"repository": "acme/shop", "commit": "v1", "context": "x", "state": "green"}, 400),
        ("runs", {"repository": "acme/shop", "commit": "v1", "workflow": "t", "conclusion": "fine"}, 400),
        ("repositories", {"name": "shop"}, 400),
        ("tokens", {"token": "x", "may": ["everything"]}, 400),
    ],
)
async def test_what_cannot_be_arranged_is_said(far: Any, path: str, body: dict[str, Any], status: int) -> None:
    _, client = far
    answer = await client.post(f"/_sandbox/github/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
