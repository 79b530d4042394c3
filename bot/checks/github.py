"""GitHub: the token, each repository and what the token may read of it, and the workflows that are gates."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.checks.finding import Finding, failed, ok, warning, wrong
from bot.core.ci import called, unknown
from bot.core.codehost import CodeHost, Repository, Workflow
from bot.core.config import Config, Gate, GitHub
from bot.core.errors import AiecError, Forbidden
from commands.preflight.github import all_gates, by_repository

SOON = timedelta(days=14)
BREAKS = "deploys: they are blocked, unless what was not seen may pass"
CHECK_RUNS = "use a classic token or an app's, as fine-grained ones cannot read them, or say `ci: workflows` (docs/configuration.md)"


async def github(config: Config, code: CodeHost | None) -> list[Finding]:
    """Returns what is to be said of GitHub as it is configured; nothing where it is not, and no gate needs it."""
    gates = all_gates(config)
    if config.github is None or code is None:
        text = f"no repository is configured, and {', '.join(gate.workflow or '' for gate in gates)} must succeed before deploys"
        return [wrong("github", text, BREAKS, "add `github: {repository: owner/name}` to aiec.yaml")] if gates else []
    services = {name: service for name, service in config.services.items() if service.deployable}
    promoted = [gate for environment in config.environments.values() if environment.promotion for gate in environment.promotion.gates]
    used = by_repository(config.github, services, promoted)
    asked = await asyncio.gather(*(_repository(config.github, name, needed, code) for name, needed in used.items()))
    return [one for found in asked for one in found]


async def _repository(settings: GitHub, name: str, gates: Sequence[Gate], code: CodeHost) -> list[Finding]:
    try:
        repository = await code.repository(name)
    except AiecError as error:
        return [failed("github", error, BREAKS)]
    found = [ok("github", f"{repository.name} ({'private' if repository.private else 'public'})"), *_expiry(repository)]
    if settings.ci is False and not gates:
        return found
    workflows: list[Workflow] = []

    async def listed() -> None:
        workflows.extend(await code.workflows(name))

    questions: dict[str, Coroutine[Any, Any, object]] = {"Contents": code.commit(name, settings.tag.format(version="v0.0.0")), "Actions": listed()}
    if settings.ci is not False:
        questions["Commit statuses"] = code.statuses(name, repository.branch)
    if settings.ci is True:
        questions["Checks"] = code.check_runs(name, repository.branch)
    refused = [finding for findings in await asyncio.gather(*(_right(name, *one) for one in questions.items())) for finding in findings]
    found += refused or [ok("github rights", f"{name}: {', '.join(questions)} can be read")]
    return found if any("Actions" in one.text for one in refused) else [*found, *_workflows(name, gates, workflows)]


async def _right(name: str, permission: str, question: Coroutine[Any, Any, object]) -> list[Finding]:
    try:
        await question
    except Forbidden:
        fix = CHECK_RUNS if permission == "Checks" else f"give the token read access to {permission} (docs/configuration.md)"
        return [wrong("github rights", f"GITHUB_TOKEN may not read {permission} of {name}", BREAKS, fix)]
    except AiecError as error:
        return [failed("github rights", error, f"{BREAKS} ({permission})")]
    return []


def _expiry(repository: Repository) -> Iterator[Finding]:
    if repository.expires is not None and repository.expires - datetime.now(UTC) < SOON:
        text = f"GITHUB_TOKEN expires on {repository.expires:%Y-%m-%d %H:%M} UTC"
        yield warning("github", text, "deploys after that: they are blocked", "make a new token, and set GITHUB_TOKEN")


def _workflows(name: str, gates: Sequence[Gate], workflows: Sequence[Workflow]) -> Iterator[Finding]:
    for wanted in dict.fromkeys(gate.workflow or "" for gate in gates):
        if (mistake := unknown(name, wanted, workflows)) is not None:
            yield wrong("github workflows", mistake.said, "deploys: the gate blocks them", mistake.hint)
        else:
            yield ok("github workflows", f"{name} has {wanted} ({called(workflows, wanted)[0].file})")
