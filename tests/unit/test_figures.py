"""What becomes of figures that were asked for, and how a chart is said in words."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.core.chart import Chart, Mark, Panel, Sample, Series, in_words, number
from bot.core.figures import LINES, Wanted, panel
from bot.core.grafana import explore

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
RATE = Wanted("gateway error rate", "rate", "/s", 0.1)


def series(name: str, *values: float) -> Series:
    return Series(name=name, samples=tuple(Sample(at=START + timedelta(seconds=place), value=value) for place, value in enumerate(values)))


def test_the_only_line_needs_no_name_and_several_keep_theirs() -> None:
    alone = panel(RATE, [series("pod=a", 1.0), series("pod=b")])
    assert isinstance(alone, Panel)
    assert [one.name for one in alone.series] == [""]
    both = panel(RATE, [series("pod=a", 1.0), series("pod=b", 2.0)])
    assert isinstance(both, Panel)
    assert [one.name for one in both.series] == ["pod=a", "pod=b"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "gateway error rate was not seen: the expression yields nothing in that time"),
        ([series("pod=a")], "gateway error rate was not seen: the expression yields nothing in that time"),
        ([series(str(place), 1.0) for place in range(LINES + 1)], "gateway error rate is not drawn: the expression yields 6 series, and 5 can be told apart"),
    ],
    ids=["nothing", "no number", "too many"],
)
def test_what_cannot_be_shown_says_why(found: list[Series], said: str) -> None:
    assert panel(RATE, found) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [(0.02, "/s", "0.02 /s"), (0.123456, "", "0.123"), (1234.5, "ms", "1234 ms"), (1e7, "", "10000000"), (-2500.0, "", "-2500"), (0.0, "%", "0 %")],
)
def test_a_figure_is_said_with_three_digits_and_its_unit(value: float, unit: str, said: str) -> None:
    assert number(value, unit) == said


def test_a_chart_in_words_has_every_line_the_time_and_what_is_marked() -> None:
    panels = (
        Panel(title="error rate", unit="/s", series=(series("pod=a", 0.5, 0.1), series("pod=b", 2.0)), limit=1),
        Panel(title="load", series=(series("", 3.0),)),
    )
    chart = Chart(title="x", start=START, end=START + timedelta(minutes=20), panels=panels, marks=(Mark(at=START + timedelta(minutes=15), label="deploy"),))
    assert in_words(chart) == [
        "error rate, pod=a: min 0.1, max 0.5, last 0.1 /s (limit 1 /s)",
        "error rate, pod=b: min 2, max 2, last 2 /s (limit 1 /s)",
        "load: min 3, max 3, last 3",
        "09:00 to 09:20 UTC; deploy at 09:15",
    ]


def test_a_link_to_grafana_has_as_many_expressions_as_fit() -> None:
    end = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)

    def link(*expressions: str) -> str:
        return explore("https://grafana.example.com", expressions, end - timedelta(hours=1), end)

    assert link("up") == (
        "https://grafana.example.com/explore?schemaVersion=1&orgId=1&panes=%7B%22aiec%22%3A%7B%22queries%22%3A%5B%7B%22refId%22%3A%22A%22%2C%22expr%22%3A%22up"
        "%22%7D%5D%2C%22range%22%3A%7B%22from%22%3A%221795399200000%22%2C%22to%22%3A%221795402800000%22%7D%7D%7D"
    )
    assert link("up", "x" * 2000) == link("up")
    assert link("x" * 2000) == link() == ""
