"""Where published post-mortems are kept: a folder, and a repository of the sandbox's GitHub."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.adapters.folder import Folder
from bot.adapters.github import open_github
from bot.adapters.github_pulls import PullRequests
from bot.core.errors import AiecError, Forbidden, NotFound, Unavailable
from bot.core.library import Text
from sandbox.faults import Fault
from sandbox.github import GitHub
from sandbox.server import Sandbox
from sandbox.world import World

SHOP = "acme/shop"
TEXT = Text(name="2026-11-23-inc-42.md", title="Post-mortem of #42: é", text="# Post-mortem of #42: é\n", about="postmortem-42")
CHANGED = TEXT.model_copy(update={"text": "# Another\n"})
PATH = "docs/postmortems/2026-11-23-inc-42.md"
BRANCH = "aiec/postmortem-42"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build({})) as found:
        found.world.github.add(SHOP)
        yield found


@pytest.fixture
def github(sandbox: Sandbox) -> GitHub:
    return sandbox.world.github


@pytest.fixture
async def pulls(sandbox: Sandbox) -> AsyncIterator[PullRequests]:
    async with open_github(sandbox.urls["github"], SecretStr("github_pat_good"), time_limit=timedelta(seconds=2)) as found:
        yield PullRequests(found, SHOP, "docs/postmortems")


def kept(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_a_text_becomes_a_file_on_a_branch_with_a_pull_request(github: GitHub, pulls: PullRequests) -> None:
    assert await pulls.put(TEXT) == "https://github.com/acme/shop/pull/1"
    where = github[SHOP]
    assert where.files[BRANCH] == {PATH: TEXT.text.encode()}
    assert "main" not in where.files
    assert (where.pulls[0].title, where.pulls[0].head, where.pulls[0].base) == (TEXT.title, BRANCH, "main")


async def test_once_more_is_no_work_and_a_changed_text_changes_the_same_pull_request(github: GitHub, pulls: PullRequests) -> None:
    await pulls.put(TEXT)
    before = github[SHOP].branches[BRANCH]
    assert await pulls.put(TEXT) == "https://github.com/acme/shop/pull/1"
    assert github[SHOP].branches[BRANCH] == before
    assert await pulls.put(CHANGED) == "https://github.com/acme/shop/pull/1"
    assert github[SHOP].files[BRANCH] == {PATH: CHANGED.text.encode()}
    assert len(github[SHOP].pulls) == 1


async def test_what_the_repository_has_already_needs_no_pull_request(github: GitHub, pulls: PullRequests) -> None:
    github.write(SHOP, "main", PATH, TEXT.text.encode(), "by hand")
    assert await pulls.put(TEXT) == f"https://github.com/acme/shop/blob/main/{PATH}"
    assert github[SHOP].pulls == []


@pytest.mark.parametrize("broken", ["GET .*/git/ref/.*", "POST .*/git/refs", "PUT .*/contents/.*", "GET .*/pulls.*", "POST .*/pulls"])
async def test_what_broke_off_anywhere_is_finished_by_the_next_try(sandbox: Sandbox, pulls: PullRequests, broken: str) -> None:
    method, _, path = broken.partition(" ")
    sandbox.world.faults.add(Fault(kind="status", system="github", method=method, path=path, status=502, times=1, at="done"))
    with pytest.raises(Unavailable):
        await pulls.put(TEXT)
    assert await pulls.put(TEXT) == "https://github.com/acme/shop/pull/1"
    assert sandbox.world.github[SHOP].files[BRANCH] == {PATH: TEXT.text.encode()}


async def test_a_token_that_may_not_write_is_refused_and_says_what_it_lacks(github: GitHub, pulls: PullRequests) -> None:
    github.tokens["github_pat_good"] = frozenset({"pull_requests"})
    with pytest.raises(Forbidden) as refused:
        await pulls.put(TEXT)
    assert "`contents: write`" in refused.value.hint


async def test_without_a_token_nothing_is_written(sandbox: Sandbox, github: GitHub) -> None:
    async with open_github(sandbox.urls["github"], None) as found:
        with pytest.raises(AiecError):
            await PullRequests(found, SHOP, "").put(TEXT)
    assert github[SHOP].branches == {}


async def test_a_repository_that_is_not_there(sandbox: Sandbox) -> None:
    async with open_github(sandbox.urls["github"], SecretStr("github_pat_good")) as found:
        with pytest.raises(NotFound):
            await PullRequests(found, "acme/nothing", "").put(TEXT)


async def test_a_folder_keeps_the_newest_text_and_nothing_else(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path), "AIEC_POSTMORTEM_DIR")
    assert await folder.put(TEXT) == str(tmp_path / TEXT.name)
    await folder.put(CHANGED)
    assert kept(tmp_path) == {TEXT.name: CHANGED.text}


async def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        await Folder(str(tmp_path / "nothing"), "AIEC_POSTMORTEM_DIR").put(TEXT)
    assert "No such file or directory" in refused.value.text
    assert "AIEC_POSTMORTEM_DIR" in refused.value.hint
    assert kept(tmp_path) == {}
