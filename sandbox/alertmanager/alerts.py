"""Alerts as Alertmanager keeps them: what is refused, and how one that comes again is merged with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from sandbox.alertmanager.labels import NAME, Labels, fingerprint, quoted


@dataclass(frozen=True)
class Alert:
    """`ends_at` in the future (None: not told, as notifications have it) is an alert that fires; `timeout` when nobody has said when it ends."""

    labels: Labels
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    updated_at: datetime
    generator_url: str = ""
    timeout: bool = False

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.labels)

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")

    def resolved(self, now: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= now


def mistake(alert: Alert) -> str | None:
    """What Alertmanager says against an alert, or None (prometheus/common, model.Alert.Validate)."""
    if alert.ends_at is not None and alert.starts_at > alert.ends_at:
        return "start time must be before end time"
    for what, names in (("label set", alert.labels), ("annotations", alert.annotations)):
        for name in sorted(names):
            if NAME.fullmatch(name) is None:
                return f"invalid {what}: invalid name {quoted(name)}"
        if what == "label set" and not alert.labels:
            return "at least one label pair required"
    return None


def merged(old: Alert, new: Alert, now: datetime) -> Alert:
    """What is kept of an alert that is told again: if the two overlap in time it is one alert, from the earlier start to the later end."""
    assert old.ends_at is not None
    assert new.ends_at is not None
    overlap = old.starts_at < new.ends_at < old.ends_at or old.starts_at < new.starts_at < old.ends_at
    if not overlap:
        return new
    ends_at = new.ends_at
    later = old.ends_at > new.ends_at
    if (new.resolved(now) and old.resolved(now) and later) or (not new.resolved(now) and later and not old.timeout):
        ends_at = old.ends_at
    return replace(new, starts_at=min(old.starts_at, new.starts_at), ends_at=ends_at)
