"""`/aiec logs`: what the pods wrote, as people read it."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.faults import Fault
from tests.harness import Stage

NAMESPACE = "aiecommerce"


def pods(bot: Stage, app: str = "gateway") -> list[dict[str, Any]]:
    return [pod for pod in bot.world.kubernetes.pods(NAMESPACE) if app in pod["metadata"]["name"]]


def writes(bot: Stage, pod: dict[str, Any], *texts: str, seconds_ago: float = 60, every: float = 1, previous: bool = False) -> None:
    """Makes the pod's log these lines, the first written so long ago."""
    first = bot.world.clock.now() - timedelta(seconds=seconds_ago)
    lines = [(first + timedelta(seconds=every * place), text) for place, text in enumerate(texts)]
    bot.world.kubernetes.logs.set(pod, lines, previous=previous)


async def test_several_pods_are_merged_by_time_with_their_names(bot: Stage) -> None:
    for place, pod in enumerate(pods(bot)):
        writes(bot, pod, f"first of {place}", f"second of {place}", seconds_ago=60 - place, every=10)
    answer = await bot.engineer.says("/aiec logs prod gateway")
    count = len(pods(bot))
    assert f"*Log of gateway in prod* · {2 * count} lines of {count} pods" in answer
    order = [place for text in ("first", "second") for place in (answer.index(f"{text} of {number}") for number in range(count))]
    assert order == sorted(order)
    assert all(pod["metadata"]["name"] in answer for pod in pods(bot))
    assert "13:59:00 " in answer


async def test_grep_finds_by_expression_and_says_how_many(bot: Stage) -> None:
    for pod in pods(bot):
        writes(bot, pod, *(f"GET /api/orders status={500 if number == 3 else 200}" for number in range(30)))
    answer = await bot.engineer.says("/aiec logs prod gateway --grep 'status=5..$'")
    assert f"{len(pods(bot))} lines that match status=5..$" in answer
    assert "status=200" not in answer
    answer = await bot.engineer.says("/aiec logs prod gateway --grep status=200 --tail 7")
    assert f"the last 7 of {29 * len(pods(bot))} lines that match status=200" in answer
    answer = await bot.engineer.says("/aiec logs prod gateway --grep '(status'")
    assert "`(status` is not a regular expression" in answer
    assert "Nothing that the nodes still keep matches." in await bot.engineer.says("/aiec logs prod gateway --grep nowhere")


async def test_since_leaves_out_what_is_older(bot: Stage) -> None:
    for pod in pods(bot):
        writes(bot, pod, "of old", "of late", seconds_ago=600, every=570)
    answer = await bot.engineer.says("/aiec logs prod gateway --since 5m")
    assert "of late" in answer
    assert "of old" not in answer
    assert "Nothing was written in the last 10s" in await bot.engineer.says("/aiec logs prod gateway --since 10s")


async def test_secrets_and_personal_data_are_not_shown(bot: Stage) -> None:
    writes(bot, pods(bot)[0], "login maria@example.com password=hunter2", "paid with 4111 1111 1111 1111", "Authorization: Bearer abcdefghijkl")
    answer = await bot.engineer.says(f"/aiec logs prod {pods(bot)[0]['metadata']['name']}")
    assert "login [e-mail] password=[secret]" in answer
    assert "paid with [card number]" in answer
    assert not any(secret in answer for secret in ("maria", "hunter2", "4111", "abcdefghijkl"))


async def test_what_is_long_is_a_file_in_the_persons_direct_messages(bot: Stage) -> None:
    first, *others = pods(bot)
    for other in others:
        writes(bot, other, "nothing")
    writes(bot, first, *(f"line {number} of maria@example.com" for number in range(400)), every=0.1)
    answer = await bot.engineer.says("/aiec logs prod gateway --tail 300 --grep maria")
    assert "the last 300 of 400 lines" in answer
    assert "in your direct messages" in answer
    (file,) = bot.slack.files.values()
    assert file.shared
    text = file.content.decode()
    assert text.startswith(f"2026-11-23T13:59:10.000000Z {first['metadata']['name']} line 100 of [e-mail]\n")
    assert text.count("\n") == 300
    assert file.title == "gateway-prod-20261123-135939.log"
    assert not [message for message in bot.newcomer.sees() if message.files]


