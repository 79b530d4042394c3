"""Deployments: rollouts by new and old ReplicaSets (pkg/controller/deployment), with its writes in its order.

As there, the Deployment is read once for a sync: a second write of it in the same sync is refused as outdated, and the sync is tried again.
"""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.kubernetes.controllers import progress, replicas
from sandbox.kubernetes.controllers.conditions import updated, with_condition
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Key, Object, condition, controller_of, is_terminating, key_of, owner_reference, with_annotations
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from sandbox.kubernetes.store import Change

COMPONENT = "deployment-controller"


class Deployments:
    def __init__(self, core: Core) -> None:
        self._core = core

    def keys(self, change: Change) -> Iterable[Key]:
        if change.resource is DEPLOYMENTS:
            yield key_of(change.object)
        elif change.resource is REPLICA_SETS:
            owner = controller_of(change.object)
            if owner is not None and owner["kind"] == "Deployment":
                yield change.object["metadata"]["namespace"], owner["name"]
        elif change.resource is PODS and change.verb == "DELETED":
            yield from self._recreating(change.object)

    def _recreating(self, pod: Object) -> Iterable[Key]:
        """A Recreate rollout waits for the last old pod to be gone."""
        owner, namespace = controller_of(pod), pod["metadata"]["namespace"]
        replica_set = self._core.store.get(REPLICA_SETS, namespace, owner["name"]) if owner and owner["kind"] == "ReplicaSet" else None
        deployment = controller_of(replica_set) if replica_set else None
        if deployment:
            yield namespace, deployment["name"]

    def sync(self, namespace: str, name: str) -> float | None:
        deployment = self._core.store.get(DEPLOYMENTS, namespace, name)
        if deployment is None:
            return None
        return _Sync(self._core, deployment).run()


