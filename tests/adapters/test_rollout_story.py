"""Every way in which a deploy goes, as `assess` tells it from what a cluster really says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.core.failures.logs import with_logs
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.rollout import assess
from tests.adapters.conftest import Kubernetes
from tests.adapters.test_kubernetes import IMAGE, deployment

Json = dict[str, Any]
DEADLINE = timedelta(seconds=40)
PROGRESS_DEADLINE = 600
"""Kubernetes' own, which is not waited for."""

STORIES: dict[str, tuple[str, tuple[str, ...], float]] = {
    "good": ("Done", ("2 new pods available",), 10),
    "slow": ("Done", ("2 new pods available",), 38),
    "flaky": ("Done", ("2 new pods available",), 15),
    "missing": ("ImageNotFound", ("could not pull registry.example/missing:v2.0.0-missing", "no such image", "image v1.0.0 → v2.0.0-missing"), 5),
    "private": ("ImageUnauthorized", ("refused the credentials", "imagePullSecrets"), 5),
    "crash": ("CrashLoopBackOff", ("crashed at start", "exit 1", "KeyError: 'PAYMENTS_URL'", "variable PAYMENTS_URL is not in the Deployment"), 12),
    "oom": ("OOMKilled", ("may use 64Mi", "limits.memory"), 12),
    "unready": ("ProbeFailed", ("did not become ready", "answered 503"), 25),
    "noconfig": ("CreateContainerConfigError", ("ConfigMap app-config does not exist", "Create ConfigMap app-config"), 15),
    "unschedulable": ("Unschedulable", ("3 Insufficient cpu", "asks for cpu 100"), 25),
    "quota": ("QuotaExceeded", ("quota team", "pods: 2 of 2 used, 1 more needed"), 25),
}
"""How each ends: the code, words of it, and the seconds that it may take to say so."""


class Deploy:
    """One rollout, from a good version to that of the story, looked at until it is over."""

    def __init__(self, kubernetes: Kubernetes, name: str, kind: str = "Deployment") -> None:
        self.kubernetes = kubernetes
        self.name = name
        self.kind = kind
        self.seen: dict[str, datetime] = {}

    async def begin(self) -> None:
        """Brings the good version up, then what the story is about."""
        described = deployment(self.name, replicas=2, resources={"limits": {"memory": "64Mi"}})
        described["kind"] = self.kind
        described["spec"] |= {"Deployment": {"progressDeadlineSeconds": PROGRESS_DEADLINE}, "StatefulSet": {"serviceName": self.name}}.get(self.kind, {})
        if self.kind == "DaemonSet":
            del described["spec"]["replicas"]
        await self.kubernetes.create(described)
        await self.ends_well()
        if self.name == "quota":
            await self.kubernetes.create({"kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": {"pods": "2"}}})
            await self._until_used("team", "pods", "2")
        changes = [self.image(f"v2.0.0-{self.name}")]
        if self.name == "unschedulable":
            changes.append({"op": "add", "path": IMAGE.replace("image", "resources/requests"), "value": {"cpu": "100"}})
        await self.change(*changes)

    def image(self, tag: str) -> Json:
        return {"op": "replace", "path": IMAGE, "value": f"registry.example/{self.name}:{tag}"}

    async def change(self, *changes: Json) -> None:
        await self.kubernetes.cluster.patch(self.kind, self.name, changes)
        self.seen = {}

    async def look(self, since: datetime) -> Outcome:
        cluster, labels = self.kubernetes.cluster, f"app={self.name}"
        workload = await cluster.get(self.kind, self.name)
        assert workload is not None
        revisions = await cluster.list("ReplicaSet" if self.kind == "Deployment" else "ControllerRevision", labels=labels)
        pods, events = await cluster.list("Pod", labels=labels), await cluster.list("Event")
        found = assess(workload, revisions, pods, events, since=since, now=self.kubernetes.now(), seen=self.seen, deadline=DEADLINE)
        self.seen = found.seen
        if isinstance(found.outcome, Failed):
            logs = {one: await cluster.logs(one.pod, container=one.container, previous=one.previous) for one in found.wants_logs}
            return with_logs(found.outcome, logs, workload, revisions)
        return found.outcome

    async def ends(self) -> tuple[Outcome, float]:
        """Returns how it ended, and after how many seconds."""
        since = self.kubernetes.now()
        while True:
            outcome = await self.look(since)
            if not isinstance(outcome, Waiting):
                return outcome, (self.kubernetes.now() - since).total_seconds()
            await self.kubernetes.passes(0.25)

    async def ends_well(self) -> None:
        outcome, _ = await self.ends()
        assert isinstance(outcome, Done), outcome

    async def _until_used(self, quota: str, resource: str, amount: str) -> None:
        for _ in range(100):
            found = await self.kubernetes.cluster.get("ResourceQuota", quota)
            if found and (found.get("status") or {}).get("used", {}).get(resource) == amount:
                return
            await self.kubernetes.passes(0.1)
        raise AssertionError(f"quota {quota} never counted {amount} {resource}")


def told(outcome: Outcome) -> tuple[str, str]:
    """The code of an outcome (`Done` of a good one), and everything that it says."""
    assert not isinstance(outcome, Waiting)
    return ("Done", outcome.text) if isinstance(outcome, Done) else (outcome.code, " | ".join((outcome.why, outcome.hint, outcome.new)))


@pytest.mark.parametrize("story", STORIES)
async def test_each_way_in_which_a_deploy_ends_is_told_in_time_with_its_cause(kubernetes: Kubernetes, story: str) -> None:
    code, words, most = STORIES[story]
    deploy = Deploy(kubernetes, story)
    await deploy.begin()
    outcome, seconds = await deploy.ends()
    found, said = told(outcome)
    assert (found, [word for word in words if word not in said]) == (code, []), said
    assert seconds <= most < PROGRESS_DEADLINE


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(("story", "code"), [("good", "Done"), ("flaky", "Done"), ("missing", "ImageNotFound"), ("crash", "CrashLoopBackOff")])
async def test_other_workloads_are_told_alike(kubernetes: Kubernetes, kind: str, story: str, code: str) -> None:
    deploy = Deploy(kubernetes, story, kind)
    await deploy.begin()
    found, said = told((await deploy.ends())[0])
    assert found == code, said
    assert found == "Done" or "image v1.0.0 → v2.0.0" in said


async def test_a_stateful_set_that_is_put_back_stands_still_and_says_which_pod_to_delete(kubernetes: Kubernetes) -> None:
    deploy = Deploy(kubernetes, "missing", "StatefulSet")
    await deploy.begin()
    await deploy.ends()
    await deploy.change(deploy.image("v1.0.0"))
    code, said = told((await deploy.ends())[0])
    assert code == "StandStill", said
    assert f"kubectl delete pod missing-1 -n {kubernetes.namespace}" in said
