"""`/aiec runbook list|show|status`: which runbooks there are, what one says, and where those that are run are."""

from sqlmodel import col, select

from bot.command import Command, Context, Read
from bot.core.card import Bold, Card, Code, Evidence, Line, Row, State, line
from bot.core.data import Frozen
from bot.core.text import cut
from bot.store.runbook_tables import RunRow
from bot.store.transaction import Transaction
from commands.arguments import ThisIncident
from commands.incident.target import addressed
from commands.runbook.target import Name, library
from runbooks.book import text_of
from runbooks.card import row as did
from runbooks.card import run_card
from runbooks.library import SHIPPED, Shelved
from runbooks.prose import lines
from runbooks.run import Run

SHOWN = 9_000


class ListArguments(Frozen):
    pass


class ShowArguments(Frozen):
    runbook: Name


class StatusArguments(Frozen):
    incident: ThisIncident = None


async def _list(arguments: ListArguments, context: Context) -> Card:
    found = library(context)
    broken = tuple(line(Bold(text="Refused"), f": {text}") for one in found.refused for text in one.lines[:1])
    count = f"{len(found.good)} runbook{'s' * (len(found.good) != 1)}"
    return Card(
        state=State.NEEDS_YOU if broken else None,
        headline=line(count, f", {len(found.refused)} refused" if broken else ""),
        lines=broken,
        rows=tuple(Row(name=name, text=line(*_about(one))) for name, one in sorted(found.good.items())),
    )


def _about(one: Shelved) -> tuple[str, ...]:
    alerts = [", ".join(f"{name}={value}" for name, value in each.items()) for each in one.runbook.alerts]
    where = "" if one.page.where.startswith(str(SHIPPED)) else f" · {one.page.where}"
    said = f" · for {' or '.join(alerts)}" if alerts else ""
    return (one.runbook.title, f" · {len(one.runbook.steps)} steps", " · private" if one.runbook.private else "", said, where)


async def _show(arguments: ShowArguments, context: Context) -> Card:
    shelved = library(context).find(arguments.runbook)
    book = shelved.runbook
    steps = tuple(
        Row(name=str(place), text=line(step.title, *((" ", Code(text=f"/aiec {step.command}")) if step.command else ())))
        for place, step in enumerate(book.steps, 1)
    )
    text = Evidence(title=shelved.page.where, text=cut(shelved.page.text, SHOWN))
    return Card(headline=line(Bold(text=book.title), f" · `{book.name}`"), lines=lines(book.intro), rows=steps, evidence=(text,))


async def _status(arguments: StatusArguments, context: Context) -> Card:
    def read(tx: Transaction) -> Card:
        _, incident = addressed(tx, context, arguments.incident)
        rows = tx.all(select(RunRow).where(RunRow.incident == incident.number).order_by(col(RunRow.id).desc()))
        if not rows:
            hint: tuple[Line, ...] = (line("`/aiec runbook list` lists what there is."),)
            return Card(headline=line(f"No runbook was run for {incident.name}"), lines=hint)
        run, book = Run.model_validate(rows[0].document), text_of(rows[0], library(context).vet)
        others = tuple(line(f"Also: {one.runbook} is {one.state}") for one in rows[1:])
        card = run_card(run, book)
        return card.model_copy(update={"lines": (*card.lines, *others), "rows": tuple(did(one, book) for one in run.did)})

    return await context.store.read(read)


LIST = Command(
    name="runbook list",
    arguments=ListArguments,
    does=Read(_list),
    permission="runbook.list",
    group="incidents",
    summary="the runbooks that there are, and those that are refused",
    examples=("runbook list",),
)
SHOW = Command(
    name="runbook show",
    arguments=ShowArguments,
    does=Read(_show),
    permission="runbook.list",
    group="incidents",
    summary="what a runbook says",
    examples=("runbook show service-outage",),
)
STATUS = Command(
    name="runbook status",
    arguments=StatusArguments,
    does=Read(_status),
    permission="runbook.list",
    group="incidents",
    summary="where the runbook of an incident is, and what was done",
    examples=("runbook status #42",),
)
