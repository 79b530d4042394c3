"""Commands that aiec.yaml names, run in containers; and shells, which are refused."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.execs import Answer
from tests.harness import Stage, stage

PROCEDURES: dict[str, Any] = {
    "reindex": {"service": "postgres", "command": ["reindexdb", "--all"]},
    "tidy": {"service": "gateway", "command": ["tidy", "--all"], "in": ["staging"]},
    "jwt-key": {"for": "rotate", "service": "gateway", "command": ["/scripts/rotate"], "restart": ["gateway", "ml-recommendation"]},
    "standby": {"for": "database switch", "service": "postgres", "command": ["/scripts/switch"], "check": ["/scripts/switched"], "within": "1m"},
}
WINDOW = {"cron": "0 2 * * SUN", "duration": "4h"}


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, procedures=PROCEDURES) as found:
        yield found


def answers(bot: Stage, command: str, text: str = "", **how: Any) -> None:
    bot.world.kubernetes.execs.arrange(Answer(command=command, stdout=text.encode(), **how))


def ran(bot: Stage) -> list[tuple[str, ...]]:
    return [call.command for call in bot.world.kubernetes.execs.calls]


async def approved(bot: Stage, text: str) -> None:
    await bot.senior.says(text)
    await bot.lead.clicks("Approve")
    await bot.forward(10)


async def test_a_named_command_runs_once_and_shows_the_end_of_what_it_wrote_without_secrets(bot: Stage) -> None:
    answers(bot, "reindexdb", "reindexing orders\nconnected with password=hunter2\ndone\n")
    await bot.senior.says("/aiec run prod reindex")
    assert "waiting · *Run reindex in prod*" in bot.last()
    assert "`postgres` *runs reindex* · reindexdb --all" in bot.last()
    await bot.lead.clicks("Approve")
    await bot.forward(10)
    assert "✅ done · *Run reindex in prod*" in bot.last()
    assert "`postgres` ran reindex, reindexing orders / connected with password=[secret] / done" in bot.last()
    (call,) = bot.world.kubernetes.execs.calls
    assert (call.pod, call.container, call.command) == ("postgres-0", "postgres", ("reindexdb", "--all"))


async def test_a_command_that_fails_says_why_and_is_not_taken_back(bot: Stage) -> None:
    answers(bot, "reindexdb", "halfway", stderr=b"error: deadlock detected\n", exit_code=3)
    await approved(bot, "/aiec run prod reindex")
    assert "❌ failed · *Run reindex in prod failed*" in bot.last()
    assert "`reindexdb` in postgres-0 ended with exit code 3: error: deadlock detected" in bot.last()
    assert len(ran(bot)) == 1
    assert "what reindex did is not known, and not taken back" in await bot.senior.says("/aiec rollback prod --operation op-1")


async def test_an_output_that_does_not_fit_is_a_file_in_the_thread_without_secrets(bot: Stage) -> None:
    answers(bot, "reindexdb", "".join(f"index {number} of orders, password=hunter{number}\n" for number in range(500)))
    await approved(bot, "/aiec run prod reindex")
    assert "index 499 of orders, password=[secret] (all of it is in the thread)" in bot.last()
    parent = [message for message in bot.slack.messages("devops") if message.app and not message.is_reply][-1]
    (file,) = [file for reply in bot.slack.thread(parent) for file in reply.files]
    assert file["title"] == "reindex-prod-20261123-140000.log"
    text = bot.slack.files[file["id"]].content.decode()
    assert text.startswith("index 0 of orders, password=[secret]\n")
    assert (text.count("\n"), "hunter" in text) == (500, False)


async def test_an_end_of_the_output_that_does_not_arrive_is_said(bot: Stage) -> None:
    answers(bot, "reindexdb", "reindexing orders\n", loses_end=True)
    await approved(bot, "/aiec run prod reindex")
    assert "✅ done" in bot.last()
    assert "[what was written after this did not arrive]" in bot.last()


async def test_while_it_runs_it_is_shown_and_a_bot_that_was_gone_does_not_run_it_again(bot: Stage) -> None:
    answers(bot, "reindexdb", "done", seconds=30)
    await bot.senior.says("/aiec run prod reindex")
    await bot.slack.clicks("lead", bot.message_with("Approve"), "Approve")
    while not ran(bot):
        await bot.bot.engine.settle()
    bot.world.clock.advance(4)
    await bot.bot.engine.settle()
    assert "`postgres` runs in postgres-0" in bot.last()
    await bot.dead(minutes=1)
    await bot.forward(4)
    assert "whether reindex ran to its end is not known: aiec was stopped while it ran" in bot.last()
    assert len(ran(bot)) == 1


async def test_cancelled_it_is_left_alone_and_said(bot: Stage) -> None:
    answers(bot, "reindexdb", "done", seconds=30)
    await bot.senior.says("/aiec run prod reindex")
    await bot.slack.clicks("lead", bot.message_with("Approve"), "Approve")
    while not ran(bot):
        await bot.bot.engine.settle()
    await bot.slack.clicks("senior", bot.message_with("Cancel"), "Cancel")
    await bot.forward(4)
    assert "reindex may still run there, and no command takes it back" in bot.last()


async def test_a_program_that_is_not_there_is_named(bot: Stage) -> None:
    await approved(bot, "/aiec run prod reindex")
    assert "There is no `reindexdb` in the container of postgres-0" in bot.last()


@pytest.mark.slow
async def test_when_the_connection_breaks_it_does_not_run_again(bot: Stage) -> None:
    answers(bot, "reindexdb", "done", cut_after=2)
    await approved(bot, "/aiec run prod reindex")
    assert "ended before it said how it went" in bot.last()
    await bot.forward(minutes=1)
    assert len(ran(bot)) == 1


async def test_a_secret_is_rotated_and_its_readers_are_restarted(bot: Stage) -> None:
    answers(bot, "/scripts/rotate", "rotated")
    before = {pod["metadata"]["name"] for pod in bot.world.kubernetes.pods("aiecommerce-staging")}
    await bot.senior.says("/aiec rotate staging jwt-key")
    assert "waits for one approval" in bot.last()  # also where an environment asks for none
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "✅ done · *Rotate jwt-key in staging*" in bot.last()
    assert "`gateway` ran jwt-key, rotated" in bot.last()
    assert "`ml-recommendation` restarted" in bot.last()
    after = {pod["metadata"]["name"] for pod in bot.world.kubernetes.pods("aiecommerce-staging") if not pod["metadata"].get("deletionTimestamp")}
    assert not {name for name in after & before if name.startswith(("gateway", "ml-"))}


async def test_the_database_is_switched_when_its_check_says_so(bot: Stage) -> None:
    answers(bot, "/scripts/switch$", "switchover begun")
    answers(bot, "/scripts/switched", stderr=b"still replaying\n", exit_code=1)
    await approved(bot, "/aiec database switch prod")
    assert "not over yet: `/scripts/switched` in postgres-0 ended with exit code 1: still replaying" in bot.last()
    answers(bot, "/scripts/switched", "postgres-1 is primary")
    await bot.forward(10)
    assert "✅ done · *Switch the database of prod (standby)*" in bot.last()
    assert "checked: postgres-1 is primary" in bot.last()
    assert ran(bot).count(("/scripts/switch",)) == 1


@pytest.mark.slow
async def test_a_switch_that_does_not_end_in_time_fails(bot: Stage) -> None:
    answers(bot, "/scripts/switch$")
    answers(bot, "/scripts/switched", exit_code=1)
    await approved(bot, "/aiec database switch prod")
    await bot.forward(minutes=2)
    assert "not over after 1m" in bot.last()


async def test_a_switch_waits_for_the_change_window_unless_it_is_an_emergency(tmp_path: Path) -> None:
    async with stage(tmp_path, procedures=PROCEDURES, prod={"change_window": WINDOW}) as bot:
        told = await bot.senior.says("/aiec database switch prod")
        assert "The change window is closed; it opens 2026-11-29 02:00 UTC" in told
        await bot.senior.says('/aiec database switch prod --emergency "the primary is gone"')
        assert "waiting · *Switch the database of prod (standby)*" in bot.last()
        await bot.senior.says("/aiec run prod reindex")  # a command that disrupts nothing does not wait
        assert "waiting · *Run reindex in prod*" in bot.last()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("run prod reindx", "*reindx* is nothing that `run` does in prod; did you mean `reindex`?"),
        ("run prod tidy", "*tidy* is nothing that `run` does in prod"),
        ("run prod jwt-key", "*jwt-key* is nothing that `run` does in prod"),
        ("rotate prod jwt", "*jwt* is nothing that `rotate` does in prod"),
        ("database switch prod --procedure other", "*other* is nothing that `database switch` does in prod"),
        ("exec -it gateway-production-1 -n aiecommerce -- /bin/bash", "A shell in production is not opened from here"),
        ("exec", "`/aiec run <env> <name>`: there are reindex, tidy."),
        ("port-forward service/gateway-service 8080:80 -n aiecommerce", "No port is forwarded from here"),
    ],
)
async def test_what_cannot_be_done_is_said_with_what_can(bot: Stage, text: str, sentence: str) -> None:
    assert sentence in await bot.senior.says(f"/aiec {text}")
    assert ran(bot) == []


async def test_nothing_is_named_unless_aiec_yaml_does(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        assert "aiec.yaml names no command to run in prod." in await bot.senior.says("/aiec run prod reindex")
        assert "aiec.yaml has no procedure that rotates anything in prod." in await bot.senior.says("/aiec rotate prod jwt-key")
        assert "aiec.yaml has no procedure that switches the database in prod." in await bot.senior.says("/aiec database switch prod")
        assert "a command of `procedures` in aiec.yaml" in await bot.senior.says("/aiec exec -it pod -- sh")
        assert not re.search("/aiec (help )?(run|rotate|database)\\b", await bot.senior.says("/aiec help"))


async def test_who_may_not_is_told(bot: Stage) -> None:
    for text in ("run prod reindex", "rotate prod database-password", "database switch prod"):
        assert f"`/aiec {text}`" in await bot.senior.says("/aiec help")
        assert f"`/aiec {text}`" not in await bot.newcomer.says("/aiec help")
        assert "engineer" in await bot.engineer.says(f"/aiec {text}")
    assert not [one for one in bot.slack.messages("devops", "lead") if one.app]
