"""The "forced rollback" of Kubernetes' documentation of StatefulSets: with `OrderedReady`, a pod that never got ready is not replaced, not even by the template
that is put back, until somebody deletes it.
"""

import asyncio
from collections.abc import Callable

from bot.core.errors import Forbidden
from bot.core.ports import Cluster, Json
from bot.core.revisions import REVISION_HASH, owned
from bot.core.workload import containers, ready, status, strategy


async def delete_stuck(cluster: Cluster, workload: Json, container: str, image: str) -> None:
    """Deletes the StatefulSet's pods that run `image` and are not ready, each only as it was seen. Raises Conflict when one has changed since.

    Where the API server does not allow it, the rollout says which pod is to be deleted (`StandStill`).
    """
    await _delete(cluster, workload, lambda pod: _runs(pod, container, image))


async def delete_unready(cluster: Cluster, workload: Json, keep: str = "") -> None:
    """Deletes the StatefulSet's pods that are of another revision than the one that was put back and are not ready, as `delete_stuck` does.

    `keep` is that revision's name. Without it: while a rollout is not complete, `status.currentRevision` is the template before it, the one that is put back.
    """
    kept = keep or status(workload).get("currentRevision")
    await _delete(cluster, workload, lambda pod: (pod["metadata"].get("labels") or {}).get(REVISION_HASH) != kept)


async def _delete(cluster: Cluster, workload: Json, unwanted: Callable[[Json], bool]) -> None:
    if workload["kind"] != "StatefulSet" or workload["spec"].get("podManagementPolicy") == "Parallel" or strategy(workload) != "RollingUpdate":
        return
    stuck = [pod for pod in owned(workload, await cluster.list("Pod")) if unwanted(pod) and not ready(pod) and not _ends(pod)]
    try:
        await asyncio.gather(*(cluster.delete("Pod", pod["metadata"]["name"], as_seen=pod) for pod in stuck))
    except Forbidden:
        return


def _runs(pod: Json, container: str, image: str) -> bool:
    return any(one["name"] == container and one["image"] == image for one in containers(pod))


def _ends(pod: Json) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))
