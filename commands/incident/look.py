"""`/aiec incident list|show`: what is open, and everything that is known of one."""

from typing import Annotated

from sqlmodel import col, select

from bot.command import Command, Context, Read
from bot.core.card import Card, Evidence, State, line
from bot.core.data import Frozen
from bot.core.parse import Param
from bot.store.incident_tables import IncidentRow
from bot.store.transaction import Transaction
from commands.arguments import ThisIncident
from commands.incident.target import addressed, known
from escalation.card import incident_card, row
from escalation.circle import belongs
from escalation.closing import timeline
from escalation.evidence import kept
from escalation.incident import Incident
from escalation.view import first, paging_of, prevented, room_of, runbooks_of

SHOWN = 20
TIMELINE = 6_000
"""Characters of the timeline that are shown, its newest: one message holds little more. What was kept as evidence follows as far as there is room."""


class ListArguments(Frozen):
    all: Annotated[bool, Param(option=True, help="also those that are over, the newest first")] = False


class ShowArguments(Frozen):
    incident: ThisIncident = None


async def _list(arguments: ListArguments, context: Context) -> Card:
    if arguments.all:
        found = await context.store.read(lambda tx: _latest(tx, context))
        headline = f"The latest {len(found)} incidents" if len(found) > 1 else "The incidents so far"
        return Card(headline=line(headline if found else "There was no incident yet"), rows=tuple(row(incident) for incident in found))
    found = await context.store.read(lambda tx: known(tx, context))
    if not found:
        return Card(state=State.DONE, headline=line("No incident is open"), lines=(line("`/aiec incident list --all` shows those that are over."),))
    unanswered = any(incident.acknowledged_at is None for incident in found)
    headline = f"{len(found)} incident{'' if len(found) == 1 else 's'} open"
    return Card(state=State.NEEDS_YOU if unanswered else State.RUNNING, headline=line(headline), rows=tuple(row(incident) for incident in found[:SHOWN]))


def _latest(tx: Transaction, context: Context) -> list[Incident]:
    rows = tx.all(select(IncidentRow).order_by(col(IncidentRow.id).desc()).limit(SHOWN))
    incidents = [Incident.model_validate(one.document) for one in rows]
    return [incident for incident in incidents if belongs(tx, context.config, incident, context.request.actor)]


async def _show(arguments: ShowArguments, context: Context) -> Card:
    def read(tx: Transaction) -> Card:
        found, incident = addressed(tx, context, arguments.incident)
        room, paging, books = room_of(tx, context.config, incident), paging_of(tx, incident), runbooks_of(tx, incident)
        card = first(prevented(tx, incident), incident_card(incident, room, paging, books))
        return card.model_copy(update={"evidence": (Evidence(title="Timeline", text=_newest(timeline(tx, found))), *kept(tx, incident.number))})

    return await context.store.read(read)


def _newest(text: str) -> str:
    """The end of a timeline, from the beginning of a line, with how much stands before it."""
    if len(text) <= TIMELINE:
        return text
    kept = text[-TIMELINE:].partition("\n")[2]
    left_out = text.count("\n") - kept.count("\n")
    return f"… {left_out} lines before\n{kept}"


LIST = Command(
    name="incident list",
    arguments=ListArguments,
    does=Read(_list),
    permission="incident.list",
    group="incidents",
    summary="what is open now",
    examples=("incident list", "incident list --all"),
)
SHOW = Command(
    name="incident show",
    arguments=ShowArguments,
    does=Read(_show),
    permission="incident.show",
    group="incidents",
    summary="one incident with its timeline, and the evidence that was kept when it was opened",
    examples=("incident show #42",),
)
