"""From the manifests of a folder to what is applied: the version's image in the service's container, and an autoscaler's replicas left alone."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from bot.core.ports import Json

_TEMPLATES = {"CronJob": ("spec", "jobTemplate", "spec", "template"), "Pod": ()}
_FIRST = ("ServiceAccount", "ConfigMap", "PersistentVolumeClaim")
_LAST = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")


def rendered(thing: Json, container: str, image: str) -> Json:
    """Returns a copy of the object in which every container of that name runs the image, whatever stands there, or where nothing does."""
    copied = deepcopy(thing)
    for one in containers_of(copied):
        if one.get("name") == container:
            one["image"] = image
    return copied


def containers_of(thing: Json) -> Iterator[Json]:
    """Yields the containers of an object's pod template, init containers first; none where it has no template. Nothing about its shape is taken for granted."""
    template: Any = thing
    for name in _TEMPLATES.get(thing["kind"], ("spec", "template")):
        template = template.get(name) if isinstance(template, dict) else None
    spec = template.get("spec") if isinstance(template, dict) else None
    for field in ("initContainers", "containers"):
        listed = spec.get(field) if isinstance(spec, dict) else None
        yield from (one for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict))


def scaled(things: Sequence[Json]) -> set[tuple[str, str]]:
    """Returns the kinds and names that the autoscalers among the objects are for."""
    references = [(one.get("spec") or {}).get("scaleTargetRef") or {} for one in things if one["kind"] == "HorizontalPodAutoscaler"]
    return {(str(reference.get("kind")), str(reference.get("name"))) for reference in references}


def in_order(things: Sequence[Json]) -> list[Json]:
    """Returns the objects as they are applied: first what pods refer to, last what makes pods, each as they stand in the folder."""
    return sorted(things, key=lambda one: (one["kind"] in _LAST) - (one["kind"] in _FIRST))
