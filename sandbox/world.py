"""Everything that the sandbox simulates, made from a scenario and a seed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from sandbox.alertmanager import Alertmanager, Receiver, Rules
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.github import GitHub
from sandbox.github import load as load_repository
from sandbox.kubernetes import Cluster
from sandbox.pagerduty import PagerDuty
from sandbox.platform import PATHS, Platform
from sandbox.prometheus import Prometheus, load
from sandbox.registry import Registry
from sandbox.slack import Workspace
from sandbox.troubles import Troubles


class Scenario(TypedDict, total=False):
    """What is there at the start: plain data, as JSON. Each part is optional."""

    team: dict[str, str]
    app: dict[str, Any]
    users: list[dict[str, Any]]
    usergroups: list[dict[str, Any]]
    channels: list[dict[str, Any]]  # these five as Workspace.setup takes them
    hints: list[dict[str, Any]]  # things to try, for the page
    troubles: list[dict[str, Any]]  # what the page lets go wrong, as sandbox.troubles.Trouble
    completions: list[dict[str, Any]]  # what the page's composer offers: {line, hint?, words?: [[…] by place], options?: […]}
    figures: list[dict[str, Any]]  # what the page draws beside production: {title, expression, unit?, limit?}
    kubernetes: list[dict[str, Any]]  # objects, in the order in which they are created
    images: list[dict[str, Any]]  # {name, tags, media_type?, content?, private?}
    metrics: list[dict[str, Any]]  # as POST /_sandbox/prometheus/series
    pagerduty: dict[str, Any]  # people, schedules, policies, services, subscriptions, as sandbox.pagerduty.setting.Setting
    alerts: list[dict[str, Any]]  # alerting rules, as sandbox.alertmanager.Rule
    receiver: dict[str, Any]  # whom Alertmanager tells, and when, as sandbox.alertmanager.Receiver
    github: list[dict[str, Any]]  # repositories, as sandbox.github.load
    health: dict[str, dict[str, Any]]  # environment: {paths?, namespace?, selector?}; of the pods behind the URLs, if they are to matter


AGE = timedelta(hours=2)
"""How long ago the scenario's objects were created: its pods have become what they become."""


@dataclass(frozen=True)
class World:
    """The simulated systems, the clock that they share, and the faults on the way to them."""

    clock: Clock
    kubernetes: Cluster
    slack: Workspace
    registry: Registry
    prometheus: Prometheus
    alertmanager: Alertmanager
    rules: Rules
    platform: Platform
    pagerduty: PagerDuty
    github: GitHub
    faults: Faults
    troubles: Troubles
    scenario: Scenario
    seed: int
    start: datetime | None

    @classmethod
    def build(cls, scenario: Scenario, seed: int = 0, start: datetime | None = None) -> World:
        """The world at the start of `scenario`. Its clock stands still at `start`, or is the machine's if that is None. ValueError names an unknown part."""
        if unknown := scenario.keys() - Scenario.__annotations__.keys():
            raise ValueError(f"a scenario has no {', '.join(sorted(unknown))}; it has {', '.join(Scenario.__annotations__)}")
        given, scenario = scenario, copy.deepcopy(scenario)
        clock = _clock(start)
        cluster = Cluster(clock, seed)
        for obj in scenario.get("kubernetes", []):
            cluster.apply(obj)
        clock.advance(AGE.total_seconds())
        cluster.play()
        platform = Platform()
        for environment, health in scenario.get("health", {}).items():
            ready = _ready(cluster, health["namespace"], health["selector"]) if "selector" in health else _always
            platform.add(environment, health.get("paths", PATHS), ready)
        workspace = _slack(clock, seed, scenario)
        faults = Faults(seed)
        prometheus = _prometheus(clock, scenario)
        alertmanager = Alertmanager(clock, seed, Receiver.model_validate(scenario.get("receiver", {})))
        rules = Rules(scenario.get("alerts", []), alertmanager, prometheus, cluster)
        return cls(
            clock=clock,
            kubernetes=cluster,
            slack=workspace,
            registry=_registry(clock, seed, scenario),
            prometheus=prometheus,
            alertmanager=alertmanager,
            rules=rules,
            platform=platform,
            pagerduty=_pagerduty(clock, seed, scenario),
            github=_github(clock, seed, scenario),
            faults=faults,
            troubles=Troubles(scenario.get("troubles", []), faults, cluster, workspace, prometheus, rules),
            scenario=given,
            seed=seed,
            start=start,
        )

    def again(self) -> World:
        """The same world as it was at the start."""
        return World.build(self.scenario, self.seed, self.start)


def _clock(start: datetime | None) -> Clock:
    """A clock that shows `start` (None: the machine's time), and stands there, once it is advanced by AGE."""
    return Clock(lambda: datetime.now(UTC) - AGE) if start is None else Clock.manual(start - AGE)


def _slack(clock: Clock, seed: int, scenario: Scenario) -> Workspace:
    workspace = Workspace(clock, seed)
    workspace.setup(
        team=scenario.get("team"),
        app=scenario.get("app"),
        users=scenario.get("users", []),
        usergroups=scenario.get("usergroups", []),
        channels=scenario.get("channels", []),
        things_to_try=scenario.get("hints", []),
    )
    return workspace


def _pagerduty(clock: Clock, seed: int, scenario: Scenario) -> PagerDuty:
    account = PagerDuty(clock, seed)
    account.setup(scenario.get("pagerduty", {}))
    return account


def _registry(clock: Clock, seed: int, scenario: Scenario) -> Registry:
    registry = Registry(clock, seed)
    for image in scenario.get("images", []):
        registry.put_image(image["name"], *image["tags"], **{key: image[key] for key in image.keys() - {"name", "tags"}})
    return registry


def _prometheus(clock: Clock, scenario: Scenario) -> Prometheus:
    prometheus = Prometheus(clock)
    for series in scenario.get("metrics", []):
        load(prometheus, series)
    return prometheus


def _github(clock: Clock, seed: int, scenario: Scenario) -> GitHub:
    github = GitHub(clock, seed)
    for repository in scenario.get("github", []):
        load_repository(github, repository)
    return github


def _ready(cluster: Cluster, namespace: str, selector: str) -> Callable[[], bool]:
    def ready() -> bool:
        conditions = (condition for pod in cluster.pods(namespace, selector) for condition in pod["status"].get("conditions", []))
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    return ready


def _always() -> bool:
    return True
