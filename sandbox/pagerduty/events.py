"""Events API v2 as a function: triggers, acknowledges and resolves by a service's routing key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.pagerduty import lifecycle
from sandbox.pagerduty.rest import Answer
from sandbox.pagerduty.state import Agent, Incident, Json, Service

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty

SEVERITIES = ("critical", "error", "warning", "info")
ACTIONS = ("trigger", "acknowledge", "resolve")
LONGEST_SUMMARY = 1024
LONGEST_KEY = 255


def enqueue(account: PagerDuty, body: bytes) -> Answer:
    """POST /v2/enqueue. 202 says only that the event was taken: a service in maintenance drops it, and nobody hears of it."""
    account.play()
    if account.events_limited > 0:
        account.events_limited -= 1
        return Answer(429, {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly. Please retry later.", "errors": []})
    try:
        event = json.loads(body)
    except ValueError:
        return _invalid("Unparseable JSON")
    if not isinstance(event, dict):
        return _invalid("Event must be an object")
    if faults := list(_faults(event)):
        return _invalid(*faults)
    service = next((one for one in account.services.values() if one.routing_key == event["routing_key"]), None)
    if service is None:
        return _invalid("Invalid routing key")
    key = event.get("dedup_key") or account.make_key()
    if not account.in_maintenance(service.id):
        _act(account, service, event, key)
        account.play()
    return Answer(202, {"status": "success", "message": "Event processed", "dedup_key": key})


def _act(account: PagerDuty, service: Service, event: Json, key: str) -> None:
    agent = Agent("service", service.id)
    found = next((one for one in account.incidents.values() if one.key == key and one.service == service.id and one.open), None)
    match event["event_action"]:
        case "trigger" if found is None:
            _open(account, service, event["payload"], key, agent, event)
        case "trigger":
            assert found is not None
            found.alerts += 1
            account.changed()
        case "acknowledge" if found is not None and found.status == "triggered":
            lifecycle.acknowledge(account, found, agent, "api_event")
        case "resolve" if found is not None:
            lifecycle.resolve(account, found, agent, "api_event")
        case _:
            return


def _open(account: PagerDuty, service: Service, payload: Json, key: str, agent: Agent, event: Json) -> Incident | None:
    policy = account.policies[service.policy]
    if not any(account.on_call(policy, level) for level in range(1, len(policy.levels) + 1)):
        return None  # nobody would hear of it: PagerDuty opens none
    urgency = "low" if service.urgency == "severity_based" and payload["severity"] in ("warning", "info") else None
    client = {"name": event["client"], "url": event.get("client_url")} if event.get("client") else None
    return lifecycle.open_incident(account, service, payload["summary"], agent, "api_event", key=key, urgency=urgency, client=client)


def _faults(event: Json) -> Iterator[str]:
    if not isinstance(event.get("routing_key"), str) or not event["routing_key"]:
        yield "'routing_key' is missing or blank"
    action = event.get("event_action")
    if action not in ACTIONS:
        yield f"'event_action' is missing or invalid (must be one of: {', '.join(ACTIONS)})"
    key = event.get("dedup_key")
    if key is not None and (not isinstance(key, str) or len(key) > LONGEST_KEY):
        yield f"'dedup_key' must be a string of at most {LONGEST_KEY} characters"
    if action in ("acknowledge", "resolve") and not key:
        yield "'dedup_key' is missing or blank"
    if action == "trigger":
        yield from _payload_faults(event.get("payload"))


def _payload_faults(payload: Any) -> Iterator[str]:
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank"
        return
    for name in ("summary", "source"):
        if not isinstance(payload.get(name), str) or not payload[name]:
            yield f"'payload.{name}' is missing or blank"
    if isinstance(payload.get("summary"), str) and len(payload["summary"]) > LONGEST_SUMMARY:
        yield f"'payload.summary' is longer than {LONGEST_SUMMARY} characters"
    if payload.get("severity") not in SEVERITIES:
        yield "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"


def _invalid(*errors: str) -> Answer:
    return Answer(400, {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)})
