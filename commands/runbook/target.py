"""Which run of which runbook is meant, and how whoever moves it is answered."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from bot.command import Context
from bot.core.card import Card, line
from bot.core.errors import Refused, UsageError
from bot.core.parse import Param
from bot.store.runbook_tables import RunRow
from bot.store.transaction import Transaction
from commands.incident.target import addressed
from escalation.book import change
from escalation.incident import Incident
from runbooks.book import active, save, text_of
from runbooks.library import Library, Shelves
from runbooks.model import Runbook
from runbooks.run import Run

Name = Annotated[str, Param(metavar="runbook", help="a runbook; `runbook list` lists them")]
Which = Annotated[str | None, Param(option=True, metavar="NAME", help="which one, where several are run for the incident")]
Mark = Annotated[str, Param(option=True, metavar="STEP", help="only while it is at this step; the button carries it")]

_SHELVES = Shelves()


def library(context: Context) -> Library:
    """Returns the runbooks as they are now."""
    return _SHELVES.library(context.world.shelf, context.config, context.commands)


def running(tx: Transaction, context: Context, named: str | None, which: str | None) -> tuple[RunRow, Run, Runbook, Incident]:
    """Returns the run that is meant, held until the commit. Raises UsageError, NotFound, Refused."""
    _, incident = addressed(tx, context, named)
    rows = [row for row in active(tx, incident.number) if which in (None, row.runbook)]
    if not rows:
        said = f"{which} is" if which else "No runbook is"
        raise Refused(f"{said} {'not ' if which else ''}run for {incident.name} now.", f"`/aiec runbook start service-outage {incident.name}` begins one.")
    if len(rows) > 1:
        names = [row.runbook for row in rows]
        raise UsageError(f"Several runbooks are run for {incident.name}: {', '.join(names)}.", f"Say which: `--runbook {names[0]}`.")
    row = tx.get(RunRow, rows[0].number, lock=True)
    assert row is not None
    return row, Run.model_validate(row.document), text_of(row, library(context).vet), incident


def move(
    tx: Transaction, context: Context, named: str | None, which: str | None, mark: str, how: Callable[[Run, Runbook, datetime], Run]
) -> tuple[Run, Runbook]:
    """Moves a run as somebody wants it, and returns it. Raises Refused, also where it has gone on since the button was drawn."""
    row, run, book, incident = running(tx, context, named, which)
    if mark and mark != run.mark:
        raise Refused(f"{run.runbook} has gone on meanwhile: {_last(run, book)}.", f"`/aiec runbook status {incident.name}` shows where it is.")
    after = save(tx, context.config, context.commands, row, run, how(run, book, tx.now), book)
    active_now = incident.model_copy(update={"active_at": tx.now, "asked_at": None})
    change(tx, context.config, incident, active_now, context.request.actor.name)
    return after, book


def said(context: Context, text: str) -> Card | None:
    """Returns what whoever typed is told; a click is answered by the message that changes under it."""
    clicked = (context.request.origin.message or "").startswith(("runbook-", "incident-"))
    return None if clicked else Card(headline=line(text))


def _last(run: Run, book: Runbook) -> str:
    if not run.did:
        return f"it is at step {run.step + 1} now"
    did = run.did[-1]
    return f"*{book.steps[did.step].title}* is {did.how} by {did.by} since {did.at:%H:%M} UTC"
