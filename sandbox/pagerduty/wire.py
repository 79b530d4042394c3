"""PagerDuty's JSON for what an account holds: references, and objects of the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.pagerduty.state import Agent, Entry, Incident, Json, Note, Policy, Schedule, Service, User, Window

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty

_PLACES = {"escalation_policy": "escalation_policies", "priority": "priorities", "log_entry": "log_entries"}
API = "https://api.pagerduty.com"


def time(at: datetime | None) -> str | None:
    """As the REST API writes it: UTC, whole seconds."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def ref(account: PagerDuty, kind: str, one_id: str, summary: str) -> Json:
    """A reference: `kind` is user, service, escalation_policy, …"""
    place = _PLACES.get(kind, f"{kind}s")
    # PagerDuty's own addresses, whatever host was asked: as its webhooks have them.
    page = "account/settings/incidents" if kind == "priority" else f"{place}/{one_id}"
    return {
        "id": one_id,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"{API}/{place}/{one_id}",
        "html_url": f"https://{account.subdomain}.pagerduty.com/{page}",
    }


def user_ref(account: PagerDuty, one_id: str) -> Json:
    """A reference to a user, who may be deleted since."""
    user = account.users.get(one_id)
    return ref(account, "user", one_id, user.name if user else "Deleted user")


def service_ref(account: PagerDuty, one_id: str) -> Json:
    service = account.services.get(one_id)
    return ref(account, "service", one_id, service.name if service else "Deleted service")


def policy_ref(account: PagerDuty, one_id: str) -> Json:
    return ref(account, "escalation_policy", one_id, account.policies[one_id].name)


def priority_ref(account: PagerDuty, one_id: str | None) -> Json | None:
    return None if one_id is None else ref(account, "priority", one_id, account.priorities[one_id].name)


def agent_ref(account: PagerDuty, agent: Agent) -> Json:
    return user_ref(account, agent.id) if agent.kind == "user" else service_ref(account, agent.id)


def incident_ref(account: PagerDuty, incident: Incident) -> Json:
    return ref(account, "incident", incident.id, f"[#{incident.number}] {incident.title}")


def full(reference: Json) -> Json:
    """What a reference and the object itself have in common."""
    return {**reference, "type": reference["type"].removesuffix("_reference")}


def user(account: PagerDuty, one: User) -> Json:
    return full(user_ref(account, one.id)) | {
        "name": one.name,
        "email": one.email,
        "time_zone": one.time_zone,
        "color": "green",
        "avatar_url": "https://pd-static-assets.pagerduty.com/users/blank-avatar.png",
        "role": one.role,
        "description": None,
        "invitation_sent": False,
        "job_title": one.title or None,
        "teams": [],
        "contact_methods": [],
        "notification_rules": [],
    }


def target_ref(account: PagerDuty, one_id: str) -> Json:
    """A reference to what a level of a policy names: a user or a schedule."""
    return ref(account, "schedule", one_id, account.schedules[one_id].name) if one_id in account.schedules else user_ref(account, one_id)


def policy(account: PagerDuty, one: Policy) -> Json:
    rules = [
        {
            "id": level.id,
            "escalation_delay_in_minutes": round(level.delay.total_seconds() / 60),
            "targets": [target_ref(account, target) for target in level.targets if target in account.schedules or target in account.users],
        }
        for level in one.levels
    ]
    return full(policy_ref(account, one.id)) | {
        "name": one.name,
        "escalation_rules": rules,
        "services": [service_ref(account, service.id) for service in account.services.values() if service.policy == one.id],
        "num_loops": one.loops,
        "teams": [],
        "description": None,
        "on_call_handoff_notifications": "if_has_services",
        "privilege": None,
    }


def service(account: PagerDuty, one: Service) -> Json:
    """A service. Its status is that of its worst open incident, or maintenance."""
    opened = [incident for incident in account.incidents.values() if incident.service == one.id]
    states = {incident.status for incident in opened}
    status = "critical" if "triggered" in states else "warning" if "acknowledged" in states else "active"
    severity = {"during_support_hours": None, "outside_support_hours": None} if one.urgency == "severity_based" else {}
    return full(service_ref(account, one.id)) | {
        "name": one.name,
        "description": None,
        "created_at": time(one.created),
        "updated_at": time(one.created),
        "status": "maintenance" if account.in_maintenance(one.id) else status,
        "teams": [],
        "alert_creation": "create_alerts_and_incidents",
        "addons": [],
        "scheduled_actions": [],
        "support_hours": None,
        "last_incident_timestamp": time(max((incident.created for incident in opened), default=None)),
        "escalation_policy": policy_ref(account, one.policy),
        "incident_urgency_rule": {"type": "constant", "urgency": one.urgency, **severity},
        "acknowledgement_timeout": _seconds(one.acknowledgement_timeout),
        "auto_resolve_timeout": _seconds(one.auto_resolve_timeout),
        "integrations": [],
        "response_play": None,
    }


