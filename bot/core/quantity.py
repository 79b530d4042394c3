"""Kubernetes quantities (`250m`, `1.5Gi`, `2e3`), exact: a quota is compared to the last unit.

Source of the notation: `k8s.io/apimachinery/pkg/api/resource`.
"""

import re
from fractions import Fraction

_DECIMAL = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)} | {
    suffix: Fraction(1000**power) for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), start=1)
}
_BINARY = {suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)}
_UNITS = _DECIMAL | {suffix: Fraction(factor) for suffix, factor in _BINARY.items()}
_NOTATION = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([A-Za-z]{0,2}))")


def parse(text: str | int | float) -> Fraction:
    """Returns the exact value of a quantity: cores of CPU, bytes of memory, a count. Raises ValueError with the offending text when it is none."""
    match = _NOTATION.fullmatch(str(text).strip())
    if match is None or (match[3] or "") not in _UNITS:
        raise ValueError(f"{str(text)!r} is not a quantity")
    return Fraction(match[1] + (match[2] or "")) * _UNITS[match[3] or ""]


def text(value: Fraction) -> str:
    """Returns a CPU amount or a count as Kubernetes writes it: whole (`2`), else in thousandths (`250m`), rounded up as the API does."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{-(-value * 1000 // 1)}m"


def memory(value: Fraction) -> str:
    """Returns bytes in the largest binary unit that leaves at most one decimal without loss (`1.5Gi`), else as plain bytes."""
    for suffix, factor in reversed(_BINARY.items()):
        scaled = value / factor
        if abs(scaled) >= 1 and (scaled * 10).denominator == 1:
            return f"{scaled.numerator}{suffix}" if scaled.denominator == 1 else f"{float(scaled):.1f}{suffix}"
    return text(value)


def named(resource: str, value: Fraction) -> str:
    """Returns the amount in the notation that suits the resource (`requests.memory`, `cpu`, `pods`)."""
    return memory(value) if resource.endswith(("memory", "storage")) else text(value)
