"""Durations: their notation, both ways."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.durations import notation, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200), ("1h30m", 5400), ("1d2h3m4s", 93_784), ("0h", 0), ("100000m", 6_000_000)],
)
def test_reads_a_duration(text: str, seconds: int) -> None:
    assert parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "1.5h", "30m1h", "5m5m", "5w", "5M", "٥m", "9" * 30 + "d", "9" * 5000 + "s", "5m\n"])
def test_refuses_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as 90s"):
        parse(text)


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=9999)).map(lambda delta: delta - timedelta(microseconds=delta.microseconds)))
def test_what_is_written_reads_the_same(delta: timedelta) -> None:
    assert parse(notation(delta)) == delta


def test_writes_the_shortest_form() -> None:
    assert notation(timedelta(minutes=90)) == "1h30m"
    assert notation(timedelta(0)) == "0s"
