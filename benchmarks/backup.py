"""A command's output streamed into a backup, hashed, against `kubectl exec … > file`, on the cluster of TEST_KUBECONFIG.

What is measured is what differs: taking the bytes from the API server, hashing and storing them. What writes them is the same, and takes no time itself.
"""

import asyncio
import os
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.process import call, kubectl
from benchmarks.result import Result
from bot.adapters.backups import open_backups
from bot.adapters.kubernetes import KubernetesCluster, connect
from bot.core.backups import pour

NAMESPACE = "bench-backup"
POD = "db"


async def measure(*, mebibytes: int = 2048, rounds: int = 2) -> list[Result]:
    """Measures nothing where there is no cluster: the sandbox has no kubectl exec of that size."""
    path = os.environ.get("TEST_KUBECONFIG")
    if path is None:
        return []
    run = kubectl(Path(path))
    await call(*run, "create", "namespace", NAMESPACE)
    try:
        await call(*run, "-n", NAMESPACE, "create", "deployment", POD, "--image=registry.example/postgres:15")
        await call(*run, "-n", NAMESPACE, "rollout", "status", f"deployment/{POD}", "--timeout=60s")
        cluster = await connect(path, None, NAMESPACE, "bench")
        try:
            return await _compared(cluster, " ".join(run), mebibytes, rounds)
        finally:
            await cluster.close()
    finally:
        await call(*run, "delete", "namespace", NAMESPACE, "--wait=false")


async def _compared(cluster: KubernetesCluster, run: str, mebibytes: int, rounds: int) -> list[Result]:
    pod = (await cluster.list("Pod", labels=f"app={POD}"))[0]["metadata"]["name"]
    ours, theirs = [], []
    await _ours(cluster, pod, 1)  # the first one loads what every later one needs too
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(rounds):
        ours.append(await _ours(cluster, pod, mebibytes))
        theirs.append(await _theirs(run, pod, mebibytes))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    size = f"{mebibytes} MiB"
    return [
        Result(f"backup of {size}, against kubectl exec > file", "s", min(ours), min(theirs), 1.0, relative=True),
        Result(f"backup of {size}: memory above idle", "MiB", grown, None, 64),
    ]


async def _ours(cluster: KubernetesCluster, pod: str, mebibytes: int) -> float:
    """As a backup is taken: streamed, hashed, flushed to the disk, renamed. Returns seconds."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        written = cluster.exec(pod, container="postgres", command=["head", "-c", f"{mebibytes}M", "/dev/zero"])
        async with open_backups(Path(folder).as_uri()) as store, store.create("bench/one.dump") as sink:
            _, size = await pour((piece.data async for piece in written), sink)
        if size != mebibytes * 1024 * 1024:
            raise RuntimeError(f"{size} bytes came instead of {mebibytes} MiB")
        return time.perf_counter() - start


async def _theirs(run: str, pod: str, mebibytes: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        await call("bash", "-c", f"{run} -n {NAMESPACE} exec {pod} -- head -c {mebibytes}M /dev/zero > {folder}/one.dump")
        took = time.perf_counter() - start
        size = await asyncio.to_thread(lambda: (Path(folder) / "one.dump").stat().st_size)
        if size != mebibytes * 1024 * 1024:
            raise RuntimeError(f"kubectl brought {size} bytes instead of {mebibytes} MiB")
        return took
