"""Freezes and windows."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.config import Freeze, Window
from bot.core.windows import freeze_at, next_window, window_open

SUNDAY = Window(cron="0 2 * * SUN", duration=timedelta(hours=4))
moments = st.integers(1_600_000_000, 2_200_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
windows = st.builds(
    Window,
    cron=st.sampled_from(["0 2 * * SUN", "*/20 * * * *", "0 0 29 2 *", "30 23 31 12 *", "0 0 L * *", "* * * * *"]),
    duration=st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=3)),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def freeze(start: str, end: str, reason: str = "holidays") -> Freeze:
    return Freeze(from_=at(start), to=at(end), reason=reason)


@pytest.mark.parametrize(
    ("now", "expected"),
    [("2026-11-29 01:59", False), ("2026-11-29 02:00", True), ("2026-11-29 05:59:59", True), ("2026-11-29 06:00", False), ("2026-11-28 03:00", False)],
)
def test_the_sunday_window(now: str, expected: bool) -> None:
    assert window_open(SUNDAY, at(now)) is expected


def test_the_next_window_is_the_next_even_when_one_is_open() -> None:
    assert next_window(SUNDAY, at("2026-11-27 12:00")) == (at("2026-11-29 02:00"), at("2026-11-29 06:00"))
    assert next_window(SUNDAY, at("2026-11-29 02:00")) == (at("2026-12-06 02:00"), at("2026-12-06 06:00"))


def test_windows_that_overlap_are_open_without_a_gap() -> None:
    hourly = Window(cron="0 * * * *", duration=timedelta(minutes=90))
    assert all(window_open(hourly, at("2026-11-29 00:00") + timedelta(minutes=minute)) for minute in range(180))


def test_a_local_clock_changes_nothing() -> None:
    local = at("2026-11-29 02:30").astimezone(timezone(timedelta(hours=-3)))
    assert window_open(SUNDAY, local)
    assert next_window(SUNDAY, local)[0] == at("2026-12-06 02:00")


@given(windows, moments)
def test_a_window_is_open_from_its_beginning_until_before_its_end(window: Window, now: datetime) -> None:
    start, end = next_window(window, now)
    assert now < start
    assert end - start == window.duration
    assert window_open(window, start)
    assert window_open(window, end - timedelta(microseconds=1))


@given(windows, moments)
def test_a_closed_window_stays_closed_until_the_next(window: Window, now: datetime) -> None:
    start, _ = next_window(window, now)
    if not window_open(window, now):
        assert not window_open(window, start - timedelta(microseconds=1))


@given(st.lists(st.tuples(moments, st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=400)))), moments)
def test_it_is_frozen_exactly_while_some_freeze_holds(spans: list[tuple[datetime, timedelta]], now: datetime) -> None:
    freezes = [Freeze(from_=start, to=start + length, reason="x") for start, length in spans]
    found = freeze_at(freezes, now)
    holding = [each for each in freezes if each.from_ <= now < each.to]
    assert (found is None) == (not holding)
    assert found is None or all(each.to <= found.to for each in holding)


def test_of_overlapping_freezes_the_last_to_end_is_named() -> None:
    freezes = [freeze("2026-12-24", "2026-12-28"), freeze("2026-12-20", "2027-01-02", "audit")]
    assert getattr(freeze_at(freezes, at("2026-12-25")), "reason", None) == "audit"
    assert getattr(freeze_at(freezes, at("2026-12-20")), "reason", None) == "audit"
    assert freeze_at(freezes, at("2027-01-02")) is None
