"""Gates on figures: what was read of a PromQL expression, and whether a deploy may go on with it. What was not seen fails, unless the gate says otherwise."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.data import Frozen
from bot.core.errors import AiecError, Invalid
from bot.core.ports import Metrics


class MetricGate(Frozen):
    """An expression whose value must be `below` a number. `title` is what a person calls it; `before` the figure before the deploy, where it was seen."""

    title: str
    promql: str
    below: float
    unseen_passes: bool = False
    before: float | None = None


@dataclass(frozen=True)
class Reading:
    """One look at a gate: its value, or what was `unseen` and the `hint` to it. `mistaken`: Prometheus refuses the expression itself."""

    gate: MetricGate
    value: float | None = None
    unseen: str = ""
    hint: str = ""
    mistaken: bool = False

    @property
    def passes(self) -> bool:
        if self.value is None:
            return self.gate.unseen_passes and not self.mistaken
        return self.value < self.gate.below

    @property
    def said(self) -> str:
        """The figure in words: `gateway error rate 0.31 ≥ 0.1 (before: 0.02)`, or what was not seen."""
        gate = self.gate
        if self.value is None:
            return f"{gate.title} was not seen: {self.unseen}"
        before = "" if gate.before is None else f" (before: {gate.before:.3g})"
        return f"{gate.title} {self.value:.3g} {'<' if self.passes else '≥'} {gate.below:g}{before}"


async def look(metrics: Metrics | None, gates: Sequence[MetricGate]) -> list[Reading]:
    """Returns one reading for each gate, all asked at once. Never raises for what Prometheus does."""
    return [*await asyncio.gather(*(_look(metrics, gate) for gate in gates))]


async def _look(metrics: Metrics | None, gate: MetricGate) -> Reading:
    if metrics is None:
        return Reading(gate, unseen="PROMETHEUS_URL is not set", hint="Set PROMETHEUS_URL, or take the gate out of aiec.yaml.")
    try:
        values = await metrics.query(gate.promql)
    except AiecError as error:
        return Reading(gate, unseen=error.text.rstrip("."), hint=error.hint, mistaken=isinstance(error, Invalid))
    if not values:
        return Reading(gate, unseen="the expression yields no series", hint="Where no series means zero, add `or vector(0)` to the expression.")
    if len(values) > 1:
        return Reading(gate, unseen=f"the expression yields {len(values)} series, not one", hint="Wrap the expression in sum() or max().")
    if math.isnan(values[0]):
        return Reading(gate, unseen="the value is NaN", hint="It divides zero by zero: is anything measured there?")
    return Reading(gate, values[0])
