"""Charts as pictures, drawn as in production: by a process of its own."""

import asyncio
import contextlib
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.drawing import Drawing, open_drawing
from bot.core.chart import Chart, Mark, Panel, Sample, Series
from bot.core.errors import Throttled, Unavailable

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)


def series(name: str = "", *values: float) -> Series:
    return Series(name=name, samples=tuple(Sample(at=START + timedelta(seconds=10 * place), value=value) for place, value in enumerate(values or (1.0, 2.0))))


def chart(*panels: Panel, **changes: object) -> Chart:
    fields = {"title": "Deploy v1.2.0 to prod", "start": START, "end": START + timedelta(minutes=16), "panels": panels}
    return Chart.model_validate({**fields, **changes})


A_CHART = chart(Panel(title="x", series=(series(),)))


def size(picture: bytes) -> tuple[int, int]:
    """The width and height of a PNG."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


LONG = timedelta(minutes=1)


async def test_a_picture_grows_with_its_panels_and_fits_a_telephone() -> None:
    marks = (Mark(at=START + timedelta(minutes=15), label="deploy"), Mark(at=START + timedelta(minutes=15, seconds=30), label="rollback"))
    wavy = tuple(0.2 + 0.1 * (place % 7) for place in range(160))
    async with open_drawing(patience=LONG) as draw:
        one = await draw(chart(Panel(title="error rate", unit="/s", series=(series("", *wavy),), limit=0.1), marks=marks))
        six = await draw(chart(*(Panel(title=f"figure {place}", series=(series("", *wavy),)) for place in range(6)), marks=marks))
    assert size(one)[0] == size(six)[0] == 972
    assert size(one)[1] < size(six)[1] < 2200
    assert len(one) < 40_000
    assert len(six) < 100_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "strange",
    [
        chart(Panel(title="one sample", series=(series("", 0.0),))),
        chart(Panel(title="the same for ever", series=(series("", *(0.0,) * 50),), limit=0)),
        chart(Panel(title="below zero", series=(series("", -3.0, -1e12, 1e12),), limit=-1)),
        chart(Panel(title="$x^2$ \\frac <b> 日本", unit="%", series=(series("_a", 1.0), series("$b", 2.0), series("c" * 100, 3.0)))),
        chart(Panel(title="no time", series=(series("", 1.0),)), end=START),
        chart(Panel(title="a year", series=(series("", 1.0),)), end=START + timedelta(days=365), marks=(Mark(at=START, label="x" * 200),)),
        chart(Panel(title="a gap", series=(Series(samples=(*series("", 1, 2, 3).samples, Sample(at=START + timedelta(minutes=9), value=4.0))),))),
    ],
    ids=lambda one: one.panels[0].title.split()[0],
)
async def test_whatever_is_measured_can_be_drawn(strange: Chart) -> None:
    async with open_drawing(patience=LONG) as draw:
        assert size(await draw(strange))[0] == 972


async def test_what_takes_too_long_or_fails_is_unavailable_and_leaves_no_process(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not be drawn within 0 s"):
        await Drawing(lambda: str(tmp_path), patience=LONG, time_limit=timedelta(milliseconds=5))(A_CHART)
    with pytest.raises(Unavailable, match="The chart could not be drawn: "):
        await Drawing(lambda: str(tmp_path), patience=LONG)(chart())


async def test_what_is_not_drawn_yet_is_asked_for_again_and_drawn_once(tmp_path: Path) -> None:
    async with open_drawing(patience=timedelta(milliseconds=1)) as draw:
        with pytest.raises(Throttled) as refused:
            await draw(A_CHART)
        assert refused.value.retry_after == timedelta(seconds=1)
        async with asyncio.timeout(60):
            picture = None
            while picture is None:
                with contextlib.suppress(Throttled):
                    picture = await draw(A_CHART)
        assert size(picture)[0] == 972
