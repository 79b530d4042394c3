"""Whose fields are whose: `metadata.managedFields`, which server-side apply keeps (`f:name` a field, `k:{…}` an entry of a list by its keys)."""

from collections.abc import Sequence
from typing import Any

from bot.core.ports import Json

MANAGER = "aiec"
"""Our name as a field manager. What we apply and what we patch are two entries of that name (operation Apply and Update)."""


def applied(thing: Json) -> Json | None:
    """Returns the fields that we own because we applied them last, or None when we never applied the object."""
    return next((entry.get("fieldsV1") or {} for entry in _entries(thing) if _is_ours(entry, "Apply")), None)


def owns(thing: Json, *names: str) -> bool:
    """Returns whether the field with this way to it is one that we applied."""
    here: Any = applied(thing) or {}
    for name in names:
        here = here.get(f"f:{name}") if isinstance(here, dict) else None
    return here is not None


def given_back(thing: Json, ours: Json | None) -> list[Json] | None:
    """Returns the managedFields in which our share is what it was before (None: nothing); None when it is so already.

    A patch that puts a field back moves it from what we applied to what we patched. Left there, the next apply would conflict with ourselves, and would not
    remove what the folder no longer has. What we patched is therefore given up, for nobody's field conflicts with anybody.
    """
    if applied(thing) == ours:
        return None
    kept = [entry for entry in _entries(thing) if not _is_ours(entry, "Apply") and not _is_ours(entry, "Update")]
    mine = {"manager": MANAGER, "operation": "Apply", "apiVersion": thing["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": ours}
    return [*kept, *([mine] if ours is not None else [])] or [{}]  # [{}] is how the API is told that there are none


def others(conflicts: Sequence[tuple[str, str]], marks: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the conflicts (field, manager) that are with somebody else: not with our own patches, and not about annotations that are ours to write."""
    return [(field, manager) for field, manager in conflicts if manager != MANAGER and not any(field.endswith(f".{mark}") for mark in marks)]


def said(title: str, conflicts: Sequence[tuple[str, str]]) -> str:
    """Returns conflicts of one object in words, by owner: `deployment/web: spec.replicas belongs to kubectl`."""
    owners = dict.fromkeys(manager for _, manager in conflicts)
    parts = []
    for owner in owners:
        fields = [field.lstrip(".") for field, manager in conflicts if manager == owner]
        parts.append(f"{' and '.join(fields)} belong{'s' if len(fields) == 1 else ''} to {owner}")
    return f"{title}: {', '.join(parts)}"


def _entries(thing: Json) -> list[Json]:
    found: list[Json] = thing["metadata"].get("managedFields") or []
    return found


def _is_ours(entry: Json, operation: str) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == operation and not entry.get("subresource")
