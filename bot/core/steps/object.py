"""One object of a folder of manifests: what it becomes, and how that is done and undone. It is at `before`, ours, or somebody else's."""

from bot.core.data import Frozen
from bot.core.errors import Conflict, Contested, Unavailable
from bot.core.fields import FieldChange, at, drift
from bot.core.ownership import given_back, others, owns
from bot.core.ports import Cluster, Json, World
from bot.core.steps.forced import delete_unready
from bot.core.steps.marks import CHANGE_CAUSE, OPERATION, SERVICE, Stamp, annotations, foreign, pointer
from bot.core.workload import WORKLOADS, container_image

TRIES = 5
"""How often an object is read anew that is written by others (its status, an autoscaler) between our look and our write."""

MARKS = (OPERATION, SERVICE, CHANGE_CAUSE)


class Ref(Frozen):
    """An object's kind with its API in front (`apps/v1/Deployment`), and its name."""

    kind: str
    name: str

    @property
    def title(self) -> str:
        return f"{self.kind.rpartition('/')[2].lower()}/{self.name}"


def ref(thing: Json) -> Ref:
    """Returns how an object is referred to."""
    return Ref(kind=f"{thing['apiVersion']}/{thing['kind']}", name=thing["metadata"]["name"])


class ObjectChange(Frozen):
    """`manifest`: what is applied, without our marks. `changes`: what that does to the object that is there, as a dry run said; to one that is `created` the
    whole of it.

    `marks`: our annotations as they stand there before. `owned`: the fields that we had applied before, in the notation of managedFields (None: none).
    `scaled`: its replicas are an autoscaler's, and left out.
    """

    manifest: Json
    created: bool
    changes: tuple[FieldChange, ...] = ()
    marks: dict[str, str | None] = {}
    owned: Json | None = None
    scaled: bool = False

    @property
    def ref(self) -> Ref:
        return ref(self.manifest)

    @property
    def title(self) -> str:
        return self.ref.title

    @property
    def rolls_out(self) -> bool:
        """Whether it is a workload that this changes."""
        return self.manifest["kind"] in WORKLOADS and bool(self.changes)

    def differing(self, live: Json, *, after: bool) -> FieldChange | None:
        """Returns the first change whose field is not as it should be before or after; None when all are."""
        wanted = ((change, change.after if after else change.before) for change in self.changes)
        return next((change for change, value in wanted if at(live, change.path) != value), None)

    def gone_astray(self, live: Json | None, container: str, image: str) -> str:
        """Returns what somebody else has made of it during the rollout, or ""."""
        if live is None:
            return f"{self.title} does not exist any more: somebody else deleted it during the rollout"
        if self.created:
            now = container_image(live, container)
            return f"{self.title} runs {now} now: somebody else changed it during the rollout" if now not in (None, image) else ""
        other = self.differing(live, after=True)
        return f"{self.title} was changed by somebody else during the rollout: {drift(other, at(live, other.path), other.after)}" if other else ""


def manifest_for(manifest: Json, live: Json | None, scaled: bool) -> Json:
    """Returns what to apply on the object as it is: an autoscaler's replicas are left out, but where we own the field only its present value keeps them, for
    server-side apply removes what its owner leaves out.
    """
    if not scaled:
        return manifest
    spec = {name: value for name, value in manifest["spec"].items() if name != "replicas"}
    if live is not None and owns(live, "spec", "replicas"):
        spec["replicas"] = live["spec"]["replicas"]
    return {**manifest, "spec": spec}


def marked(manifest: Json, stamp: Stamp, service: str) -> Json:
    """Returns the manifest with our marks; the change-cause only on what has a rollout."""
    marks = {OPERATION: stamp.operation, SERVICE: service, **({CHANGE_CAUSE: stamp.cause} if manifest["kind"] in WORKLOADS else {})}
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **marks}}}


async def put(world: World, cluster: Cluster, change: ObjectChange, stamp: Stamp, service: str, *, take: bool) -> bool:
    """Applies the object where it is as planned, and returns whether it is our change. Raises Conflict, naming what differs, where it is not, and Contested
    when fields belong to others and are not to be taken (`take`).

    Applied with the uid and the resourceVersion of the look, so that nothing comes in between.
    """
    force = False
    for _ in range(TRIES):
        live = await cluster.get(change.ref.kind, change.ref.name)
        if live is not None and annotations(live).get(OPERATION) == stamp.operation:
            return True
        if not _at_before(change, live):
            return False
        manifest = marked(manifest_for(change.manifest, live, change.scaled), stamp, service)
        if live is not None:
            seen = {name: live["metadata"][name] for name in ("uid", "resourceVersion")}
            manifest = {**manifest, "metadata": {**manifest["metadata"], **seen}}
        world.about_to_act()
        try:
            await cluster.apply(manifest, force=force)
            return True
        except Contested as refused:
            if force or (not take and others(refused.fields, MARKS)):
                raise
            force = True
        except Conflict:
            continue
    raise _restless(change.ref)


