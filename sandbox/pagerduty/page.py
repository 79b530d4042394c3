"""What the workspace page and tests see of the account, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.pagerduty import wire
from sandbox.pagerduty.state import Incident, Json, Notification, User

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty


def state(account: PagerDuty) -> Json:
    """Who is on call at each level, whose phone rings with what, what was missed, and which incidents are open."""
    return {
        "revision": account.revision,
        "now": account.now().isoformat(),
        "levels": [
            {"policy": policy.name, "level": number, "minutes": level.delay.total_seconds() / 60, "people": account.on_call(policy, number)}
            for policy in account.policies.values()
            for number, level in enumerate(policy.levels, 1)
        ],
        "phones": [_phone(account, user) for user in account.users.values()],
        "incidents": [one for one in incidents(account) if one["status"] != "resolved"],
        "maintenance": [service.name for service in account.services.values() if account.in_maintenance(service.id)],
    }


def incidents(account: PagerDuty) -> list[Json]:
    """All incidents, newest first, with their level and their notifications."""
    return [_incident(account, one) for one in reversed(account.incidents.values())]


def _incident(account: PagerDuty, one: Incident) -> Json:
    return {
        "id": one.id,
        "number": one.number,
        "key": one.key,
        "title": one.title,
        "status": one.status,
        "urgency": one.urgency,
        "level": one.level,
        "assignees": list(one.assignees),
        "acknowledgers": list(one.acknowledgers),
        "escalates": wire.time(one.escalate_at),
        "notifications": [_notification(told) for told in account.notifications if told.incident == one.id],
    }


def _phone(account: PagerDuty, user: User) -> Json:
    told = [one for one in account.notifications if one.user == user.id]
    return {
        "user": user.id,
        "name": user.name,
        "email": user.email,
        "title": user.title,
        "ringing": [_notification(one) | {"title": account.incidents[one.incident].title, "number": account.incidents[one.incident].number}
                    for one in told if one.state == "ringing"],
        "told": [_notification(one) for one in told],
        "missed": _missed(account, told),
    }  # fmt: skip


def _missed(account: PagerDuty, told: list[Notification]) -> list[Json]:
    """The incidents of which calls were missed, and how often, as long as they are open."""
    counts: dict[str, int] = {}
    for one in told:
        if one.state == "missed" and one.incident in account.incidents and account.incidents[one.incident].open:
            counts[one.incident] = counts.get(one.incident, 0) + 1
    return [
        {"incident": which, "number": account.incidents[which].number, "title": account.incidents[which].title, "times": times}
        for which, times in counts.items()
    ]


def _notification(one: Notification) -> Json:
    return {"incident": one.incident, "user": one.user, "channel": one.channel, "at": one.at.isoformat(), "state": one.state}


def webhooks(account: PagerDuty) -> Json:
    """The subscriptions, and each delivery that waits or was sent."""
    hooks = account.webhooks
    return {
        "subscriptions": [
            {
                "id": one.id,
                "url": one.url,
                "active": one.active,
                "disabled_until": wire.time(one.disabled_until),
                "dropped": one.dropped,
                "secrets": one.secrets,
            }
            for one in hooks.subscriptions.values()
        ],
        "waiting": [{"event": one.event, "type": one.kind, "attempts": one.attempts, "due": one.due.isoformat()} for one in hooks.waiting],
        "sent": [{"event": one.event, "type": one.kind, "attempts": one.attempts} for one in hooks.sent],
    }
