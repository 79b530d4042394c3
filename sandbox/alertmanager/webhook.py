"""The webhook that Alertmanager sends: version 4 of its payload, byte for byte, and its headers (0.25)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.alertmanager.alerts import Alert
from sandbox.alertmanager.labels import Labels, common, written

ZERO = "0001-01-01T00:00:00Z"
AGENT = "Alertmanager/0.25.0"


class Receiver(BaseModel):
    """The one route and its one receiver, with the defaults of Alertmanager. Times in seconds; `url` empty: nobody is told; `group_by` `...`: by all labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = "webhook"
    url: str = ""
    token: str = ""
    send_resolved: bool = True
    max_alerts: int = Field(default=0, ge=0)
    group_by: tuple[str, ...] = ("alertname", "service")
    group_wait: float = Field(default=30.0, ge=0)
    group_interval: float = Field(default=300.0, gt=0)
    repeat_interval: float = Field(default=4 * 3600.0, gt=0)
    resolve_timeout: float = Field(default=300.0, gt=0)

    def group_labels(self, labels: Labels) -> dict[str, str]:
        """What of an alert's labels says which group it belongs to."""
        return {name: labels[name] for name in sorted(labels) if name in self.group_by or "..." in self.group_by}

    def headers(self) -> dict[str, str]:
        given = {"User-Agent": AGENT, "Content-Type": "application/json"}
        return {**given, "Authorization": f"Bearer {self.token}"} if self.token else given


def group_key(labels: Labels) -> str:
    """The group's name: the route's matchers (there are none), and the labels by which it is grouped."""
    return f"{{}}:{written(labels)}"


def body(receiver: Receiver, labels: Labels, alerts: Sequence[Alert], external_url: str, now: datetime) -> bytes:
    """What is sent about the group with these labels, its `alerts` in their order: only the first `max_alerts`, if that is not 0."""
    shown = alerts[: receiver.max_alerts] if receiver.max_alerts else alerts
    payload = {
        "receiver": re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", receiver.name),
        "status": "resolved" if all(alert.resolved(now) for alert in shown) else "firing",
        "alerts": [_alert(alert, now) for alert in shown],
        "groupLabels": dict(sorted(labels.items())),
        "commonLabels": common([alert.labels for alert in shown]),
        "commonAnnotations": common([alert.annotations for alert in shown]),
        "externalURL": external_url,
        "version": "4",
        "groupKey": group_key(labels),
        "truncatedAlerts": len(alerts) - len(shown),
    }
    return encoded(payload) + b"\n"


def _alert(alert: Alert, now: datetime) -> dict[str, Any]:
    return {
        "status": "resolved" if alert.resolved(now) else "firing",
        "labels": _sorted(alert.labels),
        "annotations": _sorted(alert.annotations),
        "startsAt": nanoseconds(alert.starts_at),
        "endsAt": ZERO if alert.ends_at is None else nanoseconds(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def _sorted(texts: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(texts.items()))


def nanoseconds(time: datetime) -> str:
    """A time as Go writes it: no more digits than there are."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"{text}Z"


def encoded(value: Any) -> bytes:
    """JSON as Go's encoder writes it: without blanks, and without what could be markup."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()
