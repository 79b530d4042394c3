"""Figures of services as one chart: of an operation, from a while before it until its end; of an incident, the hour before it."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.card import Card, Line, Link, line
from bot.core.chart import Chart, Mark, Panel, Series
from bot.core.config import Config, Gate, Service
from bot.core.errors import AiecError
from bot.core.grafana import explore
from bot.core.operation import Operation, Phase, Stage
from bot.core.ports import Metrics, World
from bot.core.steps import RestartStep, ServiceStep
from bot.core.text import cut

BEFORE = timedelta(minutes=15)
SAMPLES = 160
FINEST = timedelta(seconds=5)
PANELS = 6  # a telephone shows no more of a picture
LINES = 5  # that are told apart
ANSWER_WITHIN = timedelta(seconds=5)  # the operation's end waits for the figures, and no longer
_TITLE = 44
_UNDOING = (Stage.UNDO_INTENDED, Stage.UNDO_APPLIED, Stage.UNDONE, Stage.KEPT, Stage.UNDO_FAILED)


@dataclass(frozen=True)
class Wanted:
    """What is asked of Prometheus, and what it is called. `limit` is what a gate allows."""

    title: str
    promql: str
    unit: str = ""
    limit: float | None = None


def figures(config: Config, operation: Operation) -> list[Wanted]:
    """Returns the figures of the services that an operation changes: of each its gates, then its `charts`."""
    names = dict.fromkeys(step.service for step in operation.plan.steps if isinstance(step, ServiceStep | RestartStep))
    return [figure for name in names if name in config.services for figure in figures_of(name, config.services[name])]


def figures_of(name: str, service: Service) -> list[Wanted]:
    """Returns the figures of a service: its gates, then its `charts`."""
    gates = [
        Wanted(_title(name, gate), gate.promql, gate.unit or "", gate.below) for gate in service.gates if gate.promql is not None and gate.below is not None
    ]
    return gates + [Wanted(cut(f"{name} {one.name}", _TITLE), one.promql, one.unit or "") for one in service.charts]


def _title(name: str, gate: Gate) -> str:
    return cut(f"{name} {gate.name or gate.promql}", _TITLE)


async def figures_card(world: World, config: Config, operation: Operation) -> Card | None:
    """Returns what an operation that is over says in its thread of its figures, or None when it has none. Never raises for what Prometheus does."""
    wanted = figures(config, operation)
    if not wanted or not operation.phase.over or operation.started_at is None or operation.ended_at is None:
        return None
    start, end = operation.started_at - BEFORE, operation.ended_at
    chart, lines = await drawn(world, wanted, operation.plan.title, start, end, _marks(operation, operation.started_at))
    return Card(headline=line(f"Figures of {operation.name}"), lines=lines, chart=chart)


async def drawn(
    world: World, wanted: Sequence[Wanted], title: str, start: datetime, end: datetime, marks: tuple[Mark, ...]
) -> tuple[Chart | None, tuple[Line, ...]]:
    """Returns the chart of the figures, None when none was seen, and lines on those that are not in it, and on where to look closer. Never raises for what
    Prometheus does."""
    seen = await asyncio.gather(*(_look(world.metrics, figure, start, end) for figure in wanted))
    panels = [one for one in seen if isinstance(one, Panel)]
    left_out = [line(f"{panel.title} is not in the picture, which has room for {PANELS}.") for panel in panels[PANELS:]]
    unseen: list[Line] = [line(f"{one}.") for one in seen if isinstance(one, str)]
    chart = Chart(title=title, start=start, end=end, panels=tuple(panels[:PANELS]), marks=marks)
    return chart if panels else None, (*left_out, *unseen, *_closer(world, wanted, start, end))


def _closer(world: World, wanted: Sequence[Wanted], start: datetime, end: datetime) -> list[Line]:
    """Where there is a Grafana, a link to the same figures there, also to those that were not seen here."""
    url = explore(world.grafana, [figure.promql for figure in wanted], start, end) if world.grafana else ""
    return [line(Link(url=url, text="Look closer in Grafana"))] if url else []


async def _look(metrics: Metrics | None, figure: Wanted, start: datetime, end: datetime) -> Panel | str:
    """Returns the figure's panel, or why it was not seen."""
    if metrics is None:
        return f"{figure.title} was not seen: PROMETHEUS_URL is not set"
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            found = await metrics.query_range(figure.promql, start, end, _step(end - start))
    except TimeoutError:
        return f"{figure.title} was not seen: Prometheus did not answer within {ANSWER_WITHIN.total_seconds():.0f} s"
    except AiecError as error:
        return f"{figure.title} was not seen: {error.text.rstrip('.')}"
    return panel(figure, found)


def panel(figure: Wanted, found: Sequence[Series]) -> Panel | str:
    """Returns the figure's panel of what was found, or why there is none. The only line has no name: the title says what it is."""
    lines = [series for series in found if series.samples]
    if not lines:
        return f"{figure.title} was not seen: the expression yields nothing in that time"
    if len(lines) > LINES:
        return f"{figure.title} is not drawn: the expression yields {len(lines)} series, and {LINES} can be told apart"
    if len(lines) == 1:
        lines = [lines[0].model_copy(update={"name": ""})]
    return Panel(title=figure.title, unit=figure.unit, series=tuple(lines), limit=figure.limit)


def _step(length: timedelta) -> timedelta:
    """Returns whole seconds between samples, for about SAMPLES of them."""
    return max(FINEST, timedelta(seconds=math.ceil(length.total_seconds() / SAMPLES)))


def _marks(operation: Operation, started: datetime) -> tuple[Mark, ...]:
    undone = [run.since for run in operation.runs if run.stage in _UNDOING and run.ours and run.since is not None]
    marks = (Mark(at=started, label=operation.command),)
    return (*marks, Mark(at=min(undone), label="rollback")) if undone and operation.phase is not Phase.DONE else marks