async def test_a_log_before_the_restart(bot: Stage) -> None:
    pod = pods(bot)[0]
    answer = await bot.engineer.says(f"/aiec logs prod {pod['metadata']['name']} --previous")
    assert 'previous terminated container "gateway"' in answer
    bot.world.kubernetes.kill(NAMESPACE, pod["metadata"]["name"])
    writes(bot, pod, "the last words", previous=True)
    answer = await bot.engineer.says(f"/aiec logs prod {pod['metadata']['name']} --previous")
    assert "before the last restart" in answer
    assert "the last words" in answer


async def test_names_that_do_not_exist_get_the_nearest(bot: Stage) -> None:
    assert "did you mean `gateway`?" in await bot.engineer.says("/aiec logs prod gatewy")
    assert "No pod in prod has app=nothing" in await bot.engineer.says("/aiec logs prod app=nothing")
    name = pods(bot)[0]["metadata"]["name"]
    assert "is not a container of" in await bot.engineer.says(f"/aiec logs prod {name} --container sidecar")


async def test_binary_and_endless_lines_are_readable(bot: Stage) -> None:
    pod = pods(bot)[0]
    writes(bot, pod, "\x00\x1b[31mred\x1b[0m", "x" * 1_500_000 + " needle", "after")
    answer = await bot.engineer.says(f"/aiec logs prod {pod['metadata']['name']}")
    assert " red" in answer
    assert "(1,500 kB in this line)" in answer or "kB in this line)" in answer
    assert len(answer) < 5_000
    assert "after" in answer


async def test_who_may_not_read_logs_is_told_so(bot: Stage) -> None:
    answer = await bot.newcomer.says("/aiec logs prod gateway")
    assert "Log of" not in answer
    assert "logs" in answer


async def test_a_log_that_breaks_off_is_said_to(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="kubernetes", path="/log", status=500, times=1))
    answer = await bot.engineer.says("/aiec logs prod gateway")
    assert answer.count("broke off") == 1
    assert "*Log of gateway in prod* · " in answer


@pytest.mark.parametrize("at", ["request", "done"])
async def test_a_pod_that_vanishes_while_it_is_read_is_named(bot: Stage, at: Any) -> None:
    name = pods(bot)[0]["metadata"]["name"]
    for pod in pods(bot):
        writes(bot, pod, "still here")

    def vanish() -> None:
        bot.world.kubernetes.delete("Pod", NAMESPACE, name)
        bot.world.clock.advance(1)
        bot.world.kubernetes.play()

    bot.world.faults.add(Fault(kind="kill", system="kubernetes", path=f"{name}/log", times=1, at=at, call=vanish))
    answer = await bot.engineer.says("/aiec logs prod gateway")
    assert f"{name} went away while it was read; what it had said until then is here." in answer
    assert answer.count("still here") == (2 if at == "request" else 3)


@pytest.mark.parametrize("words", ["--tail 0", "--tail 99999", "--since 0s", "--since soon"])
async def test_figures_that_make_no_sense_are_refused(bot: Stage, words: str) -> None:
    answer = await bot.engineer.says(f"/aiec logs prod gateway {words}")
    assert "Usage: `/aiec logs <env> <service|pod>" in answer


async def test_a_failed_deploy_and_an_incident_offer_the_log(bot: Stage) -> None:
    for pod in pods(bot):
        writes(bot, pod, "what it said")
    await bot.engineer.says('/aiec deploy prod v1.3.0-crash --service gateway --emergency "a test"')
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert "failed and was rolled back" in bot.last()
    await bot.engineer.clicks("Logs")
    assert "*Log of gateway in prod*" in bot.engineer.sees()[-1].plain
    await bot.engineer.says("/aiec incident declare SEV3 slow --service gateway")
    await bot.engineer.clicks("Logs", channel="incidents")
    assert "*Log of gateway in prod* · " in bot.engineer.sees("incidents")[-1].plain
    await bot.newcomer.clicks("Logs", channel="incidents")
    assert "newcomer" in bot.newcomer.sees("incidents")[-1].plain
