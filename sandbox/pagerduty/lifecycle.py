"""What becomes of an incident: each function is one change, with its log entry and its webhook. `agent` is who does it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.pagerduty import phones
from sandbox.pagerduty.errors import Refused, invalid
from sandbox.pagerduty.state import Agent, Entry, Incident, Json, Note, Policy, Service, Status, Urgency

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty


def open_incident(account: PagerDuty, service: Service, title: str, agent: Agent, channel: str, **given: Any) -> Incident:
    """Opens an incident; `given` are `key`, `urgency`, `policy`, `assignees`, `body`, `priority`, `client`. Refused if nobody would hear of it."""
    policy = account.policies[given.get("policy") or service.policy]
    made = Incident(
        id=account.make_id(),
        number=max((one.number for one in account.incidents.values()), default=0) + 1,
        key=given.get("key") or account.make_key(),
        title=title,
        service=service.id,
        policy=policy.id,
        urgency=given.get("urgency") or ("low" if service.urgency == "low" else "high"),
        created=account.now(),
        body=given.get("body") or "",
        priority=given.get("priority"),
        client=given.get("client"),
        alerts=int(channel == "api_event"),
    )
    if given.get("assignees"):
        _assign(account, made, given["assignees"])
    else:
        _begin(account, made, policy)
    if service.auto_resolve_timeout is not None:
        made.resolve_at = account.now() + service.auto_resolve_timeout
    account.incidents[made.id] = made
    _status(account, made, "triggered", agent)
    _happened(account, made, "trigger", agent, channel, "triggered")
    return made


def acknowledge(account: PagerDuty, incident: Incident, agent: Agent, channel: str = "api") -> None:
    """Stops it from being escalated, until the service's timeout."""
    if not incident.open:
        raise Refused(400, 1001, "Incident Already Resolved")
    timeout = account.services[incident.service].acknowledgement_timeout
    _acknowledged(account, incident, agent, timeout)
    _happened(account, incident, "acknowledge", agent, channel, "acknowledged")


def snooze(account: PagerDuty, incident: Incident, agent: Agent, duration: timedelta) -> None:
    """Acknowledges it until `duration` is over."""
    if not incident.open:
        raise Refused(400, 1001, "Incident Already Resolved")
    _acknowledged(account, incident, agent, duration)
    _happened(account, incident, "snooze", agent, "api", "acknowledged", {"duration": int(duration.total_seconds())})


def _acknowledged(account: PagerDuty, incident: Incident, agent: Agent, timeout: timedelta | None) -> None:
    incident.acknowledgers[agent.id] = account.now()
    incident.escalate_at = None
    incident.unacknowledge_at = None if timeout is None else account.now() + timeout
    _status(account, incident, "acknowledged", agent)
    phones.quiet(account, incident, agent.id)


def unacknowledge(account: PagerDuty, incident: Incident) -> None:
    """An acknowledgement or a snooze runs out: it is as if just assigned."""
    agent = Agent("service", incident.service)
    _tell_again(account, incident, list(incident.assignees), agent)
    _happened(account, incident, "unacknowledge", agent, "timeout", "unacknowledged")


def resolve(account: PagerDuty, incident: Incident, agent: Agent, channel: str = "api", merged_into: str | None = None) -> None:
    if not incident.open:
        raise Refused(400, 1001, "Incident Already Resolved")
    incident.assignees, incident.acknowledgers = {}, {}
    incident.escalate_at = incident.unacknowledge_at = incident.resolve_at = None
    incident.resolved, incident.merged_into = account.now(), merged_into
    _status(account, incident, "resolved", agent)
    phones.quiet(account, incident, agent.id)
    _happened(account, incident, "resolve", agent, channel, "resolved")


def resolve_by_itself(account: PagerDuty, incident: Incident) -> None:
    resolve(account, incident, Agent("service", incident.service), "timeout")


def reopen(account: PagerDuty, incident: Incident, agent: Agent, assignees: list[str] | None = None, policy: str | None = None) -> None:
    """A resolved incident is triggered again: assigned as given, or from the first level on."""
    incident.resolved, incident.merged_into, incident.reopened = None, None, account.now()
    incident.loops = 0
    if policy:
        incident.policy = policy
    _status(account, incident, "triggered", agent)
    if assignees:
        _assign(account, incident, assignees)
    else:
        _begin(account, incident, account.policies[incident.policy])
    _happened(account, incident, "reopen", agent, "api", "reopened")


def escalate(account: PagerDuty, incident: Incident, level: int, agent: Agent, channel: str = "api") -> None:
    """To a level of its policy; its people are told, even after an acknowledgement. Refused if there is no such level, or nobody on it."""
    if not incident.open:
        raise Refused(400, 1001, "Incident Already Resolved")
    policy = account.policies[incident.policy]
    if not 1 <= level <= len(policy.levels):
        raise invalid("Escalation level is invalid")
    people = account.on_call(policy, level)
    if not people:
        raise invalid("Nobody is on call at that escalation level")
    incident.level = level
    _escalated(account, incident, people, agent, channel)


