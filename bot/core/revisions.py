"""Which pods and which template are the new ones. A revision remembers a pod template: a ReplicaSet of a Deployment, a ControllerRevision of the others."""

from collections.abc import Sequence

from bot.core.ports import Json
from bot.core.workload import status

REVISION = "deployment.kubernetes.io/revision"
TEMPLATE_HASH = "pod-template-hash"
REVISION_HASH = "controller-revision-hash"


def owned(owner: Json, things: Sequence[Json]) -> list[Json]:
    """Returns those of the things whose controller is the owner."""
    uid = owner["metadata"]["uid"]
    return [one for one in things if any(reference.get("controller") and reference["uid"] == uid for reference in one["metadata"].get("ownerReferences") or [])]


def number(revision: Json) -> int:
    """Returns the number that `kubectl rollout history` shows for a revision; 0 while a ReplicaSet has none yet."""
    if revision["kind"] == "ControllerRevision":
        return int(revision["revision"])
    return int((revision["metadata"].get("annotations") or {}).get(REVISION, 0))


def revision(workload: Json, revisions: Sequence[Json] = ()) -> int | None:
    """Returns the number of the workload's present revision, or None when it is not known. A Deployment carries it itself, the others need their revisions."""
    if workload["kind"] == "Deployment":
        return number(workload) or None
    now = new_revision(workload, revisions)
    return number(now) if now else None


def template_of(revision: Json) -> Json:
    """Returns the pod template that a revision remembers, without what its controller added."""
    if revision["kind"] == "ControllerRevision":
        return {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}
    return _bare(revision["spec"]["template"])


def new_revision(workload: Json, revisions: Sequence[Json]) -> Json | None:
    """Returns the revision of the present template, or None while the controller has not made it.

    Of ReplicaSets: the oldest whose template equals the Deployment's (`FindNewReplicaSet` of the deployment controller).
    Of a StatefulSet: `status.updateRevision`. Of a DaemonSet: the one with the highest number, for its controller renumbers a revision that it returns to.
    """
    mine = owned(workload, revisions)
    if workload["kind"] == "StatefulSet":
        return next((one for one in mine if one["metadata"]["name"] == status(workload).get("updateRevision")), None)
    if workload["kind"] == "DaemonSet":
        return max(mine, key=number, default=None)
    template = _bare(workload["spec"]["template"])
    equal = [one for one in mine if _bare(one["spec"]["template"]) == template]
    return min(equal, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]), default=None)


def previous_template(workload: Json, revisions: Sequence[Json]) -> Json | None:
    """Returns the pod template that the workload had before the present one, or None when there was none."""
    now = new_revision(workload, revisions)
    before = [one for one in owned(workload, revisions) if now is None or number(one) < number(now)]
    latest = max(before, key=number, default=None)
    return template_of(latest) if latest else None


def new_pods(workload: Json, revisions: Sequence[Json], pods: Sequence[Json]) -> list[Json]:
    """Returns the pods of the present template that are not being deleted. An old pod's trouble is not the fault of a new version."""
    now = new_revision(workload, revisions)
    if now is None:
        return []
    alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if now["kind"] == "ReplicaSet":
        return owned(now, alive)
    # A StatefulSet labels its pods with the revision's name, a DaemonSet with its hash alone.
    names = {now["metadata"]["name"], (now["metadata"].get("labels") or {}).get(REVISION_HASH)}
    return [pod for pod in owned(workload, alive) if (pod["metadata"].get("labels") or {}).get(REVISION_HASH) in names]


def _bare(template: Json) -> Json:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH}
    return {**template, "metadata": {key: value for key, value in metadata.items() if value}}
