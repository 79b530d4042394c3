"""`/aiec runbook next|skip|back|answer|handover|abort`: what whoever works on an incident does with its runbook."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Bold, Card, Person, line
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.parse import Param
from bot.core.request import Actor
from bot.store.transaction import Message, Transaction
from commands.arguments import ThisIncident
from commands.runbook.target import Mark, Which, move, said
from runbooks import run as runs
from runbooks.book import key_of
from runbooks.model import Runbook
from runbooks.run import Run, State


class WalkArguments(Frozen):
    incident: ThisIncident = None
    runbook: Which = None
    at: Mark = ""


class NextArguments(Frozen):
    incident: ThisIncident = None
    choose: Annotated[str, Param(option=True, metavar="HEADING", help="where a step asks how it goes on: the heading of the step that comes next")] = ""
    again: Annotated[bool, Param(option=True, help="run the step once more")] = False
    runbook: Which = None
    at: Mark = ""


class AnswerArguments(Frozen):
    incident: ThisIncident = None
    variable: Annotated[str, Param(metavar="name", help="what was asked for, by its name")]
    value: Annotated[str, Param(rest=True, metavar="value", help="the answer")]
    runbook: Which = None


class HandoverArguments(Frozen):
    incident: ThisIncident = None
    person: Annotated[str | None, Param(choices="people", kind="person", metavar="person", help="who runs it from now on; you, unless given")] = None
    runbook: Which = None


class AbortArguments(Frozen):
    incident: ThisIncident = None
    reason: Annotated[str, Param(option=True, metavar="TEXT", help="why, for the timeline")] = ""
    runbook: Which = None


def _next(arguments: NextArguments, context: Context, tx: Transaction) -> Card | None:
    me, again, to = context.request.actor, arguments.again, arguments.choose
    after, book = move(
        tx,
        context,
        arguments.incident,
        arguments.runbook,
        arguments.at,
        lambda run, book, now: runs.choose(run, book, to, me, now) if to else runs.press(run, book, me, now, again=again),
    )
    return said(context, _now(after, book))


def _skip(arguments: WalkArguments, context: Context, tx: Transaction) -> Card | None:
    me = context.request.actor
    after, book = move(tx, context, arguments.incident, arguments.runbook, arguments.at, lambda run, book, now: runs.skip(run, book, me, now))
    return said(context, f"Skipped. {_now(after, book)}")


def _back(arguments: WalkArguments, context: Context, tx: Transaction) -> Card | None:
    after, book = move(tx, context, arguments.incident, arguments.runbook, arguments.at, runs.back)
    return said(context, _now(after, book))


def _answer(arguments: AnswerArguments, context: Context, tx: Transaction) -> Card | None:
    name, value = arguments.variable, arguments.value
    after, book = move(tx, context, arguments.incident, arguments.runbook, "", lambda run, book, now: runs.give(run, book, name, value, now))
    return said(context, f"`{name}` is {value}. {_now(after, book)}")


def _handover(arguments: HandoverArguments, context: Context, tx: Transaction) -> Card | None:
    to = _person(context, arguments.person)

    def give(run: Run, book: Runbook, now: object) -> Run:
        if run.runner.name == to.name:
            raise Refused(f"{'You run' if to == context.request.actor else f'{to.name} runs'} {run.runbook} for #{run.incident} already.")
        return run.model_copy(update={"runner": to})

    after, _ = move(tx, context, arguments.incident, arguments.runbook, "", give)
    if to != context.request.actor and to.slack is not None:
        given = line(Bold(text=after.runbook), f" for #{after.incident} · ", Person(name=context.request.actor.name), " gave it to you: you run it now")
        tx.send(Message(key=f"{key_of(after)}/handover/{context.request.key}", channel=to.slack, card=Card(headline=given)))
    return said(context, f"{after.runbook} for #{after.incident} is run by {to.name} now.")


def _abort(arguments: AbortArguments, context: Context, tx: Transaction) -> Card | None:
    me, why = context.request.actor.name, arguments.reason
    after, book = move(tx, context, arguments.incident, arguments.runbook, "", lambda run, book, now: runs.end(run, State.STOPPED, me, now, why))
    open_ = ", ".join(book.steps[place].title for place in runs.left(after, book))
    return said(context, f"{after.runbook} for #{after.incident} is stopped. Not done: {open_}.")


def _person(context: Context, given: str | None) -> Actor:
    if given is None:
        return context.request.actor
    name = context.config.person(given)
    if name is None:
        return Actor(name=given, slack=given, known=False)
    return Actor(name=name, slack=context.config.people[name].slack)


def _now(run: Run, book: Runbook) -> str:
    if run.state is not State.RUNNING:
        return f"{run.runbook} for #{run.incident} is {run.state}."
    if run.trouble:
        return run.trouble
    return f"{run.runbook} for #{run.incident} is at step {run.step + 1} of {len(book.steps)}: {book.steps[run.step].title}."


NEXT = Command(
    name="runbook next",
    arguments=NextArguments,
    does=Bookkeeping(_next),
    permission="runbook.next",
    group="incidents",
    summary="run the step that a runbook is at, or go on to the next one",
    examples=("runbook next #42", 'runbook next #42 --choose "Take the last deploy back"'),
    rules=("What the step runs is your request: you need the permission for it, and it needs the approvals that it always needs.",),
)
SKIP = Command(
    name="runbook skip",
    arguments=WalkArguments,
    does=Bookkeeping(_skip),
    permission="runbook.skip",
    group="incidents",
    summary="go on without the step that a runbook is at",
    examples=("runbook skip #42",),
)
BACK = Command(
    name="runbook back",
    arguments=WalkArguments,
    does=Bookkeeping(_back),
    permission="runbook.back",
    group="incidents",
    summary="return to the step before; what was done stays done",
    examples=("runbook back #42",),
)
ANSWER = Command(
    name="runbook answer",
    arguments=AnswerArguments,
    does=Bookkeeping(_answer),
    permission="runbook.answer",
    group="incidents",
    summary="say what a runbook asks for",
    examples=("runbook answer #42 replicas 6",),
)
HANDOVER = Command(
    name="runbook handover",
    arguments=HandoverArguments,
    does=Bookkeeping(_handover),
    permission="runbook.handover",
    group="incidents",
    summary="take a runbook over, or give it to somebody",
    examples=("runbook handover #42", "runbook handover #42 @senior"),
    rules=("From then on its looks run in that person's name.",),
)
ABORT = Command(
    name="runbook abort",
    arguments=AbortArguments,
    does=Bookkeeping(_abort),
    permission="runbook.abort",
    group="incidents",
    summary="stop a runbook; what was done stays done, and what was not is listed",
    examples=("runbook abort #42", 'runbook abort #42 --reason "it is the network"'),
)
