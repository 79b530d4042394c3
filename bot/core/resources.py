"""What a pod asks of a node and of a quota."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Literal

from bot.core import quantity
from bot.core.ports import Json

Amounts = dict[str, Fraction]


def total(template: Json, which: Literal["requests", "limits"] = "requests") -> Amounts:
    """Returns what a pod or a pod template asks for in all: exact amounts by resource (`cpu` in cores, `memory` in bytes).

    The scheduler's rule: the larger of what the containers need together and what any init container needs at its turn, beside the sidecars (init containers
    that restart always) started before it; plus the overhead. What the pod asks as a whole (`spec.resources`) stands instead of its containers' sum.
    """
    spec = template["spec"]
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or []:
        asked = _asked(container, which)
        if container.get("restartPolicy") == "Always":
            sidecars = add(sidecars, asked)
            asked = {}
        peak = _larger(peak, add(sidecars, asked))
    steady = sidecars
    for container in spec.get("containers") or []:
        steady = add(steady, _asked(container, which))
    return add({**_larger(peak, steady), **_asked(spec, which)}, _amounts(spec.get("overhead") or {}))


def add(one: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> Amounts:
    """Returns the sum of two amounts, resource by resource."""
    return {name: one.get(name, Fraction(0)) + other.get(name, Fraction(0)) for name in dict.fromkeys([*one, *other])}


def words(amounts: Mapping[str, Fraction]) -> str:
    """Returns the amounts as text: `cpu 250m, memory 1Gi`."""
    return ", ".join(f"{name} {quantity.named(name, amount)}" for name, amount in sorted(amounts.items())) or "nothing"


def unspecified(template: Json, which: Literal["requests", "limits"], resource: str) -> list[str]:
    """Returns the names of the containers that leave this amount open."""
    spec = template["spec"]
    if resource in _asked(spec, which):
        return []
    every: Iterable[Json] = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return [container["name"] for container in every if resource not in _asked(container, which)]


def _asked(thing: Json, which: str) -> Amounts:
    resources = thing.get("resources") or {}
    asked = _amounts(resources.get(which) or {})
    if which == "requests":  # the API server's default: what is only limited is requested in full
        asked = _amounts(resources.get("limits") or {}) | asked
    return asked


def _amounts(amounts: Mapping[str, str]) -> Amounts:
    return {name: quantity.parse(amount) for name, amount in amounts.items()}


def _larger(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Fraction(0)), other.get(name, Fraction(0))) for name in dict.fromkeys([*one, *other])}
