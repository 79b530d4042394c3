"""Which channel an incident should have: its name, its topic, whom it invites, and when it is archived."""

import re
import unicodedata

from bot.core.config import Config
from bot.core.text import cut
from bot.destinations import slack_of
from bot.store.incident_tables import ChannelRow
from bot.store.transaction import Transaction
from escalation.book import title
from escalation.circle import circle
from escalation.incident import Incident, State

_SLUG, _TOPIC = 40, 250


def wanted(config: Config, incident: Incident) -> bool:
    """Tells whether an incident should have a channel: one that pages, that people declared or have answered, or that is private; never one that is over."""
    if not incident.state.open:
        return False
    severity = config.severities.get(incident.severity)
    return incident.private or incident.origin == "person" or incident.state is not State.TRIGGERED or (severity is not None and severity.page)


def want(tx: Transaction, config: Config, incident: Incident) -> ChannelRow | None:
    """Says what channel the incident should have now, and returns it, or None while it should have none. What stands there already is no work."""
    row = tx.get(ChannelRow, incident.number, lock=True)
    if row is None:
        if not wanted(config, incident):
            return None
        row = ChannelRow(incident=incident.number, name=name_of(incident), private=incident.private, purpose=purpose(config, incident), version=0)
    invited = [id for id in (slack_of(config, name) for name in circle(tx, incident)) if id]
    members = [*dict.fromkeys([*row.members, *invited])]
    over = incident.state in (State.CLOSED, State.MERGED)
    topic = cut(title(incident), _TOPIC)
    if (row.topic, row.members, row.archived) != (topic, members, over) or row.version == 0:
        row.topic, row.members, row.archived = topic, members, over
        row.version, row.next_at = row.version + 1, row.next_at or tx.now
        tx.save(row)
    return row


def name_of(incident: Incident) -> str:
    """Returns `inc-42-gateway-error-rate`, of letters that every Slack takes. A private one does not say what it is about."""
    known = incident.service.casefold() in incident.title.casefold()
    text = "" if incident.private else incident.title if known else f"{incident.service} {incident.title}"
    words = re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower())
    slug = ""
    for word in dict.fromkeys(words):
        if len(slug) + len(word) + 1 > _SLUG:
            break
        slug += f"-{word}"
    return f"inc-{incident.number}{slug}"


def purpose(config: Config, incident: Incident) -> str:
    """Returns what a channel says of itself, and is known by: it names the moment too, so that another database with the same number means another one."""
    return f"Incident {incident.name} of {config.platform}, opened {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC"


def absent(config: Config, tx: Transaction, incident: Incident, row: ChannelRow) -> tuple[str, ...]:
    """Returns those of its people who are not there, each with the reason."""
    names = {config.people[name].slack or "": name for name in config.people}
    unknown = [f"{name} has no Slack account in aiec.yaml" for name in circle(tx, incident) if slack_of(config, name) is None]
    return (*unknown, *(f"{names.get(id, id)}: {why}" for id, why in row.refused.items()))