class _Sync:
    """One look at one Deployment. `deployment` follows what is written, but keeps the version that was read."""

    def __init__(self, core: Core, deployment: Object) -> None:
        self._core = core
        self.deployment = deployment
        self.all = [rs for _, rs in core.store.dependents(deployment["metadata"]["uid"], REPLICA_SETS)]

    def run(self) -> float | None:
        deployment = self.deployment
        if is_terminating(deployment):
            new, old = self._find(create=False)
            return self._write_status(progress.calculate_status(self._core.now, deployment, [*old, new], new))
        self._note_pause()
        if deployment["spec"].get("paused") or self._is_scaling():
            return self._scale()
        return self._roll() if replicas.is_rolling(deployment) else self._recreate()

    def _write(self, deployment: Object) -> None:
        self.deployment = deployment
        self._core.registry.write_status(DEPLOYMENTS, deployment, deployment["status"])

    def _write_status(self, status: Object) -> float | None:
        if status == self.deployment["status"]:
            return progress.next_check(self._core.now, self.deployment)
        self._write({**self.deployment, "status": status})
        return None

    def _with_progressing(self, deployment: Object, status: str, reason: str, message: str) -> Object:
        entry = updated(self._core.now, "Progressing", status, reason, message)
        entries = with_condition(deployment["status"].get("conditions", []), entry)
        return {**deployment, "status": {**deployment["status"], "conditions": entries}}

    def _note_pause(self) -> None:
        """checkPausedConditions: time spent paused does not count against the deadline."""
        deployment = self.deployment
        current = condition(deployment["status"].get("conditions"), "Progressing")
        if not replicas.has_deadline(deployment) or (current and current["reason"] == progress.TIMED_OUT):
            return
        paused = bool(deployment["spec"].get("paused"))
        noted = current is not None and current["reason"] == "DeploymentPaused"
        if paused and not noted:
            self._write(self._with_progressing(deployment, "Unknown", "DeploymentPaused", "Deployment is paused"))
        elif noted and not paused:
            self._write(self._with_progressing(deployment, "Unknown", "DeploymentResumed", "Deployment is resumed"))

    # ---- the new ReplicaSet and the old ones

    def _find(self, *, create: bool) -> tuple[Object | None, list[Object]]:
        """The new ReplicaSet, with revision and annotations brought up to date, and the old ones (getAllReplicaSetsAndSyncRevision)."""
        new = replicas.find_new(self.deployment, self.all)
        old = [rs for rs in self.all if rs is not new]
        revision = max((replicas.revision(rs) for rs in old), default=0) + 1
        if new is not None:
            new = self._sync_existing(new, revision)
        elif create:
            new = self._create_new(old, revision)
        self.all = [*old, *([new] if new else [])]
        return new, old

    def _sync_existing(self, new: Object, revision: int) -> Object:
        deployment = self.deployment
        ready = deployment["spec"].get("minReadySeconds", 0)
        synced = replicas.annotated(new, replicas.synced_annotations(deployment, new, revision))
        if synced["spec"].get("minReadySeconds", 0) != ready:
            synced = {**synced, "spec": {**synced["spec"], "minReadySeconds": ready}}
        if synced != new:
            return self._core.registry.write(REPLICA_SETS, synced)
        changed = self._with_revision(deployment, new["metadata"]["annotations"][replicas.REVISION])
        if replicas.has_deadline(deployment) and condition(deployment["status"].get("conditions"), "Progressing") is None:
            changed = self._with_progressing(changed, "True", "FoundNewReplicaSet", f'Found new replica set "{new["metadata"]["name"]}"')
        if changed is not deployment:
            self._write(changed)
        return new

    def _with_revision(self, deployment: Object, revision: str) -> Object:
        if deployment["metadata"].get("annotations", {}).get(replicas.REVISION) == revision:
            return deployment
        return with_annotations(deployment, **{replicas.REVISION: revision})

    def _create_new(self, old: list[Object], revision: int) -> Object:
        deployment, spec = self.deployment, self.deployment["spec"]
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        digest = replicas.template_hash(spec["template"], deployment["status"].get("collisionCount", 0))
        labels = {**spec["template"]["metadata"].get("labels", {}), replicas.TEMPLATE_HASH: digest}
        selector = {**spec["selector"], "matchLabels": {**spec["selector"].get("matchLabels", {}), replicas.TEMPLATE_HASH: digest}}
        wanted: Object = {"replicas": 0, "selector": selector, "template": {**spec["template"], "metadata": {**spec["template"]["metadata"], "labels": labels}}}
        if spec.get("minReadySeconds"):
            wanted["minReadySeconds"] = spec["minReadySeconds"]
        meta = {"name": f"{name}-{digest}", "namespace": namespace, "labels": labels, "ownerReferences": [owner_reference(deployment)]}
        new: Object = {"metadata": meta, "spec": wanted, "status": {"replicas": 0}}
        wanted["replicas"] = replicas.new_replica_count(deployment, [*old, new], new)
        meta["annotations"] = replicas.synced_annotations(deployment, new, revision) | replicas.size_annotations(deployment)
        created = self._core.registry.create(REPLICA_SETS, namespace, new)
        if wanted["replicas"]:
            self._record(f"Scaled up replica set {meta['name']} from 0 to {wanted['replicas']}")
        changed = self._with_revision(deployment, str(revision))
        if replicas.has_deadline(deployment):
            changed = self._with_progressing(changed, "True", "NewReplicaSetCreated", f'Created new replica set "{meta["name"]}"')
        if changed is not deployment:
            self._write(changed)
        return created

    def _record(self, message: str) -> None:
        self._core.recorder.record(self.deployment, COMPONENT, "Normal", "ScalingReplicaSet", message)

    def _resize(self, replica_set: Object, size: int, *, force: bool = False) -> bool:
        """scaleReplicaSet. Returns whether the size was changed."""
        before: int = replica_set["spec"]["replicas"]
        if before == size and not force:
            return False
        annotations = {**replica_set["metadata"].get("annotations", {}), **replicas.size_annotations(self.deployment)}
        resized = {**replicas.annotated(replica_set, annotations), "spec": {**replica_set["spec"], "replicas": size}}
        if resized == replica_set:
            return False
        written = self._core.registry.write(REPLICA_SETS, resized)
        self.all = [written if rs is replica_set else rs for rs in self.all]
        if before != size:
            self._record(f"Scaled {'up' if before < size else 'down'} replica set {written['metadata']['name']} from {before} to {size}")
        return before != size

    def _clean_up(self, old: list[Object]) -> None:
        """Deletes the oldest ReplicaSets beyond the history limit (cleanupDeployment)."""
        limit = replicas.history_limit(self.deployment)
        alive = [rs for rs in old if not is_terminating(rs)]
        if limit is None or len(alive) <= limit:
            return
        for rs in sorted(replicas.by_age(alive), key=replicas.revision)[: len(alive) - limit]:
            unseen = rs["metadata"]["generation"] > rs["status"].get("observedGeneration", 0)
            if not (rs["status"].get("replicas") or rs["spec"]["replicas"] or unseen):
                self._core.registry.delete(REPLICA_SETS, rs["metadata"]["namespace"], rs["metadata"]["name"], DeleteOptions())

    # ---- scaling, and what happens while paused

    def _is_scaling(self) -> bool:
        new, old = self._find(create=False)
        desired = str(self.deployment["spec"]["replicas"])
        marks = [rs["metadata"].get("annotations", {}).get(replicas.DESIRED_REPLICAS) for rs in replicas.active([*old, new])]
        return any(mark not in (None, desired) for mark in marks)

    def _scale(self) -> float | None:
        new, old = self._find(create=False)
        self._spread(new, old)
        if self.deployment["spec"].get("paused"):
            self._clean_up(old)
        return self._write_status(progress.calculate_status(self._core.now, self.deployment, list(self.all), self._refound(new)))

    def _refound(self, replica_set: Object | None) -> Object | None:
        """The same ReplicaSet as it is after what this sync has written."""
        return next((rs for rs in self.all if replica_set and rs["metadata"]["uid"] == replica_set["metadata"]["uid"]), None)

    def _spread(self, new: Object | None, old: list[Object]) -> None:
        """Scales the one active ReplicaSet, or all of them in proportion (scale)."""
        wanted = self.deployment["spec"]["replicas"]
        running = replicas.active([*old, new])
        newest_first = replicas.by_age(old)[::-1]
        if len(running) < 2:
            only = running[0] if running else new or (newest_first[0] if newest_first else None)
            if only is not None:
                self._resize(only, wanted)
        elif replicas.is_saturated(self.deployment, new):
            for rs in replicas.active(old):
                self._resize(rs, 0)
        elif replicas.is_rolling(self.deployment):
            self._spread_in_proportion(running)

    def _spread_in_proportion(self, running: list[Object]) -> None:
        wanted = self.deployment["spec"]["replicas"]
        allowed = wanted + replicas.max_surge(self.deployment) if wanted else 0
        to_add = allowed - replicas.wanted_count(running)
        ordered = sorted(replicas.by_age(running)[:: -1 if to_add > 0 else 1], key=lambda rs: -rs["spec"]["replicas"])
        added, sizes = 0, []
        for rs in ordered:
            share = replicas.proportion(rs, self.deployment, to_add, added)
            sizes.append(rs["spec"]["replicas"] + share)
            added += share
        sizes[0] = max(sizes[0] + to_add - added, 0)
        for rs, size in zip(ordered, sizes, strict=True):
            self._resize(rs, size, force=True)

    # ---- rollouts

    def _finish(self, new: Object | None) -> float | None:
        return self._write_status(progress.rollout_status(self._core.now, self.deployment, list(self.all), self._refound(new)))

    def _roll(self) -> float | None:
        new, old = self._find(create=True)
        assert new is not None
        if self._grow(new):
            return self._finish(new)
        if self._shrink(new, replicas.active(old)):
            return self._finish(new)
        if progress.is_complete(self.deployment, self.deployment["status"]):
            self._clean_up(old)
        return self._finish(new)

    def _grow(self, new: Object) -> bool:
        wanted, size = self.deployment["spec"]["replicas"], new["spec"]["replicas"]
        if size == wanted:
            return False
        return self._resize(new, wanted if size > wanted else replicas.new_replica_count(self.deployment, self.all, new))

    def _shrink(self, new: Object, old: list[Object]) -> bool:
        """Old replicas go as far as availability allows, those that are unhealthy first (reconcileOldReplicaSets)."""
        least = self.deployment["spec"]["replicas"] - replicas.max_unavailable(self.deployment)
        starting = new["spec"]["replicas"] - new["status"].get("availableReplicas", 0)
        room = replicas.wanted_count(self.all) - least - starting
        if not old or room <= 0:
            return False
        cleaned = 0
        for rs in replicas.by_age(old):
            if cleaned >= room:
                break
            unhealthy = rs["spec"]["replicas"] - rs["status"].get("availableReplicas", 0)
            if unhealthy < 0:
                return False  # its status has not caught up with its size: the next sync knows better
            if unhealthy:
                down = min(room - cleaned, unhealthy)
                self._resize(rs, rs["spec"]["replicas"] - down)
                cleaned += down
        names = {rs["metadata"]["name"] for rs in old}
        available = replicas.status_count(self.all, "availableReplicas")
        stopped = 0
        for rs in replicas.by_age(rs for rs in self.all if rs["metadata"]["name"] in names):
            down = min(rs["spec"]["replicas"], available - least - stopped)
            if down > 0:
                self._resize(rs, rs["spec"]["replicas"] - down)
                stopped += down
        return cleaned + stopped > 0

    def _recreate(self) -> float | None:
        new, old = self._find(create=False)
        stopped = [self._resize(rs, 0) for rs in replicas.active(old)]
        if any(stopped) or self._old_pods_run(new, old):
            return self._finish(new)
        if new is None:
            new, old = self._find(create=True)
        assert new is not None
        self._resize(new, self.deployment["spec"]["replicas"])
        if progress.is_complete(self.deployment, self.deployment["status"]):
            self._clean_up(old)
        return self._finish(new)

    def _old_pods_run(self, new: Object | None, old: list[Object]) -> bool:
        if replicas.status_count(old, "replicas"):
            return True
        pods = [pod for rs in old for _, pod in self._core.store.dependents(rs["metadata"]["uid"], PODS)]
        return any(pod["status"].get("phase") not in ("Failed", "Succeeded") for pod in pods)
