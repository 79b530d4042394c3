"""The alerting rules of the sandbox's Prometheus: looked at on the clock, they tell Alertmanager what fires, again and again, and when it has ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.alertmanager.alerts import Alert
from sandbox.alertmanager.labels import NAME, Labels, fingerprint
from sandbox.alertmanager.machine import Alertmanager
from sandbox.kubernetes import Cluster
from sandbox.prometheus import Failure, Prometheus, written

INTERVAL = 15.0
"""Seconds between two looks."""
RESEND = 60.0
"""Seconds after which Alertmanager is told again of an alert that fires; it counts as ended when nothing was heard for four times that."""
_LOOKS = 240
_TEMPLATE = re.compile(r"\{\{\s*(?:\$value|\$labels\.(\w+))\s*\}\}")


class Pods(BaseModel):
    """The pods that a label selector finds in a namespace; with `waiting`, only those with a container that waits for that reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    namespace: str
    selector: str = ""
    waiting: str | None = None

    @property
    def query(self) -> str:
        """Which they are, as kube-state-metrics would be asked."""
        if self.waiting is not None:
            return f'kube_pod_container_status_waiting_reason{{namespace="{self.namespace}",reason="{self.waiting}"}} == 1'
        return f'kube_pod_status_ready{{condition="true",namespace="{self.namespace}"}} == 0'

    def mean(self, pod: Mapping[str, Any]) -> bool:
        """Whether a pod is not ready, for that reason if there is one. One that is being deleted counts for nothing."""
        if "deletionTimestamp" in pod["metadata"] or any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", [])):
            return False
        reasons = [one.get("state", {}).get("waiting", {}).get("reason") for one in pod["status"].get("containerStatuses", [])]
        return self.waiting is None or self.waiting in reasons


