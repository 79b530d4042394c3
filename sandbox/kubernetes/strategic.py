"""Strategic merge patch: lists of named things are merged by their key instead of replaced (apimachinery's strategicpatch)."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.objects import Object, copy

# The patchMergeKey tags of the API types, by the field that holds the list. A Service's ports go by another key than a container's.
MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "taints": ("key",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
MERGED_SETS = ("finalizers",)

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def strategic_merge(target: Any, patch: Object) -> Any:
    """The merged copy. Directives understood: `$patch: delete|replace`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`, `$retainKeys`."""
    if patch.get("$patch") == "replace":
        return {key: copy(value) for key, value in patch.items() if key != "$patch"}
    merged: Object = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            field = key.removeprefix(_DELETE)
            merged[field] = [item for item in merged.get(field, ()) if item not in value]
        elif not key.startswith("$"):
            _merge_field(merged, key, value, patch.get(_ORDER + key))
    for key, value in patch.items():
        field = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and field in merged and field not in patch:
            merged[field] = _in_order(merged[field], field, value)
    return merged


def _merge_field(merged: Object, key: str, value: Any, order: Any) -> None:
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        if value.get("$patch") == "delete":
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge(merged.get(key), value)
    elif isinstance(value, list) and key in MERGED_SETS:
        merged[key] = [*merged.get(key, ()), *(item for item in value if item not in merged.get(key, ()))]
    elif isinstance(value, list) and _merge_key(key, value) is not None:
        merged[key] = _merge_list(merged.get(key) or [], value, str(_merge_key(key, value)))
        if order is not None:
            merged[key] = _in_order(merged[key], key, order)
    else:
        merged[key] = copy(value)


def _merge_key(field: str, items: list[Any]) -> str | None:
    if not all(isinstance(item, dict) for item in items):
        return None
    candidates = MERGE_KEYS.get(field, ())
    return next((key for key in candidates if all(key in item or "$patch" in item for item in items)), None)


def _merge_list(current: list[Any], patch: list[Object], key: str) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [copy(item) for item in patch if item.get("$patch") != "replace"]
    deleted = {item.get(key) for item in patch if item.get("$patch") == "delete"}
    kept = {item.get(key): item for item in current if item.get(key) not in deleted}
    patched = [strategic_merge(kept.get(item[key]), item) for item in patch if item.get("$patch") != "delete"]
    names = [item[key] for item in patched]
    return _interleave([item for item in kept.values() if item.get(key) not in names], patched, list(kept), key)


def _interleave(untouched: list[Any], patched: list[Any], live: list[Any], key: str) -> list[Any]:
    """What the patch does not name is put before the first patched item that follows it in the live list, else at the end (mergeSortedSlice)."""
    result = list(patched)
    start = 0
    for item in untouched:
        place = live.index(item[key])
        start = next((n for n in range(start, len(result)) if result[n][key] in live and live.index(result[n][key]) > place), len(result))
        result.insert(start, item)
        start += 1
    return result


def _in_order(items: list[Any], field: str, order: list[Any]) -> list[Any]:
    key = next((key for key in MERGE_KEYS.get(field, ()) if order and isinstance(order[0], dict) and key in order[0]), None)
    wanted = [entry[key] if key else entry for entry in order]
    named = {(item[key] if key else item): item for item in items}
    first = [named[name] for name in wanted if name in named]
    rest = [item for name, item in named.items() if name not in wanted]
    return _interleave(rest, first, list(named), key) if key else [*first, *rest]
