"""Saving a run, with everything that follows from where it is now in the same transaction: its message, the request of its step, the incident's timeline."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlmodel import col, select

from bot.command import Command
from bot.core.config import Config
from bot.core.errors import NotFound, UsageError
from bot.core.events import Event
from bot.core.parse import bind, find_command
from bot.core.request import Actor, Origin, Request
from bot.pipeline import choices, insert, lane_of, spoken
from bot.store.incident_tables import IncidentRow
from bot.store.runbook_tables import RunRow
from bot.store.transaction import Message, Transaction
from runbooks.card import run_card
from runbooks.model import Runbook, said
from runbooks.reading import known
from runbooks.run import Run, Stage, State, failed, next_at
from runbooks.vetting import Vet


def key_of(run: Run) -> str:
    """Returns the key of a run's message; those of what is in its thread begin with it."""
    return f"runbook-{run.number}"


def text_of(row: RunRow, vet: Vet) -> Runbook:
    """Returns the runbook as it was when the run began, which could be run then."""
    found, problems = known(row.text, row.runbook)
    if found is None:
        raise NotFound(f"The text that {row.runbook} for #{row.incident} began with is none of this version: {problems[0].text}.")
    return vet.kinds(found)


def active(tx: Transaction, incident: int) -> list[RunRow]:
    """Returns the runs of an incident that are under way, the oldest first."""
    return [*tx.all(select(RunRow).where(RunRow.incident == incident, RunRow.state == State.RUNNING).order_by(col(RunRow.id)))]


def save(tx: Transaction, config: Config, commands: Mapping[str, Command[Any]], row: RunRow, before: Run | None, after: Run, book: Runbook) -> Run:
    """Saves a run and returns it as it is then: a command that cannot be understood with the variables' values keeps its step where it is."""
    if after.request and (before is None or after.request != before.request):
        after = _ask(tx, config, commands, after, book)
    row.document, row.state = after.model_dump(mode="json"), after.state
    row.request, row.next_at = after.request or None, next_at(after, book)
    tx.save(row)
    for actor, text in _told(before, after, book):
        data = {"runbook": after.runbook, "text": text}
        tx.record(Event(kind="incident.runbook", subject=f"#{after.incident}", actor=actor, data=data))
    if before is None or (before.state, before.runner) != (after.state, after.runner):
        incident = tx.get(IncidentRow, after.incident, lock=True)
        if incident is not None:
            incident.stale = True  # its card offers to start what does not run, and its channel has whoever runs it
            tx.save(incident)
    tx.send(Message(key=key_of(after), channel=after.channel, card=run_card(after, book)))
    return after


def _ask(tx: Transaction, config: Config, commands: Mapping[str, Command[Any]], run: Run, book: Runbook) -> Run:
    """Makes the request that the run waits for: its step's command, its check's, or a page for more help."""
    step = book.steps[run.step]
    text = step.command
    if run.stage is Stage.CHECKING and step.check is not None:
        text = step.check.ask
    elif run.stage is Stage.FAILED:
        text = "incident escalate $incident"
    try:
        given = said(text, run.values)
        name = find_command(given, spoken(commands))
        arguments = bind(commands[name].arguments, given[len(name.split()) :], choices(config, commands), command=name)
    except UsageError as error:
        why = f"{error.text} {error.hint}".strip()
        if run.stage is Stage.CHECKING:
            return failed(run, book, why, tx.now).model_copy(update={"request": ""})
        return run.model_copy(update={"stage": Stage.READY if run.stage is Stage.ASKED else run.stage, "request": "", "trouble": why})
    request = Request(
        key=run.request,
        command=name,
        arguments=arguments.model_dump(mode="json"),
        actor=run.asker or run.runner,
        origin=Origin(kind="runbook"),
        text=" ".join(word.text for word in given),
        approvals=step.approval if run.stage is Stage.ASKED else 0,
    )
    insert(tx, request, lane_of(request, commands[name]))
    return run


def _told(before: Run | None, after: Run, book: Runbook) -> Iterator[tuple[str, str]]:
    """Who did what since, as the timeline says it."""
    if before is None:
        yield after.runner.name, f"begun by {after.runner.name}"
    for did in after.did[len(before.did) if before else 0 :]:
        text = f": {did.text}" if did.text else ""
        yield did.by, f"step {did.step + 1}, {book.steps[did.step].title}: {did.how}{text} ({did.by})"
    if before is None:
        return
    if after.runner != before.runner:
        yield after.runner.name, f"taken over by {after.runner.name} from {before.runner.name}"
    if after.stage is Stage.FAILED and before.stage is not Stage.FAILED:
        yield _by(after).name, f"step {after.step + 1}, {book.steps[after.step].title}: failed: {after.trouble}"
    if after.state is not before.state:
        how = "done" if after.state is State.DONE else "stopped"
        yield after.ended_by, f"{how} by {after.ended_by}{f': {after.because}' if after.because else ''}"


def _by(run: Run) -> Actor:
    return run.asker or run.runner
