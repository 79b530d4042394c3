"""Kubernetes quantities: `100m`, `1Gi`, `2`, compared and added as exact numbers (apimachinery's resource.Quantity)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

_BINARY = {suffix: Fraction(1 << 10 * power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_DECIMAL = {suffix: Fraction(10) ** (3 * power) for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)}
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])|[eE]([+-]?\d+))?")


@lru_cache(maxsize=4096)
def parse(text: str | int | float) -> Fraction:
    """The number that a quantity stands for. Raises ValueError."""
    found = _FORM.fullmatch(str(text))
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, suffix, exponent = found.groups()
    if exponent:
        return Fraction(number) * Fraction(10) ** int(exponent)
    return Fraction(number) * (_BINARY | _DECIMAL)[suffix or ""]


def total(texts: Iterable[str]) -> Fraction:
    return sum((parse(text) for text in texts), Fraction())


def text(value: Fraction, like: str = "") -> str:
    """The canonical form: in `like`'s format (binary or decimal suffixes), with the largest suffix that leaves no fraction."""
    if value == 0:
        return "0"
    if like.endswith("i") and value.denominator == 1:
        for suffix, size in reversed(_BINARY.items()):
            if value % size == 0:
                return f"{value // size}{suffix}"
        return str(value)
    for suffix, size in reversed(_DECIMAL.items()):
        if (value / size).denominator == 1:
            return f"{value / size}{suffix}"
    return f"{-(-value * 10**9 // 1)}n"
