"""`/aiec logs … --follow`: what is written from now on, in a thread of one's direct messages, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from sandbox.slack.state import Message
from tests.harness import Stage, said, stage

NAMESPACE = "aiecommerce"


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as found:
        found.process.push_async_callback(found.bot.close)
        yield found


def pods(bot: Stage, app: str = "gateway") -> list[dict[str, Any]]:
    return [pod for pod in bot.world.kubernetes.pods(NAMESPACE) if app in pod["metadata"]["name"]]


def quiet(bot: Stage) -> None:
    """Nothing was written so far."""
    for pod in pods(bot):
        bot.world.kubernetes.logs.set(pod, [])


def writes(bot: Stage, pod: dict[str, Any], *texts: str) -> None:
    for text in texts:
        bot.world.kubernetes.logs.append(pod, (bot.world.clock.now(), text))


def direct(bot: Stage) -> list[Message]:
    """The engineer's direct messages with aiec."""
    return bot.slack.messages("@engineer")


def head(bot: Stage) -> Message:
    """The message that the lines stand under."""
    return [message for message in direct(bot) if not message.is_reply][-1]


def thread(bot: Stage) -> str:
    return "\n".join(said(message) for message in direct(bot) if message.is_reply)


async def until(bot: Stage, there: Callable[[], bool], *, seconds: int = 20) -> None:
    """Lets the bot's clock go on, second by second, until it is so: bytes take real time on their way."""
    for _ in range(seconds):
        await bot.forward(1, step=1)
        for _ in range(20):
            if there():
                return
            await asyncio.sleep(0.01)
            await bot.settle()
    raise AssertionError(thread(bot))


async def begun(bot: Stage, text: str = "/aiec logs prod gateway --follow") -> None:
    quiet(bot)
    answer = await bot.engineer.says(text)
    assert "*Following the log of gateway in prod*" in answer
    assert "in your direct messages" in answer


async def test_what_is_written_comes_into_the_thread_without_secrets(bot: Stage) -> None:
    await begun(bot)
    first, second, *_ = pods(bot)
    writes(bot, first, "login maria@example.com password=hunter2")
    writes(bot, second, "paid with 4111 1111 1111 1111")
    await until(bot, lambda: "[card number]" in thread(bot) and "[secret]" in thread(bot))
    writes(bot, first, "later")
    await until(bot, lambda: "later" in thread(bot))
    assert not any(secret in thread(bot) for secret in ("maria", "hunter2", "4111"))
    assert first["metadata"]["name"].rpartition("-")[2] in thread(bot)
    assert not [one for name in ("devops", "incidents") for one in bot.slack.messages(name) if "login" in one.plain]
    await bot.engineer.says("/aiec logs stop")


async def test_it_ends_by_its_button_and_says_so(bot: Stage) -> None:
    await begun(bot)
    writes(bot, pods(bot)[0], "one", "two")
    await until(bot, lambda: "two" in thread(bot))
    assert head(bot).buttons == ["Stop"]
    await bot.engineer.clicks("Stop", message=head(bot))
    await bot.forward(2)
    assert "✅ done · *Followed the log of gateway in prod*" in said(head(bot))
    assert "2 lines · stopped by @engineer" in said(head(bot))
    assert "No longer followed: stopped by @engineer." in thread(bot)
    writes(bot, pods(bot)[0], "three")
    await bot.forward(5)
    assert "three" not in thread(bot)
    assert "You follow no log." in await bot.engineer.says("/aiec logs stop")
    await bot.engineer.clicks("Follow again", message=head(bot))
    assert "*Following the log of gateway in prod*" in said(head(bot))


async def test_it_ends_by_itself_and_says_so(bot: Stage) -> None:
    await begun(bot)
    await bot.forward(minutes=15, step=60)
    assert "its time is up" in said(head(bot))
    assert "No longer followed: its time is up." in thread(bot)
    assert await bot.events("follow.ended") == ["aiec"]


async def test_a_bot_that_is_restarted_says_that_it_follows_no_more(bot: Stage) -> None:
    await begun(bot)
    await bot.dead(1)
    bot.process.push_async_callback(bot.bot.close)
    assert "No longer followed: aiec was restarted, and what was written meanwhile is not shown." in thread(bot)
    assert head(bot).buttons == ["Follow again"]


