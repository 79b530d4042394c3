"""Figures over time as data: one chart is a picture with a panel for each figure, all on the same axis of time. Who draws it is elsewhere."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from bot.core.data import Frozen

LONG = timedelta(days=2)
"""From this length on an axis has days on it, no longer times of a day."""


class Sample(Frozen):
    at: datetime
    value: float


class Series(Frozen):
    """One line. `name` tells it from the others of its panel, and is empty where it is the only one."""

    name: str = ""
    samples: tuple[Sample, ...]


class Panel(Frozen):
    """One figure: its title (`gateway error rate`), its unit (`/s`; empty: none is known), its lines, and the `limit` that it should stay below."""

    title: str
    unit: str = ""
    series: tuple[Series, ...]
    limit: float | None = None


class Mark(Frozen):
    """Something that happened, at a moment."""

    at: datetime
    label: str


class Chart(Frozen):
    """`start` and `end` are what the axis shows, in UTC."""

    title: str
    start: datetime
    end: datetime
    panels: tuple[Panel, ...]
    marks: tuple[Mark, ...] = ()


def number(value: float, unit: str = "") -> str:
    """Returns a figure as people read it: three digits that count, and its unit."""
    digits = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def in_words(chart: Chart) -> list[str]:
    """Returns what the chart shows, one line for each figure and one for what is marked: for terminals, screen readers, and where no picture can be."""
    lines = [line for panel in chart.panels for line in _panel(panel)]
    form = "%H:%M" if chart.end - chart.start < LONG else "%Y-%m-%d"
    marks = ", ".join(f"{mark.label} at {mark.at.astimezone(UTC):{form}}" for mark in chart.marks)
    return [*lines, f"{chart.start.astimezone(UTC):{form}} to {chart.end.astimezone(UTC):{form}} UTC{f'; {marks}' if marks else ''}"]


def _panel(panel: Panel) -> Iterable[str]:
    limit = "" if panel.limit is None else f" (limit {number(panel.limit, panel.unit)})"
    for series in panel.series:
        name = f"{panel.title}, {series.name}" if series.name else panel.title
        values = [sample.value for sample in series.samples]
        if values:
            yield f"{name}: min {number(min(values))}, max {number(max(values))}, last {number(values[-1], panel.unit)}{limit}"
