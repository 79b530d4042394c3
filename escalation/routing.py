"""What an alert is about, and which line of `routing` in aiec.yaml says what becomes of it. Pure."""

import re
from collections.abc import Mapping

from bot.core.alerts import Alert
from bot.core.config import Config, Route
from bot.core.text import cut

SERVICE_LABELS = ("service", "app", "deployment", "statefulset", "daemonset", "job")
"""Where an alert says what it is about: our own word for it, or a Kubernetes object's name as kube-state-metrics has it."""
ENVIRONMENT_LABELS = ("environment", "env")
LONGEST_TITLE = 140
CRITICAL = "critical"


def route_of(config: Config, labels: Mapping[str, str]) -> Route | None:
    """Returns the first line whose labels are all the alert's, or None."""
    return next((route for route in config.routing if all(labels.get(name) == value for name, value in route.match.items())), None)


def service_of(config: Config, labels: Mapping[str, str]) -> str:
    """Returns the service that an alert is about: one of aiec.yaml where a label names it or its object, else what the first of these labels says."""
    said = [labels[name] for name in SERVICE_LABELS if labels.get(name)]
    for value in said:
        if value in config.services:
            return value
        for name, service in config.services.items():
            if value in {service.name_in(environment, name) for environment in config.environments}:
                return name
    return said[0] if said else ""


def environment_of(config: Config, labels: Mapping[str, str]) -> str:
    """Returns the environment that an alert names, also by its namespace, or nothing."""
    for name in ENVIRONMENT_LABELS:
        if labels.get(name) in config.environments:
            return labels[name]
    namespace = labels.get("namespace")
    return next((name for name, environment in config.environments.items() if environment.namespace == namespace), "")


def production(config: Config) -> str:
    """Returns the environment that is meant where none is named: the last one from which no other takes its versions."""
    sources = {environment.promotion.from_ for environment in config.environments.values() if environment.promotion is not None}
    return next((name for name in reversed(config.environments) if name not in sources), "")


def topic_of(service: str, environment: str, group_key: str) -> str:
    """Returns what alerts of one incident have in common: the service in its environment, or where none is known the group that Alertmanager made."""
    return f"{environment}/{service}" if service else f"group {group_key}"


def title_of(service: str, alert: Alert) -> str:
    """Returns an incident's title: what is said of the alert, on one line, after the service unless it is said there anyway."""
    said = alert.annotations.get("summary") or alert.labels.get("alertname") or alert.annotations.get("description") or "an alert without a name"
    text = " ".join(said.split())
    known = service and re.search(rf"(?i)\b{re.escape(service)}\b", text) is None
    return cut(f"{service}: {text}" if known else text, LONGEST_TITLE)


def graver(config: Config, one: str, other: str) -> str:
    """Returns the graver one of two severities: the first in aiec.yaml is the gravest. One that is not there is the least."""
    order = [*config.severities]
    return min((one, other), key=lambda name: order.index(name) if name in order else len(order))
