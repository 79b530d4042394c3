"""Which incident a command means, whether whoever asks may know of it, and how he is answered."""

import re

from sqlmodel import select

from bot.command import Context
from bot.core.card import Card, line
from bot.core.errors import UsageError
from bot.core.incident_name import incident_number
from bot.store.incident_tables import ChannelRow, IncidentRow
from bot.store.transaction import Transaction
from escalation.book import alive, find, unknown
from escalation.circle import belongs
from escalation.incident import Incident

LISTED = 5
_MEMBER = re.compile(r"@([UW][A-Z0-9]{2,})\b")


def addressed(tx: Transaction, context: Context, named: str | None) -> tuple[IncidentRow, Incident]:
    """Returns the incident that is named, or whose channel this is, held until the commit. Raises UsageError where it is neither, and NotFound also where it
    is private and none of the actor's business."""
    number = incident_number(named) if named is not None else of_channel(tx, context)
    if number is None:
        raise UsageError("Which incident?", _offered(tx, context))
    row, incident = find(tx, number)
    # Whoever speaks in a private channel is in it, whoever let him in.
    if of_channel(tx, context) != number and not belongs(tx, context.config, incident, context.request.actor):
        raise unknown(number)
    return row, incident


def with_text(tx: Transaction, context: Context, named: str | None, text: str) -> tuple[Incident, str]:
    """Returns the incident and the words meant for it. Outside of an incident's channel a number at their beginning names it: `incident note 42 restarted`."""
    first, _, rest = text.partition(" ")
    if named is None and rest.strip() and incident_number(first) is not None and of_channel(tx, context) is None:
        named, text = first, rest.strip()
    return addressed(tx, context, named)[1], with_names(context, text)


def with_names(context: Context, text: str) -> str:
    """Returns the text with those whom Slack mentions by their ids called by their names in aiec.yaml."""
    return _MEMBER.sub(lambda found: f"@{context.config.person_by_slack(found[1]) or found[1]}", text)


def known(tx: Transaction, context: Context) -> list[Incident]:
    """Returns the open incidents that the actor may know of, the oldest first."""
    return [incident for _, incident in alive(tx) if belongs(tx, context.config, incident, context.request.actor)]


def answer(context: Context, text: str) -> Card | None:
    """Returns what whoever typed is told; a click on an incident's card is answered by the card, which changes under it."""
    return None if (context.request.origin.message or "").startswith("incident-") else Card(headline=line(text))


def of_channel(tx: Transaction, context: Context) -> int | None:
    """Returns the incident whose own channel this is, if it is one's."""
    where = context.request.origin.channel
    row = tx.first(select(ChannelRow).where(ChannelRow.slack == where)) if where else None
    return row.incident if row else None


def _offered(tx: Transaction, context: Context) -> str:
    names = [incident.name for incident in known(tx, context)][:LISTED]
    return f"Open now: {', '.join(names)}. For example `/aiec {context.request.command} {names[0]}`." if names else "None is open now."
