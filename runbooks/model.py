"""A runbook as frozen data: steps with prose, what each runs, what must hold afterwards, and where it goes on. Pure; `reading` makes it of Markdown."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Literal

from bot.core.data import Frozen
from bot.core.words import Word, words

VARIABLE = re.compile(r"\$([a-z][a-z_]*)")
"""How a variable stands in a text: `$service`. PromQL and regular expressions have no such thing: there a `$` is an end, and no small letter follows it."""
OF_THE_INCIDENT = ("incident", "title", "severity", "service", "environment")
"""The variables that an incident fills in; one that it does not know is asked for."""
QUESTIONS = {"service": "Which service is it about?", "environment": "Which environment is it about?"}

Kind = Literal["manual", "look", "note", "change"]
"""What a step asks of production: nothing but a person; a look; a line in our own records, or a page; a change."""


class Problem(Frozen):
    """What is wrong in a runbook, and where."""

    line: int
    text: str


class Choice(Frozen):
    """One of the ways on that a person chooses from: `to` is the anchor of a step's heading."""

    label: str
    to: str
    line: int


class Check(Frozen):
    """What must hold after a step: a command whose answer shows a text or does not, or a PromQL expression whose value is below or above a number."""

    line: int
    ask: str
    must: Literal["show", "not show", "be below", "be above"]
    value: str

    @property
    def metric(self) -> bool:
        return self.must in ("be below", "be above")

    @property
    def verb(self) -> str:
        """What must hold, between what is asked and the value, as a person reads it."""
        return {"show": "shows", "not show": "does not show", "be below": "is below", "be above": "is above"}[self.must]


class Step(Frozen):
    """One heading. `prose` is its Markdown without what is said below; `command` one line without `/aiec`; `approval`: how many other people must agree at
    least; `timeout`: how long it may take; `then`, `on_failure`: an anchor, or one of END, STOP, ESCALATE; `due`: how long after the incident's beginning."""

    title: str
    line: int
    prose: str = ""
    command: str = ""
    command_line: int = 0
    check: Check | None = None
    approval: int = 0
    approval_line: int = 0
    timeout: timedelta | None = None
    then: str = ""
    then_line: int = 0
    on_failure: str = ""
    on_failure_line: int = 0
    choices: tuple[Choice, ...] = ()
    due: timedelta | None = None
    kind: Kind = "manual"

    @property
    def anchor(self) -> str:
        return anchor(self.title)

    def asks(self) -> list[tuple[int, str]]:
        """Returns the texts in which variables are filled in before they are asked, each with its line."""
        found = [(self.command_line, self.command)] if self.command else []
        return found + ([(self.check.line, self.check.ask)] if self.check else [])


END, STOP, ESCALATE = ":end", ":stop", ":escalate"
"""Where a step may lead beside another step: the end of the runbook, its end because it makes no sense any more, and a person with a page for more help."""


class Variable(Frozen):
    """Something that is asked for once, when a step first needs it. `example` stands for it when the runbook is read."""

    name: str
    ask: str
    example: str
    line: int


class Runbook(Frozen):
    """`name` is its file's, `title` its first heading; `alerts` the labels by which it is suggested; `private`: only for private incidents."""

    name: str
    title: str
    intro: str
    steps: tuple[Step, ...]
    variables: tuple[Variable, ...] = ()
    alerts: tuple[dict[str, str], ...] = ()
    private: bool = False

    def index(self, anchor_: str) -> int:
        """Returns the place of a step by its anchor."""
        return next(place for place, step in enumerate(self.steps) if step.anchor == anchor_)

    def question(self, name: str) -> str:
        """Returns how a variable is asked for."""
        return next((one.ask for one in self.variables if one.name == name), QUESTIONS.get(name, f"What is the {name}?"))

    def needs(self, place: int) -> tuple[str, ...]:
        """Returns the variables of a step, in their order."""
        return tuple(dict.fromkeys(name for _, text in self.steps[place].asks() for name in VARIABLE.findall(text)))

    def after(self, place: int) -> int | None:
        """Returns the step that comes next when one is done, or None at the end."""
        then = self.steps[place].then
        if then:
            return None if then in (END, STOP) else self.index(then)
        return place + 1 if place + 1 < len(self.steps) else None


@lru_cache(maxsize=4096)
def anchor(heading: str) -> str:
    """Returns the anchor by which Markdown links to a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def filled(text: str, values: dict[str, str]) -> str:
    """Returns the text with the variables that are known filled in."""
    return VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def said(command: str, values: dict[str, str]) -> list[Word]:
    """Returns the words of a command with the variables filled in. A value is a word, or part of one, whatever is in it: it adds no option or argument."""
    return [Word(filled(word.text, values), filled(word.raw, values), word.quoted or word.text.startswith("$"), word.hidden) for word in words(command)]


def typed(command: str, values: dict[str, str]) -> str:
    """Returns the command as one would type it, a value with spaces in quotes."""
    return " ".join(['"' + word.text.replace('"', '\\"') + '"' if word.quoted and " " in word.text else word.text for word in said(command, values)])


def where(file: str, problem: Problem) -> str:
    """Returns a problem as linters say it: `service-outage.md:12: …`."""
    return f"{file}:{problem.line}: {problem.text}"
