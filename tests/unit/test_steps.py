"""What steps do to a cluster, and what they see of it: on the sandbox's, by the real adapter, where somebody else may always have been faster."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from bot.adapters.kubernetes import connect
from bot.core.errors import Conflict, NotFound, Unavailable
from bot.core.outcome import UNANSWERED, Done, Failed, Waiting
from bot.core.ports import Cluster, Probe, World
from bot.core.steps import CHANGE_CAUSE, OPERATION, Expected, ImageStep, Stamp, Step, VerifyStep
from bot.scenario import on_sandbox
from sandbox.faults import Fault
from sandbox.kubeconfig import kubeconfig as sandbox_kubeconfig
from sandbox.server import Sandbox
from sandbox.world import World as SandboxWorld
from tests.unit.operations import START, image_step

NAMESPACE, NAME = "aiecommerce", "gateway-production"
STAMP = Stamp(operation="op-7", cause="Deploy v1.2.0 to prod by engineer (op-7)")
OTHERS = Stamp(operation="op-8", cause="Deploy v1.2.1 to prod by lead (op-8)")
REPOSITORY = "ghcr.io/aiecommerce/platform/gateway"


class Place:
    """Production's gateway, the step that brings it to v1.2.0, and whoever else changes it."""

    def __init__(self, sandbox: Sandbox, cluster: Cluster) -> None:
        self.sandbox, self.cluster = sandbox, cluster
        self.kubernetes = sandbox.world.kubernetes
        self.before = self.image()
        self.step = image_step(name=NAME, before=self.before, after=f"{REPOSITORY}:v1.2.0")

    def world(self, prober: Any = None) -> World:
        return World({"prod": self.cluster}, registry=None, prober=prober, now=self.sandbox.world.clock.now())  # type: ignore[arg-type]

    def workload(self) -> Any:
        return self.kubernetes.get("Deployment", NAMESPACE, NAME)

    def image(self) -> str:
        return str(self.workload()["spec"]["template"]["spec"]["containers"][0]["image"])

    def marks(self) -> dict[str, str]:
        return {name: value for name, value in self.workload()["metadata"]["annotations"].items() if name in (CHANGE_CAUSE, OPERATION)}

    def somebody_sets(self, *, image: str = "", marks: dict[str, str] | None = None) -> None:
        workload = self.workload()
        if image:
            workload["spec"]["template"]["spec"]["containers"][0]["image"] = image
        workload["metadata"]["annotations"] |= marks or {}
        self.kubernetes.apply(workload)

    def passes(self, seconds: float) -> None:
        self.sandbox.world.clock.advance(seconds)
        self.kubernetes.play()


@pytest.fixture
async def place(tmp_path) -> AsyncIterator[Place]:
    wanted = ("Namespace", NAMESPACE), ("Deployment", NAME)
    objects = [one for one in on_sandbox().scenario["kubernetes"] if (one["kind"], one["metadata"]["name"]) in wanted]
    async with Sandbox(SandboxWorld.build({"kubernetes": objects}, start=START)) as sandbox:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(sandbox_kubeconfig(sandbox.urls["kubernetes"]))
        cluster = await connect(str(kubeconfig), None, NAMESPACE, "prod")
        yield Place(sandbox, cluster)
        await cluster.close()


# ---- acting


async def test_a_change_is_made_once_and_marked_as_ours(place):
    generation = place.workload()["metadata"]["generation"]
    for _ in range(2):
        assert await place.step.apply(place.world(), STAMP) is True
    assert (place.image(), place.marks()) == (place.step.after, {CHANGE_CAUSE: STAMP.cause, OPERATION: "op-7"})
    assert place.workload()["metadata"]["generation"] == generation + 1


async def test_what_is_there_already_is_not_ours(place):
    place.somebody_sets(image=place.step.after)
    assert await place.step.apply(place.world(), STAMP) is False
    assert place.marks() == {CHANGE_CAUSE: "installed"}


async def test_a_world_that_is_neither_as_planned_nor_done_is_refused_and_named(place):
    cases = [
        ({"image": f"{REPOSITORY}:v1.0.0"}, "runs v1.0.0 now, not v1.1.0 as planned"),
        ({"image": place.before, "marks": {CHANGE_CAUSE: "by hand"}}, "its change-cause is 'by hand', not 'installed'"),
        ({"marks": {CHANGE_CAUSE: "installed", OPERATION: "op-8"}}, "its operation is 'op-8', not None"),
    ]
    for change, said in cases:
        place.somebody_sets(**change)
        found = place.image(), place.marks()
        with pytest.raises(Conflict, match=said):
            await place.step.apply(place.world(), STAMP)
        assert (place.image(), place.marks()) == found


async def test_a_container_that_stands_elsewhere_now_is_not_mistaken_for_another(place):
    workload = place.workload()
    containers = workload["spec"]["template"]["spec"]["containers"]
    containers.insert(0, {"name": "proxy", "image": "envoy:v1"})
    place.kubernetes.apply(workload)
    with pytest.raises(Conflict, match="containers of deployment/gateway-production were rearranged"):
        await place.step.apply(place.world(), STAMP)


