"""What a month was like: asked for, and posted by itself."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.slack.state import Message
from tests.harness import Stage, said, stage

NIGHT = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)
"""Half past two where the engineer is."""


def plain(text: str) -> str:
    return text.replace("*", "")


def posted(bot: Stage, channel: str = "incidents") -> list[Message]:
    return [one for one in bot.slack.messages(channel) if "Review of" in said(one) and not one.is_reply and not one.visible_to]


async def leap(bot: Stage, to: datetime) -> None:
    """Time goes on to that moment at once; the bot looks again then."""
    bot.world.clock.advance((to - bot.world.clock.now()).total_seconds())
    await bot.settle()


async def a_month_with_a_night(bot: Stage) -> None:
    """A deploy in the day, and in the night an incident that is answered after four minutes and resolved after twenty."""
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.forward(60)
    await leap(bot, NIGHT)
    await bot.newcomer.says("/aiec incident declare SEV2 error rate 12 % --service gateway")
    await bot.forward(minutes=4, step=60)
    await bot.engineer.says("/aiec incident ack 1")
    await bot.forward(minutes=16, step=60)
    await bot.engineer.says("/aiec incident resolve #1")
    await bot.forward(2)


async def test_the_month_so_far_is_shown_with_its_nights_and_deploys(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await a_month_with_a_night(bot)
        shown = plain(await bot.newcomer.says("/aiec trends"))
        assert "Review of November 2026 until" in shown
        assert ": 1 incident" in shown
        assert "Answered after 4 min, resolved after 20 min" in shown
        assert "1 deploy to production, none failed" in shown
        assert "1 page at night (22:00 to 07:00 on the clock of whoever was paged)" in shown
        assert "night engineer                 1      0    new" in shown
        assert "seen by a person               1      0    new" in shown
        assert "lead time" in shown


async def test_a_month_that_has_not_begun_or_is_none_is_said(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        assert "December 2026 has not begun." in await bot.engineer.says("/aiec trends --month 2026-12")
        assert "*2026-13* is not a month such as 2026-11" in await bot.engineer.says("/aiec trends --month 2026-13")
        assert "Review of October 2026: nothing happened" in plain(await bot.engineer.says("/aiec trends --month 2026-10"))


async def test_a_private_incident_is_counted_and_nothing_of_it_is_named(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await bot.engineer.says("/aiec incident declare SEV2 key leaked --service postgres --private")
        await bot.forward(4)
        shown = plain(await bot.newcomer.says("/aiec trends"))
        assert ": 1 incident" in shown
        assert "(private)" in shown
        assert "postgres" not in shown
        assert "leaked" not in shown


@pytest.mark.slow
async def test_the_file_comes_in_direct_messages(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await a_month_with_a_night(bot)
        assert "in your direct messages" in await bot.lead.says("/aiec trends --csv")
        (file,) = [one for one in bot.slack.files.values() if one.name.endswith(".csv")]
        assert b"2026-11,MTTA,,240,s," in file.content


@pytest.mark.slow
async def test_the_review_posts_itself_once_with_its_tables_chart_and_file_in_the_thread(tmp_path: Path) -> None:
    async with stage(tmp_path, pictures=True) as bot:
        await a_month_with_a_night(bot)
        await leap(bot, datetime(2026, 12, 1, 8, 59, tzinfo=UTC))
        assert posted(bot) == []
        await bot.forward(minutes=3, step=30)
        (message,) = posted(bot)
        assert "Review of November 2026: 1 incident" in plain(said(message))
        assert "late because" not in said(message)
        thread = [*bot.slack.thread(message)]
        assert len(thread) == 3
        assert sum("Deploys to production (DORA)" in said(one) for one in thread) == 1
        assert {file["name"] for one in thread for file in one.files} == {"aiec-trends-2026-11-chart.png", "aiec-trends-2026-11-sheet.csv"}
        assert await bot.events("trends.posted") == ["aiec"]


@pytest.mark.slow
async def test_a_review_that_was_missed_is_posted_once_late_and_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await a_month_with_a_night(bot)
        await leap(bot, datetime(2026, 12, 1, 8, 30, tzinfo=UTC))
        await bot.dead(minutes=200)
        await bot.forward(10)
        (message,) = posted(bot)
        assert "Tue 01 Dec 09:00 UTC>, and is late because aiec did not run" in said(message)
        await bot.dead(minutes=5)
        await bot.forward(10)
        assert len(posted(bot)) == 1


@pytest.mark.slow
async def test_a_month_in_which_nothing_happened_is_said_in_one_line(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await bot.settle()
        await leap(bot, datetime(2027, 1, 1, 9, 0, tzinfo=UTC))
        await bot.forward(4)
        (message,) = posted(bot)
        assert "Review of December 2026: nothing happened" in plain(said(message))
        assert [*bot.slack.thread(message)] == []