def next_level(account: PagerDuty, incident: Incident) -> int | None:
    """The level after the current one at which somebody is on call; from the first again while there are loops left. None: the end."""
    policy = account.policies[incident.policy]
    later = range(incident.level + 1, len(policy.levels) + 1)
    again = range(1, incident.level + 1) if incident.loops < policy.loops else ()
    return next((level for level in (*later, *again) if account.on_call(policy, level)), None)


def escalate_by_itself(account: PagerDuty, incident: Incident) -> None:
    """The delay of a level is over and nobody acknowledged."""
    incident.escalate_at = None
    level = next_level(account, incident)
    if level is None:
        return
    incident.loops += int(level <= incident.level)
    incident.level = level
    _escalated(account, incident, account.on_call(account.policies[incident.policy], level), Agent("service", incident.service), "timeout")


def _escalated(account: PagerDuty, incident: Incident, people: list[str], agent: Agent, channel: str) -> None:
    _tell_again(account, incident, people, agent)
    _happened(account, incident, "escalate", agent, channel, "escalated", {"assignees": list(incident.assignees)})


def reassign(account: PagerDuty, incident: Incident, users: Iterable[str], agent: Agent, channel: str = "api") -> None:
    """To users directly: that ends its escalation policy."""
    if not incident.open:
        raise Refused(400, 1001, "Incident Already Resolved")
    incident.level = 0
    _tell_again(account, incident, list(users), agent)
    _happened(account, incident, "assign", agent, channel, "reassigned", {"assignees": list(incident.assignees)})


def delegate(account: PagerDuty, incident: Incident, policy: Policy, agent: Agent) -> None:
    """To another escalation policy, from its first level on."""
    if not incident.open:
        raise Refused(400, 1001, "Incident Already Resolved")
    incident.policy, incident.level, incident.loops = policy.id, 0, 0
    level = next_level(account, incident)
    if level is None:
        raise invalid("Nobody is on call for that escalation policy")
    incident.level = level
    _tell_again(account, incident, account.on_call(policy, level), agent)
    _happened(account, incident, "delegate", agent, "api", "delegated", {"assignees": list(incident.assignees)})


def annotate(account: PagerDuty, incident: Incident, user: str, content: str) -> Note:
    note = Note(account.make_id("P", 7), user, content, account.now())
    incident.notes.append(note)
    _log(account, incident, "annotate", Agent("user", user), "note", {"note": content})
    account.webhooks.emit("incident.annotated", incident, Agent("user", user), note)
    account.changed()
    return note


def set_priority(account: PagerDuty, incident: Incident, priority: str | None, agent: Agent) -> None:
    incident.priority = priority
    _happened(account, incident, "priority_change", agent, "api", "priority_updated")


def set_urgency(account: PagerDuty, incident: Incident, urgency: Urgency, agent: Agent) -> None:
    """Low urgency does not escalate; high urgency does, from now on, and rings."""
    incident.urgency = urgency
    incident.told_until = {}
    phones.quiet(account, incident)
    if incident.status == "triggered":
        incident.assignees = dict.fromkeys(incident.assignees, account.now())
    incident.escalate_at = _escalation(account, incident)
    _log(account, incident, "urgency_change", agent, "api")
    account.changed()


def _begin(account: PagerDuty, incident: Incident, policy: Policy) -> None:
    incident.level = 0
    level = next_level(account, incident)
    if level is None:
        raise invalid("Nobody is on call for the escalation policy")
    incident.level = level
    _tell_again(account, incident, account.on_call(policy, level), None)


def _assign(account: PagerDuty, incident: Incident, users: list[str]) -> None:
    incident.level = 0
    _tell_again(account, incident, users, None)


def _tell_again(account: PagerDuty, incident: Incident, people: list[str], agent: Agent | None) -> None:
    """It is assigned to these people now, unacknowledged, and their phones ring by their rules."""
    phones.pass_on(account, incident)
    incident.assignees = dict.fromkeys(people, account.now())
    incident.acknowledgers, incident.told_until = {}, {}
    incident.unacknowledge_at = None
    if agent is not None:
        _status(account, incident, "triggered", agent)
    incident.escalate_at = _escalation(account, incident)


def _escalation(account: PagerDuty, incident: Incident) -> datetime | None:
    if incident.status != "triggered" or incident.urgency == "low" or not incident.level or next_level(account, incident) is None:
        return None
    return account.now() + account.policies[incident.policy].levels[incident.level - 1].delay


def _status(account: PagerDuty, incident: Incident, status: Status, agent: Agent) -> None:
    incident.changed, incident.changed_by = account.now(), agent
    incident.status = status


def _happened(account: PagerDuty, incident: Incident, kind: str, agent: Agent, channel: str, event: str, detail: Json | None = None) -> None:
    _log(account, incident, kind, agent, channel, detail)
    account.webhooks.emit(f"incident.{event}", incident, agent)
    account.changed()


def _log(account: PagerDuty, incident: Incident, kind: str, agent: Agent, channel: str, detail: Json | None = None) -> None:
    incident.log.append(Entry(account.make_id("R"), kind, account.now(), agent, channel, detail or {}))
