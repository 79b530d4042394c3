"""Draws one chart with matplotlib: `python -m bot.adapters.plot < chart.json > chart.png`. A process of its own, because matplotlib takes 45 MiB that
would never be given back.

For a telephone: letters are as large as the text around the picture when that is 360 pixels wide. Colours are those of Okabe and Ito, which are told
apart with any colour vision; lines also differ by their dashes.
"""

import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from bot.core.chart import Chart, Mark, Panel, Series, number

WIDTH, PANEL_HEIGHT, MARGIN = 5.4, 1.75, 1.0  # inches
DPI = 180
INK, DIM, GRID, PAPER = "#1a1f29", "#5d6675", "#e2e5ea", "#ffffff"
LINES = (("#0072B2", "-"), ("#E69F00", "--"), ("#009E73", "-."), ("#CC79A7", ":"), ("#56B4E9", (0, (5, 1))))
LIMIT, MARK = "#D55E00", "#5d6675"
COLOURS = 64  # a quarter of the bytes, and nobody sees it
SINGLE = 12  # samples
GAP = 3  # times the usual distance between samples, beyond which nothing was measured


def figure(chart: Chart) -> Figure:
    """Returns the drawing."""
    count = len(chart.panels)
    height = MARGIN + PANEL_HEIGHT * count
    drawn = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER, layout="constrained")
    drawn.get_layout_engine().set(w_pad=0.09, h_pad=0.07)  # type: ignore[call-arg, union-attr]
    drawn.suptitle(chart.title, x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)
    for place, axes in enumerate(drawn.subplots(count, 1, sharex=True, squeeze=False)[:, 0]):
        _frame(axes, chart)
        _panel(axes, chart.panels[place], room=16 if place == 0 and chart.marks else 6)
        _marks(axes, chart.marks, named=place == 0)
    _time_axis(axes, chart)
    return drawn


def _frame(axes: Axes, chart: Chart) -> None:
    axes.set_xlim(_x(chart.start), _x(chart.end))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=DIM, labelsize=10, length=0, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)


def _panel(axes: Axes, panel: Panel, room: float) -> None:
    unit = f"  ({panel.unit})" if panel.unit else ""
    axes.set_title(f"{panel.title}{unit}", loc="left", fontsize=11, color=INK, pad=room)
    for place, series in enumerate(panel.series):
        colour, dashes = LINES[place % len(LINES)]
        times, values = _broken(series)
        few = len(series.samples) <= SINGLE  # shown one by one: of a single one there would be no line
        (drawn,) = axes.plot(times, values, color=colour, linestyle=dashes, linewidth=2, label=series.name, solid_capstyle="round", zorder=3)
        drawn.set_marker("o" if few else "")
        drawn.set_clip_on(not few)
    _scale(axes, panel)
    if panel.limit is not None:
        axes.axhline(panel.limit, color=LIMIT, linewidth=1.3, linestyle=(0, (4, 2)), zorder=2)
        axes.annotate(
            f"limit {number(panel.limit, panel.unit)}", (0, panel.limit), xycoords=("axes fraction", "data"), xytext=(2, 3), textcoords="offset points",
            ha="left", va="bottom", fontsize=10, color=LIMIT, zorder=5, bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 1},
        )  # fmt: skip
    if len(panel.series) > 1:
        axes.legend(loc="upper right", fontsize=9, frameon=False, labelcolor=INK, ncols=2)


def _scale(axes: Axes, panel: Panel) -> None:
    """From zero, where nothing is below it, and with room for the limit's name above the highest thing."""
    heights = [sample.value for series in panel.series for sample in series.samples] + ([] if panel.limit is None else [panel.limit])
    lowest, highest = min(0.0, *heights), max(heights)
    room = (highest - lowest) * 0.22 or 1.0
    axes.set_ylim(lowest - (room if lowest < 0 else 0), highest + room)
    axes.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    axes.yaxis.set_major_formatter(lambda value, _: number(round(value, 12)))


def _broken(series: Series) -> tuple[list[float], list[float]]:
    """The line's points, with a break where nothing was measured."""
    points = [(_x(sample.at), sample.value) for sample in series.samples]
    usual = median([after[0] - before[0] for before, after in pairwise(points)] or [0.0])
    times, values = [], []
    for before, (x, y) in zip([None, *points], points, strict=False):
        if before is not None and x - before[0] > GAP * usual:
            times.append(before[0])
            values.append(float("nan"))
        times.append(x)
        values.append(y)
    return times, values


def _marks(axes: Axes, marks: tuple[Mark, ...], *, named: bool) -> None:
    for mark in marks:
        axes.axvline(_x(mark.at), color=MARK, linewidth=1.1, zorder=1)
    if not named:
        return
    left, right = axes.get_xlim()
    taken = left - (right - left)
    for mark in marks:
        # Names stand right of their lines; the last ones left of them, where there is no room at the right.
        x = _x(mark.at)
        width = 0.017 * (len(mark.label) + 2) * (right - left)
        backwards = x + width > right and x - width > taken
        axes.annotate(
            f" {mark.label} ", (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
            ha="right" if backwards else "left", va="bottom", fontsize=10, color=DIM,
        )  # fmt: skip
        taken = x if backwards else x + width


def _time_axis(axes: Axes, chart: Chart) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    short = chart.end - chart.start < timedelta(days=1)
    formats, at_zero = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"], ["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"]
    written = ConciseDateFormatter(locator, formats=formats, zero_formats=at_zero, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(written)
    axes.set_xlabel(f"UTC, {chart.start.astimezone(UTC):%d %B %Y}" if short else "UTC", fontsize=10, color=DIM)


def _x(at: datetime) -> float:
    return float(date2num(at))  # type: ignore[no-untyped-call]


def main() -> None:
    """Reads a chart as JSON and writes it as a PNG."""
    chart = Chart.model_validate_json(sys.stdin.buffer.read())
    matplotlib.rcParams["text.parse_math"] = False  # a `$` in a name is a dollar
    canvas = FigureCanvasAgg(figure(chart))
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    picture = Image.frombytes("RGBA", canvas.get_width_height(), pixels).convert("RGB")
    picture.quantize(COLOURS).save(sys.stdout.buffer, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
