"""ControllerRevisions: the history of templates that StatefulSets and DaemonSets keep (pkg/controller/history)."""

from __future__ import annotations

from sandbox.kubernetes.controllers.replicas import template_hash
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Object, copy, owner_reference
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.resources import CONTROLLER_REVISIONS


def history(core: Core, owner: Object) -> list[Object]:
    """The owner's revisions, the oldest first."""
    found = [obj for _, obj in core.store.dependents(owner["metadata"]["uid"], CONTROLLER_REVISIONS)]
    return sorted(found, key=lambda obj: (obj["revision"], obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]))


def update_revision(core: Core, owner: Object, label: str) -> Object:
    """The revision of the owner's present template: the newest one, an older one made the newest again, or a new one with its hash under `label`."""
    revisions = history(core, owner)
    data = {"spec": {"template": {**copy(owner["spec"]["template"]), "$patch": "replace"}}}
    number = revisions[-1]["revision"] + 1 if revisions else 1
    equal = next((revision for revision in reversed(revisions) if revision["data"] == data), None)
    if equal is not None:
        return equal if equal is revisions[-1] else core.registry.write(CONTROLLER_REVISIONS, {**equal, "revision": number})
    digest = template_hash(owner["spec"]["template"], owner["status"].get("collisionCount", 0))
    meta = {
        "name": f"{owner['metadata']['name']}-{digest}",
        "labels": {**owner["spec"]["template"]["metadata"].get("labels", {}), label: digest},
        "annotations": dict(owner["metadata"].get("annotations", {})),
        "ownerReferences": [owner_reference(owner)],
    }
    return core.registry.create(CONTROLLER_REVISIONS, owner["metadata"]["namespace"], {"metadata": meta, "data": data, "revision": number})


def template_of(revision: Object) -> Object:
    return {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}


def truncate(core: Core, owner: Object, live: set[str]) -> None:
    """Deletes the oldest revisions that no pod uses, beyond the owner's limit."""
    unused = [revision for revision in history(core, owner) if revision["metadata"]["name"] not in live]
    surplus = len(unused) - owner["spec"].get("revisionHistoryLimit", 10)
    for revision in unused[: max(surplus, 0)]:
        core.registry.delete(CONTROLLER_REVISIONS, revision["metadata"]["namespace"], revision["metadata"]["name"], DeleteOptions())
