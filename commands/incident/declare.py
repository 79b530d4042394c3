"""`/aiec incident declare SEV1 checkout is down`: opens an incident."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card, Channel, Ref, line
from bot.core.data import Frozen
from bot.core.incident_name import incident_key
from bot.core.parse import Param
from bot.core.text import cut
from bot.store.transaction import Transaction
from commands.arguments import Severity
from commands.incident.target import with_names
from escalation.book import Draft, change, open_incident
from escalation.routing import production, topic_of

LONGEST = 300


class Arguments(Frozen):
    severity: Severity
    title: Annotated[str, Param(rest=True, metavar="title", help="what is wrong, in a few words")]
    service: Annotated[str | None, Param(option=True, choices="services", metavar="NAME", help="the service that suffers")] = None
    environment: Annotated[str | None, Param(option=True, choices="environments", metavar="ENV", help="where; production unless given")] = None
    link: Annotated[str, Param(option=True, metavar="URL", help="where it was seen or said")] = ""
    private: Annotated[bool, Param(option=True, help="a security incident: seen only by its own people, in a private channel")] = False


def _declare(arguments: Arguments, context: Context, tx: Transaction) -> Card | None:
    environment = arguments.environment or production(context.config)
    topic = topic_of(arguments.service, environment, "") if arguments.service and not arguments.private else ""
    draft = Draft(
        title=cut(" ".join(with_names(context, arguments.title).split()), LONGEST),
        severity=arguments.severity,
        service=arguments.service or "",
        environment=environment,
        topic=topic,
        private=arguments.private,
    )
    incident = open_incident(tx, context.config, draft, context.request.actor.name)
    if arguments.link:
        change(tx, context.config, incident, incident, context.request.actor.name, "note", text="declared because of this", link=arguments.link)
    if incident.private:
        return Card(headline=line(f"🔒 {incident.name} is declared. Its channel is private, and you are invited to it; no other channel is told."))
    where = Channel(name=context.config.channels.incidents)
    return Card(headline=line(Ref(key=incident_key(incident.number), text=incident.name), " is declared, in ", where))


COMMAND = Command(
    name="incident declare",
    arguments=Arguments,
    does=Bookkeeping(_declare),
    permission="incident.declare",
    group="incidents",
    summary="open an incident: it gets its card in #incidents, a channel, and people",
    examples=("incident declare SEV1 checkout answers 502 --service gateway", "incident declare SEV2 a key was published --private"),
    rules=(
        "Where its severity pages, somebody is paged at once, and the next level after him, until one answers.",
        "With --private it is told to nobody but its own people: in its private channel, and by direct message.",
    ),
)