def schedule(account: PagerDuty, one: Schedule) -> Json:
    return full(ref(account, "schedule", one.id, one.name)) | {
        "name": one.name,
        "time_zone": "Etc/UTC",
        "description": None,
        "users": [user_ref(account, name) for name in one.users],
        "escalation_policies": [policy_ref(account, each.id) for each in account.policies.values() if any(one.id in level.targets for level in each.levels)],
        "teams": [],
    }


def window(account: PagerDuty, one: Window) -> Json:
    return full(ref(account, "maintenance_window", one.id, one.description)) | {
        "sequence_number": one.number,
        "start_time": time(one.start),
        "end_time": time(one.end),
        "description": one.description,
        "created_by": user_ref(account, one.created_by),
        "services": [service_ref(account, name) for name in one.services],
        "teams": [],
    }


def note(account: PagerDuty, one: Note) -> Json:
    return {
        "id": one.id,
        "user": user_ref(account, one.user),
        "content": one.content,
        "created_at": time(one.at),
        "channel": {"summary": "The PagerDuty website or APIs"},
    }


def entry_ref(account: PagerDuty, incident: Incident, one: Entry) -> Json:
    where = f"log_entries/{one.id}"
    return {
        "id": one.id,
        "type": f"{one.kind}_log_entry_reference",
        "summary": _did(account, one),
        "self": f"{API}/{where}?incident_id={incident.id}",
        "html_url": f"https://{account.subdomain}.pagerduty.com/incidents/{incident.id}/{where}",
    }


def entry(account: PagerDuty, incident: Incident, one: Entry) -> Json:
    """A log entry, with what its type adds: assignees, a note's words, what was triggered."""
    detail: Json = dict(one.detail)
    if "assignees" in detail:
        detail["assignees"] = [user_ref(account, name) for name in detail["assignees"]]
    channel: Json = {"type": one.channel}
    if one.kind == "annotate":
        channel["summary"] = detail.pop("note")
    return full(entry_ref(account, incident, one)) | {
        "created_at": time(one.at),
        "agent": agent_ref(account, one.agent),
        "channel": channel,
        "service": service_ref(account, incident.service),
        "incident": incident_ref(account, incident),
        "teams": [],
        "contexts": [],
        **detail,
    }


def _did(account: PagerDuty, one: Entry) -> str:
    words = {"priority_change": "Priority changed", "urgency_change": "Urgency changed", "annotate": "Note added", "assign": "Reassigned"}
    what = words.get(one.kind, one.kind.capitalize() + ("d" if one.kind.endswith("e") else "ed"))
    return f"{what} by {agent_ref(account, one.agent)['summary']}"


def incident(account: PagerDuty, one: Incident) -> Json:
    """An incident. Which level of its policy it has reached it does not say; PagerDuty does not either."""
    kinds = (("escalate", one.escalate_at), ("unacknowledge", one.unacknowledge_at), ("resolve", one.resolve_at))
    return full(incident_ref(account, one)) | {
        "incident_number": one.number,
        "title": one.title,
        "description": one.title,
        "created_at": time(one.created),
        "updated_at": time(one.log[-1].at),
        "status": one.status,
        "incident_key": one.key,
        "service": service_ref(account, one.service),
        "assignments": [{"at": time(at), "assignee": user_ref(account, name)} for name, at in one.assignees.items()],
        "assigned_via": "escalation_policy" if one.level else "direct_assignment",
        "acknowledgements": [{"at": time(at), "acknowledger": user_ref(account, name) if name in account.users else service_ref(account, name)}
                             for name, at in one.acknowledgers.items()],
        "last_status_change_at": time(one.changed),
        "last_status_change_by": agent_ref(account, one.changed_by or one.log[0].agent),
        "resolved_at": time(one.resolved),
        "resolve_reason": reason(account, one),
        "first_trigger_log_entry": entry_ref(account, one, one.log[0]),
        "alert_counts": {"all": one.alerts, "triggered": one.alerts if one.open else 0, "resolved": 0 if one.open else one.alerts},
        "is_mergeable": one.alerts > 0,
        "incident_type": {"name": "incident_default"},
        "escalation_policy": policy_ref(account, one.policy),
        "teams": [],
        "pending_actions": [{"type": kind, "at": time(at)} for kind, at in kinds if at is not None],
        "alert_grouping": None,
        "basic_alert_grouping": None,
        "incidents_responders": [],
        "responder_requests": [],
        "priority": priority_ref(account, one.priority),
        "urgency": one.urgency,
        "conference_bridge": None,
    }  # fmt: skip


def reason(account: PagerDuty, one: Incident) -> Json | None:
    """Why an incident was resolved: into which it was merged, or None."""
    if one.merged_into is None or one.merged_into not in account.incidents:
        return None
    return {"type": "merge_resolve_reason", "incident": incident_ref(account, account.incidents[one.merged_into])}


def _seconds(given: Any) -> int | None:
    return None if given is None else round(given.total_seconds())
