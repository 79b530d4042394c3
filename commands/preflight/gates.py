"""Do the figures that will be watched after the rollout look well now, and can they be seen at all?"""

from collections.abc import Mapping, Sequence

from bot.core.card import CheckResult, Verdict
from bot.core.config import Gate, Service
from bot.core.gates import MetricGate, Reading, look
from bot.core.ports import Metrics
from bot.core.suggest import quoted


async def watched(metrics: Metrics | None, services: Mapping[str, Service]) -> tuple[list[CheckResult], dict[str, tuple[MetricGate, ...]]]:
    """Returns the verdicts on the services' gates, and by service the gates to watch, each with its figure before.

    A gate that does not pass now is not watched: it blocks, and where an emergency waives that, it would only put the remedy back.
    """
    readings = {name: await look(metrics, figures(service.gates, name)) for name, service in services.items()}
    gates = {name: tuple(one.gate.model_copy(update={"before": one.value}) for one in found if one.passes) for name, found in readings.items()}
    return verdicts("gates", [one for found in readings.values() for one in found]), gates


def figures(gates: Sequence[Gate], owner: str) -> list[MetricGate]:
    """Returns those of the configured gates that are figures; `owner` stands before their names."""
    return [
        MetricGate(
            title=f"{owner} {gate.name or f'`{quoted(gate.promql)}`'}".lstrip(), promql=gate.promql, below=gate.below, unseen_passes=gate.when_unseen == "pass"
        )
        for gate in gates
        if gate.promql is not None and gate.below is not None
    ]


def verdicts(check: str, readings: Sequence[Reading]) -> list[CheckResult]:
    """Returns one verdict for each gate that does not pass or was not seen, and one for all the others."""
    good = [one.said for one in readings if one.passes and one.value is not None]
    passed = [CheckResult(check=check, verdict=Verdict.PASSED, text=", ".join(good))] if good else []
    return passed + [_verdict(check, one) for one in readings if not one.passes or one.value is None]


def _verdict(check: str, reading: Reading) -> CheckResult:
    if reading.passes:
        return CheckResult(check=check, verdict=Verdict.WARNING, text=f"{reading.said}; it passes all the same (`when_unseen: pass`)")
    hint = reading.hint or "Wait until the figure is well again."
    return CheckResult(check=check, verdict=Verdict.BLOCKED, text=f"{reading.said}.", hint=f'{hint} For an emergency: `--emergency "why"`.', waivable=True)
