"""PagerDuty's objects, of the REST API v2, as data of the core."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.core.foreign import items, mapping, moment, text
from bot.core.pager import LevelSetup, PagerIncident, Setup, Shift, Subscription

Json = Mapping[str, Any]


def incident(given: Json) -> PagerIncident:
    """Returns an incident. Raises LookupError, TypeError or ValueError for what is none."""
    created = moment(given["created_at"])
    if given["status"] not in ("triggered", "acknowledged", "resolved") or created is None:
        raise ValueError(given["status"])
    pending = [moment(one.get("at")) for one in items(given.get("pending_actions")) if one.get("type") == "unacknowledge"]
    given_at = [moment(one.get("at")) for one in items(given.get("assignments"))]
    return PagerIncident(
        id=text(given["id"]),
        key=text(given.get("incident_key")) or None,
        status=given["status"],
        title=text(given.get("title") or given.get("summary")),
        urgency="low" if given.get("urgency") == "low" else "high",
        url=text(given.get("html_url")),
        service=text(given["service"]["id"]),
        policy=text(mapping(given.get("escalation_policy")).get("id")) or None,
        assignees=tuple(text(one["assignee"]["id"]) for one in items(given.get("assignments"))),
        assigned_at=max((at for at in given_at if at), default=None),
        acknowledged_by=tuple(text(one["acknowledger"]["id"]) for one in items(given.get("acknowledgements"))),
        priority=_name(given.get("priority")),
        merged_into=text(mapping(mapping(given.get("resolve_reason")).get("incident")).get("id")) or None,
        snoozed_until=min((at for at in pending if at), default=None) if given["status"] == "acknowledged" else None,
        created_at=created,
        updated_at=moment(given.get("updated_at")) or moment(given.get("last_status_change_at")) or created,
    )


def shift(given: Json) -> Shift:
    """Returns an entry of who is on call."""
    user = given["user"]
    return Shift(
        int(given["escalation_level"]), text(user["id"]), text(user.get("summary") or user.get("name")), moment(given.get("start")), moment(given.get("end"))
    )


def setup(service: Json, policy: Json, shifts: list[Shift]) -> Setup:
    """Returns the setup of a service and a policy, with who is on call now."""
    levels = tuple(
        LevelSetup(timedelta(minutes=rule["escalation_delay_in_minutes"]), tuple(dict.fromkeys(one.user for one in shifts if one.level == number)))
        for number, rule in enumerate(items(policy["escalation_rules"]), start=1)
    )
    rule = mapping(service.get("incident_urgency_rule"))
    return Setup(
        levels=levels,
        urgency=text(rule.get("urgency") or "high") if rule.get("type") in (None, "constant") else "support_hours",
        acknowledge_timeout=_seconds(service.get("acknowledgement_timeout")),
        auto_resolve=_seconds(service.get("auto_resolve_timeout")),
        loops=int(policy.get("num_loops") or 0),
        status=service["status"] if service.get("status") in ("maintenance", "disabled") else "active",
        name=text(service.get("name") or service.get("summary")),
        service_policy=text(mapping(service.get("escalation_policy")).get("id")) or None,
    )


def subscription(given: Json) -> Subscription:
    """Returns a webhook subscription."""
    delivery = given["delivery_method"]
    active = bool(given.get("active", True)) and not delivery.get("temporarily_disabled")
    return Subscription(text(given["id"]), text(delivery["url"]), active, tuple(text(event) for event in given.get("events") or ()))


def _name(priority: Any) -> str | None:
    given = mapping(priority)
    return text(given.get("name") or given.get("summary")) or None


def _seconds(given: Any) -> timedelta | None:
    return timedelta(seconds=int(given)) if given else None
