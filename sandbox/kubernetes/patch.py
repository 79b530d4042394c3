"""The three kinds of patch, as functions from an object and a patch to a new object: JSON Patch (RFC 6902), merge patch (RFC 7396), strategic merge patch."""

from __future__ import annotations

import json
import re
from typing import Any

from sandbox.kubernetes.errors import ApiError, bad_request, patch_refused
from sandbox.kubernetes.objects import Object, copy
from sandbox.kubernetes.schema import go_type
from sandbox.kubernetes.strategic import strategic_merge

JSON_PATCH, MERGE_PATCH, STRATEGIC = "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"
MAX_OPERATIONS = 10_000

_MISSING = object()


def apply_patch(content_type: str, obj: Object, patch: Any, text: bytes = b"") -> Object:
    """The patched copy of `obj`. Raises ApiError: 400 for a patch of the wrong shape, 422 for one that cannot be applied. `text`: the patch as it was sent."""
    if content_type == JSON_PATCH:
        if not isinstance(patch, list):
            raise bad_request(f"error decoding patch: json: cannot unmarshal {go_type(patch)} into Go value of type []handlers.jsonPatchOp")
        if text and any(not _spelled(operation, text) for operation in patch if isinstance(operation, dict) and operation.get("op") == "test"):
            raise patch_refused()
        return json_patch(obj, patch)
    if not isinstance(patch, dict):
        what = "" if content_type == STRATEGIC else "error decoding patch: "
        raise bad_request(f"{what}json: cannot unmarshal {go_type(patch)} into Go value of type map[string]interface {{}}")
    patched: Object = merge_patch(obj, patch) if content_type == MERGE_PATCH else strategic_merge(obj, patch)
    return patched


def go_text(value: Any) -> str:
    """How Go's fmt prints a decoded JSON value."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def merge_patch(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(obj: Object, operations: list[Any]) -> Object:
    """RFC 6902 as the API server's library has it: every failure is the same 422; `replace` of a missing key adds it; `test` for null passes on one."""
    if len(operations) > MAX_OPERATIONS:
        raise ApiError(413, "RequestEntityTooLarge", f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    document = copy(obj)
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request(f"error decoding patch: json: cannot unmarshal {go_type(operation)} into Go value of type handlers.jsonPatchOp")
        _operate(document, operation)
    patched: Object = document
    return patched


def _operate(document: Any, operation: Object) -> None:
    path = _pointer(operation.get("path"))
    match operation.get("op"):
        case "test":
            if not _equal(_read(document, path), operation.get("value")):
                raise patch_refused()
        case "add":
            _add(document, path, copy(operation.get("value")))
        case "replace":
            _replace(document, path, copy(operation.get("value")))
        case "remove":
            _remove(document, path)
        case "copy":
            _add(document, path, copy(_existing(document, _pointer(operation.get("from")))))
        case "move":
            source = _pointer(operation.get("from"))
            value = _existing(document, source)
            _remove(document, source)
            _add(document, path, value)
        case _:
            raise patch_refused()


def _equal(found: Any, wanted: Any) -> bool:
    if found is _MISSING:
        return wanted is None
    if isinstance(found, bool) != isinstance(wanted, bool):
        return False
    return bool(found == wanted)


def _spelled(value: Any, text: bytes) -> bool:
    """Whether all strings in it were sent as Go writes them: the library compares their texts, so that another spelling of the same string is unequal."""
    if isinstance(value, dict):
        return all(_spelled(one, text) for one in value.values())
    if isinstance(value, list):
        return all(_spelled(one, text) for one in value)
    if not isinstance(value, str) or (value.isascii() and not any(one in value for one in "<>&\x7f")):
        return True
    go = re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
    return go.encode("utf-8", "surrogatepass") in text


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or not text.startswith("/"):
        raise patch_refused()
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _parent(document: Any, path: list[str]) -> Any:
    """The container that the last part of `path` names something in; a missing one refuses the patch, whatever the operation."""
    for part in path[:-1]:
        document = _child(document, part)
        if not isinstance(document, dict | list):
            raise patch_refused()
    return document


def _child(container: Any, part: str) -> Any:
    if isinstance(container, dict):
        return container.get(part, _MISSING)
    index = _index(part)
    return container[index] if index < len(container) else _MISSING


def _index(part: str) -> int:
    if not part.isdecimal():
        raise patch_refused()
    return int(part)


def _read(document: Any, path: list[str]) -> Any:
    parent = _parent(document, path)
    found = _child(parent, path[-1])
    if found is _MISSING and isinstance(parent, list):
        raise patch_refused()
    return found


def _existing(document: Any, path: list[str]) -> Any:
    found = _read(document, path)
    if found is _MISSING:
        raise patch_refused()
    return found


def _add(document: Any, path: list[str], value: Any) -> None:
    parent, last = _parent(document, path), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
        return
    index = len(parent) if last == "-" else _index(last)
    if index > len(parent):
        raise patch_refused()
    parent.insert(index, value)


def _replace(document: Any, path: list[str], value: Any) -> None:
    parent, last = _parent(document, path), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
        return
    if _index(last) >= len(parent):
        raise patch_refused()
    parent[int(last)] = value


def _remove(document: Any, path: list[str]) -> None:
    parent, last = _parent(document, path), path[-1]
    if _child(parent, last) is _MISSING:
        raise patch_refused()
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[int(last)]
