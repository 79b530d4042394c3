"""Where a message goes whose channel comes and goes: to an incident's own channel, and where that cannot be, under the incident's message in #incidents. And
what is mailed."""

from dataclasses import dataclass

from bot.core.card import Card
from bot.core.config import Config
from bot.core.incident_name import incident_key
from bot.store.incident_tables import ChannelRow
from bot.store.transaction import Message, Transaction

_PREFIX = "incident:"
_MAIL = "mailto:"


@dataclass(frozen=True)
class Destination:
    """`channel`: where, or None while it is not known; `thread_of`: what it goes under instead; `broken`: why it cannot be said there at present.

    `over`: the channel was archived with its incident, and what stands there stays as it is.
    """

    channel: str | None
    thread_of: str | None = None
    broken: str = ""
    over: bool = False


def address(incident: int) -> str:
    """Returns what stands for an incident's own channel in `Message.channel`, also before there is one."""
    return f"{_PREFIX}{incident}"


def slack_of(config: Config, name: str) -> str | None:
    """Returns the Slack id of a person of `people`, or of somebody whom only Slack knows, who is called by it."""
    person = config.people.get(name)
    if person is not None:
        return person.slack
    return name if name[:1] in ("U", "W") and name.isalnum() and name.isupper() else None


def mail(tx: Transaction, config: Config, about: str, card: Card) -> None:
    """Mails the card to all of `notifications.email.to`, if anybody is there: once, whatever becomes of what it is `about`."""
    if addresses := config.mail_to():
        tx.send(Message(key=f"{about}/mail", channel=_MAIL + ",".join(addresses), card=card))


def addresses_of(channel: str) -> list[str]:
    """Returns the e-mail addresses that are meant; none where it is a channel."""
    return channel.removeprefix(_MAIL).split(",") if channel.startswith(_MAIL) else []


def incident_of(channel: str) -> int | None:
    """Returns the incident whose channel is meant, or None when it is another one."""
    return int(channel.removeprefix(_PREFIX)) if channel.startswith(_PREFIX) else None


def destination(tx: Transaction, channel: str) -> Destination:
    """Returns where a message for that channel goes now."""
    number = incident_of(channel)
    if number is None:
        return Destination(channel)
    row = tx.get(ChannelRow, number)
    if row is None or (row.slack is None and not row.trouble):
        return Destination(None)
    if row.archived and row.sent_version == row.version:
        said = f"#{row.name} was archived when the incident was closed."
        return Destination(row.slack, None if row.private else incident_key(number), said, over=True)
    if not row.trouble:
        return Destination(row.slack)
    return Destination(row.slack, broken=row.trouble) if row.private else Destination(row.slack, incident_key(number), row.trouble)


def look_again(tx: Transaction, channel: str) -> None:
    """Has the incident's channel looked at, because something could not be said there."""
    number = incident_of(channel)
    row = tx.get(ChannelRow, number, lock=True) if number is not None else None
    if row is not None and not row.archived and not row.trouble:
        row.next_at = tx.now
        tx.save(row)
