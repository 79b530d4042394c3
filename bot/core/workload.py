"""Readers of workloads (Deployments, StatefulSets, DaemonSets) over the API's own JSON."""

from fractions import Fraction

from bot.core.ports import Json

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


def title(workload: Json) -> str:
    """Returns what to call it: `Deployment gateway`."""
    return f"{workload['kind']} {workload['metadata']['name']}"


def containers(template: Json) -> list[Json]:
    """Returns the containers of a pod or a pod template, the init containers first, as they start."""
    spec = template["spec"]
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def container_image(workload: Json, container: str) -> str | None:
    """Returns the image of the container with that name in the workload's template, or None when there is no such container."""
    return next((one["image"] for one in containers(workload["spec"]["template"]) if one["name"] == container), None)


def status(thing: Json) -> Json:
    """Returns the status, empty when no controller has written one. The API leaves out counts that are zero."""
    return thing.get("status") or {}


def condition(thing: Json, kind: str) -> Json | None:
    """Returns the status condition of that type, or None."""
    return next((one for one in status(thing).get("conditions") or [] if one["type"] == kind), None)


def wanted(workload: Json) -> int:
    """Returns how many pods the workload should have; for a DaemonSet what its controller counted, one on each eligible node."""
    if workload["kind"] == "DaemonSet":
        return int(status(workload).get("desiredNumberScheduled", 0))
    replicas = workload["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def readiness(workload: Json) -> tuple[int, int]:
    """Returns how many of its pods are ready, and how many it should have."""
    field = "numberReady" if workload["kind"] == "DaemonSet" else "readyReplicas"
    return int(status(workload).get(field, 0)), wanted(workload)


def observed(workload: Json) -> bool:
    """Returns whether the controller has seen the present spec; until then its status speaks of an older one."""
    seen = int(status(workload).get("observedGeneration", 0))
    return seen > 0 and int(workload["metadata"].get("generation", 0)) <= seen


def ready(pod: Json) -> bool:
    """Returns whether the pod serves: its Ready condition is true."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def container_of(pod: Json, wanted: str) -> str:
    """Returns the container of a pod that is meant: the one that is wanted where it has that, else its default one."""
    names = [one["name"] for one in containers(pod)]
    if wanted in names:
        return wanted
    marked = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    return str(marked if marked in names else pod["spec"]["containers"][0]["name"])


def strategy(workload: Json) -> str:
    """Returns how pods are replaced: `RollingUpdate`, `Recreate` (Deployment) or `OnDelete` (the others)."""
    return str(_strategy(workload).get("type", "RollingUpdate"))


def partition(workload: Json) -> int:
    """Returns the ordinal below which a StatefulSet's pods keep the old template; 0 when all are updated."""
    return int(_rolling(workload).get("partition") or 0)


def surge(workload: Json) -> int:
    """Returns how many pods a rollout may add beyond those wanted: `maxSurge`, a percentage rounded up. 0 where old pods go first."""
    if workload["kind"] == "StatefulSet" or strategy(workload) != "RollingUpdate":
        return 0
    default = "25%" if workload["kind"] == "Deployment" else 0
    return _share(_rolling(workload).get("maxSurge", default), wanted(workload), up=True)


def unavailable(workload: Json) -> int:
    """Returns how many of the wanted pods a rollout may take down at once: `maxUnavailable`; a Deployment's percentage is rounded down, the others' up.

    Where that and the surge both come to nothing it is one pod (`ResolveFenceposts` of the deployment controller).
    """
    if strategy(workload) != "RollingUpdate":
        return wanted(workload)
    deployment = workload["kind"] == "Deployment"
    pods = _share(_rolling(workload).get("maxUnavailable", "25%" if deployment else 1), wanted(workload), up=not deployment)
    return pods if pods or surge(workload) else 1


def _strategy(workload: Json) -> Json:
    return workload["spec"].get("strategy") or workload["spec"].get("updateStrategy") or {}


def _rolling(workload: Json) -> Json:
    return _strategy(workload).get("rollingUpdate") or {}


def _share(value: int | str, of: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    exact = Fraction(value.rstrip("%")) * of / 100
    return int(-(-exact // 1)) if up else int(exact // 1)
