"""What is said of an incident beside its cards: public updates, in its channel and under its message in #incidents."""

from bot.core.card import Bold, Card, Line, Person, Time, line
from bot.core.config import Config
from bot.core.incident_name import incident_key
from bot.destinations import address
from bot.store.incident_tables import ChannelRow
from bot.store.transaction import Message, Transaction
from escalation.channel import wanted
from escalation.incident import Incident, State


def announce(tx: Transaction, config: Config, incident: Incident, by: str, key: str) -> None:
    """Says the incident's newest status, once for each `key`. A private one's is said in its channel alone."""
    card = Card(headline=line(Bold(text="Status"), f" of {incident.name} by ", Person(name=by)), lines=(line(incident.told),))
    about = f"{incident_key(incident.number)}/update/{key}"
    channel = tx.get(ChannelRow, incident.number)
    if not incident.private and not (channel is not None and channel.trouble):  # otherwise what is meant for the channel goes there
        tx.send(Message(key=f"{about}/incidents", channel=config.channels.incidents, card=card, thread_of=incident_key(incident.number)))
    if wanted(config, incident):
        tx.send(Message(key=about, channel=address(incident.number), card=card))


def standing(incident: Incident) -> Line:
    """Returns how an incident stands, for a message that asked for somebody and asks no more."""
    match incident.state:
        case State.ACKNOWLEDGED | State.MITIGATED if incident.acknowledged_by and incident.acknowledged_at:
            return line("Acknowledged by ", Person(name=incident.acknowledged_by), " at ", Time(at=incident.acknowledged_at))
        case State.RESOLVED | State.CLOSED if incident.resolved_by and incident.resolved_at:
            return line("Resolved by ", Person(name=incident.resolved_by), " at ", Time(at=incident.resolved_at))
        case State.MERGED:
            return line(f"It belongs to #{incident.merged_into} now")
        case _:
            return line(f"It is {incident.state}")
