"""`/aiec logs --grep` of ten pods with 100,000 lines each, against `kubectl logs | grep`, on the cluster of TEST_KUBECONFIG.

What is measured is what differs: reading, searching, merging. The memory is that of this process, which does nothing else.
"""

import asyncio
import os
import resource
import time
from pathlib import Path

from benchmarks.process import call, kubectl
from benchmarks.result import Result
from bot.adapters.kubernetes import KubernetesCluster, connect
from bot.core.loglines import Pattern, Sieve, merged

NAMESPACE = "bench-logs"
PODS = 10
EXPRESSION = "status=50[0-9]"
KEEP = 100
AT_ONCE = 5


async def measure(*, rounds: int = 3) -> list[Result]:
    """Measures nothing where there is no cluster: the sandbox's kubectl is none."""
    path = os.environ.get("TEST_KUBECONFIG")
    if path is None:
        return []
    run = kubectl(Path(path))
    await call(*run, "create", "namespace", NAMESPACE)
    try:
        await call(*run, "-n", NAMESPACE, "create", "deployment", "web", "--image=registry.example/web:v1", f"--replicas={PODS}")
        await call(*run, "-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=60s")
        cluster = await connect(path, None, NAMESPACE, "bench")
        try:
            return await _compared(cluster, run, rounds)
        finally:
            await cluster.close()
    finally:
        await call(*run, "delete", "namespace", NAMESPACE, "--wait=false")


async def _compared(cluster: KubernetesCluster, run: tuple[str, ...] | list[str], rounds: int) -> list[Result]:
    pods = [pod["metadata"]["name"] for pod in await cluster.list("Pod", labels="app=web")]
    ours, theirs, grown = [], [], 0.0
    pipe = f"{' '.join(run)} -n {NAMESPACE} logs -l app=web --tail=-1 --timestamps --prefix --max-log-requests={PODS} | grep -E '{EXPRESSION}' | tail -n {KEEP}"
    for number in range(rounds):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        read, found = await _read(cluster, pods)
        ours.append(time.perf_counter() - start)
        if number:  # the first round loads what every later one needs too
            grown = max(grown, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        start = time.perf_counter()
        said = await call("bash", "-c", pipe)
        theirs.append(time.perf_counter() - start)
        if len(said.splitlines()) != found:
            raise RuntimeError(f"kubectl and grep find {len(said.splitlines())} lines, we find {found}")
    size = f"{len(pods)} pods, {read / 1_000_000:.0f} MB"
    return [
        Result(f"logs with --grep ({size}), against kubectl logs | grep", "s", min(ours), min(theirs), 1.25, relative=True),
        Result(f"logs with --grep ({size}): memory that a further look takes", "MiB", grown, None, 16),
    ]


async def _read(cluster: KubernetesCluster, pods: list[str]) -> tuple[int, int]:
    """Reads as `/aiec logs` does. Returns how many bytes that were, and how many lines are shown."""
    pattern, turn = Pattern(EXPRESSION), asyncio.Semaphore(AT_ONCE)

    async def one(pod: str) -> Sieve:
        sieve = Sieve(pod, KEEP, pattern)
        async with turn:
            async for piece in cluster.read_logs(pod, container="web"):
                sieve.feed(piece)
                await asyncio.sleep(0)
        sieve.end()
        return sieve

    sieves = await asyncio.gather(*map(one, pods))
    return sum(sieve.read for sieve in sieves), len(merged(sieves, KEEP))