class Rule(BaseModel):
    """An alert by the name `alert`, with the `severity` and whatever else is in `labels`.

    Its condition is that a series of `expression` is `above` or `below` a number, or that one of the pods `unready` is not ready, `for` so many
    seconds. Each series and each pod makes an alert of its own. `{{ $value }}` and `{{ $labels.name }}` in annotations are filled in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    alert: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    expression: str | None = None
    above: float | None = None
    below: float | None = None
    unready: Pods | None = None
    hold: float = Field(default=0.0, ge=0, alias="for")

    @model_validator(mode="after")
    def _one_condition(self) -> Rule:
        if (self.expression is None) == (self.unready is None):
            raise ValueError(f"the alert {self.alert} has either an expression or unready pods")
        if self.expression is not None and (self.above is None) == (self.below is None):
            raise ValueError(f"the alert {self.alert} has a limit, either above or below")
        for name in self.labels:
            if NAME.fullmatch(name) is None:
                raise ValueError(f"the alert {self.alert} has a label {name!r}, which is no name")
        return self

    def met(self, value: float) -> bool:
        return value > self.above if self.above is not None else self.below is not None and value < self.below

    @property
    def query(self) -> str:
        """The condition, as it would be written in PromQL."""
        if self.unready is not None:
            return self.unready.query
        sign, limit = (">", self.above) if self.above is not None else ("<", self.below)
        return f"{self.expression} {sign} {written(limit or 0.0)}"


@dataclass
class Active:
    """A condition that is met since `since`; it fires since `fired`. `told` is what Alertmanager heard the last time."""

    alert: Alert
    since: datetime
    fired: datetime | None = None
    told: datetime | None = None


State = Literal["inactive", "pending", "firing"]


class Rules:
    """The rules, what they have found, and the alerts that were fired by hand, which last until they are resolved so."""

    def __init__(self, rules: Iterable[Any], alertmanager: Alertmanager, prometheus: Prometheus, cluster: Cluster) -> None:
        self.rules = [Rule.model_validate(rule) for rule in rules]
        self.prometheus_url = "http://prometheus.example"
        self._alertmanager, self._prometheus, self._cluster = alertmanager, prometheus, cluster
        self._active: list[dict[str, Active]] = [{} for _ in self.rules]
        self._by_hand: dict[str, Active] = {}
        self._alertmanager.timeline.at(self._now, self._look)

    @property
    def _now(self) -> datetime:
        return self._alertmanager.timeline.now

    # ---- by hand

    def fire(self, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None, generator_url: str = "") -> str:
        """Fires an alert now, until it is resolved by hand. Returns its fingerprint. ValueError if Alertmanager refuses it."""
        self._alertmanager.play()
        now = self._now
        alert = Alert(dict(labels), dict(annotations or {}), now, now, now, generator_url)
        active = self._by_hand.setdefault(alert.fingerprint, Active(alert, now, now))
        if mistakes := self._tell(active, now + timedelta(seconds=4 * RESEND)):
            del self._by_hand[alert.fingerprint]
            raise ValueError(mistakes[0])
        return alert.fingerprint

    def resolve(self, labels: Mapping[str, str]) -> list[str]:
        """Ends the alerts fired by hand that have these labels (and maybe others). Returns their fingerprints."""
        self._alertmanager.play()
        ended = [key for key, active in self._by_hand.items() if labels.items() <= active.alert.labels.items()]
        for key in ended:
            self._tell(self._by_hand.pop(key), self._now)
        return ended

    def fired(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with exactly these labels was fired by hand and not resolved."""
        return fingerprint(labels) in self._by_hand

    # ---- by rule

    def states(self) -> list[tuple[Rule, State]]:
        """Each rule with the worst of what it has found."""
        self._alertmanager.play()

        def state(found: Iterable[Active]) -> State:
            fired = [one.fired is not None for one in found]
            return "firing" if any(fired) else "pending" if fired else "inactive"

        return [(rule, state(active.values())) for rule, active in zip(self.rules, self._active, strict=True)]

    def _look(self) -> None:
        """Looks at every rule, and says when to look again. A long jump of the clock is looked at in as many steps as an hour has."""
        left = (self._alertmanager.clock.now() - self._now).total_seconds()
        pause = max(INTERVAL, left / _LOOKS)
        self._cluster.play(self._now)
        for rule, active in zip(self.rules, self._active, strict=True):
            self._evaluate(rule, active, pause)
        self._tell_again(self._by_hand.values(), pause)
        self._alertmanager.timeline.at(self._now + timedelta(seconds=pause), self._look)

    def _evaluate(self, rule: Rule, active: dict[str, Active], pause: float) -> None:
        samples = self._samples(rule)
        if samples is None:
            return
        found = {one.fingerprint: one for one in self._found(rule, samples)}
        for key in [key for key in active if key not in found]:
            ended = active.pop(key)
            if ended.fired is not None:
                self._tell(ended, self._now)
        for key, alert in found.items():
            one = active.setdefault(key, Active(alert, self._now))
            one.alert = alert
            if one.fired is None and self._now >= one.since + timedelta(seconds=rule.hold):
                one.fired = self._now
        self._tell_again(active.values(), pause)

    def _found(self, rule: Rule, samples: list[tuple[Labels, float]]) -> list[Alert]:
        url = f"{self.prometheus_url}/graph?g0.expr={quote(rule.query, safe='')}&g0.tab=1"
        alerts = []
        for labels, value in samples:
            named = {**labels, **rule.labels, "alertname": rule.alert}
            annotations = {name: _filled(text, named, value) for name, text in rule.annotations.items()}
            alerts.append(Alert(named, annotations, self._now, self._now, self._now, url))
        return alerts

    def _samples(self, rule: Rule) -> list[tuple[Labels, float]] | None:
        """What meets the rule's condition; None if that cannot be known: then Alertmanager hears nothing."""
        if rule.unready is not None:
            pods = self._cluster.pods(rule.unready.namespace, rule.unready.selector)
            unready = [pod["metadata"] for pod in pods if rule.unready.mean(pod)]
            return [({"namespace": meta["namespace"], "pod": meta["name"]}, 0.0) for meta in unready]
        answer = self._prometheus.look(rule.expression or "", self._now)
        if isinstance(answer, Failure):
            return None
        values = [(series.labels, series.at(self._now)) for series in answer]
        return [(labels, value) for labels, value in values if value is not None and rule.met(value)]

    def _tell_again(self, active: Iterable[Active], pause: float) -> None:
        for one in active:
            if one.fired is not None and (one.told is None or self._now >= one.told + timedelta(seconds=RESEND)):
                self._tell(one, self._now + timedelta(seconds=4 * max(RESEND, pause)))

    def _tell(self, active: Active, ends_at: datetime) -> list[str]:
        assert active.fired is not None
        active.told = self._now
        return self._alertmanager.take([replace(active.alert, starts_at=active.fired, ends_at=ends_at, updated_at=self._now)])


def _filled(text: str, labels: Labels, value: float) -> str:
    def fill(found: re.Match[str]) -> str:
        return labels.get(found[1], "") if found[1] else written(round(value, 4))

    return _TEMPLATE.sub(fill, text)
