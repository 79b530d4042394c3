"""The scene of incidents, as data: an on-call team, its escalation policy here and in PagerDuty, alerts and their routing, with times of minutes."""

from datetime import UTC, datetime
from typing import Any

from bot.core.config import Config
from sandbox.world import Scenario, World
from tests.simulation.process import PAGERDUTY_FROM
from tests.simulation.scene import slack_id

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
PEOPLE = ("engineer", "senior", "lead", "manager")
STRANGER = "stranger"
INCIDENTS, ALERTS, DIGEST = "incidents", "alerts", "digest"
CHANNELS = (INCIDENTS, ALERTS, DIGEST)
SERVICE, POLICY = "PSERVICE", "PPOLICY"
SERVICES = ("gateway", "catalog", "worker", "search", "payments", "mailer", "reports")
LEVELS = (("first", 3, ("engineer",)), ("second", 4, ("senior",)), ("third", 6, ("lead", "manager")))
"""Each level's name, the minutes that it has to answer, and its people."""
LATER = 2
"""Minutes by which PagerDuty's own policy is slower."""
STORM = 4
"""Incidents from alerts within STORM_WITHIN seconds, after which further ones become one."""
STORM_WITHIN = 300
SECRET = "leaked-credential"
"""A word of the titles of private incidents."""
SCOPES = [
    "channels:history", "channels:join", "channels:manage", "channels:read", "chat:write", "commands", "groups:history", "groups:read", "groups:write",
    "im:write", "usergroups:read", "users:read",
]  # fmt: skip


def user_id(name: str) -> str:
    return f"P0{name.upper()}"


def config(levels: tuple[tuple[str, int, tuple[str, ...]], ...]) -> Config:
    """The configuration, with these levels of the one policy."""
    return Config.model_validate(
        {
            "platform": "shop",
            "environments": {"prod": {"namespace": "shop", "channel": f"#{INCIDENTS}", "approvals": 0, "approval_expires": "4m"}},
            "services": {name: {"container": "main", "deploy": False} for name in SERVICES},
            "people": {name: {"slack": slack_id(name), "pagerduty": user_id(name), "email": f"{name}@example.com", "phone": "+1 555 0100"} for name in PEOPLE},
            "permissions": [{"who": [*PEOPLE], "may": ["*"]}],
            "channels": {"incidents": f"#{INCIDENTS}", "alerts": f"#{ALERTS}", "digest": f"#{DIGEST}"},
            "severities": {
                "SEV1": {"update_every": "15m", "page": True}, "SEV2": {"page": True}, "SEV3": {"page": False},
            },
            "routing": [
                {"match": {"severity": "critical", "service": "payments"}, "severity": "SEV1"},
                {"match": {"severity": "critical"}, "severity": "SEV2"},
                {"match": {"severity": "warning"}, "incident_after": {"repeats": 3, "within": "8m", "severity": "SEV3"}},
                {"match": {"severity": "info"}, "digest": True},
            ],
            "incidents": {
                "resolve_after_quiet": "4m", "reopen_within": "6m", "ask_after_idle": "8m", "storm": {"incidents": STORM, "within": f"{STORM_WITHIN}s"},
            },
            "escalation": {
                "pagerduty": {"service": SERVICE, "policy": POLICY, "priorities": {"SEV1": "P1", "SEV2": "P2"}},
                "policies": {
                    "default": {"levels": [{"name": name, "answer_within": f"{minutes}m", "people": [*people]} for name, minutes, people in levels]},
                },
            },
        }
    )  # fmt: skip


def world(seed: int, levels: tuple[tuple[str, int, tuple[str, ...]], ...], *, max_alerts: int) -> World:
    """The far ends at the start: nothing fires, nobody is called. `max_alerts`: how many Alertmanager tells at once."""
    scenario: Scenario = {
        "app": {"user": "U0AIEC", "name": "aiec", "scopes": SCOPES},
        "users": [{"id": slack_id(name), "name": name} for name in (*PEOPLE, STRANGER)],
        "usergroups": [],
        "channels": [{"name": name, "members": [*PEOPLE, STRANGER]} for name in CHANNELS],
        "pagerduty": {
            "users": [{"id": user_id(name), "name": name, "email": f"{name}@example.com"} for name in PEOPLE]
            + [{"id": "P0AIEC", "name": "aiec", "email": PAGERDUTY_FROM}],
            "policies": [{"id": POLICY, "name": "default", "levels": _theirs(levels)}],
            "services": [{"id": SERVICE, "name": "shop", "policy": POLICY, "routing_key": "KEY"}],
            "subscriptions": [{"id": "PHOOK", "url": "https://aiec/webhooks/pagerduty", "services": [SERVICE]}],
        },
        "receiver": {
            "url": "https://aiec/webhooks/alertmanager", "group_by": ("alertname",), "group_wait": 5, "group_interval": 30, "repeat_interval": 120,
            "max_alerts": max_alerts,
        },
    }  # fmt: skip
    return World.build(scenario, seed, START)


def _theirs(levels: tuple[tuple[str, int, tuple[str, ...]], ...]) -> list[dict[str, Any]]:
    """The same levels in PagerDuty, as docs/paging.md wants them: with longer delays."""
    return [{"targets": [user_id(name) for name in people], "minutes": minutes + LATER} for _, minutes, people in levels]