def _restless(which: Ref) -> Unavailable:
    return Unavailable(f"{which.title} is written by somebody else all the time.", "It is looked at again.")


async def remove(world: World, cluster: Cluster, thing: Json) -> None:
    """Deletes the object while it carries the same marks as `thing`, if it is still there. Raises Conflict when it does not."""
    which = ref(thing)
    for _ in range(TRIES):
        live = await cluster.get(which.kind, which.name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        if any(annotations(live).get(mark) != annotations(thing).get(mark) for mark in MARKS):
            raise Conflict(f"{which.title} was changed meanwhile: it does not carry the mark any more that it had when this was planned.", "Ask again.")
        world.about_to_act()
        try:
            await cluster.delete(which.kind, which.name, as_seen=live)
            return
        except Conflict:
            continue
    raise _restless(which)


def _at_before(change: ObjectChange, live: Json | None) -> bool:
    """Returns whether the object is as it was planned on; False when somebody else has made it what we wanted. Raises Conflict, naming what differs."""
    hint = "Ask again: the plan is then made afresh."
    if live is None:
        if change.created:
            return True
        raise Conflict(f"{change.title} does not exist any more: somebody deleted it.", hint)
    if change.created:
        raise Conflict(f"{change.title} exists by now: somebody else created it.", hint)
    other = change.differing(live, after=False)
    if other is None:
        return True
    if change.differing(live, after=True) is None:
        return False
    raise Conflict(f"{change.title} was changed meanwhile: {drift(other, at(live, other.path), other.before)}.", hint)


async def put_back(world: World, cluster: Cluster, change: ObjectChange, stamp: Stamp) -> str:
    """Makes the object what it was before, where it carries our mark: one that was created is deleted. Returns why it was left alone, or ""."""
    for _ in range(TRIES):
        try:
            return await _put_back(world, cluster, change, stamp)
        except Conflict:  # somebody was faster: whether it is still ours is looked at again
            continue
    raise _restless(change.ref)


async def _put_back(world: World, cluster: Cluster, change: ObjectChange, stamp: Stamp) -> str:
    live = await cluster.get(change.ref.kind, change.ref.name)
    mark = annotations(live).get(OPERATION) if live is not None else None
    if live is None:
        return "" if change.created else f"{change.title} was deleted meanwhile"
    if mark == change.marks.get(OPERATION) and mark != stamp.operation:
        if not change.created and change.differing(live, after=False) is None and given_back(live, change.owned) is not None:
            await _finish(world, cluster, live, change)  # put back before a crash
        return ""
    if mark != stamp.operation:
        return foreign(change.title, mark)
    if change.created:
        world.about_to_act()
        await cluster.delete(change.ref.kind, change.ref.name, as_seen=live)
        return ""
    if (other := change.differing(live, after=True)) is not None:
        return f"{change.title} was changed by somebody else since: {drift(other, at(live, other.path), other.after)}"
    world.about_to_act()
    back = await cluster.patch(change.ref.kind, change.ref.name, _way_back(change, live, stamp))
    await _finish(world, cluster, back, change)
    return ""


async def _finish(world: World, cluster: Cluster, back: Json, change: ObjectChange) -> None:
    """What is left to do for an object whose fields are put back; the ownership comes last, for it tells whether all was done."""
    await delete_unready(cluster, back)
    await restore_ownership(world, cluster, back, change.owned)


async def restore_ownership(world: World, cluster: Cluster, live: Json, owned: Json | None) -> None:
    """Makes our share of the object's fields what it was before. Raises Conflict when the object has changed since."""
    entries = given_back(live, owned)
    if entries is None:
        return
    seen = {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}
    kind, name = ref(live).kind, live["metadata"]["name"]
    world.about_to_act()
    await cluster.patch(kind, name, [seen, {"op": "replace", "path": "/metadata/managedFields", "value": entries}])


def _way_back(change: ObjectChange, live: Json, stamp: Stamp) -> list[Json]:
    """Returns the JSON Patch that puts fields and marks back under `test`s of what we brought. A change-cause that somebody wrote since stays."""
    now = annotations(live)
    marks = {name: (now.get(name), value) for name, value in change.marks.items() if name != CHANGE_CAUSE or now.get(name) == stamp.cause}
    ways = [(one.path, one.after, one.before) for one in change.changes] + [(pointer(name), *both) for name, both in marks.items()]
    tests = [{"op": "test", "path": path, "value": expected} for path, expected, _ in ways]
    return tests + [_set(path, wanted) for path, expected, wanted in ways if expected != wanted]


def _set(path: str, value: object) -> Json:
    return {"op": "remove", "path": path} if value is None else {"op": "add", "path": path, "value": value}
