"""What controllers that own pods share: finding theirs, creating, deleting, and which to delete first (pkg/controller/controller_utils.go)."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.objects import Object, controller_of, copy, is_active, is_ready, owner_reference, parse_time, ready_since
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.resources import PODS
from sandbox.kubernetes.selectors import matches_selector

PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def owned_pods(core: Core, owner: Object) -> list[Object]:
    return [pod for _, pod in core.store.dependents(owner["metadata"]["uid"], PODS)]


def adopt_pods(core: Core, owner: Object) -> None:
    """Makes orphans that match the owner's selector its own (ClaimPods)."""
    selector, namespace = owner["spec"].get("selector"), owner["metadata"]["namespace"]
    for pod in core.store.all(PODS, namespace):
        if controller_of(pod) is None and is_active(pod) and matches_selector(selector, pod["metadata"].get("labels", {})):
            owners = [*pod["metadata"].get("ownerReferences", ()), owner_reference(owner)]
            core.registry.write(PODS, {**pod, "metadata": {**pod["metadata"], "ownerReferences": owners}})


def create_pod(core: Core, owner: Object, component: str, *, name: str = "", template: Object | None = None) -> Object:
    """Creates a pod from the owner's template and records it. Raises ApiError after recording FailedCreate."""
    template = template if template is not None else owner["spec"]["template"]
    meta = copy(template.get("metadata", {}))
    meta |= {"name": name} if name else {"generateName": f"{owner['metadata']['name']}-"}
    meta["ownerReferences"] = [owner_reference(owner)]
    try:
        pod = core.registry.create(PODS, owner["metadata"]["namespace"], {"metadata": meta, "spec": template["spec"]})
    except ApiError as error:
        core.recorder.record(owner, component, "Warning", "FailedCreate", f"Error creating: {error.message}")
        raise
    core.recorder.record(owner, component, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
    return pod


def delete_pod(core: Core, owner: Object, component: str, pod: Object) -> None:
    name = pod["metadata"]["name"]
    core.registry.delete(PODS, pod["metadata"]["namespace"], name, DeleteOptions())
    core.recorder.record(owner, component, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")


def is_available(pod: Object, min_ready: int, now: datetime) -> bool:
    since = ready_since(pod)
    return since is not None and (not min_ready or since + timedelta(seconds=min_ready) <= now)


def next_availability(pods: list[Object], min_ready: int, now: datetime) -> float | None:
    """Seconds until the first ready pod has been so for long enough."""
    waits = [(since + timedelta(seconds=min_ready) - now).total_seconds() for pod in pods if (since := ready_since(pod)) is not None]
    return min((wait for wait in waits if wait > 0), default=None)


def deletion_order(pods: list[Object], now: datetime) -> list[Object]:
    """The first to delete first (ActivePodsWithRanks): unassigned, pending, not ready, cheap, crowded, young, restarted."""
    ready_on: dict[str, int] = {}
    for pod in pods:
        if is_ready(pod):
            ready_on[pod["spec"].get("nodeName", "")] = ready_on.get(pod["spec"].get("nodeName", ""), 0) + 1

    def rank(pod: Object) -> tuple[float | str, ...]:
        node, meta = pod["spec"].get("nodeName"), pod["metadata"]
        restarts = max((status["restartCount"] for status in pod["status"].get("containerStatuses", ())), default=0)
        return (
            node is not None,
            PHASES.get(pod["status"].get("phase", ""), 1),
            is_ready(pod),
            int(meta.get("annotations", {}).get("controller.kubernetes.io/pod-deletion-cost", 0)),
            -ready_on.get(node or "", 0),
            _age_class(ready_since(pod), now),
            -restarts,
            _age_class(parse_time(meta["creationTimestamp"]), now),
            meta["uid"],
        )

    return sorted(pods, key=rank)


def _age_class(since: datetime | None, now: datetime) -> float:
    """Ages are compared by their logarithm, and by uid within one (LogarithmicScaleDown)."""
    if since is None:
        return 0
    nanoseconds = (now - since) / timedelta(microseconds=1) * 1000
    return math.floor(math.log2(nanoseconds)) if nanoseconds >= 1 else -1
