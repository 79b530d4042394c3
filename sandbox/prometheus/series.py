"""What the stand-in of Prometheus knows: for each expression, what it answers since when."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from sandbox.clock import Clock

Value = float | Callable[[datetime], float | None]
_LITERAL = re.compile(r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class Series:
    """One time series: a number, or a function of time (None where it has no sample)."""

    value: Value
    labels: Mapping[str, str] = field(default_factory=dict)

    def at(self, time: datetime) -> float | None:
        return self.value(time) if callable(self.value) else self.value


@dataclass(frozen=True)
class Failure:
    """An answer that is an error, such as `execution` (422) or `timeout` (503)."""

    status: int
    kind: str
    text: str


Answer = tuple[Series, ...] | Failure


@dataclass
class _Timeline:
    pattern: re.Pattern[str]
    since: list[datetime] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def at(self, time: datetime) -> Answer:
        # What was set first was always so.
        return self.answers[max(bisect_right(self.since, time) - 1, 0)]


class Prometheus:
    """Expressions and what they answer. Setting one changes it from now on: the past stays as it was, as a chart shows it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._timelines: dict[tuple[str, bool], _Timeline] = {}

    def set(self, expression: str, *series: Series | Value, regex: bool = False) -> None:
        """`expression` (a regular expression for whole expressions if `regex`) yields these series from now on; none at all is an empty vector."""
        self._answer(expression, tuple(one if isinstance(one, Series) else Series(one) for one in series), regex)

    def fail(self, expression: str, failure: Failure, regex: bool = False) -> None:
        """`expression` is answered with an error from now on."""
        self._answer(expression, failure, regex)

    def forget(self) -> None:
        """Nothing was ever set."""
        self._timelines.clear()

    def expressions(self) -> dict[str, Answer]:
        """What every expression that was set answers now."""
        return {expression: timeline.at(self.clock.now()) for (expression, _), timeline in self._timelines.items()}

    def look(self, expression: str, time: datetime) -> Answer:
        """What `expression` answers at `time`: as set exactly, else by the newest regular expression that fits, else nothing, as for an unknown metric."""
        timeline = self._timelines.get((expression, False))
        for (_, regex), other in reversed(self._timelines.items()):
            if timeline is None and regex and other.pattern.fullmatch(expression):
                timeline = other
        return timeline.at(time) if timeline else ()

    def _answer(self, expression: str, answer: Answer, regex: bool) -> None:
        try:
            pattern = re.compile(expression if regex else re.escape(expression))
        except re.error as error:
            raise ValueError(f"{expression!r} is not a regular expression: {error}") from None
        timeline = self._timelines.setdefault((expression, regex), _Timeline(pattern))
        timeline.since.append(self.clock.now())
        timeline.answers.append(answer)


def literal(expression: str) -> float | None:
    """The number that `expression` is, if it is one."""
    return float(expression) if _LITERAL.fullmatch(expression.strip()) else None


def ramp(points: Sequence[tuple[float, float]], start: datetime) -> Callable[[datetime], float]:
    """A function of time through `points` (seconds after `start`, value), straight between them and level before and after."""
    if not points or any(earlier[0] >= later[0] for earlier, later in pairwise(points)):
        raise ValueError("points are [seconds, value] with growing seconds")

    def value(time: datetime) -> float:
        seconds = (time - start).total_seconds()
        after = next((index for index, point in enumerate(points) if point[0] > seconds), len(points))
        if after in (0, len(points)):
            return points[0 if after == 0 else -1][1]
        (x0, y0), (x1, y1) = points[after - 1], points[after]
        return y0 + (y1 - y0) * (seconds - x0) / (x1 - x0)

    return value


def written(value: float) -> str:
    """A sample's value as Prometheus writes it: shortest decimal digits without an exponent; NaN, +Inf, -Inf."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return format(Decimal(repr(float(value))), "f").removesuffix(".0")
