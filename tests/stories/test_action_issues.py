"""Action items as issues on GitHub: made, closed, done when somebody closes them there; and a GitHub that is down or refuses."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from sandbox.github.control import touch
from tests.harness import Stage, said, stage

REPOSITORY = "aiecommerce/platform"
DECLARE = "/aiec incident declare SEV3 error rate 12 % --service gateway"
ADD = '/aiec action add #1 "raise the pool size" @senior'
CHANNEL = "inc-1-gateway-error-rate-12"


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, github={"issues": REPOSITORY}) as found:
        await found.engineer.says(DECLARE)
        yield found


def issues(bot: Stage) -> list[Any]:
    found: list[Any] = bot.world.github[REPOSITORY].issues
    return found


def closes(bot: Stage, state: str = "closed", number: int = 1, **how: str) -> None:
    """Somebody does it in front of a browser."""
    touch(bot.world.github, REPOSITORY, number, state, **how)


def shown(bot: Stage) -> str:
    return next(said(message) for message in bot.slack.messages(CHANNEL) if "*act-1*" in said(message))


def trouble(bot: Stage) -> list[str]:
    return [said(message) for message in bot.slack.messages("incidents") if "and their issues" in said(message)]


async def minutes(bot: Stage, number: float) -> None:
    await bot.forward(minutes=number, step=60 * number)


async def test_a_new_item_has_an_issue_that_is_closed_when_it_is_done_and_opened_when_it_is_again(bot: Stage) -> None:
    await bot.engineer.says(ADD)
    (issue,) = issues(bot)
    assert issue.title == "raise the pool size"
    assert "Action item `act-1` of incident 1, written down by `engineer` for `senior`, due 2026-12-07 14:00 UTC" in issue.body
    await bot.forward(2)
    assert f"https://github.com/{REPOSITORY}/issues/1" in shown(bot)
    await bot.senior.says("/aiec action done act-1")
    assert (issue.state, issue.reason) == ("closed", "completed")
    await bot.senior.says("/aiec action reopen act-1")
    assert issue.state == "open"
    await bot.senior.says("/aiec action drop act-1 the pool is gone")
    assert (issue.state, issue.reason) == ("closed", "not_planned")
    assert len(issues(bot)) == 1


async def test_an_issue_that_is_closed_there_ends_the_item_here(bot: Stage) -> None:
    await bot.engineer.says(ADD)
    closes(bot, by="octocat")
    await minutes(bot, 4)
    assert "act-1" in await bot.engineer.says("/aiec action list")
    await minutes(bot, 2)
    assert "✅ done · *act-1*" in shown(bot)
    assert "octocat at GitHub" in shown(bot)
    assert "issue 1 was closed" in shown(bot)
    assert bot.slack.messages("@senior")[-1].buttons == []
    assert "No action item is open" in await bot.engineer.says("/aiec action list")
    closes(bot, "open")
    await minutes(bot, 6)
    assert "⏸ waiting · *act-1*" in shown(bot)
    closes(bot, reason="not_planned")
    await minutes(bot, 6)
    assert "dropped by" in shown(bot)


async def test_a_github_that_is_down_is_said_once_and_nothing_is_lost_or_made_twice(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="drop", system="github", path="issues"))
    await bot.engineer.says(ADD)
    assert "⏸ waiting · *act-1*" in shown(bot), "the item needs no GitHub"
    assert trouble(bot) == [], "it is often away for a minute"
    for _ in range(6):
        await minutes(bot, 5)
    (told,) = trouble(bot)
    assert "⚠️ needs you · *Action items and their issues are not in step*" in told
    assert "Nothing is lost" in told
    bot.world.faults.clear()
    await minutes(bot, 60)
    assert len(issues(bot)) == 1
    await bot.forward(2)
    (told,) = trouble(bot)
    assert "✅ done · *Action items and their issues are in step again*" in told


async def test_an_answer_that_is_lost_on_its_way_makes_no_second_issue(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="drop_after", system="github", method="POST", path="issues", times=1))
    await bot.engineer.says(ADD)
    assert len(issues(bot)) == 1, "it was made, and we do not know"
    await minutes(bot, 2)
    assert len(issues(bot)) == 1
    await bot.senior.says("/aiec action done act-1")
    assert issues(bot)[0].state == "closed"


async def test_what_is_done_here_while_github_is_away_stays_done(bot: Stage) -> None:
    await bot.engineer.says(ADD)
    bot.world.faults.add(Fault(kind="status", system="github", status=502))
    await bot.senior.says("/aiec action done act-1")
    bot.world.faults.clear()
    touch(bot.world.github, REPOSITORY, 1, "open")
    await minutes(bot, 6)
    await minutes(bot, 6)
    assert "✅ done · *act-1*" in shown(bot)
    assert issues(bot)[0].state == "closed"


async def test_a_token_that_may_not_is_said_at_once_with_what_to_do(bot: Stage) -> None:
    bot.world.github.tokens["github_pat_of_stories"] = frozenset({"actions", "checks", "contents", "statuses"})
    await bot.engineer.says(ADD)
    (told,) = trouble(bot)
    assert "Give the token the permission `issues: write`." in told
    bot.world.github.tokens.clear()
    await minutes(bot, 61)
    assert len(issues(bot)) == 1


async def test_an_issue_that_was_deleted_is_not_made_anew(bot: Stage) -> None:
    await bot.engineer.says(ADD)
    closes(bot, "deleted")
    await bot.senior.says("/aiec action done act-1")
    await minutes(bot, 6)
    assert trouble(bot) == []
    assert len(issues(bot)) == 1
    assert "/issues/1" not in shown(bot)


async def test_what_is_private_is_told_to_no_repository(bot: Stage) -> None:
    await bot.lead.says("/aiec incident declare SEV3 a key was published --private")
    await bot.lead.says('/aiec action add #2 "rotate the key"')
    await minutes(bot, 6)
    assert issues(bot) == []
