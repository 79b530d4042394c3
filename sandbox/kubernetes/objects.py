"""Small pure helpers over API objects (plain JSON dictionaries) that every part uses."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace (empty for what has none) and name."""

NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # apimachinery's rand.SafeEncodeString: no vowels, so no words


def copy(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy(item) for item in value]
    return value


def key_of(obj: Object) -> Key:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def timestamp(when: datetime) -> str:
    """A metav1.Time: whole seconds."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def micro_timestamp(when: datetime) -> str:
    """A metav1.MicroTime."""
    return f"{when:%Y-%m-%dT%H:%M:%S.%fZ}"


def parse_time(text: str) -> datetime:
    """Reads RFC 3339, with or without fractions. Raises ValueError."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return when.astimezone(UTC)


def random_name(rng: random.Random, length: int = 5) -> str:
    return "".join(rng.choices(NAME_ALPHABET, k=length))


def random_uid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def controller_of(obj: Object) -> Object | None:
    """The owner reference marked as the controller, if there is one (metav1.GetControllerOf)."""
    owners = obj["metadata"].get("ownerReferences")
    return next((owner for owner in owners if owner.get("controller")), None) if owners else None


def owner_reference(owner: Object) -> Object:
    """metav1.NewControllerRef."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def with_meta(obj: Object, **changes: Any) -> Object:
    """A shallow copy with other metadata; a change to None removes the field."""
    meta = {**obj["metadata"], **changes}
    return {**obj, "metadata": {key: value for key, value in meta.items() if value is not None}}


def with_spec(obj: Object, **changes: Any) -> Object:
    return {**obj, "spec": {**obj["spec"], **changes}}


def with_annotations(obj: Object, **changes: str) -> Object:
    return with_meta(obj, annotations={**obj["metadata"].get("annotations", {}), **changes})


def with_status(obj: Object, status: Object) -> Object:
    return {**obj, "status": status}


def condition(conditions: Iterable[Object] | None, kind: str) -> Object | None:
    return next((entry for entry in conditions or () if entry["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    entry = condition(pod.get("status", {}).get("conditions"), "Ready")
    return entry is not None and entry["status"] == "True"


def ready_since(pod: Object) -> datetime | None:
    entry = condition(pod.get("status", {}).get("conditions"), "Ready")
    return parse_time(entry["lastTransitionTime"]) if entry is not None and entry["status"] == "True" else None


def is_terminating(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def is_active(pod: Object) -> bool:
    """controller.IsPodActive: neither finished nor being deleted."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed") and not is_terminating(pod)


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """intstr.GetScaledValueFromIntOrPercent."""
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%")) * total
    return -(-percent // 100) if round_up else percent // 100
