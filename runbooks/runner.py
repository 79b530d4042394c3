"""The manager of runs: looks run by themselves, answers and checks move a run on, deadlines are reminded of; and incidents get their suggestions."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, or_, select

from bot.command import Command
from bot.core.card import Card
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.ports import Metrics, World
from bot.core.text import plain
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import AlertRow, IncidentRow
from bot.store.runbook_tables import RunRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from runbooks.answers import answer_of
from runbooks.book import key_of, save, text_of
from runbooks.card import reminder
from runbooks.library import Library, Shelves
from runbooks.model import Check, Runbook, filled
from runbooks.run import MACHINE, Answer, Reading, Run, Stage, State, answered, ask, checked, end, reminders, want_check

BATCH = 50
WIDE = 10_000
"""Columns in which an answer is searched for what a check wants: nothing is broken over lines."""
OVER = ("closed", "merged")

log = logging.getLogger("aiec.runbooks")


@dataclass(frozen=True)
class _Facts:
    """What is known of a run at this moment. `over`: what has become of its incident, when that is over."""

    book: Runbook
    now: datetime
    answer: Answer | None = None
    card: Card | None = None
    over: str = ""
    changed: bool = False
    reading: Reading | None = None


_RUNNING = select(RunRow).where(RunRow.state == State.RUNNING).order_by(col(RunRow.id))
_OVER = col(RunRow.incident).in_(select(IncidentRow.id).where(col(IncidentRow.state).in_(OVER)))
_STIRRED = Due(_RUNNING.where(or_(col(RunRow.next_at) <= NOW, col(RunRow.request).is_not(None), _OVER)))
_UNMATCHED = Due(select(IncidentRow).where(col(IncidentRow.matched).is_(None)).order_by(col(IncidentRow.id)))


class RunbookManager:
    name = "runbooks"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, commands: Mapping[str, Command[Any]], world: Callable[[], World]) -> None:
        self._store, self._config, self._commands, self._world = store, config, commands, world
        self._shelves = Shelves()
        self._seen: Library | None = None

    def look(self) -> Look:
        return True if self._library() is not self._seen else or_(_UNMATCHED.there, _STIRRED.there)

    def _library(self) -> Library:
        return self._shelves.library(self._world().shelf, self._config, self._commands)

    async def update(self, now: datetime) -> bool:
        """Moves the runs that something has happened to by one step, and returns whether there were any."""
        library = self._library()
        new = library is not self._seen
        if new:
            self._warn(library)
        self._seen = library
        suggested = await self._suggest(library)
        moved = False
        for number in await self._store.read(lambda tx: _due(tx, everything=new)):
            moved = await self._visit(number, library) or moved
        return suggested or moved

    def _warn(self, library: Library) -> None:
        for refused in library.refused:
            for text in refused.lines:
                log.warning("A runbook is refused: %s", text)

    async def _suggest(self, library: Library) -> bool:
        """Matches what has changed of incidents with the runbooks that there are."""
        if not await self._store.read(_UNMATCHED.any):
            return False

        def write(tx: Transaction) -> None:
            for row in _UNMATCHED.claim(tx, BATCH):
                found = library.suggested(*_labels(tx, row))
                row.stale = row.stale or found != (row.runbooks or [])
                row.runbooks, row.matched = found, True
                tx.save(row)

        await self._store.transaction(write)
        return True

    async def _visit(self, number: int, library: Library) -> bool:
        """Looks first, and writes only when there is something to write: every commit wakes everybody."""
        reading = await self._measure(number, library)

        def look(tx: Transaction) -> tuple[RunRow, Run, Run, _Facts] | None:
            row = tx.get(RunRow, number, lock=True)
            if row is None or row.state != State.RUNNING:
                return None
            run, facts = Run.model_validate(row.document), self._facts(tx, row, library, reading)
            return row, run, advance(run, facts), facts

        def write(tx: Transaction) -> bool:
            found = look(tx)
            if found is None or found[1] == found[2]:
                return False
            self._write(tx, *found)
            return True

        found = await self._store.read(look)
        if found is None or found[1] == found[2]:
            return False
        return await self._store.transaction(write)

    def _facts(self, tx: Transaction, row: RunRow, library: Library, reading: Reading | None) -> _Facts:
        run, book = Run.model_validate(row.document), text_of(row, library.vet)
        answer, card = answer_of(tx, run.request) if run.request else (None, None)
        incident = tx.get(IncidentRow, run.incident)
        over = incident.state if incident is not None and incident.state in OVER else ""
        there = library.good.get(run.runbook)
        return _Facts(book, tx.now, answer, card, over, there is None or there.page.text != row.text, reading)

    def _write(self, tx: Transaction, row: RunRow, run: Run, after: Run, facts: _Facts) -> None:
        if facts.card is not None and run.request and run.request != after.request and _shown(run, facts):
            card = facts.card
            tx.send(Message(key=f"{key_of(run)}/{run.request}", channel=run.channel, card=card, thread_of=key_of(run)))
        for place, at, key in reminders(run, facts.book, tx.now)[1]:
            tx.send(Message(key=f"{key_of(run)}/due/{key}", channel=run.channel, card=reminder(run, facts.book, place, at, tx.now)))
        save(tx, self._config, self._commands, row, run, after, facts.book)

    async def _measure(self, number: int, library: Library) -> Reading | None:
        """What a check on a figure finds, when one is due."""

        def due(tx: Transaction) -> tuple[Check, dict[str, str]] | None:
            row = tx.get(RunRow, number)
            if row is None or row.state != State.RUNNING:
                return None
            run = Run.model_validate(row.document)
            check = text_of(row, library.vet).steps[run.step].check
            looks = run.stage is Stage.CHECKING and run.look_at is not None and run.look_at <= tx.now
            return (check, run.values) if looks and check is not None and check.metric else None

        found = await self._store.read(due)
        return await measure(self._world().metrics, *found) if found is not None else None


async def measure(metrics: Metrics | None, check: Check, values: dict[str, str]) -> Reading:
    """Returns whether a figure is as it must be; what is not seen is not."""
    if metrics is None:
        return Reading(holds=False, text="the figure was not seen: PROMETHEUS_URL is not set")
    try:
        seen = [one for one in await metrics.query(filled(check.ask, values)) if not math.isnan(one)]
    except AiecError as error:
        return Reading(holds=False, text=f"the figure was not seen: {error.text}")
    if len(seen) != 1:
        return Reading(holds=False, text="the figure was not seen: " + (f"there are {len(seen)} of it" if seen else "the expression yields none"))
    holds = seen[0] < float(check.value) if check.must == "be below" else seen[0] > float(check.value)
    return Reading(holds=holds, text=f"it is {seen[0]:.3g}")


def advance(run: Run, facts: _Facts) -> Run:
    """Returns the run as it is after this moment, moved by at most one step."""
    book, now = facts.book, facts.now
    if facts.over:
        return end(run, State.STOPPED, MACHINE.name, now, f"#{run.incident} is {facts.over}")
    run = reminders(run.model_copy(update={"changed": facts.changed}), book, now)[0]
    due = run.look_at is not None and run.look_at <= now
    if run.stage is Stage.READY and due:
        return ask(run, run.runner, now)
    if run.stage is Stage.CHECKING:
        return _checking(run, facts, due)
    if run.request and facts.answer is not None:
        return answered(run, book, facts.answer, now)
    return run


def _checking(run: Run, facts: _Facts, due: bool) -> Run:
    check = facts.book.steps[run.step].check
    assert check is not None
    if check.metric:
        return checked(run, facts.book, facts.reading, facts.now) if facts.reading is not None else run
    if run.request and facts.answer is not None:
        return checked(run, facts.book, _found(check, facts), facts.now)
    return want_check(run) if due and not run.request else run


def _found(check: Check, facts: _Facts) -> Reading:
    """What a check's command has shown."""
    assert facts.answer is not None
    if facts.answer.state != "answered" or facts.card is None:
        return Reading(holds=False, text=facts.answer.text)
    shown = "\n".join(plain(facts.card, WIDE, facts.now.tzinfo, colour=False)) if facts.now.tzinfo else ""
    holds = (check.value in shown) == (check.must == "show")
    return Reading(holds=holds, text="" if holds else f"the answer {'does not show' if check.must == 'show' else 'still shows'} {check.value}")


def _shown(run: Run, facts: _Facts) -> bool:
    """What was looked at stands in the thread, and why a change was refused; what was told to others stands there already."""
    if run.stage is Stage.CHECKING:
        return False
    return facts.book.steps[run.step].kind == "look" or (facts.answer is not None and facts.answer.state == "refused")


def _due(tx: Transaction, *, everything: bool) -> list[int]:
    """Returns the runs that may have something to do. `everything`: the files have changed, which any of them may have to say."""
    return [row.number for row in (tx.all(_RUNNING) if everything else _STIRRED.rows(tx, WIDE))]


def _labels(tx: Transaction, row: IncidentRow) -> tuple[list[dict[str, str]], list[str]]:
    """Returns the labels of an incident's alerts, and what they link to; of one that people declared what they said of it."""
    alerts = tx.all(select(AlertRow).where(AlertRow.incident == row.number).order_by(col(AlertRow.id)).limit(BATCH))
    if alerts:
        return [one.labels for one in alerts], [url for one in alerts if (url := one.annotations.get("runbook_url"))]
    said = {"service": row.service, "severity": row.severity, "environment": str(row.document.get("environment") or "")}
    return [{name: value for name, value in said.items() if value}], []
