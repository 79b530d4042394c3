"""Killed in the middle of a rollback, a restart, a scaling, and whatever else is done by hand: its successor ends it, and changes nothing twice."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from sqlmodel import select

from bot.store.tables import LockRow, OperationRow, RequestRow
from sandbox.faults import Fault
from sandbox.kubernetes.execs import Answer
from sandbox.slack.state import Message
from tests.crash.judge import ENDS, GATEWAY
from tests.crash.scene import PROD, Scene, staged, until

POINTS = {
    "rollback": ("rollback prod gateway", f"/{GATEWAY}", "answer", 2),  # after the dry runs of the plan and of the start
    "restart": ("restart prod gateway", f"/{GATEWAY}", "answer", 0),
    "scale": ("scale prod gateway 4", f"/{GATEWAY}/scale", "request", 0),
}
"""What is asked, and at which PATCH the process dies: before it is executed, or when it is executed and not answered."""


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
async def test_what_was_begun_is_ended_once(name: str, tmp_path: Path) -> None:
    asked, path, at, skip = POINTS[name]
    async with staged(tmp_path, f"sqlite:///{tmp_path / 'aiec.db'}") as scene:
        await changed_by_hand(scene)
        before = scene.deployment(GATEWAY)
        async with scene.running() as replica:
            fault = Fault(kind="kill", call=replica.kill, system="kubernetes", method="PATCH", path=path, at=at, skip=skip, times=1)
            met = scene.world.faults.add(fault)
            await scene.say("engineer", f"/aiec {asked}")
            await scene.press("lead", "Approve")
            message = await scene.ended(*ENDS)
            assert (replica.deaths, scene.world.faults.met(met)) == (1, 1), "the point was never reached"
        assert ENDS[0] in message.plain, scene.describe()
        after = scene.deployment(GATEWAY)
        changes = after["metadata"]["generation"] - before["metadata"]["generation"]
        assert changes == (2 if name == "scale" else 1)  # a Deployment counts its annotations too: the mark is one, the number another
        mark = "aiec.dev/scaled-by" if name == "scale" else "aiec.dev/operation"
        assert after["metadata"]["annotations"][mark] == "op-1"
        assert (scene.tag(GATEWAY), after["spec"]["replicas"]) == {"rollback": ("v1.1.0", 3), "restart": ("v1.2.0", 3), "scale": ("v1.2.0", 4)}[name]
        code, out, err = await scene.aiec("audit", "verify")
        assert code == 0, out + err


async def changed_by_hand(scene: Scene) -> None:
    """There is an earlier revision, and no autoscaler."""
    scene.world.kubernetes.delete("HorizontalPodAutoscaler", PROD, GATEWAY)
    workload = scene.deployment(GATEWAY)
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v1.2.0"
    scene.world.kubernetes.apply(workload)
    while scene.deployment(GATEWAY)["status"].get("updatedReplicas") != 3 or scene.deployment(GATEWAY)["status"].get("availableReplicas") != 3:
        scene.world.kubernetes.play()
        await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Point:
    """What is asked by the lead, after `before` was done; at which request the process dies; and what is so in the end."""

    asked: str
    method: str
    path: str
    at: Literal["request", "answer"]
    holds: Callable[[Scene], bool]
    before: str = ""


def policies(scene: Scene) -> list[str]:
    return [one["metadata"]["name"] for one in scene.world.kubernetes.objects("NetworkPolicy", PROD)]


def paused(scene: Scene) -> bool:
    return bool(scene.deployment(GATEWAY)["spec"].get("paused"))


def least(scene: Scene) -> int:
    return int(scene.world.kubernetes.get("HorizontalPodAutoscaler", PROD, GATEWAY)["spec"]["minReplicas"])


WORKLOAD, AUTOSCALER = f"/deployments/{GATEWAY}$", f"/horizontalpodautoscalers/{GATEWAY}$"
ISOLATE, PAUSE, BOUNDS = "isolate prod gateway", "pause prod gateway", "scale prod gateway --bounds 4-10"
OTHERS = {
    "bounds": Point(BOUNDS, "PATCH", AUTOSCALER, "answer", lambda scene: least(scene) == 4),
    "pause": Point(PAUSE, "PATCH", WORKLOAD, "answer", paused),
    "resume": Point("resume prod gateway", "PATCH", WORKLOAD, "answer", lambda scene: not paused(scene), before=PAUSE),
    "isolate": Point(ISOLATE, "POST", "/networkpolicies$", "answer", lambda scene: policies(scene) == ["aiec-isolates-gateway"]),
    "unisolate": Point("unisolate prod gateway", "DELETE", "/networkpolicies/", "answer", lambda scene: policies(scene) == [], before=ISOLATE),
    "undo": Point("rollback prod --operation op-1", "PATCH", AUTOSCALER, "answer", lambda scene: least(scene) == 3, before=BOUNDS),
}


@pytest.mark.slow
@pytest.mark.parametrize("point", OTHERS.values(), ids=OTHERS.keys())
async def test_whatever_else_was_begun_is_ended_once(point: Point, tmp_path: Path) -> None:
    async with staged(tmp_path, f"sqlite:///{tmp_path / 'aiec.db'}") as scene, scene.running() as replica:
        if point.before:
            await scene.say("lead", f"/aiec {point.before}")
            await scene.press("senior", "Approve")
            await scene.ended(ENDS[0])
        assert not point.holds(scene)
        fault = Fault(kind="kill", call=replica.kill, system="kubernetes", method=point.method, path=point.path, at=point.at, times=1)
        met = scene.world.faults.add(fault)
        number = 2 if point.before else 1
        await scene.say("lead", f"/aiec {point.asked}")
        await scene.press("senior", "Approve")
        await until(lambda: len(scene.messages()) == number and any(word in scene.messages()[-1].plain for word in ENDS), what=scene.describe)
        message = await scene.ended(*ENDS)
        assert (replica.deaths, scene.world.faults.met(met)) == (1, 1), "the point was never reached"
        assert ENDS[0] in message.plain, scene.describe()
        assert point.holds(scene)
        with scene.store() as store:
            rows, locks = store.look(lambda tx: (tx.all(select(OperationRow)), tx.all(select(LockRow))))
        assert ([row.state for row in rows], locks) == (["done"] * number, [])
        code, out, err = await scene.aiec("audit", "verify")
        assert code == 0, out + err


@pytest.mark.slow
async def test_a_named_command_that_had_begun_does_not_run_twice(tmp_path: Path) -> None:
    procedures = {"reindex": {"service": "postgres", "command": ["reindexdb", "--all"]}}
    async with staged(tmp_path, f"sqlite:///{tmp_path / 'aiec.db'}", procedures=procedures) as scene, scene.running() as replica:
        execs = scene.world.kubernetes.execs
        execs.arrange(Answer(command="reindexdb", stdout=b"done", seconds=3600))
        await scene.say("lead", "/aiec run prod reindex")
        await scene.press("senior", "Approve")
        await until(lambda: execs.calls, what=scene.describe)
        replica.kill()
        message = await scene.ended("❌ failed")
        assert replica.deaths == 1
        assert "whether reindex ran to its end is not known: aiec was stopped while it ran" in message.plain
        assert [call.command[0] for call in execs.calls] == ["reindexdb"]


@pytest.mark.slow
async def test_who_followed_a_log_is_told_that_it_is_followed_no_more(tmp_path: Path) -> None:
    async with staged(tmp_path, f"sqlite:///{tmp_path / 'aiec.db'}") as scene, scene.running() as replica:
        await scene.say("engineer", "/aiec logs prod gateway --follow")

        def direct() -> list[Message]:
            return [one for one in scene.slack.messages("@engineer") if one.app]

        def heads() -> list[list[str]]:
            return [one.buttons for one in direct() if not one.is_reply]

        await until(lambda: heads() == [["Stop"]], what=scene.describe)
        with scene.store() as store:  # else its successor answers the request anew, or says once more that it is followed
            await until(lambda: store.look(lambda tx: tx.all(select(RequestRow)))[-1].state == "answered", what=scene.describe)
        await scene.all_said()
        replica.kill()
        await until(lambda: heads() == [["Follow again"]], what=lambda: f"{heads()}\n{scene.describe()}")
        assert replica.deaths == 1
        await scene.all_said()
        assert "No longer followed: aiec was restarted" in "".join(one.plain for one in direct())
