"""A named command by the step that runs it, with the rights of deploy/ and no others: once, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.adapters.kubernetes import KubernetesCluster
from bot.core.errors import Conflict
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import World
from bot.core.steps import RAN, ProcedureStep
from bot.core.steps.procedure import BEGUN
from bot.works import Tasks
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


@pytest.fixture
def works() -> Tasks:
    return Tasks(lambda: None)


def world(place: Kubernetes, cluster: KubernetesCluster, works: Tasks) -> World:
    return World({"test": cluster}, Nothing(), Nothing(), place.now(), works=works)


async def looked(one: ProcedureStep, place: Kubernetes, cluster: KubernetesCluster, works: Tasks) -> Outcome:
    """Begins it, and looks at it again when it is over."""
    begun, _ = await one.check(world(place, cluster, works), place.now(), {})
    assert begun == Waiting(text=f"runs in {(await cluster.list('Pod'))[0]['metadata']['name']}")
    await works.idle()
    outcome, _ = await one.check(world(place, cluster, works), place.now(), {})
    return outcome


async def mark(cluster: KubernetesCluster) -> str | None:
    found = await cluster.get("Deployment", "web")
    assert found is not None
    marked: str | None = found["metadata"]["annotations"].get(RAN)
    return marked


async def test_it_runs_once_and_says_what_it_wrote(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    one = step("printf", "hello")
    assert await one.apply(world(kubernetes, account, works), STAMP)
    assert await mark(account) == AT
    assert await looked(one, kubernetes, account, works) == Done(text="hello")
    assert await mark(account) == AT + BEGUN


async def test_one_that_was_begun_is_not_run_again(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    one = step("printf", "hello")
    await one.apply(world(kubernetes, account, works), STAMP)
    await looked(one, kubernetes, account, works)  # and aiec is killed before it writes down how that went
    after = Tasks(lambda: None)
    assert await one.apply(world(kubernetes, account, after), STAMP)
    outcome, _ = await one.check(world(kubernetes, account, after), kubernetes.now(), {})
    assert isinstance(outcome, Failed)
    assert outcome.code == "unknown"
    if isinstance(kubernetes, InSandbox):
        assert len(kubernetes.world.kubernetes.execs.calls) == 1


async def test_its_check_says_how_one_went_that_was_begun(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    one = step("printf", "hello", look=("printf", "over"))
    await one.apply(world(kubernetes, account, works), STAMP)
    assert await looked(one, kubernetes, account, works) == Done(text="checked: over")
    outcome, _ = await one.check(world(kubernetes, account, Tasks(lambda: None)), kubernetes.now(), {})
    assert outcome == Done(text="checked: over")


async def test_what_fails_is_failed(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    one = step("false")
    await one.apply(world(kubernetes, account, works), STAMP)
    outcome = await looked(one, kubernetes, account, works)
    assert isinstance(outcome, Failed)
    assert "`false` in web-" in outcome.why
    assert "ended with exit code 1" in outcome.why


async def test_a_program_that_is_not_there_is_named(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    one = step("there-is-no-such-program")
    await one.apply(world(kubernetes, account, works), STAMP)
    outcome = await looked(one, kubernetes, account, works)
    assert isinstance(outcome, Failed)
    assert outcome.why.startswith("There is no `there-is-no-such-program` in the container of web-")


async def test_all_of_a_long_output_arrives(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    text = "".join(f"{number}\n" for number in range(1, 20_001))
    if isinstance(kubernetes, InSandbox):
        kubernetes.world.kubernetes.execs.arrange(Answer(command="^seq 20000", stdout=text.encode()))
    one = step("seq", "20000")
    await one.apply(world(kubernetes, account, works), STAMP)
    outcome = await looked(one, kubernetes, account, works)
    assert isinstance(outcome, Done)
    assert outcome.text == "19998 / 19999 / 20000 (all of it is in the thread)"
    assert outcome.output is not None
    assert outcome.output.text == text


async def test_one_that_takes_longer_than_its_time_is_left_alone(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    if isinstance(kubernetes, InSandbox):
        kubernetes.world.kubernetes.execs.arrange(Answer(command="^sleep 2", seconds=2))
    one = step("sleep", "2").model_copy(update={"timeout": timedelta(seconds=0.3)})
    await one.apply(world(kubernetes, account, works), STAMP)
    outcome = await looked(one, kubernetes, account, works)
    assert isinstance(outcome, Failed)
    assert outcome.code == "timed_out"
    assert "`sleep` did not end within" in outcome.why
    assert "it may still run in web-" in outcome.why


async def test_where_there_is_no_shell_it_runs_without(sandboxed: InSandbox, works: Tasks) -> None:
    await sandboxed.create(workload("Deployment"))
    while not any(one.get("ready") for pod in await sandboxed.cluster.list("Pod") for one in pod["status"].get("containerStatuses") or []):
        await sandboxed.passes(0.2)
    for answer in (Answer(command="^printf hello", stdout=b"hello", whole=True), Answer(command="^sh -c", missing=True)):
        sandboxed.world.kubernetes.execs.arrange(answer)
    one = step("printf", "hello")
    await one.apply(world(sandboxed, sandboxed.cluster, works), STAMP)
    assert await looked(one, sandboxed, sandboxed.cluster, works) == Done(text="hello")


async def test_after_another_command_nothing_is_run(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    await step("printf", "hello").apply(world(kubernetes, account, works), STAMP)
    with pytest.raises(Conflict, match="Another command ran in deployment/web meanwhile"):
        await step("printf", "hello").model_copy(update={"at": "later"}).apply(world(kubernetes, account, works), STAMP)


async def test_without_the_right_to_run_commands_the_rule_is_named(kubernetes: Kubernetes, account: KubernetesCluster, works: Tasks) -> None:
    async with somebody(kubernetes, ROLE) as cluster:
        one = step("printf", "hello")
        await one.apply(world(kubernetes, cluster, works), STAMP)
        outcome = await looked(one, kubernetes, cluster, works)
    assert isinstance(outcome, Failed)
    assert (outcome.code, 'resources: ["pods/exec"]' in outcome.hint) == ("forbidden", True)
