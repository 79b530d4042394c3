"""`/aiec status` of a large environment against `kubectl get deployments,pods -o json`."""

import asyncio
import os
import statistics
import time

from benchmarks.place import Platform, place
from benchmarks.result import Result

NAMESPACE = "bench-large"


async def measure(*, deployments: int = 200, pods: int = 2000, rounds: int = 7) -> list[Result]:
    """Measures from the command until its answer is there, turn by turn with kubectl."""
    services = tuple(f"service-{number}" for number in range(deployments))
    real = "TEST_KUBECONFIG" in os.environ
    platform = Platform((NAMESPACE,), services, replicas=pods // deployments, nodes=0 if real else 1 + pods // 200, real=real)
    ours, theirs = [], []
    async with place(platform) as here:
        await _complete(platform, here.kubectl)
        for _ in range(rounds):
            ours.append(await here.engineer.answered(f"status {NAMESPACE}", "services are well"))
            started = time.perf_counter()
            await here.kubectl("-n", NAMESPACE, "get", "deployments,pods", "-o", "json")
            theirs.append(time.perf_counter() - started)
    name = f"status of {deployments} deployments with {pods} pods"
    return [Result(name, "s", statistics.median(ours), statistics.median(theirs), 1.5, relative=True)]


async def _complete(platform: Platform, kubectl: object) -> None:
    """Waits until all pods are there."""
    assert callable(kubectl)
    wanted = len(platform.services) * platform.replicas
    async with asyncio.timeout(300):
        while len((await kubectl("-n", NAMESPACE, "get", "pods", "-o", "name")).split()) < wanted:
            await asyncio.sleep(1)
