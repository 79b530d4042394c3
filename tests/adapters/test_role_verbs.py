"""Each verb of the roles in deploy/ is needed: without it a command fails, and says which verb on what it lacks, and the rule that would allow it.

The verbs are read from the manifests, so that a new one without a command here fails.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.kubernetes import KubernetesCluster, connect
from bot.core.errors import Forbidden
from bot.core.outcome import Failed, Outcome, Waiting
from bot.core.ports import World
from bot.core.workload import ready
from tests.adapters.conftest import OnCluster, with_token
from tests.adapters.test_role import CRASHING, DEPLOY, ROLE, STAMP, Nothing, step, workload
from tests.harness import Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.skipif("TEST_KUBECONFIG" not in os.environ, reason="TEST_KUBECONFIG names no cluster")]

Right = tuple[str, str, str]
"""API group, resource (`pods/log`), verb."""

FOLDERS = DEPLOY / "folders" / "role" / "role.yaml"
NODES = DEPLOY / "nodes" / "clusterrole.yaml"
BACKUPS, PROCEDURES = DEPLOY / "backups" / "role.yaml", DEPLOY / "procedures" / "role.yaml"

RECOMMENDATION = "ml-recommendation-production"
RESTART, SCALE, STATUS = "restart prod {}", "scale prod {} 4", "status prod"
UNISOLATE = "unisolate prod gateway"
BOUNDS, ISOLATE = "scale prod ml-recommendation --bounds 2-4", "isolate prod gateway"
COMMANDS: dict[Right, str] = {
    ("apps", "deployments", "get"): RESTART.format("gateway"),
    ("apps", "deployments", "list"): STATUS,
    ("apps", "deployments", "patch"): RESTART.format("gateway"),
    ("apps", "statefulsets", "get"): RESTART.format("postgres"),
    ("apps", "statefulsets", "list"): STATUS,
    ("apps", "statefulsets", "patch"): RESTART.format("postgres"),
    ("apps", "daemonsets", "get"): RESTART.format("rabbitmq"),
    ("apps", "daemonsets", "list"): STATUS,
    ("apps", "daemonsets", "patch"): RESTART.format("rabbitmq"),
    ("apps", "deployments/scale", "patch"): SCALE.format("gateway"),
    ("apps", "statefulsets/scale", "patch"): SCALE.format("postgres"),
    ("autoscaling", "horizontalpodautoscalers", "get"): BOUNDS,
    ("autoscaling", "horizontalpodautoscalers", "list"): "hpa prod",
    ("autoscaling", "horizontalpodautoscalers", "patch"): BOUNDS,
    ("apps", "replicasets", "list"): "history prod gateway",
    ("apps", "controllerrevisions", "list"): "history prod postgres",
    ("", "pods", "list"): "pods prod",
    ("", "pods/log", "get"): "logs prod gateway",
    ("", "events", "list"): "events prod",
    ("", "services", "list"): "endpoints prod",
    ("discovery.k8s.io", "endpointslices", "list"): "endpoints prod",
    ("networking.k8s.io", "ingresses", "list"): "ingress prod",
    ("networking.k8s.io", "networkpolicies", "get"): ISOLATE,
    ("networking.k8s.io", "networkpolicies", "list"): ISOLATE,
    ("networking.k8s.io", "networkpolicies", "create"): ISOLATE,
    ("networking.k8s.io", "networkpolicies", "delete"): UNISOLATE,
    ("metrics.k8s.io", "pods", "list"): "top prod",
    ("", "resourcequotas", "list"): SCALE.format("gateway"),
    ("policy", "poddisruptionbudgets", "list"): RESTART.format("gateway"),
}
WATCHED = {("apps", "deployments", "watch"), ("apps", "statefulsets", "watch"), ("", "pods", "watch")}
"""Without one of these changes are seen late, and no command fails."""
STUCK = ("", "pods", "delete")
"""Without this one a pod that keeps a StatefulSet from being put back is left to people."""


def rights(*roles: Path) -> list[Right]:
    """All that these roles allow, one verb at a time."""
    rules = [rule for role in roles for rule in yaml.safe_load(role.read_text())["rules"]]
    found = [(group, resource, verb) for one in rules for group in one["apiGroups"] for resource in one["resources"] for verb in one["verbs"]]
    return list(dict.fromkeys(found))


@asynccontextmanager
async def with_rights(place: OnCluster, allowed: Iterable[Right], clusterwide: Iterable[Right] = ()) -> AsyncIterator[KubernetesCluster]:
    here, everywhere = ([(group, resource, [verb]) for group, resource, verb in given] for given in (allowed, clusterwide))
    cluster = await connect(str(with_token(place.kubeconfig, await place.token(*here, clusterwide=everywhere))), None, place.namespace, "prod")
    try:
        yield cluster
    finally:
        await cluster.close()


async def asked(bot: Stage, text: str) -> str:
    """Types a command, has it approved, and returns all that is said of it until it is over."""
    told = await bot.lead.says(f"/aiec {text}")
    public = [message for message in bot.slack.messages("devops") if message.app and not message.visible_to and not message.is_reply]
    if public and "Approve" in public[-1].buttons:
        await bot.senior.clicks("Approve")
    for _ in range(3):
        await bot.forward(2)
    return told + "\n" + (bot.last() if public else "")


@pytest.fixture
async def bot(real: OnCluster, tmp_path: Path) -> AsyncIterator[Stage]:
    """The bot, whose prod is a namespace of the real cluster."""
    kinds = {"gateway-production": "Deployment", RECOMMENDATION: "Deployment", "postgres": "StatefulSet", "rabbitmq": "DaemonSet"}
    for name, kind in kinds.items():
        one = workload(kind)
        one["metadata"]["name"] = name
        labels = {"app": name}
        one["spec"]["selector"]["matchLabels"] = one["spec"]["template"]["metadata"]["labels"] = labels
        one["spec"]["template"]["spec"]["containers"][0]["name"] = name.removesuffix("-production")
        if kind != "DaemonSet":
            one["spec"]["replicas"] = 3
        await real.create(one)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": RECOMMENDATION}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5, "metrics": [metric]}
    await real.create({"kind": "HorizontalPodAutoscaler", "metadata": {"name": RECOMMENDATION}, "spec": spec})
    changes: dict[str, Any] = {
        "postgres": {"replicas": {"min": 1, "max": 5}},
        "rabbitmq": {"kind": "DaemonSet", "replicas": None},
        "procedures": {"reindex": {"service": "postgres", "command": ["true"]}},
        "prod": {"health": None, "promotion": None},
        "ml-recommendation": {"strategy": "manifests", "manifests": str(DEPLOY / "folders" / "ml-recommendation")},
    }
    async with asyncio.timeout(60):
        while len(pods := await real.cluster.list("Pod")) < 10 or not all(map(ready, pods)):
            await real.passes(0.2)
    folder = tmp_path / "bot"  # the cluster's kubeconfig lies beside it
    folder.mkdir()
    async with stage(folder, **changes) as found:
        yield found


async def without(bot: Stage, place: OnCluster, granted: Iterable[Right], lacking: Right, command: str) -> str:
    """Returns what the command says without that right, unless it says what it should."""
    async with with_rights(place, [one for one in granted if one != lacking]) as cluster:
        bot.ports.clusters["prod"] = cluster  # type: ignore[index]
        said = await asked(bot, command)
    group, resource, verb = lacking
    rule = re.compile(rf'\{{apiGroups: \["{re.escape(group)}"\], resources: \[[^]]*"{re.escape(resource)}"[^]]*\], verbs: \[[^]]*"{verb}"')
    named = re.search(rf"(?:We may not|cannot) [a-z, ]*\b{verb}\b[^\n]*\b{resource.partition('/')[0]}\b", said)
    return "" if named and rule.search(said) else f"{command} without {lacking}:\n{said}"


async def proven(bot: Stage, place: OnCluster, granted: list[Right], commands: Mapping[Right, str]) -> None:
    wrong = [one for lacking, command in commands.items() if (one := await without(bot, place, granted, lacking, command))]
    assert not wrong, "\n\n".join(wrong)


async def test_each_verb_of_the_role_is_needed(bot: Stage, real: OnCluster) -> None:
    everything = rights(ROLE)
    assert {*everything} == {*COMMANDS} | WATCHED | {STUCK}, "a verb without a command that needs it, or the other way round"
    await proven(bot, real, everything, {right: command for right, command in COMMANDS.items() if command != UNISOLATE})
    async with with_rights(real, everything) as cluster:
        bot.ports.clusters["prod"] = cluster  # type: ignore[index]
        assert "✅ done · *Isolate gateway in prod*" in await asked(bot, ISOLATE)
    await proven(bot, real, everything, {right: command for right, command in COMMANDS.items() if command == UNISOLATE})


@pytest.mark.parametrize("lacking", sorted(WATCHED), ids=lambda right: right[1])
async def test_without_a_watch_no_news_come(real: OnCluster, lacking: Right) -> None:
    async with with_rights(real, [one for one in rights(ROLE) if one != lacking]) as cluster, asyncio.timeout(30):
        with pytest.raises(Forbidden, match=f"We may not watch {lacking[1]}") as denied:
            async for _ in cluster.changes():
                pass
    assert f'resources: ["{lacking[1]}"], verbs: ["watch"]' in denied.value.hint


async def test_a_pod_that_keeps_a_statefulset_from_being_put_back_is_deleted_only_with_that_right(real: OnCluster) -> None:
    await real.create(workload("StatefulSet"))
    change = step("StatefulSet", CRASHING)

    async def stuck() -> str:
        """The uid of the pod, once it runs the image that crashes."""
        while True:
            pods = await real.cluster.list("Pod")
            if pods and pods[0]["spec"]["containers"][0]["image"] == CRASHING and not ready(pods[0]):
                return str(pods[0]["metadata"]["uid"])
            await real.passes(0.2)

    async with with_rights(real, [one for one in rights(ROLE) if one != STUCK]) as cluster, asyncio.timeout(60):
        here = World({"test": cluster}, Nothing(), Nothing(), real.now())
        await change.apply(here, STAMP)
        uid = await stuck()
        assert await change.undo(here, STAMP) == ""
        assert await stuck() == uid
        outcome: Outcome = Waiting(text="")
        while not isinstance(outcome, Failed):
            _, seen = await change.check(here, here.now, {}, undoing=True)
            outcome, _ = await change.check(replace(here, now=here.now + timedelta(minutes=1)), here.now, seen, undoing=True)
            await real.passes(0.2)
        assert (outcome.code, outcome.hint) == ("StandStill", f"kubectl delete pod web-0 -n {real.namespace}")
    async with with_rights(real, rights(ROLE)) as cluster, asyncio.timeout(60):
        assert await change.undo(World({"test": cluster}, Nothing(), Nothing(), real.now()), STAMP) == ""
        while any(pod["metadata"]["uid"] == uid for pod in await real.cluster.list("Pod")):
            await real.passes(0.2)


def test_every_role_of_deploy_is_looked_at_here() -> None:
    found = {file for file in DEPLOY.rglob("*.yaml") if re.search(r"(?m)^kind: (Cluster)?Role$", file.read_text())}
    assert found == {ROLE, BACKUPS, PROCEDURES, FOLDERS, NODES}


async def test_each_verb_on_nodes_is_needed_to_see_them(bot: Stage, real: OnCluster) -> None:
    """Without one of them nothing fails, and what cannot be looked at is said or left out."""
    nodes = rights(NODES)
    assert set(nodes) == {("", "nodes", "list"), ("metrics.k8s.io", "nodes", "list")}

    async def told(command: str, *granted: Right) -> str:
        async with with_rights(real, rights(ROLE), granted) as cluster:
            bot.ports.clusters["prod"] = cluster  # type: ignore[index]
            return await asked(bot, command)

    async with asyncio.timeout(120):  # metrics-server looks every 15 s
        while not re.search(r"(?m)^[^\s:]+: cpu \S+ of \d+ \(", await told("top prod", *nodes)):
            await real.passes(1)
    for group, resource, verb in nodes:
        said = await told("top prod", *(one for one in nodes if one[0] != group))
        assert "pods use" in said
        assert f"The nodes are not shown: We may not {verb} {resource} on the whole cluster" in said
        assert f'ClusterRole: {{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}' in said

    rehearsal = SCALE.format("postgres") + " --dry-run"
    assert "quota and nodes have room" in await told(rehearsal, ("", "nodes", "list"))
    assert "quota has room" in await told(rehearsal, ("metrics.k8s.io", "nodes", "list"))


async def test_each_verb_for_backups_is_needed(bot: Stage, real: OnCluster) -> None:
    everything = rights(ROLE, BACKUPS)
    await proven(bot, real, everything, {one: f"backup prod {'database' if one[1] == 'pods/exec' else 'config'}" for one in rights(BACKUPS)})


async def test_each_verb_for_procedures_is_needed(bot: Stage, real: OnCluster) -> None:
    await proven(bot, real, rights(ROLE, PROCEDURES), dict.fromkeys(rights(PROCEDURES), "run prod reindex"))


async def test_each_verb_for_folders_is_needed(bot: Stage, real: OnCluster) -> None:
    for kind in ("Deployment", "HorizontalPodAutoscaler"):  # what the folder has is then to be created
        thing = await real.cluster.get(kind, RECOMMENDATION)
        assert thing is not None
        await real.cluster.delete(kind, RECOMMENDATION, as_seen=thing)
    await proven(bot, real, rights(ROLE, FOLDERS), dict.fromkeys(rights(FOLDERS), "deploy prod v1.2.0 --service ml-recommendation"))
