"""What GitHub says of a version before it is deployed: is CI green for its commit, and did the workflows that are gates succeed on it?"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bot.core.card import CheckResult, Verdict
from bot.core.ci import Answer, Seen, green, look, succeeded
from bot.core.codehost import CodeHost
from bot.core.config import Config, Environment, Gate, GitHub, Service

NOWHERE = "Add `github: {repository: owner/name}` to aiec.yaml, or take the gate out."


async def tested(
    code: CodeHost | None, config: Config, environment: Environment, services: Mapping[str, Service], version: str, now: datetime
) -> list[CheckResult]:
    """Returns the verdicts on a version of these services, repository by repository. Those of a service's own gates hold in every environment."""
    promoted = environment.promotion.gates if environment.promotion else ()
    if config.github is None or code is None:
        gates = workflows(gate for service in services.values() for gate in (*promoted, *service.gates))
        return [
            _verdict(Answer(None, f"{gate.workflow} was not seen: no repository is configured", NOWHERE), gate.when_unseen, check="gates") for gate in gates
        ]
    asked = by_repository(config.github, services, promoted)
    apart = {gate.workflow or "" for gate in all_gates(config)}
    found = await asyncio.gather(*(_repository(code, config.github, where, gates, version, apart, now) for where, gates in asked.items()))
    if len(asked) == 1:
        return found[0]
    return [one.model_copy(update={"text": f"{where}: {one.text}"}) for where, results in zip(asked, found, strict=True) for one in results]


def by_repository(settings: GitHub, services: Mapping[str, Service], promoted: Sequence[Gate]) -> dict[str, list[Gate]]:
    """Returns the repositories that services come from, each with the workflows that must succeed there: those of a promotion, and the services' own."""
    found: dict[str, list[Gate]] = {}
    for service in services.values():
        found.setdefault(service.repository or settings.repository, []).extend([*promoted, *service.gates])
    return {repository: workflows(gates) for repository, gates in found.items()}


def workflows(gates: Iterable[Gate]) -> list[Gate]:
    """Returns those of the gates that are workflows, each once."""
    return [*dict.fromkeys(gate for gate in gates if gate.workflow is not None)]


def all_gates(config: Config) -> list[Gate]:
    """Returns the workflows that are gates anywhere: they are no part of CI, because they may run only after a deploy."""
    promotions = [environment.promotion.gates for environment in config.environments.values() if environment.promotion]
    return workflows(gate for gates in [*promotions, *(service.gates for service in config.services.values())] for gate in gates)


async def _repository(
    code: CodeHost, settings: GitHub, repository: str, gates: Sequence[Gate], version: str, apart: set[str], now: datetime
) -> list[CheckResult]:
    if settings.ci is False and not gates:
        return []
    seen = await look(code, repository, settings.tag.format(version=version), settings.ci)
    results = [] if settings.ci is False else [_verdict(green(seen, apart), settings.when_unseen, check="ci")]
    results += [_verdict(succeeded(seen, gate.workflow or "", now), gate.when_unseen, check="gates") for gate in gates]
    # Where there is no such tag, each of them would say that and nothing else.
    return results if not isinstance(seen, Seen) or seen.commit else results[:1]


def _verdict(answer: Answer, when_unseen: str, *, check: str) -> CheckResult:
    if answer.passes:
        return CheckResult(check=check, verdict=Verdict.PASSED, text=answer.said)
    if answer.passes is None and when_unseen == "pass":
        return CheckResult(check=check, verdict=Verdict.WARNING, text=f"{answer.said}; it passes all the same (`when_unseen: pass`)")
    hint = f'{answer.hint or "Ask again when GitHub answers."} For an emergency: `--emergency "why"`.'
    text = answer.said if answer.said.endswith("?") else f"{answer.said}."
    return CheckResult(check=check, verdict=Verdict.BLOCKED, text=text, hint=hint, waivable=True)
