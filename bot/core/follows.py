"""A log that is followed: what is asked for, how it ends, and how it looks, as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.card import Action, Bold, Card, Code, Evidence, Line, Person, State, Time, line
from bot.core.data import Frozen
from bot.core.loglines import LogLine, short_names
from bot.core.text import duration

MOST_PODS = 20
AT_ONCE = 20
"""So many logs are followed at the same time by one installation."""


class Followed(Frozen):
    """What is followed. `labels`, `fields`: the selector that finds the pods, in the API's notation; `container`: the one to read where a pod has it;
    `demanded`: whether somebody named it. `tail`, `since`: with what of the past it begins.
    """

    environment: str
    target: str
    labels: str = ""
    fields: str = ""
    container: str = ""
    demanded: bool = False
    grep: str = ""
    tail: int
    since: timedelta | None = None

    @property
    def title(self) -> str:
        return f"log of {self.target} in {self.environment}"

    @property
    def command(self) -> dict[str, object]:
        """The arguments that ask for the same again."""
        asked = {"environment": self.environment, "target": self.target, "grep": self.grep or None, "container": self.container if self.demanded else None}
        return {**{name: value for name, value in asked.items() if value is not None}, "follow": True}


class Follow(Frozen):
    """A followed log and how far it is. `ended`: why it is over («the time is up»); `stopped_by`: who ended it; `lines`: how many were posted."""

    number: int
    followed: Followed
    actor: str
    since: datetime
    until: datetime
    lines: int = 0
    ended: str = ""
    stopped_by: str = ""
    ended_at: datetime | None = None

    @property
    def name(self) -> str:
        return f"follow-{self.number}"


@dataclass(frozen=True)
class Batch:
    """What was written since the last one: lines in the order of their time, what is to be said of the pods, and how many lines had no room."""

    lines: Sequence[LogLine] = ()
    notes: Sequence[str] = ()
    lost: int = 0

    def __bool__(self) -> bool:
        return bool(self.lines or self.notes or self.lost)


def follow_card(follow: Follow) -> Card:
    """Returns the message under which the lines stand."""
    followed = follow.followed
    what: Line = (Bold(text=f"Following the {followed.title}"), *(line(" · ", Code(text=followed.grep)) if followed.grep else ()))
    if not follow.ended:
        stop = Action(label="Stop", command="logs stop", arguments={"follow": follow.name}, style="danger")
        return Card(state=State.RUNNING, headline=what, lines=(line(follow.name, " · in the thread, until ", Time(at=follow.until)),), actions=(stop,))
    length = duration((follow.ended_at or follow.until) - follow.since)
    again = Action(label="Follow again", command="logs", arguments=followed.command)
    headline: Line = (Bold(text=f"Followed the {followed.title}"), *what[1:])
    return Card(state=State.DONE, headline=headline, lines=(line(f"{length} · {_count(follow.lines)} · ", *_ending(follow)),), actions=(again,))


def ending_card(follow: Follow) -> Card:
    """Returns the last message of the thread."""
    return Card(headline=line("No longer followed: ", *_ending(follow), "."))


def batch_card(batch: Batch) -> Card:
    """Returns the message of one batch: as much of its end as one holds."""
    names = short_names(sorted({one.pod for one in batch.lines}))
    texts: list[str] = []
    left, room = 0, _CHARACTERS
    for one in reversed(batch.lines):
        text = shown(one, names)
        room -= len(text) + 1
        if room < 0:
            left = len(batch.lines) - len(texts)
            break
        texts.append(text)
    notes = list(batch.notes)
    if batch.lost or left:
        notes.append(f"{batch.lost + left:,} lines before these were left out: more is written than can be posted. Narrow it with `--grep`.")
    said = tuple(line(note) for note in notes)
    legend = ", ".join(f"{short} = {name}" for name, short in names.items()) if len(names) > 1 else "".join(names)
    if not texts:
        return Card(headline=said[0], lines=said[1:])
    evidence = Evidence(title=f"{batch.lines[-1].at:%Y-%m-%d} UTC", text="\n".join(reversed(texts)))
    return Card(headline=line(legend), lines=said, evidence=(evidence,))


def shown(one: LogLine, names: dict[str, str]) -> str:
    """Returns a line as it is read: its time, its pod where there are several, its text."""
    return f"{one.at:%H:%M:%S} {f'{names[one.pod]} ' if len(names) > 1 else ''}{one.text}"


_CHARACTERS = 7_000
"""Of one message: Slack's is longer, but escaping makes text longer too."""


def _ending(follow: Follow) -> Line:
    return line("stopped by ", Person(name=follow.stopped_by)) if follow.stopped_by else line(follow.ended)


def _count(lines: int) -> str:
    return f"{lines:,} line{'' if lines == 1 else 's'}"
