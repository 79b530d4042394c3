"""The basic checks of what is written, in the API server's words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.kubernetes import quantity
from sandbox.kubernetes.errors import Cause, duplicate, forbidden_field, invalid, required, unsupported, wrong
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.selectors import matches_selector

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_NAMED_FREELY = ("rbac.authorization.k8s.io",)


def validate(resource: Resource, obj: Object, old: Object | None) -> None:
    """Raises ApiError 422 with every field that is wrong. `old` is the object that an update replaces."""
    causes = list(_metadata(resource, obj))
    check = _CHECKS.get(resource.key)
    if check:
        causes.extend(check(obj, old))
    if causes:
        raise invalid(resource.group, resource.kind, obj["metadata"].get("name", ""), causes)


def _metadata(resource: Resource, obj: Object) -> Iterator[Cause]:
    name = obj["metadata"].get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif resource.group not in _NAMED_FREELY and not _SUBDOMAIN.fullmatch(name):
        yield wrong("metadata.name", _go(name), _SUBDOMAIN_TEXT)


def _go(value: Any) -> str:
    """A value as Go's field errors print it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _not_negative(spec: Object, *fields: str) -> Iterator[Cause]:
    for field in fields:
        if spec.get(field, 0) < 0:
            yield wrong(f"spec.{field}", str(spec[field]), "must be greater than or equal to 0")


def _workload(obj: Object, old: Object | None) -> Iterator[Cause]:
    """What Deployments, ReplicaSets, StatefulSets and DaemonSets have in common."""
    spec = obj["spec"]
    yield from _not_negative(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield wrong("spec.selector", _go(selector), f"empty selector is invalid for {obj['kind'].lower()}")
    template = spec.get("template") or {}
    labels = template.get("metadata", {}).get("labels")
    if not matches_selector(selector, labels or {}):
        yield wrong("spec.template.metadata.labels", _go(labels), "`selector` does not match template `labels`")
    yield from _pod_spec(template.get("spec") or {}, "spec.template.spec")
    policy = template.get("spec", {}).get("restartPolicy", "Always")
    if policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", policy, ["Always"])


def _same_selector(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and obj["spec"].get("selector") != old["spec"].get("selector"):
        yield wrong("spec.selector", _go(obj["spec"].get("selector")), "field is immutable")


def _deployment(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _workload(obj, old)
    spec = obj["spec"]
    strategy = spec["strategy"]
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        shown = _go({"Type": strategy["type"], "RollingUpdate": strategy.get("rollingUpdate")})
        yield Cause("FieldValueNotSupported", "spec.strategy", f'Unsupported value: {shown}: supported values: "Recreate", "RollingUpdate"')
    if strategy["type"] == "Recreate" and "rollingUpdate" in strategy:
        yield forbidden_field("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    rolling = strategy.get("rollingUpdate") or {}
    if strategy["type"] == "RollingUpdate" and _is_zero(rolling.get("maxUnavailable")) and _is_zero(rolling.get("maxSurge")):
        yield wrong("spec.strategy.rollingUpdate.maxUnavailable", _go(rolling.get("maxUnavailable")), "may not be 0 when `maxSurge` is 0")
    deadline, ready = spec["progressDeadlineSeconds"], spec.get("minReadySeconds", 0)
    if deadline <= ready:
        yield wrong("spec.progressDeadlineSeconds", str(deadline), "must be greater than minReadySeconds")
    yield from _same_selector(obj, old)


def _is_zero(value: Any) -> bool:
    return value in (0, "0%", "0")


def _labelled_workload(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _workload(obj, old)
    yield from _same_selector(obj, old)


def _stateful_set(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _workload(obj, old)
    if old is None:
        return
    changeable = ("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy", "minReadySeconds")
    fixed = [{key: value for key, value in entry["spec"].items() if key not in changeable} for entry in (obj, old)]
    if fixed[0] != fixed[1]:
        yield forbidden_field(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
            "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )


def _pod(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _pod_spec(obj["spec"], "spec")
    for number, container in enumerate(obj["spec"].get("containers", ())):
        image = container.get("image", "")
        if image != image.strip():
            yield wrong(f"spec.containers[{number}].image", _go(image), "must not have leading or trailing whitespace")
    if old is not None and _frozen(obj) != _frozen(old):
        yield forbidden_field(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
            "`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        )


def _frozen(pod: Object) -> Object:
    spec = {key: value for key, value in pod["spec"].items() if key not in ("activeDeadlineSeconds", "tolerations", "nodeName")}
    return {**spec, "containers": [{**container, "image": ""} for container in spec.get("containers", ())]}


def _pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for number, container in enumerate(spec.get("containers") or ()):
        where = f"{path}.containers[{number}]"
        name = container.get("name", "")
        if not name:
            yield required(f"{where}.name")
        elif name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(name)
        if not container.get("image"):
            yield required(f"{where}.image")
        yield from _resources(container.get("resources") or {}, f"{where}.resources")


def _resources(resources: Object, path: str) -> Iterator[Cause]:
    amounts = {}
    for part in ("limits", "requests"):
        for name, value in (resources.get(part) or {}).items():
            try:
                amounts[part, name] = quantity.parse(value)
            except ValueError as error:
                yield wrong(f"{path}.{part}[{name}]", _go(value), str(error))
    for (part, name), amount in amounts.items():
        limit = amounts.get(("limits", name))
        if part == "requests" and limit is not None and amount > limit:
            yield wrong(f"{path}.requests", _go(resources["requests"][name]), f"must be less than or equal to {name} limit of {resources['limits'][name]}")


def _autoscaler(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj["spec"]
    lowest, highest = spec["minReplicas"], spec.get("maxReplicas", 0)
    if lowest < 1:
        yield wrong("spec.minReplicas", str(lowest), "must be greater than or equal to 1")
    if highest < 1:
        yield wrong("spec.maxReplicas", str(highest), "must be greater than 0")
    if highest < lowest:
        yield wrong("spec.maxReplicas", str(highest), "must be greater than or equal to `minReplicas`")


def _service(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj["spec"]
    if not spec.get("ports") and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")


_CHECKS: dict[str, Callable[[Object, Object | None], Iterator[Cause]]] = {
    "deployments.apps": _deployment,
    "replicasets.apps": _labelled_workload,
    "daemonsets.apps": _labelled_workload,
    "statefulsets.apps": _stateful_set,
    "pods": _pod,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "services": _service,
}