async def test_a_workload_without_annotations_gets_ours_and_loses_them_again(place):
    workload = place.workload()
    name = "bare"
    bare = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": workload["spec"]}
    place.kubernetes.apply(bare)
    step = place.step.model_copy(update={"name": name, "cause_before": None})
    created = place.kubernetes.get("Deployment", NAMESPACE, name)["metadata"].get("annotations", {})
    assert CHANGE_CAUSE not in created
    assert await step.apply(place.world(), STAMP)
    assert await step.undo(place.world(), STAMP) == ""
    after = place.kubernetes.get("Deployment", NAMESPACE, name)["metadata"].get("annotations", {})
    assert not {CHANGE_CAUSE, OPERATION} & set(after)


async def test_a_workload_that_was_deleted_is_said_to_be_gone(place):
    place.kubernetes.delete("Deployment", NAMESPACE, NAME)
    for act in (place.step.apply, place.step.undo):
        with pytest.raises(NotFound, match="does not exist in aiecommerce any more"):
            await act(place.world(), STAMP)
    with pytest.raises(NotFound):
        await place.step.check(place.world(), place.world().now, {})


async def test_a_lost_answer_is_no_second_change(place):
    generation = place.workload()["metadata"]["generation"]
    place.sandbox.world.faults.add(Fault(kind="drop_after", system="kubernetes", method="PATCH", times=1))
    with pytest.raises(Unavailable):
        await place.step.apply(place.world(), STAMP)
    assert await place.step.apply(place.world(), STAMP) is True
    assert place.workload()["metadata"]["generation"] == generation + 1


# ---- undoing


async def test_undoing_puts_image_and_marks_back_and_a_second_time_does_nothing(place):
    await place.step.apply(place.world(), STAMP)
    for _ in range(2):
        assert await place.step.undo(place.world(), STAMP) == ""
    assert (place.image(), place.marks()) == (place.before, {CHANGE_CAUSE: "installed"})


async def test_an_earlier_operations_mark_is_put_back_too(place):
    place.somebody_sets(marks={OPERATION: "op-5", CHANGE_CAUSE: "Deploy v1.1.0 to prod by lead (op-5)"})
    step = place.step.model_copy(update={"owner_before": "op-5", "cause_before": "Deploy v1.1.0 to prod by lead (op-5)"})
    await step.apply(place.world(), STAMP)
    assert await step.undo(place.world(), STAMP) == ""
    assert place.marks() == {OPERATION: "op-5", CHANGE_CAUSE: "Deploy v1.1.0 to prod by lead (op-5)"}


async def test_a_change_cause_that_somebody_else_wrote_stays(place):
    await place.step.apply(place.world(), STAMP)
    place.somebody_sets(marks={CHANGE_CAUSE: "a note by hand"})
    assert await place.step.undo(place.world(), STAMP) == ""
    assert (place.image(), place.marks()) == (place.before, {CHANGE_CAUSE: "a note by hand"})


async def test_what_somebody_else_has_changed_since_is_left_alone_and_said_so(place):
    await place.step.apply(place.world(), STAMP)
    place.somebody_sets(image=f"{REPOSITORY}:v1.2.1")
    assert await place.step.undo(place.world(), STAMP) == "deployment/gateway-production runs v1.2.1 now, which this operation did not bring"
    place.somebody_sets(marks={OPERATION: OTHERS.operation})
    assert await place.step.undo(place.world(), STAMP) == "deployment/gateway-production was changed by op-8 meanwhile"
    assert place.image() == f"{REPOSITORY}:v1.2.1"


# ---- looking


async def test_a_rollout_is_watched_to_its_end_both_ways(place):
    since = place.world().now
    await place.step.apply(place.world(), STAMP)
    outcome, seen = await place.step.check(place.world(), since, {})
    assert isinstance(outcome, Waiting)
    place.passes(10)
    outcome, _ = await place.step.check(place.world(), since, seen)
    assert isinstance(outcome, Done)
    await place.step.undo(place.world(), STAMP)
    place.passes(10)
    outcome, _ = await place.step.check(place.world(), since, {}, undoing=True)
    assert isinstance(outcome, Done)


async def test_whoever_changes_it_during_the_rollout_is_seen(place):
    await place.step.apply(place.world(), STAMP)
    place.somebody_sets(image=f"{REPOSITORY}:v1.2.1")
    outcome, _ = await place.step.check(place.world(), place.world().now, {})
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.why) == ("Superseded", "deployment/gateway-production runs v1.2.1 now: somebody else changed it during the rollout")


async def test_a_crash_comes_with_its_last_words(place):
    step = place.step.model_copy(update={"after": f"{REPOSITORY}:v1.3.0-crash"})
    await step.apply(place.world(), STAMP)
    since, seen, outcome = place.world().now, {}, None
    for _ in range(60):
        place.passes(1)
        outcome, seen = await step.check(place.world(), since, seen)
        if isinstance(outcome, Failed):
            break
    assert isinstance(outcome, Failed)
    assert outcome.code == "CrashLoopBackOff"
    assert "KeyError: 'PAYMENTS_URL'" in outcome.why


