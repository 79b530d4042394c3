"""The REST API's incidents: opening, finding and changing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.pagerduty import lifecycle, wire
from sandbox.pagerduty.errors import Refused, invalid, unknown
from sandbox.pagerduty.rest import Answer, Asked
from sandbox.pagerduty.state import Incident, Json

LOOKS_BACK = timedelta(days=30)
MOST_AT_ONCE = 250


def create(asked: Asked) -> Answer:
    """POST /incidents. One with the key of an open one on the service is refused; a service in maintenance opens none."""
    account, agent, given = asked.account, asked.agent, asked.entity("incident")
    _typed(given, "incident")
    title = given.get("title")
    if not isinstance(title, str) or not title.strip():
        raise invalid("Title can't be blank")
    service = account.services.get(_id(given.get("service")))
    if service is None:
        raise invalid("Service Not Found")
    if account.in_maintenance(service.id):
        # That it opens none is documented, how it is said is not.
        raise invalid("Service is in maintenance and cannot open incidents")
    key = given.get("incident_key")
    if key and any(one.open and one.key == key and one.service == service.id for one in account.incidents.values()):
        raise Refused(400, 2002, "Open incident with matching dedup key already exists on this service")
    if given.get("assignments") and given.get("escalation_policy"):
        raise invalid("Assignments cannot be specified if an escalation policy is given")
    made = lifecycle.open_incident(
        account, service, title, agent, "api",
        key=key, urgency=_urgency(given), policy=_policy(asked, given), assignees=_assignees(asked, given),
        body=str((given.get("body") or {}).get("details") or ""), priority=_priority(asked, given),
    )  # fmt: skip
    return Answer(201, {"incident": wire.incident(account, made)})


def listing(asked: Asked) -> Answer:
    """GET /incidents. Without a time range those that were opened in the last 30 days."""
    account = asked.account
    since, until = asked.time("since"), asked.time("until")
    if since is None and asked.one("date_range") != "all":
        since = (until or account.now()) - LOOKS_BACK
    found = [one for one in account.incidents.values() if _selected(asked, one, since, until)]
    for order in reversed((asked.one("sort_by") or "incident_number:asc").split(",")):
        name, _, way = order.partition(":")
        if name not in SORTS or way not in ("", "asc", "desc"):
            raise invalid(f"Invalid sort_by {order}")
        found.sort(key=SORTS[name], reverse=way == "desc")
    return asked.listed("incidents", [_included(asked, one) for one in found])


SORTS: dict[str, Callable[[Incident], Any]] = {
    "incident_number": lambda one: one.number,
    "created_at": lambda one: one.created,
    "resolved_at": lambda one: (one.resolved is None, one.resolved or one.created),
    "urgency": lambda one: one.urgency == "high",
}


def _selected(asked: Asked, one: Incident, since: datetime | None, until: datetime | None) -> bool:
    lists: dict[str, list[str]] = {"statuses": [one.status], "service_ids": [one.service], "urgencies": [one.urgency], "user_ids": list(one.assignees)}
    key = asked.one("incident_key")
    return (
        all(not asked.many(name) or bool({*asked.many(name)} & {*values}) for name, values in lists.items())
        and (key is None or one.key == key)
        and (since is None or one.created >= since)
        and (until is None or one.created < until)
    )


def get(asked: Asked) -> Answer:
    """GET /incidents/{id}, by its id or number."""
    return Answer(200, {"incident": _included(asked, find(asked))})


def update(asked: Asked) -> Answer:
    """PUT /incidents/{id}."""
    incident = find(asked)
    _change(asked, incident, asked.entity("incident"))
    return Answer(200, {"incident": wire.incident(asked.account, incident)})


def update_many(asked: Asked) -> Answer:
    """PUT /incidents: all or none are looked up first, then changed in their order."""
    given = asked.body.get("incidents")
    if not isinstance(given, list) or not given:
        raise invalid("incidents is missing")
    if len(given) > MOST_AT_ONCE:
        raise Refused(413, 2001, f"At most {MOST_AT_ONCE} incidents can be updated at once")
    found = [(asked.account.incidents.get(_id(one)), one) for one in given]
    changed = []
    for incident, one in found:
        if incident is None:
            raise invalid("Incident Not Found")
        _change(asked, incident, one)
        changed.append(wire.incident(asked.account, incident))
    return asked.listed("incidents", changed)


def find(asked: Asked) -> Incident:
    """The incident that the path names. Refused if there is none."""
    which = asked.ids[0]
    found = asked.account.incidents.get(which) or next((one for one in asked.account.incidents.values() if str(one.number) == which), None)
    if found is None:
        raise unknown()
    return found


def _change(asked: Asked, incident: Incident, given: Json) -> None:
    account, agent, status = asked.account, asked.agent, given.get("status")
    _typed(given, "incident", "incident_reference")
    if status not in (None, "triggered", "acknowledged", "resolved"):
        raise invalid("Status is invalid")
    people, policy, level = _assignees(asked, given), _policy(asked, given), given.get("escalation_level")
    urgency, priority = _urgency(given), _priority(asked, given)
    if level is not None and (not isinstance(level, int) or isinstance(level, bool)):
        raise invalid("Escalation level is invalid")
    if status == "triggered" and incident.status == "acknowledged":
        # Not documented: to page again, an acknowledged incident is escalated or reassigned.
        raise invalid("An acknowledged incident cannot be set to triggered")
    if given.get("title"):
        incident.title = str(given["title"])
    if "priority" in given and priority != incident.priority:
        lifecycle.set_priority(account, incident, priority, agent)
    if urgency is not None and urgency != incident.urgency:
        lifecycle.set_urgency(account, incident, urgency, agent)
    if status in ("triggered", "acknowledged") and not incident.open:
        lifecycle.reopen(account, incident, agent, [agent.id] if status == "acknowledged" else people, policy)
        people, policy = None, None
    if people:
        lifecycle.reassign(account, incident, people, agent)
    elif policy is not None:
        lifecycle.delegate(account, incident, account.policies[policy], agent)
    if level is not None:
        lifecycle.escalate(account, incident, level, agent)
    if status == "acknowledged":
        lifecycle.acknowledge(account, incident, agent)
    elif status == "resolved":
        lifecycle.resolve(account, incident, agent)


def create_note(asked: Asked) -> Answer:
    """POST /incidents/{id}/notes."""
    incident, content = find(asked), asked.entity("note").get("content")
    if not isinstance(content, str) or not content.strip():
        raise invalid("Content can't be blank")
    return Answer(200, {"note": wire.note(asked.account, lifecycle.annotate(asked.account, incident, asked.requester, content))})


def notes(asked: Asked) -> Answer:
    """GET /incidents/{id}/notes, oldest first."""
    return Answer(200, {"notes": [wire.note(asked.account, one) for one in find(asked).notes]})


def merge(asked: Asked) -> Answer:
    """PUT /incidents/{id}/merge: the sources are resolved. Only those with alerts can be merged."""
    target, agent = find(asked), asked.agent
    sources = [asked.account.incidents.get(_id(one)) for one in asked.body.get("source_incidents") or []]
    if not sources or not target.open:
        raise invalid("Incidents cannot be merged into a resolved incident" if sources else "Source incidents can't be blank")
    for source in sources:
        if source is None or source is target:
            raise invalid("Incident Not Found")
        if not source.alerts:
            raise invalid("Incident has no alerts and cannot be merged")
    for source in sources:
        assert source is not None
        target.alerts += source.alerts
        if source.open:
            lifecycle.resolve(asked.account, source, agent, merged_into=target.id)
    return Answer(200, {"incident": wire.incident_ref(asked.account, target)})


def snooze(asked: Asked) -> Answer:
    """POST /incidents/{id}/snooze: {duration} in seconds, a week at most."""
    incident, duration = find(asked), asked.body.get("duration")
    if not isinstance(duration, int) or not 1 <= duration <= 604800:
        raise invalid("Duration must be between 1 and 604800 seconds")
    lifecycle.snooze(asked.account, incident, asked.agent, timedelta(seconds=duration))
    return Answer(201, {"incident": wire.incident(asked.account, incident)})


def log_entries(asked: Asked) -> Answer:
    """GET /incidents/{id}/log_entries, newest first."""
    incident, since, until = find(asked), asked.time("since"), asked.time("until")
    found = [one for one in reversed(incident.log) if (since is None or one.at >= since) and (until is None or one.at < until)]
    return asked.listed("log_entries", [wire.entry(asked.account, incident, one) for one in found])


def _included(asked: Asked, one: Incident) -> Json:
    """An incident with what `include[]` asks for in full."""
    account, body = asked.account, wire.incident(asked.account, one)
    wanted = {*asked.many("include")}
    if "services" in wanted:
        body["service"] = wire.service(account, account.services[one.service])
    if "escalation_policies" in wanted:
        body["escalation_policy"] = wire.policy(account, account.policies[one.policy])
    for name, key, inner in (("assignees", "assignments", "assignee"), ("acknowledgers", "acknowledgements", "acknowledger")):
        if {name, "users"} & wanted:
            for entry in body[key]:
                if user := account.users.get(entry[inner]["id"]):
                    entry[inner] = wire.user(account, user)
    if "first_trigger_log_entries" in wanted:
        body["first_trigger_log_entry"] = wire.entry(account, one, one.log[0])
    if "body" in wanted:
        body["body"] = {"type": "incident_body", "details": one.body}
    return body


def _id(reference: Any) -> str:
    return str(reference.get("id")) if isinstance(reference, dict) else ""


def _typed(given: Any, *kinds: str) -> None:
    if not isinstance(given, dict) or given.get("type") not in kinds:
        raise invalid(f"Type must be {' or '.join(kinds)}")


def _urgency(given: Json) -> Any:
    urgency = given.get("urgency")
    if urgency not in (None, "high", "low"):
        raise invalid("Urgency must be high or low")
    return urgency


def _policy(asked: Asked, given: Json) -> str | None:
    if given.get("escalation_policy") is None:
        return None
    if (found := _id(given["escalation_policy"])) not in asked.account.policies:
        raise invalid("Escalation policy Not Found")
    return found


def _assignees(asked: Asked, given: Json) -> list[str] | None:
    people = list(_people(given.get("assignments")))
    if any(one not in asked.account.users for one in people):
        raise invalid("Assignee Not Found")
    return people or None


def _people(assignments: Any) -> Iterator[str]:
    for one in assignments or []:
        yield _id(one.get("assignee")) if isinstance(one, dict) else ""


def _priority(asked: Asked, given: Json) -> str | None:
    wanted = given.get("priority")
    if wanted is None:
        return None
    name = wanted if isinstance(wanted, str) else None
    found = next((one.id for one in asked.account.priorities.values() if name in (one.name,) or (name is None and one.id == _id(wanted))), None)
    if found is None:
        raise invalid("Priority Not Found")
    return found
