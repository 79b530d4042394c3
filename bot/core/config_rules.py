"""What must hold between the parts of aiec.yaml: names that are used exist, bounds are ordered, promotions end somewhere.

Each rule yields problems: the path of keys to the value that is wrong, and a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from bot.core.suggest import did_you_mean, quoted

if TYPE_CHECKING:
    from bot.core.config import Config, Gate

Path = tuple[str | int, ...]
Problem = tuple[Path, str]


def check(config: Config) -> None:
    """Raises ValidationError with all that is wrong between the parts, each at its own place."""
    problems = [problem for rule in _RULES for problem in rule(config)]
    if problems:
        raise ValidationError.from_exception_data("aiec.yaml", [_error(*problem) for problem in problems])


def _error(path: Path, text: str) -> InitErrorDetails:
    return {"type": PydanticCustomError("rule", "{text}", {"text": text}), "loc": path, "input": None}


def _known(path: Path, what: str, wanted: str | None, names: Iterable[str]) -> Iterator[Problem]:
    names = list(names)
    if wanted is not None and wanted not in names:
        yield path, f"no {what} is called '{quoted(wanted)}'{did_you_mean(wanted, names)}"


def _all_known(path: Path, what: str, wanted: Sequence[str], names: Iterable[str]) -> Iterator[Problem]:
    names = list(names)
    for index, name in enumerate(wanted):
        yield from _known((*path, index), what, name, names)


def _gates(path: Path, gates: Sequence[Gate]) -> Iterator[Problem]:
    for index, gate in enumerate(gates):
        promql = gate.promql is not None and gate.below is not None and gate.workflow is None
        workflow = gate.workflow is not None and gate.promql is None and gate.below is None
        if not promql and not workflow:
            yield (*path, index), "a gate is either {workflow: NAME} or {promql: EXPRESSION, below: NUMBER}"


def _environments(config: Config) -> Iterator[Problem]:
    for name, environment in config.environments.items():
        path: Path = ("environments", name)
        if environment.promotion:
            yield from _known((*path, "promotion", "from"), "environment", environment.promotion.from_, config.environments)
            yield from _gates((*path, "promotion", "gates"), environment.promotion.gates)
        for index, freeze in enumerate(environment.freezes):
            if freeze.to <= freeze.from_:
                yield (*path, "freezes", index, "to"), f"the freeze ends ({freeze.to:%Y-%m-%d %H:%M}) before it begins ({freeze.from_:%Y-%m-%d %H:%M})"


def _promotion_cycles(config: Config) -> Iterator[Problem]:
    for name in config.environments:
        way, here = [name], config.environments[name].promotion
        while here is not None and here.from_ in config.environments and here.from_ not in way:
            way.append(here.from_)
            here = config.environments[here.from_].promotion
        if here is not None and here.from_ == name:
            yield ("environments", name, "promotion", "from"), f"promotion goes in a circle: {' ← '.join([*way, name])}"


def _services(config: Config) -> Iterator[Problem]:
    folders: dict[str, str] = {}
    for key, service in config.services.items():
        path: Path = ("services", key)
        if isinstance(service.name, dict):
            for environment in service.name:
                yield from _known((*path, "name", environment), "environment", environment, config.environments)
            for environment in config.environments.keys() - service.name.keys():
                yield (*path, "name"), f"{environment} has no name here; give one for each environment, or one for all"
        if service.replicas and service.replicas.min > service.replicas.max:
            yield (*path, "replicas", "min"), f"the least number of replicas ({service.replicas.min}) is above the greatest ({service.replicas.max})"
        if service.replicas and service.kind == "DaemonSet":
            yield (*path, "replicas"), "a DaemonSet has no replicas: it runs on every node"
        if service.deployable and service.image is None:
            yield path, "`image` is missing; a service that is never deployed says `deploy: false`"
        if service.deployable and (service.strategy == "manifests") != (service.manifests is not None):
            yield path, "`strategy: manifests` and `manifests: FOLDER` go together"
        if service.repository and config.github is None:
            yield (*path, "repository"), "`repository` of a service needs the section `github`"
        other = folders.setdefault(service.manifests, key) if service.manifests else key
        if other != key:
            yield (*path, "manifests"), f"{other} has this folder too; each service has its own"
        yield from _gates((*path, "gates"), service.gates)


def _people(config: Config) -> Iterator[Problem]:
    for field in ("slack", "os_user", "pagerduty"):
        seen: dict[str, str] = {}
        for name, person in config.people.items():
            value = getattr(person, field)
            if value is not None and seen.setdefault(value, name) != name:
                yield ("people", name, field), f"{seen[value]} has '{quoted(value)}' too; one account is one person"


def _permissions(config: Config) -> Iterator[Problem]:
    for index, grant in enumerate(config.permissions):
        for at, who in enumerate(grant.who):
            if not who.startswith("@"):
                yield from _known(("permissions", index, "who", at), "person", who, config.people)
        yield from _all_known(("permissions", index, "in"), "environment", grant.in_ or (), config.environments)


def _incidents(config: Config) -> Iterator[Problem]:
    policies = config.escalation.policies if config.escalation else {}
    channels = [*config.channels.model_dump(exclude={"digest_at"})]
    for index, route in enumerate(config.routing):
        path: Path = ("routing", index)
        yield from _known((*path, "severity"), "severity", route.severity, config.severities)
        yield from _known((*path, "policy"), "escalation policy", route.policy, policies)
        yield from _known((*path, "channel"), "channel of `channels`", route.channel, channels)
        if route.incident_after:
            yield from _known((*path, "incident_after", "severity"), "severity", route.incident_after.severity, config.severities)
    if config.escalation and config.escalation.pagerduty:
        there: Path = ("escalation", "pagerduty")
        yield from _all_known((*there, "priorities"), "severity", [*config.escalation.pagerduty.priorities], config.severities)
        for urgency, severity in config.escalation.pagerduty.urgencies.items():
            yield from _known((*there, "urgencies", urgency), "severity", severity, config.severities)
    for name, policy in policies.items():
        for index, level in enumerate(policy.levels):
            yield from _all_known(("escalation", "policies", name, "levels", index, "people"), "person", level.people, config.people)
    theirs = config.escalation.pagerduty if config.escalation else None
    for name, id in (theirs.maintenance if theirs else {}).items():
        path = ("escalation", "pagerduty", "maintenance", name)
        yield from _known(path, "service", name, config.services)
        if theirs and id == theirs.service:
            yield path, "a window on the service by which aiec pages would hold back critical pages too; name another service of PagerDuty"
    if config.postmortem:
        yield from _known(("postmortem", "lead"), "person", config.postmortem.lead, config.people)
    if config.postmortem and config.postmortem.trends:
        yield from _known(("postmortem", "trends", "channel"), "channel of `channels`", config.postmortem.trends.channel, channels)


def _notifications(config: Config) -> Iterator[Problem]:
    email, statuspage = config.notifications.email, config.notifications.statuspage
    if email:
        yield from _all_known(("notifications", "email", "on"), "severity", email.on, config.severities)
        for index, to in enumerate(email.to):
            if "@" not in to:
                yield from _known(("notifications", "email", "to", index), "person", to, config.people)
    if statuspage:
        for service in statuspage.components:
            yield from _known(("notifications", "statuspage", "components", service), "service", service, config.services)


def _backups(config: Config) -> Iterator[Problem]:
    database, files = config.backup.database, config.backup.config
    if database:
        yield from _known(("backup", "database", "env"), "environment", database.env, config.environments)
        yield from _known(("backup", "database", "service"), "service", database.service, config.services)
    if files:
        yield from _known(("backup", "config", "env"), "environment", files.env, config.environments)
    for name, procedure in config.procedures.items():
        yield from _known(("procedures", name, "service"), "service", procedure.service, config.services)
        yield from _all_known(("procedures", name, "restart"), "service", procedure.restart, config.services)
        yield from _all_known(("procedures", name, "in"), "environment", procedure.in_ or (), config.environments)


_RULES: tuple[Callable[[Config], Iterator[Problem]], ...] = (
    _environments,
    _promotion_cycles,
    _services,
    _people,
    _permissions,
    _incidents,
    _notifications,
    _backups,
)
