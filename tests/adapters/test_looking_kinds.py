"""The kinds that only looks read, in the sandbox and on a real API server, with the Role of deploy/ and nothing else."""

from __future__ import annotations

import pytest

from bot.core.errors import Forbidden
from commands.looking.network import behind, nobody
from tests.adapters.conftest import Kubernetes
from tests.adapters.test_kubernetes import deployment, pods
from tests.adapters.test_role import ROLE, somebody

SERVICE = {"kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}
RULE = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}


async def test_services_their_endpoints_and_ingresses_are_listed(kubernetes: Kubernetes) -> None:
    for thing in (
        {"apiVersion": "v1", **SERVICE},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": [RULE]}},
        deployment(),
    ):
        await kubernetes.create(thing)
    await pods(kubernetes, "web", lambda found: any(one["ready"] for pod in found for one in pod["status"].get("containerStatuses", [])))
    async with somebody(kubernetes, ROLE) as cluster:
        (service,) = await cluster.list("Service")
        for _ in range(100):
            if behind(service, await cluster.list("EndpointSlice"))[0]:
                break
            await kubernetes.passes(0.2)
        good, bad = behind(service, await cluster.list("EndpointSlice"))
        assert (len(good), bad) == (1, [])
        (ingress,) = await cluster.list("Ingress")
        assert ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == "web"
        service["spec"]["selector"] = {"app": "nothing"}
        assert nobody(service, await cluster.list("Pod")).startswith("nobody: no pod has app=nothing")


async def test_figures_of_pods_are_listed_and_those_of_nodes_need_a_right_of_their_own(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    (pod,) = await pods(kubernetes, "web", lambda found: any(one["ready"] for pod in found for one in pod["status"].get("containerStatuses", [])))
    async with somebody(kubernetes, ROLE) as cluster:
        measured = await cluster.list("PodMetrics")
        for _ in range(150):
            if measured:
                break
            await kubernetes.passes(0.4)
            measured = await cluster.list("PodMetrics")
        assert measured[0]["metadata"]["name"] == pod["metadata"]["name"]
        assert {*measured[0]["containers"][0]["usage"]} == {"cpu", "memory"}
        with pytest.raises(Forbidden) as refused:
            await cluster.list("NodeMetrics")
    assert refused.value.hint == 'Add this rule to aiec\'s ClusterRole: {apiGroups: ["metrics.k8s.io"], resources: ["nodes"], verbs: ["list"]}'
    assert await kubernetes.cluster.list("NodeMetrics") != []
