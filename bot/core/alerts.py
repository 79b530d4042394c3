"""Alertmanager's notifications: its webhook v4, read leniently, because whoever refuses an alert loses it.

Source: prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bot.core.errors import Invalid
from bot.core.foreign import items, mapping, moment, text
from bot.core.text import cut

MOST_LABELS = 64
MOST_ANNOTATIONS = 32
LONGEST_LABEL = 1_000
LONGEST_ANNOTATION = 4_000
LONGEST_URL = 2_000
OURS = "aiec itself"
"""The receiver of alerts that aiec itself raises, which no Alertmanager knows of. There `aiec` is what we are called ourselves."""
UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of an alert that tells none; Alertmanager always tells it."""
_FIRST = ("alertname", "severity", "service", "namespace", "cluster", "environment", "env", "team", "job", "instance")
_OFFSET, _PRIME, _MASK = 14695981039346656037, 1099511628211, 2**64 - 1


@dataclass(frozen=True)
class Alert:
    """One alert. `fingerprint` is that of its labels, and with `starts_at` says which alert it is. `ends_at`: only of a resolved one.

    `note` says what of an oversized one was left out, in words.
    """

    fingerprint: str
    status: Literal["firing", "resolved"]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    url: str
    note: str = ""


@dataclass(frozen=True)
class Notification:
    """What Alertmanager sends of one group. `status` is the group's: firing while one of its alerts is. `truncated`: how many alerts were left out of it."""

    receiver: str
    group_key: str
    status: Literal["firing", "resolved"]
    alerts: tuple[Alert, ...]
    truncated: int
    external_url: str
    group_labels: Mapping[str, str]


def parse(body: Any) -> Notification:
    """Returns the notification of a delivery's JSON. Raises Invalid for what is not a notification of version 4 at all."""
    given = mapping(body)
    alerts = given.get("alerts")
    if text(given.get("version")) != "4" or not isinstance(alerts, list):
        raise Invalid("That is not a notification of Alertmanager's webhook, version 4.", "Send it by a `webhook_config`: docs/operations.md.")
    group = {name: cut(value, LONGEST_LABEL) for name, value in _texts(given.get("groupLabels")).items()}
    truncated = given.get("truncatedAlerts")
    return Notification(
        # Alertmanager quotes what would have a meaning in a regular expression (template.Data).
        receiver=re.sub(r"\\(.)", r"\1", text(given.get("receiver"))),
        group_key=text(given.get("groupKey")) or _group_key(group),
        status=_status(given.get("status"), "firing"),
        alerts=tuple(alert(one, first=group, status=_status(given.get("status"), "firing")) for one in items(alerts)),
        truncated=truncated if isinstance(truncated, int) and truncated > 0 else 0,
        external_url=cut(text(given.get("externalURL")), LONGEST_URL),
        group_labels=group,
    )


def alert(given: Mapping[str, Any], *, first: Iterable[str] = (), status: Literal["firing", "resolved"] = "firing") -> Alert:
    """Returns an alert of its JSON. When it has too many labels, those named `first` and the usual ones are kept before others; `status` is what one has that
    does not tell its own."""
    labels, annotations = _texts(given.get("labels")), _texts(given.get("annotations"))
    own, starts_at = _status(given.get("status"), status), moment(given.get("startsAt"))
    kept = _kept(labels, (*_FIRST[:3], *first, *_FIRST), MOST_LABELS, LONGEST_LABEL)
    said = _kept(annotations, ("summary", "description", "message", "runbook_url"), MOST_ANNOTATIONS, LONGEST_ANNOTATION)
    return Alert(
        fingerprint=cut(text(given.get("fingerprint")), 64) or fingerprint(labels),
        status=own,
        labels=kept,
        annotations=said,
        starts_at=starts_at or UNKNOWN_START,
        ends_at=moment(given.get("endsAt")) if own == "resolved" else None,
        url=cut(text(given.get("generatorURL")), LONGEST_URL),
        note="; ".join(part for part in (_cut_note("labels", labels, kept), _cut_note("annotations", annotations, said)) if part),
    )


def fingerprint(labels: Mapping[str, str]) -> str:
    """Returns the fingerprint of labels as Alertmanager computes it: FNV-1a, 64 bits, over the sorted names and values, each ended by a byte 255."""
    sum = _OFFSET
    for name in sorted(labels):
        for byte in b"%b\xff%b\xff" % (name.encode(), labels[name].encode()):
            sum = (sum ^ byte) * _PRIME & _MASK
    return f"{sum:016x}"


def _texts(value: Any) -> dict[str, str]:
    return {text(name): text(one) for name, one in mapping(value).items()}


def _status(value: Any, otherwise: Literal["firing", "resolved"]) -> Literal["firing", "resolved"]:
    """What is neither is taken for firing: an alert is rather looked at in vain than missed."""
    if value is None:
        return otherwise
    return "resolved" if value == "resolved" else "firing"


def _group_key(labels: Mapping[str, str]) -> str:
    return "{}:{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"


def _kept(values: Mapping[str, str], first: Iterable[str], most: int, longest: int) -> dict[str, str]:
    """At most so many, in the order of their names, with values of at most that length."""
    names = [name for name in dict.fromkeys(first) if name in values]
    chosen = [*names, *sorted(values.keys() - set(names))][:most]
    return {name: cut(values[name], longest) for name in sorted(chosen)}


def _cut_note(what: str, given: Mapping[str, str], kept: Mapping[str, str]) -> str:
    left, shortened = len(given) - len(kept), sum(kept[name] != given[name] for name in kept)
    parts = [f"{left:,} of {len(given):,} {what} are left out" if left else "", f"{shortened:,} {what} are shortened" if shortened else ""]
    return ", ".join(part for part in parts if part)
