"""A deploy's figures in its thread, once it is over: as a picture, in words, or why they were not seen."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.faults import Fault
from sandbox.prometheus import ramp
from sandbox.slack.state import Message
from tests.harness import Stage, said, stage

RATE = ".*http_requests_total.*"
PNG = b"\x89PNG\r\n\x1a\n"


async def deployed(bot: Stage, seconds: float = 60) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.forward(seconds)


def thread(bot: Stage) -> list[Message]:
    """What stands below the latest deploy."""
    (parent,) = [message for message in bot.slack.messages("devops") if "Deploy v1.2.0" in message.plain and not message.visible_to and not message.is_reply]
    return [*bot.slack.thread(parent)]


def picture(bot: Stage, message: Message) -> bytes:
    return bytes(bot.slack.files[message.files[0]["id"]].content)


async def test_a_deploy_leaves_one_picture_of_its_figures_in_its_thread(tmp_path: Path) -> None:
    async with stage(tmp_path, pictures=True) as bot:
        await deployed(bot)
        assert "✅ done" in bot.last()
        (reply,) = thread(bot)
        assert (reply.text, reply.files[0]["title"], reply.files[0]["name"]) == ("Figures of op-1", "Deploy v1.2.0 to prod", "aiec-op-1-figures.png")
        assert picture(bot, reply).startswith(PNG)
        assert len(picture(bot, reply)) < 100_000
        told = reply.files[0]["alt_txt"]
        assert "Deploy v1.2.0 to prod; gateway error rate: min 0.02, max 0.02, last 0.02 /s (limit 0.1 /s); gateway p95 latency: min 0.19" in told
        assert told.endswith("13:45 to 14:00 UTC; deploy at 14:00")
        await bot.forward(minutes=5)
        assert len(thread(bot)) == 1


@pytest.mark.slow
async def test_a_rollback_is_marked_and_the_terminals_show_says_the_figures(bot: Stage) -> None:
    await deployed(bot, 8)
    bot.world.prometheus.set(RATE, ramp([(0, 0.02), (10, 0.31), (300, 0.31)], bot.world.clock.now()), regex=True)
    await bot.forward(minutes=2)
    assert "failed and was rolled back" in bot.last()
    shown = await bot.engineer.says("/aiec show op-1")
    assert "gateway error rate: min 0.02, max 0.31, last 0.31 /s (limit 0.1 /s)" in shown
    assert "deploy at 14:00, rollback at 14:00" in shown
    assert "gateway error rate: min 0.02, max 0.31, last 0.31 /s (limit 0.1 /s)" in "\n".join(map(said, thread(bot)))


@pytest.mark.slow
async def test_figures_that_are_not_seen_are_named_and_hold_up_nothing(bot: Stage) -> None:
    await deployed(bot, 8)
    bot.world.faults.add(Fault(kind="status", system="prometheus", status=503, path="query_range"))
    await bot.forward(minutes=1)
    assert "✅ done" in bot.last()
    (reply,) = thread(bot)
    assert "gateway error rate was not seen: Prometheus (127.0.0.1" in said(reply)
    assert "gateway p95 latency was not seen" in said(reply)


async def test_a_figure_that_yields_nothing_leaves_the_others_in_the_picture(bot: Stage) -> None:
    bot.world.prometheus.set(".*http_request_duration_seconds.*", regex=True)
    bot.world.clock.advance(3600)
    await deployed(bot)
    (reply,) = thread(bot)
    assert "gateway p95 latency was not seen: the expression yields nothing in that time." in said(reply)
    assert "gateway error rate: min 0.02" in said(reply)


async def test_services_without_figures_have_no_chart(tmp_path: Path) -> None:
    async with stage(tmp_path, gateway={"gates": [], "charts": []}) as bot:
        await deployed(bot)
        assert "✅ done" in bot.last()
        assert thread(bot) == []


async def test_without_a_prometheus_an_expected_figure_is_missed(tmp_path: Path) -> None:
    async with stage(tmp_path, gateway={"gates": []}) as bot:
        bot.bot.ports = replace(bot.ports, metrics=None)
        await deployed(bot)
        (reply,) = thread(bot)
        assert "gateway p95 latency was not seen: PROMETHEUS_URL is not set." in said(reply)


@pytest.mark.slow
async def test_a_picture_whose_answer_was_lost_stands_once(tmp_path: Path) -> None:
    async with stage(tmp_path, pictures=True) as bot:
        lost = bot.world.faults.add(Fault(kind="drop_after", system="slack", path="completeUploadExternal", times=1))
        await deployed(bot)
        await bot.forward(minutes=1)
        assert bot.world.faults.met(lost) == 1
        assert [reply.text for reply in thread(bot)] == ["Figures of op-1"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["getUploadURLExternal", "upload/v1", "completeUploadExternal"])
async def test_a_picture_that_slack_does_not_take_comes_later(tmp_path: Path, path: str) -> None:
    async with stage(tmp_path, pictures=True) as bot:
        bot.world.faults.add(Fault(kind="status", system="slack", status=503, times=2, path=path))
        await deployed(bot)
        await bot.forward(minutes=1)
        assert [reply.text for reply in thread(bot)] == ["Figures of op-1"]
        assert "✅ done" in bot.last()


@pytest.mark.slow
async def test_an_app_without_the_scope_says_the_figures_in_words(tmp_path: Path) -> None:
    async with stage(tmp_path, pictures=True) as bot:
        bot.slack.app.scopes.remove("files:write")
        await deployed(bot)
        (reply,) = thread(bot)
        assert "gateway error rate: min 0.02" in said(reply)
        assert "needs the scope `files:write`" in said(reply)


@pytest.mark.slow
async def test_who_cancels_sees_the_figures_too(bot: Stage) -> None:
    await deployed(bot, 8)
    await bot.engineer.clicks("Cancel")
    await bot.forward(minutes=1)
    assert "was cancelled" in bot.last()
    assert "rollback at 14:00" in "\n".join(map(said, thread(bot)))


@pytest.mark.slow
async def test_with_a_grafana_the_figures_can_be_looked_at_closer(tmp_path: Path) -> None:
    async with stage(tmp_path, pictures=True) as bot:
        bot.bot.ports = replace(bot.ports, grafana="https://grafana.example.com/")
        await deployed(bot)
        (reply,) = thread(bot)
        found = re.search(r"<(https://grafana\.example\.com/explore\?[^|>]+)\|Look closer in Grafana>", reply.text)
        assert found is not None, reply.text
        pane = json.loads(parse_qs(urlsplit(html.unescape(found[1])).query)["panes"][0])["aiec"]
        assert "http_requests_total" in pane["queries"][0]["expr"]
        assert int(pane["range"]["to"]) - int(pane["range"]["from"]) > 15 * 60 * 1000