async def test_pods_that_go_and_come_are_said_and_followed(bot: Stage) -> None:
    await begun(bot)
    await bot.forward(2)
    gone = pods(bot)[0]
    bot.world.kubernetes.delete("Pod", NAMESPACE, gone["metadata"]["name"])
    await until(bot, lambda: f"{gone['metadata']['name']} is gone." in thread(bot))
    (fresh,) = [pod for pod in pods(bot) if f"{pod['metadata']['name']} is new, and followed too." in thread(bot)]
    writes(bot, fresh, "here I am")
    await until(bot, lambda: "here I am" in thread(bot))


@pytest.mark.slow
async def test_slack_is_called_at_most_once_a_second_however_much_is_written(bot: Stage) -> None:
    await begun(bot)
    await bot.forward(2)
    calls = bot.world.faults.add(Fault(kind="latency", system="slack", path="chat.postMessage"))  # it counts those that Slack refuses as well
    started = bot.world.clock.now()
    for second in range(4):
        for pod in pods(bot):
            writes(bot, pod, *(f"{second} {'x' * 100} {number}" for number in range(100)))
        await until(bot, lambda second=second: f"{second} x" in thread(bot))
    for number in range(50):
        writes(bot, pods(bot)[0], f"between {number}")
        await bot.forward(0.1, step=0.1)
        await asyncio.sleep(0.01)
    await until(bot, lambda: "between 49" in thread(bot))
    seconds = (bot.world.clock.now() - started).total_seconds()
    assert 8 <= bot.world.faults.met(calls) <= seconds + 1
    assert "lines before these were left out: more is written than can be posted." in thread(bot)


@pytest.mark.slow
async def test_a_container_that_ends_is_said_and_nothing_comes_twice(bot: Stage) -> None:
    await begun(bot)
    await bot.forward(2)
    pod = pods(bot)[0]
    writes(bot, pod, "only once")
    await until(bot, lambda: "only once" in thread(bot))
    bot.world.kubernetes.set_fate(NAMESPACE, pod["metadata"]["name"], "crash")
    await until(bot, lambda: f"Container gateway of {pod['metadata']['name']} ended." in thread(bot))
    await bot.forward(10)
    writes(bot, pod, "afterwards")
    await until(bot, lambda: "afterwards" in thread(bot))
    assert thread(bot).count("only once") == 1


async def test_what_slack_does_not_take_comes_later(bot: Stage) -> None:
    await begun(bot)
    await bot.forward(2)
    bot.world.faults.add(Fault(kind="status", system="slack", path="chat.postMessage", status=500, times=2))
    writes(bot, pods(bot)[0], "important")
    await until(bot, lambda: "important" in thread(bot))


async def test_binary_and_lines_of_a_megabyte_hold(bot: Stage) -> None:
    await begun(bot, "/aiec logs prod gateway --follow --grep end")
    writes(bot, pods(bot)[0], "\x1b[2J\x00\x07 end", f"end {'y' * 1_000_000}", "-----BEGIN RSA PRIVATE KEY----- end")
    await until(bot, lambda: "kB in this line" in thread(bot) and "[secret]" in thread(bot))
    assert "\x1b" not in thread(bot)
    assert "PRIVATE KEY" not in thread(bot)
    assert max(len(message.plain) for message in direct(bot)) < 12_000


async def test_one_log_at_a_time_and_nobody_elses(bot: Stage) -> None:
    await begun(bot)
    assert "You follow the log of gateway in prod already (follow-1)." in await bot.engineer.says("/aiec logs staging gateway --follow")
    assert "follow-1 is followed by engineer, for whom alone it is." in await bot.lead.says("/aiec logs stop follow-1")
    assert "There is no follow-9." in await bot.lead.says("/aiec logs stop follow-9")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prod gateway --previous --follow", "`--previous` and `--follow` do not go together."),
        ("prod gateway --follow --grep (", "is not a regular expression"),
        ("prod gatway --follow", "*gatway* is neither a service nor a pod in prod; did you mean `gateway`?"),
        ("prod gateway --follow --container sidecar", "*sidecar* is not a container of gateway-production-"),
    ],
)
async def test_what_cannot_be_followed_is_said(bot: Stage, text: str, sentence: str) -> None:
    assert sentence in await bot.engineer.says(f"/aiec logs {text}")
    assert not direct(bot)


async def test_who_may_not_see_logs_may_not_follow_them(bot: Stage) -> None:
    assert "newcomer" in await bot.newcomer.says("/aiec logs prod gateway --follow")
    assert not bot.slack.messages("@newcomer")