# ---- staying well


class Answers:
    """A prober whose next answer is set."""

    status: int | None = 200

    async def probe(self, url: str, timeout: timedelta) -> Probe:
        return Probe(self.status, f"HTTP {self.status}", 0.1)


@pytest.fixture
def prober() -> Answers:
    return Answers()


def verify(place: Place, **changes: Any) -> VerifyStep:
    expected = Expected(workload="Deployment", name=NAME, container="gateway", image=place.before)
    fields = {"wave": 1, "environment": "prod", "urls": ("http://shop/health",), "workloads": (expected,)}
    times = {"timeout": timedelta(seconds=2), "hold": timedelta(seconds=20), "patience": timedelta(seconds=30)}
    return VerifyStep.model_validate(fields | times | changes)


async def look(place: Place, step: VerifyStep, prober: Answers, seen: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return await step.check(place.world(prober), place.world().now, seen)


async def test_it_stays_well_for_as_long_as_it_must(place, prober):
    outcome, seen = await look(place, verify(place), prober, {})
    assert isinstance(outcome, Waiting)
    place.passes(19)
    outcome, seen = await look(place, verify(place), prober, seen)
    assert (type(outcome), outcome.progress) == (Waiting, (19, 20))
    place.passes(1)
    assert (await look(place, verify(place), prober, seen))[0] == Done(text="healthy for 20 s")


async def test_a_blip_begins_the_time_anew_and_a_longer_one_fails(place, prober):
    _, seen = await look(place, verify(place), prober, {})
    place.passes(15)
    prober.status = 503
    outcome, seen = await look(place, verify(place), prober, seen)
    assert (type(outcome), outcome.text) == (Waiting, "http://shop/health: HTTP 503")
    place.passes(10)
    prober.status = 200
    outcome, seen = await look(place, verify(place), prober, seen)
    assert (type(outcome), outcome.progress) == (Waiting, (0, 20))
    prober.status = None
    _, seen = await look(place, verify(place), prober, seen)
    place.passes(30)
    outcome, _ = await look(place, verify(place), prober, seen)
    assert (outcome.code, outcome.why) == ("Unhealthy", "http://shop/health: HTTP None, for 30 s")


async def test_a_time_in_which_nothing_could_be_seen_counts_for_neither(place, prober):
    _, seen = await look(place, verify(place), prober, {})
    place.passes(60)
    outcome, _ = await look(place, verify(place), prober, {**seen, UNANSWERED: place.world().now})
    assert (type(outcome), outcome.progress) == (Waiting, (0, 20))
    prober.status = 503
    _, seen = await look(place, verify(place), prober, {})
    place.passes(60)
    outcome, _ = await look(place, verify(place), prober, {**seen, UNANSWERED: place.world().now})
    assert isinstance(outcome, Waiting)


async def test_pods_that_are_missing_or_somebody_elses_image_end_it(place, prober):
    place.somebody_sets(image=f"{REPOSITORY}:v1.2.1")
    outcome, _ = await look(place, verify(place), prober, {})
    assert outcome.code == "Superseded"
    place.kubernetes.delete("Deployment", NAMESPACE, NAME)
    outcome, _ = await look(place, verify(place), prober, {})
    assert outcome.text == "deployment/gateway-production does not exist any more"


# ---- as data


def test_a_stored_step_is_read_back_as_what_it_was():
    adapter = TypeAdapter(Step)
    expected = Expected(workload="Deployment", name=NAME, container="gateway", image="x")
    second = timedelta(seconds=1)
    verified = VerifyStep(wave=1, environment="prod", urls=(), workloads=(expected,), timeout=second, hold=second, patience=second)
    for step in (image_step(), verified):
        assert adapter.validate_python(step.model_dump(mode="json")) == step
    with pytest.raises(ValueError, match="kind"):
        adapter.validate_python({"kind": "scale"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"before": "shop/gateway:v1.0.0"}, "deployment/gateway-production runs v1.0.0 now, not v1.1.0"),
        ({"after": "shop/gateway:v1.2.0@sha256:99"}, "the image v1.2.0@sha256:12 is another one now (sha256:99)"),
        ({"cause_before": "by hand"}, "deployment/gateway-production was changed meanwhile: its change-cause is 'by hand', not 'installed'"),
        ({"index": 1}, "the containers of deployment/gateway-production were rearranged"),
        ({"deadline": timedelta(minutes=1)}, "deployment/gateway-production would be changed with other settings"),
    ],
)
def test_a_drift_is_said_in_words(change: dict[str, Any], said: str):
    step: ImageStep = image_step()
    (found,) = step.difference(step.model_copy(update=change))
    assert found == said.replace("v1.2.0@sha256:12", "v1.2.0")
