"""Who looks after an open incident changes what it is about alone: recorded, and said in #incidents."""

from collections.abc import Sequence

from bot.core.card import CheckResult, Verdict
from bot.core.config import Config
from bot.core.request import Actor
from bot.store.transaction import Transaction
from escalation.book import alive
from escalation.incident import Incident


def acknowledged(tx: Transaction, config: Config, actor: Actor, environment: str, services: Sequence[str]) -> str:
    """Returns how to call the open incidents for which nobody else has to agree; "" when somebody has to.

    Each of the services needs one: of a severity that pages (SEV1 and SEV2), on that service, of that environment or of none, and acknowledged by the actor. A
    private one is not named.
    """
    mine = [incident for _, incident in alive(tx) if incident.acknowledged_by == actor.name and _pages(config, incident)]
    found: dict[str, None] = {}
    for service in services:
        one = next((one for one in mine if one.service == service and one.environment in ("", environment)), None)
        if one is None:
            return ""
        found["an incident" if one.private else f"{one.name} ({one.severity}) on {service}"] = None
    return " and ".join(found)


def verdict(alone: str) -> list[CheckResult]:
    """Returns what a plan says of why it needs no approval."""
    text = f"needs no approval: you have acknowledged {alone}, which is open; it is recorded and said in #incidents"
    return [CheckResult(check="approval", verdict=Verdict.WARNING, text=text)] if alone else []


def _pages(config: Config, incident: Incident) -> bool:
    severity = config.severities.get(incident.severity)
    return severity is not None and severity.page
