"""`/aiec runbook start service-outage #42`: begins to walk through a runbook for an incident."""

from typing import Annotated

from sqlmodel import select

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Card, Ref, line
from bot.core.data import Frozen
from bot.core.errors import Refused, UsageError
from bot.core.parse import Param
from bot.core.suggest import did_you_mean, quoted
from bot.destinations import address
from bot.store.incident_tables import AlertRow, ChannelRow
from bot.store.runbook_tables import RunRow
from bot.store.transaction import Transaction
from commands.arguments import ThisIncident
from commands.incident.target import addressed
from commands.runbook.target import Name, library
from escalation.book import change
from escalation.channel import wanted
from escalation.incident import Incident
from runbooks.book import active, key_of, save
from runbooks.model import OF_THE_INCIDENT, Runbook
from runbooks.run import Run, State, begin


class StartArguments(Frozen):
    runbook: Name
    incident: ThisIncident = None
    with_: Annotated[tuple[str, ...], Param(option=True, metavar="NAME=VALUE", help="what it would ask for; may be given several times")] = ()


def _start(arguments: StartArguments, context: Context, tx: Transaction) -> Card | None:
    shelved = library(context).find(arguments.runbook)
    book, me = shelved.runbook, context.request.actor
    _, incident = addressed(tx, context, arguments.incident)
    _possible(tx, context, incident, book)
    given = _given(arguments.with_, book)
    row = RunRow(incident=incident.number, runbook=book.name, state=State.RUNNING, text=shelved.page.text, document={})
    tx.save(row)
    known = _of(incident) | _of_alerts(tx, incident, book)
    run = begin(row.number, book, incident.number, me, known | given, _where(tx, context, incident), incident.opened_at, tx.now)
    run = save(tx, context.config, context.commands, row, None, run, book)
    change(tx, context.config, incident, incident.model_copy(update={"active_at": tx.now, "asked_at": None}), me.name)
    return Card(headline=line(Ref(key=key_of(run), text=f"{book.name} for {incident.name}"), f" begins: step 1 of {len(book.steps)}, {book.steps[0].title}"))


def _possible(tx: Transaction, context: Context, incident: Incident, book: Runbook) -> None:
    """Raises Refused where the runbook is run already, where the incident is over, and where it would say in public what is private."""
    for row in active(tx, incident.number):
        if row.runbook == book.name:
            run = Run.model_validate(row.document)
            raise Refused(
                f"{book.name} is run for {incident.name} already, by {run.runner.name}: step {run.step + 1}.",
                f"`/aiec runbook status {incident.name}` shows where it is, `/aiec runbook handover {incident.name}` makes it yours.",
            )
    if not incident.state.open:
        raise Refused(f"{incident.name} is {incident.state}.", f"`/aiec incident reopen {incident.number}` opens a resolved one again.")
    if book.private and not incident.private:
        raise Refused(
            f"{book.name} is for private incidents, and {incident.name} is public: what it says would be read by everybody.",
            "`/aiec incident declare SEV1 … --private` opens one; then start it there.",
        )


def _given(pairs: tuple[str, ...], book: Runbook) -> dict[str, str]:
    known = [*OF_THE_INCIDENT, *(one.name for one in book.variables)]
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not value.strip():
            raise UsageError(f"*{quoted(pair)}* gives nothing: a variable is given as `--with name=value`.")
        if name not in known:
            raise UsageError(f"{book.name} has no variable *{quoted(name)}*{did_you_mean(name, known)}.")
        found[name] = value.strip()
    return found


def _of(incident: Incident) -> dict[str, str]:
    own = {"incident": incident.name, "title": incident.title, "severity": incident.severity}
    return own | {"service": incident.service, "environment": incident.environment}


def _of_alerts(tx: Transaction, incident: Incident, book: Runbook) -> dict[str, str]:
    """What all alerts of the incident agree on, as far as the runbook asks for it."""
    labels = [row.labels for row in tx.all(select(AlertRow).where(AlertRow.incident == incident.number).limit(50))]
    found = {}
    for one in book.variables:
        values = {each.get(one.name, "") for each in labels}
        if len(values) == 1 and (value := values.pop()):
            found[one.name] = value
    return found


def _where(tx: Transaction, context: Context, incident: Incident) -> str:
    """In the incident's own channel, where it has one or will have."""
    own = wanted(context.config, incident) or tx.get(ChannelRow, incident.number) is not None
    return address(incident.number) if own else context.config.channels.incidents


START = Command(
    name="runbook start",
    arguments=StartArguments,
    does=Bookkeeping(_start),
    permission="runbook.start",
    group="incidents",
    summary="walk through a runbook for an incident, step by step",
    examples=("runbook start service-outage #42", "runbook start database-recovery"),
    rules=(
        "In the incident's channel one message shows where it is; what a step says stands in its thread, what was done in the incident's timeline.",
        "Steps that only look run by themselves, in your name. Those that change something wait for a person, and for the approvals that they need.",
        "It keeps the text that it began with, also when its file changes.",
    ),
)
