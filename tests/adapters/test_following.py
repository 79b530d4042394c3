"""Following a log, in the sandbox and on a real API server, with the Role of deploy/ and nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.core.follows import Followed
from bot.following import Following
from tests.adapters.conftest import InSandbox, Kubernetes
from tests.adapters.test_kubernetes import deployment, pods
from tests.adapters.test_role import ROLE, somebody

FOLLOWED = Followed(environment="test", target="web", labels="app=web", container="app", tail=1)


async def writes(place: Kubernetes, pod: str, text: str) -> None:
    """Where nodes play their pods by rules, the log of every pod is a file beside the kubeconfig, in the runtime's format (docs/testing.md)."""
    if isinstance(place, InSandbox):
        found = next(one for one in place.world.kubernetes.pods(place.namespace) if one["metadata"]["name"] == pod)
        place.world.kubernetes.logs.append(found, (place.now(), text))
        return
    file = Path(os.environ["TEST_KUBECONFIG"]).with_name("current.log")
    if not file.exists():
        pytest.skip("nobody can write into the pods' logs there")
    with file.open("a") as log:
        log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z stdout F {text}\n")


async def until(place: Kubernetes, following: Following, there: Callable[[list[str], list[str]], bool]) -> list[str]:
    """Lets time pass until what was written, and what was said of the pods, is as wanted; returns the lines."""
    lines: list[str] = []
    notes: list[str] = []
    for _ in range(150):
        await following.refresh(place.now())
        batch = following.take()
        lines += [line.text for line in batch.lines]
        notes += batch.notes
        if there(lines, notes):
            return lines
        await place.passes(0.2)
        await asyncio.sleep(0.02)
    raise AssertionError((lines, notes))


async def test_what_is_written_comes_once_and_pods_come_and_go(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment(tag="v1.0.0"))
    (pod,) = await pods(kubernetes, "web", lambda found: any(one["ready"] for pod in found for one in pod["status"].get("containerStatuses", [])))
    name = pod["metadata"]["name"]
    async with somebody(kubernetes, ROLE) as cluster:
        following = Following(FOLLOWED, cluster)
        try:
            await until(kubernetes, following, lambda lines, notes: bool(lines))
            await writes(kubernetes, name, f"of {name} with password=hunter2")
            lines = await until(kubernetes, following, lambda lines, notes: any(name in line for line in lines))
            assert [line for line in lines if name in line] == [f"of {name} with password=[secret]"]
            seen = await kubernetes.cluster.get("Pod", name)
            assert seen is not None
            await kubernetes.cluster.delete("Pod", name, as_seen=seen)
            said = (f"{name} is gone.", "is new, and followed too.")
            await until(kubernetes, following, lambda lines, notes: all(any(words in note for note in notes) for words in said))
        finally:
            await following.close()
