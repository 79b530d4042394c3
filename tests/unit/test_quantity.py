"""Quantities are exact."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("250m", Fraction(1, 4)), ("1.5Gi", 3 * 2**29), ("1e3", 1000), ("1E", 10**18)),
        *((".5", Fraction(1, 2)), ("100n", Fraction(1, 10**7)), ("-2Ki", -2048), (3, 3)),
    ],
)
def test_reads_every_notation(text: str | int, value: Fraction) -> None:
    assert quantity.parse(text) == value


@pytest.mark.parametrize("text", ["", "cpu", "1KB", "1 Gi", "0x10", "1e", "Mi", "1.2.3", "∞"])
def test_refuses_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("resource", "value", "text"),
    [("cpu", Fraction(1, 4), "250m"), ("requests.cpu", Fraction(2), "2"), ("limits.memory", Fraction(3 * 2**29), "1.5Gi"), ("memory", Fraction(999), "999")],
)
def test_writes_each_resource_in_its_notation(resource: str, value: Fraction, text: str) -> None:
    assert quantity.named(resource, value) == text


@given(st.integers(min_value=0, max_value=2**70))
def test_what_is_written_reads_the_same(units: int) -> None:
    assert quantity.parse(quantity.memory(Fraction(units))) == units
    assert quantity.parse(quantity.text(Fraction(units, 1000))) == Fraction(units, 1000)
