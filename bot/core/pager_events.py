"""PagerDuty's webhooks v3: what happened to an incident there. Source: PagerDuty, "Webhooks V3 overview"."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from bot.core.errors import Invalid
from bot.core.foreign import items, mapping, moment, text
from bot.core.pager import Status


@dataclass(frozen=True)
class PagerEvent:
    """One event. `id` is the same in every delivery of it; `type` is PagerDuty's, such as `incident.acknowledged`; `agent` is the id of the user who did it,
    None when a program or a timer did.

    `incident` is the incident's id. `status` and what follows is its state after the event; None or empty where the event does not tell it (a note).
    """

    id: str
    type: str
    occurred_at: datetime
    agent: str | None
    incident: str
    key: str | None
    status: Status | None
    assignees: tuple[str, ...]
    priority: str | None
    note: str
    title: str
    service: str | None = None
    merged_into: str | None = None


def parse(body: Any) -> PagerEvent | None:
    """Returns the event of a delivery's JSON, or None when it is of no concern: about something else than an incident's state or a note (`pagey.ping`).

    Raises Invalid for what is not a v3 event.
    """
    event = mapping(mapping(body).get("event"))
    kind, data, occurred_at = event.get("event_type"), event.get("data"), moment(event.get("occurred_at"))
    if not isinstance(kind, str) or not isinstance(event.get("id"), str) or not isinstance(data, dict | None) or occurred_at is None:
        raise Invalid("That is not an event of PagerDuty's webhooks v3.", "Subscribe with a webhook v3: docs/operations.md.")
    match (data or {}).get("type"):
        case "incident":
            incident, note = mapping(data), ""
        case "incident_note":
            incident, note = {"id": mapping(mapping(data).get("incident")).get("id")}, text(mapping(data).get("content"))
        case _:
            return None
    if not incident.get("id"):
        raise Invalid(f"PagerDuty's event {kind!r} names no incident.")
    return PagerEvent(
        id=text(event["id"]),
        type=text(kind),
        occurred_at=occurred_at,
        agent=_user(event.get("agent")),
        incident=text(incident["id"]),
        key=text(incident.get("incident_key")) or None,
        status=incident.get("status") if incident.get("status") in get_args(Status) else None,
        assignees=tuple(text(one["id"]) for one in items(incident.get("assignees")) if one.get("id")),
        priority=text(mapping(incident.get("priority")).get("summary")) or None,
        note=note,
        title=text(incident.get("title")),
        service=text(mapping(incident.get("service")).get("id")) or None,
        merged_into=text(mapping(mapping(incident.get("resolve_reason")).get("incident")).get("id")) or None,
    )


def _user(agent: Any) -> str | None:
    given = mapping(agent)
    return text(given.get("id")) or None if given.get("type") in ("user_reference", "user") else None
