"""The Role of deploy/ suffices: an account that has it and nothing else can look, deploy, find the cause of a failure and undo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.kubernetes import KubernetesCluster, connect
from bot.adapters.kubernetes.kinds import KINDS
from bot.config_file import read
from bot.core.config import Config
from bot.core.errors import Forbidden
from bot.core.outcome import Failed, Outcome
from bot.core.ports import Probe, World
from bot.core.steps import CHANGE_CAUSE, SCALED, BoundsStep, ImageStep, ManifestsStep, ScaleStep, Stamp, bounds
from commands.manifests.folder import contents
from commands.manifests.rights import ALWAYS, TO_CREATE, missing
from commands.manifests.trial import attempt
from commands.preflight.workloads import capacity
from tests.adapters.conftest import Kubernetes, OnCluster, with_token

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLE = DEPLOY / "managed-namespace" / "role.yaml"
STAMP = Stamp(operation="op-1", cause="a test")
GOOD, CRASHING = "registry.example/web:v1.0.0", "registry.example/web:v1.1.0-crash"

Json = dict[str, Any]


class Nothing:
    """A registry and a prober that nobody asks."""

    async def digest(self, image: str) -> str | None:
        raise AssertionError(image)

    async def tags(self, repository: str) -> list[str]:
        raise AssertionError(repository)

    async def probe(self, url: str, timeout: timedelta) -> Probe:
        raise AssertionError(url)


@asynccontextmanager
async def somebody(place: Kubernetes, *roles: Path) -> AsyncIterator[KubernetesCluster]:
    """Yields the namespace as an account sees it that has these roles and nothing else."""
    given = [rule for role in roles for rule in yaml.safe_load(role.read_text())["rules"]]
    rules = [(group, resource, one["verbs"]) for one in given for group in one["apiGroups"] for resource in one["resources"]]
    cluster = await connect(str(with_token(place.kubeconfig, await place.token(*rules))), None, place.namespace, "test")
    try:
        yield cluster
    finally:
        await cluster.close()


@pytest.fixture
async def account(kubernetes: Kubernetes) -> AsyncIterator[KubernetesCluster]:
    async with somebody(kubernetes, ROLE) as cluster:
        yield cluster


def workload(kind: str) -> Json:
    labels = {"app": kind.lower()}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": GOOD}]}}
    service = {"serviceName": "web"} if kind == "StatefulSet" else {}
    return {
        "kind": kind,
        "metadata": {"name": "web", "annotations": {CHANGE_CAUSE: "installed"}},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **service},
    }


def step(kind: str, after: str) -> ImageStep:
    return ImageStep(
        wave=0, environment="test", service="web", workload=kind, name="web", container="web", index=0, before=GOOD, after=after, cause_before="installed",
        owner_before=None, deadline=timedelta(minutes=2),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_it_may_change_and_put_back_each_kind_of_workload(kubernetes: Kubernetes, account: KubernetesCluster, kind: str) -> None:
    await kubernetes.create(workload(kind))
    world = World({"test": account}, Nothing(), Nothing(), kubernetes.now())
    change = step(kind, "registry.example/web:v1.1.0")
    assert await change.apply(world, STAMP)
    await change.check(world, kubernetes.now(), {})
    assert await change.undo(world, STAMP) == ""
    found = await account.list(kind)
    assert [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found] == [GOOD]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_it_may_scale(kubernetes: Kubernetes, account: KubernetesCluster, kind: str) -> None:
    await kubernetes.create(workload(kind))
    world = World({"test": account}, Nothing(), Nothing(), kubernetes.now())
    change = ScaleStep(
        wave=0, environment="test", service="web", workload=kind, name="web", before=1, after=3, owner_before=None, deadline=timedelta(minutes=2)
    )
    assert await change.apply(world, STAMP)
    found = await account.get(kind, "web")
    assert found is not None
    assert (found["spec"]["replicas"], found["metadata"]["annotations"][SCALED]) == (3, "op-1")
    assert await change.apply(world, STAMP)  # after a crash it is known to be ours
    assert not await change.apply(world, STAMP.model_copy(update={"operation": "op-2"}))
    assert await change.undo(world, STAMP) == ""
    found = await account.get(kind, "web")
    assert found is not None
    assert (found["spec"]["replicas"], found["metadata"]["annotations"].get(SCALED)) == (1, None)


async def test_it_may_change_the_bounds_of_an_autoscaler(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": [metric]}
    await kubernetes.create({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec})
    world = World({"test": account}, Nothing(), Nothing(), kubernetes.now())
    change = BoundsStep(
        wave=0, environment="test", service="web", workload="Deployment", name="web", autoscaler="web", before=(2, 3), after=(3, 5), owner_before=None,
        deadline=timedelta(minutes=2),
    )  # fmt: skip
    assert await change.apply(world, STAMP)
    found = await account.get("HorizontalPodAutoscaler", "web")
    assert found is not None
    assert bounds(found) == (3, 5)
    assert await change.undo(world, STAMP) == ""


async def test_it_may_read_why_a_rollout_fails(kubernetes: Kubernetes, account: KubernetesCluster) -> None:
    await kubernetes.create(workload("Deployment"))
    change = step("Deployment", CRASHING)
    since, seen = kubernetes.now(), {}
    await change.apply(World({"test": account}, Nothing(), Nothing(), since), STAMP)
    outcome: Outcome | None = None
    for _ in range(300):
        outcome, seen = await change.check(World({"test": account}, Nothing(), Nothing(), kubernetes.now()), since, seen)
        if isinstance(outcome, Failed):
            break
        await kubernetes.passes(0.2)
    assert isinstance(outcome, Failed)
    assert outcome.code == "CrashLoopBackOff"
    assert any(one.title.startswith("log of ") for one in outcome.evidence)


async def test_it_may_look_for_room_and_follow_the_news(account: KubernetesCluster) -> None:
    assert (await capacity(account, [])).text == "quota and budgets have room"
    assert await account.list("HorizontalPodAutoscaler") == []
    assert await account.list("ControllerRevision") == []
    async with asyncio.timeout(20):
        assert await anext(aiter(account.changes())) is None


async def test_it_may_not_read_secrets_and_delete_nothing_but_pods_and_policies(account: KubernetesCluster) -> None:
    assert not await account.allowed("get", "", "secrets")
    assert not await account.allowed("create", "", "pods", "exec")
    # The sandbox's rules name no group, so that to it a pod's figures, which nobody can delete, are pods too.
    deletable = {kind for kind, one in KINDS.items() if one.namespaced and await account.allowed("delete", one.group, one.plural)}
    assert deletable - {"PodMetrics"} == {"Pod", "NetworkPolicy"}
    with pytest.raises(Forbidden):
        await account.list("Node")


async def test_with_the_role_of_folders_it_may_apply_the_examples_folder_and_put_it_back(real: OnCluster) -> None:
    config = read(DEPLOY / "folders" / "aiec.yaml").model_dump(by_alias=True)
    config["environments"]["prod"]["namespace"] = real.namespace
    async with somebody(real, ROLE, DEPLOY / "folders" / "role" / "role.yaml") as cluster:
        folder = await contents(Config.model_validate(config), cluster, "prod", "ml-recommendation", GOOD)
        assert folder.problems == ()
        assert await missing(cluster, dict.fromkeys(folder.served.values(), (*ALWAYS, *TO_CREATE))) == []
        tried = [await attempt(cluster, thing, None, scaled=False, take=False) for thing in folder.things]
        own = {"service": "ml-recommendation", "workload": "Deployment", "name": "ml-recommendation-production", "container": "ml-recommendation"}
        rest = {"wave": 0, "environment": "test", "before": "", "after": GOOD, "inventory": (), "take": False, "deadline": timedelta(minutes=1)}
        change = ManifestsStep.model_validate({**own, **rest, "objects": [one.change for one in tried]})
        world = World({"test": cluster}, Nothing(), Nothing(), real.now())
        assert await change.apply(world, STAMP)
        assert [one["metadata"]["name"] for one in await cluster.list("Deployment")] == ["ml-recommendation-production"]
        assert await change.undo(world, STAMP) == ""
    async with somebody(real, ROLE) as cluster:
        lacking = await missing(cluster, dict.fromkeys(folder.served.values(), (*ALWAYS, *TO_CREATE)))
        everything = ("get", "patch", "create", "delete")
        assert sorted(one.verbs for one in lacking) == [("create", "delete"), ("create", "delete"), everything]
