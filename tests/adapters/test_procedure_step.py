"""A named command by the step that runs it, with the rights of deploy/ and no others: once, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.adapters.kubernetes import KubernetesCluster
from bot.core.errors import Conflict
from bot.core.outcome import Done, Failed, Waiting
from bot.core.ports import World
from bot.core.steps import RAN, ProcedureStep
from bot.core.steps.procedure import BEGUN
from sandbox.kubernetes.execs import Answer
from tests.adapters.conftest import InSandbox, Kubernetes
from tests.adapters.test_role import DEPLOY, ROLE, STAMP, Nothing, somebody, workload

AT = "2026-11-23T14:00:00.000000+00:00"


@pytest.fixture
async def account(kubernetes: Kubernetes) -> AsyncIterator[KubernetesCluster]:
    await kubernetes.create(workload("Deployment"))
    if isinstance(kubernetes, InSandbox):
        for command, text, code in (("^printf hello", "hello", 0), ("^false", "", 1), ("^printf over", "over", 0)):
            kubernetes.world.kubernetes.execs.arrange(Answer(command=command, stdout=text.encode(), exit_code=code))
    for _ in range(100):
        if any(one.get("ready") for pod in await kubernetes.cluster.list("Pod") for one in pod["status"].get("containerStatuses") or []):
            break
        await kubernetes.passes(0.2)
    async with somebody(kubernetes, ROLE, DEPLOY / "procedures" / "role.yaml") as cluster:
        yield cluster


def step(*command: str, look: tuple[str, ...] = (), before: str | None = None) -> ProcedureStep:
    return ProcedureStep(
        wave=0, environment="test", service="web", workload="Deployment", name="web", container="web", procedure="greet", command=command, look=look,
        deadline=timedelta(minutes=1), at=AT, ran_before=before,
    )  # fmt: skip


def world(place: Kubernetes, cluster: KubernetesCluster) -> World:
    return World({"test": cluster}, Nothing(), Nothing(), place.now())


async def mark(cluster: KubernetesCluster) -> str | None:
    found = await cluster.get("Deployment", "web")
    assert found is not None
    marked: str | None = found["metadata"]["annotations"].get(RAN)
    return marked


async def test_it_runs_once_and_says_what_it_wrote(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    one = step("printf", "hello")
    assert await one.apply(world(kubernetes, account), STAMP)
    assert await mark(account) == AT
    outcome, _ = await one.check(world(kubernetes, account), kubernetes.now(), {})
    assert outcome == Done(text="hello")
    assert await mark(account) == AT + BEGUN


async def test_one_that_was_begun_is_not_run_again(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    one = step("printf", "hello")
    await one.apply(world(kubernetes, account), STAMP)
    await one.check(world(kubernetes, account), kubernetes.now(), {})  # and aiec is killed before it writes down how that went
    assert await one.apply(world(kubernetes, account), STAMP)
    outcome, _ = await one.check(world(kubernetes, account), kubernetes.now(), {})
    assert isinstance(outcome, Failed)
    assert outcome.code == "unknown"
    if isinstance(kubernetes, InSandbox):
        assert len(kubernetes.world.kubernetes.execs.calls) == 1


async def test_its_check_says_how_one_went_that_was_begun(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    one = step("printf", "hello", look=("printf", "over"))
    await one.apply(world(kubernetes, account), STAMP)
    assert isinstance((await one.check(world(kubernetes, account), kubernetes.now(), {}))[0], Waiting)
    outcome, _ = await one.check(world(kubernetes, account), kubernetes.now(), {})
    assert outcome == Done(text="checked: over")


async def test_what_fails_is_failed(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    one = step("false")
    await one.apply(world(kubernetes, account), STAMP)
    outcome, _ = await one.check(world(kubernetes, account), kubernetes.now(), {})
    assert isinstance(outcome, Failed)
    assert "`false` in web-" in outcome.why


async def test_after_another_command_nothing_is_run(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    await step("printf", "hello").apply(world(kubernetes, account), STAMP)
    with pytest.raises(Conflict, match="Another command ran in deployment/web meanwhile"):
        await step("printf", "hello").model_copy(update={"at": "later"}).apply(world(kubernetes, account), STAMP)


async def test_without_the_right_to_run_commands_the_rule_is_named(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    async with somebody(kubernetes, ROLE) as cluster:
        one = step("printf", "hello")
        await one.apply(world(kubernetes, cluster), STAMP)
        outcome, _ = await one.check(world(kubernetes, cluster), kubernetes.now(), {})
    assert isinstance(outcome, Failed)
    assert (outcome.code, 'resources: ["pods/exec"]' in outcome.hint) == ("forbidden", True)
