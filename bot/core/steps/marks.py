"""What steps write on what they change, and how what they find there is said."""

from collections.abc import Mapping

from bot.core.data import Frozen
from bot.core.outcome import Failed
from bot.core.ports import Json

OPERATION = "aiec.dev/operation"
SERVICE = "aiec.dev/service"
CHANGE_CAUSE = "kubernetes.io/change-cause"
SCALED = "aiec.dev/scaled-by"
"""Whose number of replicas it is: beside OPERATION, for who scales a workload does not take it from who deployed it."""
PAUSED = "aiec.dev/paused-by"
"""Who holds its rollout, or has let it go: beside OPERATION, for the same reason."""
RAN = "aiec.dev/ran-at"
"""When a named command last ran in a pod of it."""

Marks = Mapping[str, tuple[str | None, str | None]]
"""Annotations, each as (expected, wanted); None where it is absent."""


class Stamp(Frozen):
    """What a step writes on what it changes: whose change it is, and the change-cause that `kubectl rollout history` shows."""

    operation: str
    cause: str


def annotations(thing: Json) -> dict[str, str]:
    """Returns an object's annotations, empty when it has none."""
    found: dict[str, str] = thing["metadata"].get("annotations") or {}
    return found


def pointer(annotation: str) -> str:
    """Returns the JSON Pointer (RFC 6901) of an annotation."""
    return "/metadata/annotations/" + annotation.replace("~", "~0").replace("/", "~1")


def marking(thing: Json, marks: Marks) -> tuple[list[Json], list[Json]]:
    """Returns the operations of a JSON Patch that test the annotations as they are expected, and those that write them as they are wanted."""
    tests: list[Json] = []
    if "annotations" not in thing["metadata"]:
        tests += [{"op": "test", "path": "/metadata/annotations", "value": None}, {"op": "add", "path": "/metadata/annotations", "value": {}}]
    tests += [{"op": "test", "path": pointer(name), "value": expected} for name, (expected, _) in marks.items()]
    writes: list[Json] = []
    for name, (expected, wanted) in marks.items():
        if wanted is not None:
            writes.append({"op": "add", "path": pointer(name), "value": wanted})
        elif expected is not None:
            writes.append({"op": "remove", "path": pointer(name)})
    return tests, writes


def marked_otherwise(target: str, thing: Json, marks: Marks) -> str | None:
    """Says which annotation is not as expected; None when all are."""
    for name, (expected, _) in marks.items():
        found = annotations(thing).get(name)
        if found != expected:
            return f"{target} was changed meanwhile: its {name.rpartition('/')[2]} is {found!r}, not {expected!r}."
    return None


def short(image: str) -> str:
    """Returns what a person calls an image: its tag, or the beginning of its digest; of none at all `nothing`."""
    named, _, pinned = image.partition("@")
    tag = named.rpartition("/")[2].partition(":")[2]
    return tag or pinned[:19] or ("latest" if image else "nothing")


def superseded(target: str, image: str) -> Failed:
    """Returns that somebody else has changed what the operation is rolling out."""
    return Failed(code="Superseded", why=f"{target} runs {short(image)} now: somebody else changed it during the rollout")


def foreign(target: str, owner: str | None) -> str:
    """Returns why what carries another operation's mark (None: no mark at all) is left alone."""
    return f"{target} was changed by {owner} meanwhile" if owner else f"{target} does not carry our mark any more: somebody else changed it"
