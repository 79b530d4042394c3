"""What the demo's monitoring of AIECommerce watches, what it says, and what can be made to go wrong for it. Data only; the sandbox plays it."""

from math import sin
from typing import Any

Json = dict[str, Any]

PROD = "aiecommerce"
ERRORS = 'sum(rate(http_requests_total{service="gateway",status=~"5.."}[2m])) or vector(0)'
LATENCY = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{service="gateway"}[2m])))'
POSTGRES_UP = f'pg_up{{namespace="{PROD}"}}'
DISK_USED = 'max(1 - node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes{mountpoint="/"})'
BACKUP_AGE = "time() - max(backup_last_success_timestamp_seconds)"
FOREVER = 10 * 365 * 86400
STORES = ("postgres", "redis", "rabbitmq")
APPS = ("gateway", "ml-recommendation")

_USUAL_LATENCY = [[60 * minute, round(0.21 + 0.015 * sin(minute / 3) + 0.006 * sin(2.7 * minute), 4)] for minute in range(-120, 120)]

METRICS: list[Json] = [
    {"expression": ".*http_requests_total.*", "regex": True, "series": [{"value": 0.02}]},
    {"expression": ".*http_request_duration_seconds.*", "regex": True, "series": [{"points": _USUAL_LATENCY}]},
    {"expression": POSTGRES_UP, "series": [{"value": 1}]},
    {"expression": DISK_USED, "series": [{"value": 0.41}]},
    {"expression": BACKUP_AGE, "series": [{"points": [[0, 7200], [FOREVER, 7200 + FOREVER]]}]},
]
"""While all is well. The gateway's gate looks at the first, and a deploy's chart shows the first two."""

RECEIVER: Json = {"name": "aiec", "group_by": ["alertname", "service"], "group_wait": 5, "group_interval": 30, "max_alerts": 20}
"""Quicker than one would have it in production, so that one can watch it."""


def _labels(severity: str, service: str) -> Json:
    return {"severity": severity, "service": service, "environment": "prod"}


def _annotations(summary: str, description: str, runbook: str) -> Json:
    return {"summary": summary, "description": description, "runbook_url": f"https://runbooks.example.com/{runbook}"}


def _not_ready(service: str) -> Json:
    return {
        "alert": "PodNotReady",
        "unready": {"namespace": PROD, "selector": f"app={service}"},
        "for": 120,
        "labels": _labels("critical", service),
        "annotations": _annotations(f"A pod of {service} is not ready", "{{ $labels.pod }} takes no requests for more than two minutes.", "service-outage"),
    }


ALERTS: list[Json] = [
    {
        "alert": "HighErrorRate",
        "expression": ERRORS,
        "above": 0.5,
        "for": 15,
        "labels": _labels("critical", "gateway"),
        "annotations": _annotations("The gateway answers with errors", "{{ $value }} requests a second fail with 5xx; 0.5 is the limit.", "service-outage"),
    },
    *map(_not_ready, APPS),
    {
        "alert": "PodCrashLooping",
        "unready": {"namespace": PROD, "selector": "", "waiting": "CrashLoopBackOff"},
        "for": 60,
        "labels": {"severity": "critical", "environment": "prod"},
        "annotations": _annotations("A pod crashes again and again", "{{ $labels.pod }} is in CrashLoopBackOff.", "service-outage"),
    },
    {
        "alert": "PostgresDown",
        "expression": POSTGRES_UP,
        "below": 1,
        "for": 15,
        "labels": _labels("critical", "postgres"),
        "annotations": _annotations("PostgreSQL does not answer", "The exporter cannot connect to the primary of prod.", "database-recovery"),
    },
    {
        "alert": "HighLatency",
        "expression": LATENCY,
        "above": 1.0,
        "for": 30,
        "labels": _labels("warning", "gateway"),
        "annotations": _annotations("The gateway is slow", "One request in twenty takes longer than {{ $value }} s.", "performance-degradation"),
    },
    {
        "alert": "DiskFilling",
        "expression": DISK_USED,
        "above": 0.85,
        "for": 60,
        "labels": {"severity": "warning", "environment": "prod"},
        "annotations": _annotations("A node's disk fills up", "{{ $value }} of it is used; 0.85 is the limit.", "performance-degradation"),
    },
    {
        "alert": "BackupOld",
        "expression": BACKUP_AGE,
        "above": 26 * 3600,
        "labels": _labels("info", "postgres"),
        "annotations": _annotations("The last backup is older than a day", "It was made {{ $value }} s ago.", "database-recovery"),
    },
]

STORM = ("TargetDown", "HighErrorRate", "QueueGrowing", "CertificateRefused", "NetworkUnreachable")


def _stormy(alert: str, service: str) -> Json:
    words = {
        "TargetDown": "does not answer its scrapes",
        "HighErrorRate": "answers with errors",
        "QueueGrowing": "has a queue that grows",
        "CertificateRefused": "is refused by its clients",
        "NetworkUnreachable": "is not reached from two zones",
    }
    summary = f"{service} {words[alert]}"
    return {
        "labels": {"alertname": alert, **_labels("critical", service), "zone": "b"},
        "annotations": _annotations(summary, f"{summary}; since the switch of zone b restarted.", "service-outage"),
    }


TROUBLES: list[Json] = [
    {
        "name": "errors",
        "title": "The gateway answers with errors",
        "text": "A critical alert fires within a minute, and lasts until this is ended. A deploy that is under way is put back.",
        "metric": {"expression": ERRORS, "series": [{"points": [[0, 0.02], [4, 3.8], [110, 4.1]]}]},
        "metric_after": {"expression": ERRORS, "series": [{"points": [[0, 4.1], [4, 0.02]]}]},
    },
    {
        "name": "slow",
        "title": "The gateway is slow",
        "text": "A warning fires within a minute, and lasts until this is ended.",
        "metric": {"expression": LATENCY, "series": [{"points": [[0, 0.21], [10, 2.3]]}]},
        "metric_after": {"expression": LATENCY, "series": [{"points": [[0, 2.3], [10, 0.21]]}]},
    },
    {
        "name": "postgres",
        "title": "Postgres is down",
        "text": "Its pods of production are not ready, and a critical alert fires within a minute.",
        "metric": {"expression": POSTGRES_UP, "series": [{"value": 0}]},
        "metric_after": {"expression": POSTGRES_UP, "series": [{"value": 1}]},
        "pods": {"namespace": PROD, "selector": "app=postgres", "fate": "unready"},
    },
    {
        "name": "storm",
        "title": "An alert storm",
        "text": "Five critical alerts for each of five services, all at once, until this is ended.",
        "alerts": [_stormy(alert, service) for alert in STORM for service in (*APPS, *STORES)],
    },
]
