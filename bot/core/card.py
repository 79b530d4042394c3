"""What aiec says, as data: the same card becomes Block Kit, terminal lines, e-mail, Markdown and JSON.

Text is made of spans, never of markup: what a user typed can thus not turn into a mention or a link, and each channel escapes in its own way.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from bot.core.chart import Chart
from bot.core.data import Frozen


class State(StrEnum):
    """The fixed set of state words (UX: state in words, never by colour or emoji alone). The value is the word; `mark` its emoji."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    NEEDS_YOU = "needs you"
    WAITING = "waiting"
    ROLLED_BACK = "rolled back"
    LOCKED = "locked"

    @property
    def mark(self) -> str:
        return _MARKS[self]


_MARKS = {
    State.RUNNING: "⏳",
    State.DONE: "✅",
    State.FAILED: "❌",
    State.NEEDS_YOU: "⚠️",
    State.WAITING: "⏸",
    State.ROLLED_BACK: "↩︎",
    State.LOCKED: "🔒",
}


class Bold(Frozen):
    kind: Literal["bold"] = "bold"
    text: str


class Code(Frozen):
    kind: Literal["code"] = "code"
    text: str


class Person(Frozen):
    """Somebody of `people:` by name, or a Slack user id. Only with `notify` it becomes a mention."""

    kind: Literal["person"] = "person"
    name: str
    notify: bool = False


class Time(Frozen):
    """A moment, shown in the reader's zone: `clock` 14:32, `date` Thursday 14:32 of a day, `ago` adds the relative time."""

    kind: Literal["time"] = "time"
    at: datetime
    style: Literal["clock", "date", "ago"] = "clock"


class Link(Frozen):
    kind: Literal["link"] = "link"
    url: str
    text: str


class Channel(Frozen):
    """A channel by its name; `id`: the chat's own, which makes it something to press."""

    kind: Literal["channel"] = "channel"
    name: str
    id: str = ""


class Ref(Frozen):
    """A link to another message of ours, by its key. The sender replaces it by a Link once that message is posted."""

    kind: Literal["ref"] = "ref"
    key: str
    text: str


Span = str | Bold | Code | Person | Time | Link | Channel | Ref
Line = tuple[Span, ...]


def line(*spans: Span) -> Line:
    """Returns the spans as one line of text."""
    return spans


class Verdict(StrEnum):
    """What a check says: passed, a warning, blocked, or blocked but waived by `--emergency`."""

    PASSED = "passed"
    WARNING = "warning"
    BLOCKED = "blocked"
    WAIVED = "waived"

    @property
    def mark(self) -> str:
        return {"passed": "✅", "warning": "⚠️", "blocked": "❌", "waived": "⚠️"}[self.value]


class CheckResult(Frozen):
    """One check of a preflight. `waivable`: `--emergency` may turn its block into a recorded waiver. `lasting`: asking the same again would not help."""

    check: str
    verdict: Verdict
    text: str
    hint: str = ""
    waivable: bool = False
    lasting: bool = False


class Row(Frozen):
    """One thing of several (a service, an operation): its name, what is said of it, and how far it is (done, total)."""

    name: str
    text: Line
    progress: tuple[int, int] | None = None


class Evidence(Frozen):
    """Preformatted text that proves or details: log lines, events, a diff. Shown in the thread."""

    title: str
    text: str


class Attachment(Frozen):
    """A text that is too long for a message: a file where there can be one."""

    name: str
    text: str


class Action(Frozen):
    """A button: the request it makes. `confirm` is what a dangerous one says before it acts."""

    label: str
    command: str
    arguments: dict[str, Any] = {}
    style: Literal["primary", "danger"] | None = None
    confirm: str = ""


class Card(Frozen):
    """One message, edited in place. Order on every channel: state and headline, lines, rows, checks, actions; evidence goes to the thread.

    A card with a chart is a picture where that can be, with the headline and the lines above it; one with a file is that file. They are posted once, and not
    edited.
    """

    headline: Line
    state: State | None = None
    lines: tuple[Line, ...] = ()
    rows: tuple[Row, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    actions: tuple[Action, ...] = ()
    chart: Chart | None = None
    file: Attachment | None = None
