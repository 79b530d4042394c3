"""Whether a runbook can be run: every command against the registry, every variable, every way through it. Pure.

Nothing is known of an incident when a runbook is loaded: names of the configuration, and the examples of the variables, stand for what will be filled in.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.command import Bookkeeping, Change, Command, Read
from bot.core.config import Config
from bot.core.errors import UsageError
from bot.core.parse import Choices, bind, find_command
from bot.core.suggest import did_you_mean, quoted
from bot.pipeline import choices, spoken
from runbooks.model import OF_THE_INCIDENT, VARIABLE, Kind, Problem, Runbook, Step, said

FORBIDDEN = ("approve", "cancel")
"""What a person decides on somebody else's operation is no step: approvals are added by a step's `approval`."""
FAMILY = "runbook "


class Vet:
    """Judges runbooks by the commands and the configuration of this process."""

    def __init__(self, config: Config, commands: Mapping[str, Command[Any]]) -> None:
        self._commands = commands
        self._choices: Choices = choices(config, commands)
        self._names = [name for name in spoken(commands) if name not in FORBIDDEN and not name.startswith(FAMILY)]
        service = next((name for name, one in config.services.items() if one.deployable and one.image), next(iter(config.services), "gateway"))
        severity = next(iter(config.severities), "SEV1")
        environment = [*config.environments][-1]
        self._examples = {"incident": "#42", "title": "checkout is slow", "severity": severity, "service": service, "environment": environment}

    def judge(self, runbook: Runbook) -> tuple[Runbook, tuple[Problem, ...]]:
        """Returns the runbook with the kinds of its steps, and what is wrong in it, in the order of its lines."""
        examples = self._examples | {one.name: one.example for one in runbook.variables}
        known, problems, steps = [*OF_THE_INCIDENT, *(one.name for one in runbook.variables)], list[Problem](), list[Step]()
        for step in runbook.steps:
            wrong = [*_unknown(step, known)]
            kind = "manual" if wrong else self._judge(step, examples, wrong.append)
            problems += wrong
            steps.append(step.model_copy(update={"kind": kind}))
        vetted = runbook.model_copy(update={"steps": tuple(steps)})
        problems += [*_unused(runbook), *_unreached(vetted), *_rounds(vetted)]
        return vetted, tuple(sorted(problems, key=lambda one: one.line))

    def kinds(self, runbook: Runbook) -> Runbook:
        """Returns the runbook with the kinds of its steps; what this version does not know is left to a person."""
        return runbook.model_copy(update={"steps": tuple(step.model_copy(update={"kind": self._kind(step.command)}) for step in runbook.steps)})

    def _kind(self, command: str) -> Kind:
        try:
            return _kind(self._commands[find_command(said(command, {}), self._names)]) if command else "manual"
        except UsageError:
            return "manual"

    def _judge(self, step: Step, examples: dict[str, str], wrong: Callable[[Problem], None]) -> Kind:
        """Returns what a step asks of production, and tells what keeps it from being run."""
        kind: Kind = "manual"
        if step.command and (command := self._command(step.command, step.command_line, examples, wrong)) is not None:
            kind = _kind(command)
        if step.approval and kind != "change":
            wrong(Problem(line=step.approval_line, text="an approval belongs to a step that changes something, and this one does not"))
        check = step.check
        if check is not None and not check.metric:
            command = self._command(check.ask, check.line, examples, wrong)
            if command is not None and _kind(command) != "look":
                wrong(Problem(line=check.line, text=f"`{quoted(check.ask)}` is no look: a check only reads"))
        return kind

    def _command(self, text: str, line: int, examples: dict[str, str], wrong: Callable[[Problem], None]) -> Command[Any] | None:
        """Returns the command that a text is, and tells what keeps it from being understood."""
        try:
            given = said(text, examples)
            name = find_command(given, self._names)
            bind(self._commands[name].arguments, given[len(name.split()) :], self._choices, command=name)
            return self._commands[name]
        except UsageError as error:
            first = text.split(" ")[0]
            because = " No step decides on an operation, or runs a runbook." if first in (*FORBIDDEN, FAMILY.strip()) else ""
            wrong(Problem(line=line, text=f"{error.text}{because} ({error.hint})" if error.hint else f"{error.text}{because}"))
            return None


def _kind(command: Command[Any]) -> Kind:
    match command.does:
        case Read():
            return "look"
        case Bookkeeping():
            return "note"
        case Change():
            return "change"


def _unknown(step: Step, known: list[str]) -> Iterator[Problem]:
    for line, text in step.asks():
        for name in dict.fromkeys(VARIABLE.findall(text)):
            if name not in known:
                yield Problem(line=line, text=f"nobody gives `${name}`{did_you_mean(name, known)}; what is to be asked for stands in `variables`")


def _unused(runbook: Runbook) -> Iterator[Problem]:
    used = {name for step in runbook.steps for _, text in step.asks() for name in VARIABLE.findall(text)}
    for one in runbook.variables:
        if one.name not in used:
            yield Problem(line=one.line, text=f"`{one.name}` is asked for, and no step needs it")


def _leads(runbook: Runbook, place: int) -> list[int]:
    """Where a step may lead."""
    step, after = runbook.steps[place], runbook.after(place)
    found = [runbook.index(one.to) for one in step.choices] or ([after] if after is not None else [])
    return found + ([runbook.index(step.on_failure)] if step.on_failure and not step.on_failure.startswith(":") else [])


def _unreached(runbook: Runbook) -> Iterator[Problem]:
    reached, left = {0}, [0]
    while left:
        for place in _leads(runbook, left.pop()):
            if place not in reached:
                reached.add(place)
                left.append(place)
    for place, step in enumerate(runbook.steps):
        if place not in reached:
            yield Problem(line=step.line, text=f"nothing leads to *{quoted(step.title)}*")


def _rounds(runbook: Runbook) -> Iterator[Problem]:
    """A way through steps that ask nobody and comes back to where it began would be gone for ever."""
    for start in range(len(runbook.steps)):
        way, place = [start], start
        left = [(start, [start])]
        seen = {start}
        while left:
            place, way = left.pop()
            for onward in _alone(runbook, place):
                if onward == start and min(way) == start:
                    names = " → ".join(f"*{quoted(runbook.steps[one].title)}*" for one in (*way, start))
                    yield Problem(line=runbook.steps[start].line, text=f"it goes round for ever and asks nobody: {names}")
                    return
                if onward not in seen:
                    seen.add(onward)
                    left.append((onward, [*way, onward]))


def _alone(runbook: Runbook, place: int) -> list[int]:
    """Where a step leads without a person: one that looks goes on when its check holds, and when it fails where it says so."""
    step, found = runbook.steps[place], list[int]()
    if step.kind != "look":
        return found
    after = runbook.after(place)
    if step.check is not None and not step.choices and after is not None:
        found.append(after)
    if step.on_failure and not step.on_failure.startswith(":"):
        found.append(runbook.index(step.on_failure))
    return found
