"""An account filled from plain data, as a scenario has it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from sandbox.pagerduty import state

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Rule(_Part):
    minutes: float = 0
    channel: str = "push"


class _User(_Part):
    id: str
    name: str
    email: str
    title: str = ""
    time_zone: str = "Etc/UTC"
    role: str = "user"
    token: str | None = None
    rules: list[_Rule] | None = None


class _Schedule(_Part):
    id: str
    name: str
    users: list[str]
    start: datetime | None = None
    turn_hours: float = 168


class _Level(_Part):
    targets: list[str]
    minutes: float = 30


class _Policy(_Part):
    id: str
    name: str
    levels: list[_Level]
    loops: int = 0


class _Service(_Part):
    id: str
    name: str
    policy: str
    routing_key: str
    acknowledgement_timeout: float | None = None
    auto_resolve_timeout: float | None = None
    urgency: str = "high"


class _Subscription(_Part):
    id: str | None = None
    url: str = ""
    secret: str = "sandbox-webhook-secret"
    events: list[str] | None = None
    services: list[str] | None = None


class Setting(_Part):
    """`token` is an API key of the account; timeouts are in seconds, a level's `minutes` the delay until the next one. Schedules turn weekly unless told."""

    subdomain: str = "sandbox"
    token: str = "pagerduty-sandbox"
    users: list[_User] = []
    schedules: list[_Schedule] = []
    policies: list[_Policy] = []
    services: list[_Service] = []
    subscriptions: list[_Subscription] = []


def fill(account: PagerDuty, data: Any) -> None:
    """Adds what `data` (as Setting) describes. ValueError names a fault, and an id that is referred to and not there."""
    setting = Setting.model_validate(data)
    account.subdomain = setting.subdomain
    account.tokens[setting.token] = None
    for user in setting.users:
        rules = tuple(state.Rule(rule.minutes, rule.channel) for rule in user.rules) if user.rules is not None else state.HIGH_URGENCY
        account.users[user.id] = state.User(user.id, user.name, user.email, user.title, user.time_zone, user.role, rules)
        if user.token:
            account.tokens[user.token] = user.id
    for schedule in setting.schedules:
        _known("user", schedule.users, account.users)
        start = schedule.start or account.now()
        account.schedules[schedule.id] = state.Schedule(schedule.id, schedule.name, schedule.users, start, timedelta(hours=schedule.turn_hours))
    for policy in setting.policies:
        for level in policy.levels:
            _known("user or schedule", level.targets, {**account.users, **account.schedules})
        levels = [state.Level(account.make_id("P", 7), level.targets, timedelta(minutes=level.minutes)) for level in policy.levels]
        account.policies[policy.id] = state.Policy(policy.id, policy.name, levels, policy.loops)
    for service in setting.services:
        _known("policy", [service.policy], account.policies)
        account.services[service.id] = state.Service(
            service.id, service.name, service.policy, service.routing_key, account.now(),
            _seconds(service.acknowledgement_timeout), _seconds(service.auto_resolve_timeout), service.urgency,
        )  # fmt: skip
    for one in setting.subscriptions:
        account.webhooks.subscribe(one.url, one.secret, one.events, one.services, one.id)


def _known(what: str, ids: list[str], there: Any) -> None:
    if unknown := [one for one in ids if one not in there]:
        raise ValueError(f"pagerduty: no {what} {', '.join(unknown)}")


def _seconds(given: float | None) -> timedelta | None:
    return None if given is None else timedelta(seconds=given)
