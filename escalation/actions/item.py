"""An action item as frozen data: what is to be done so that an incident does not come back, by whom and until when; and how it is shown. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from bot.core.card import Action, Bold, Card, Code, Line, Link, Person, Row, Span, Time, line
from bot.core.card import State as Mark
from bot.core.config_types import moment_of
from bot.core.data import Frozen
from bot.core.durations import parse
from bot.core.text import duration
from escalation.reminders import Reminder, standing

LONGEST = 500
FARTHEST = timedelta(days=732)
SHOWN = 15
"""Items that a digest names."""
_OWNER = re.compile(r"(?P<text>.*?)\s*(?:^|\s)@(?P<who>[\w.-]+)\s*", re.DOTALL)
_QUOTES = {'"': '"', "“": "”", "„": "“", "'": "'", "‘": "’"}


class State(StrEnum):
    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"


class Item(Frozen):
    """`because`: why it was dropped, or what did it; `url`: its issue on GitHub; `alerts`: what its incident's alerts are known by (`Fired.marks`)."""

    number: int
    incident: int
    text: str
    owner: str
    since: datetime
    due: datetime
    state: State = State.OPEN
    ended_at: datetime | None = None
    ended_by: str | None = None
    because: str = ""
    url: str = ""
    alerts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"act-{self.number}"

    def overdue(self, now: datetime) -> bool:
        """Whether it should have been done by now."""
        return self.state is State.OPEN and self.due <= now


def split_owner(said: str) -> tuple[str, str | None]:
    """Returns what is to be done, and who is named at the end of it: `"raise the pool" @engineer`, with or without quotes."""
    found = _OWNER.fullmatch(said)
    text, who = (found["text"], found["who"]) if found else (said, None)
    text = text.strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return " ".join(text.split()), who


def moment(said: str, now: datetime) -> datetime:
    """Returns when something is due: `7d` is that long from now, a day alone lasts to its end, all in UTC. Raises ValueError."""
    said = said.strip()
    try:
        return now + parse(said)
    except ValueError:
        pass
    try:
        return datetime.combine(date.fromisoformat(said), time(23, 59), UTC)
    except ValueError:
        return moment_of(said)


class Fired(Frozen):
    """An alert as it comes back: its fingerprint, its name and service, and when it was received."""

    fingerprint: str
    name: str
    service: str
    at: datetime

    def marks(self) -> tuple[str, ...]:
        """Returns what it is known by when it comes back: the fingerprint, and where that is a new one its name and service."""
        return (f"={self.fingerprint}", f"{self.name}/{self.service}") if self.name else (f"={self.fingerprint}",)


def preventing(items: Iterable[Item], alerts: Sequence[Fired], now: datetime) -> Item | None:
    """Returns the overdue item that should have prevented these alerts, or None: one whose incident had the very same alert goes before one that had the same
    alert of the same service, and of those the one that is overdue for longest. An alert that fired before the item was there has not come back."""

    def ranked(item: Item) -> int | None:
        found = {mark[:1] == "=" for alert in alerts if alert.at > item.since for mark in alert.marks() if mark in item.alerts}
        return (0 if True in found else 1) if found else None

    known = [(rank, item.due, item.number, item) for item in items if item.overdue(now) and (rank := ranked(item)) is not None]
    return min(known, key=lambda one: one[:3])[3] if known else None


def prevention(item: Item) -> Line:
    """Returns what an incident's card says of the item that should have prevented it."""
    return line(
        Bold(text="This came back"),
        f": {item.name} of #{item.incident} should have prevented it: {item.text} · ",
        Person(name=item.owner),
        " · was due ",
        Time(at=item.due, style="date"),
        *issue(item),
    )


def reminder(item: Item, one: Reminder, now: datetime, to: str, why: str) -> Card:
    """Returns a reminder for somebody: the owner, or the lead where the owner has been silent, or cannot be told (`why`)."""
    lines: list[Line] = [about(item)]
    if to != item.owner:
        lines.append(line(f"It comes to you because {why}: give it to somebody") if why else line(Person(name=item.owner), " was reminded, too"))
    if one.late is not None:
        lines.append(line(f"This reminder is {duration(one.late)} late: aiec was not running at ", Time(at=one.planned)))
    headline = line(Bold(text=f"{item.name} is {standing(item.due, now)}"), f": {item.text}")
    return Card(state=Mark.NEEDS_YOU, headline=headline, lines=tuple(lines), actions=buttons(item))


def card(item: Item) -> Card:
    """Returns the one message of an item, edited as it changes."""
    mark = Mark.WAITING if item.state is State.OPEN else Mark.DONE
    lines = [came_of(item)] if item.state is not State.OPEN else []
    return Card(state=mark, headline=titled(item), lines=(about(item), *lines), actions=buttons(item))


def titled(item: Item) -> Line:
    """Returns `act-7: raise the pool's size`."""
    return line(Bold(text=item.name), f": {item.text}")


def about(item: Item) -> Line:
    """Returns whose it is, when it is due, and where it comes from."""
    due: tuple[Span, ...] = (" · due ", Time(at=item.due, style="date")) if item.state is State.OPEN else ()
    return line("action item of ", Person(name=item.owner), f" from #{item.incident}", *due, *issue(item))


def issue(item: Item) -> Line:
    """Returns the link to its issue, with what stands before it."""
    return (" · ", Link(url=item.url, text=f"issue {item.url.rpartition('/')[2]}")) if item.url else ()


def came_of(item: Item) -> Line:
    """Returns who ended it, when, and why."""
    when: tuple[Span, ...] = (", ", Time(at=item.ended_at, style="date")) if item.ended_at else ()
    return line(f"{item.state} by ", Person(name=item.ended_by or "aiec"), *when, f": {item.because}" if item.because else "")


def buttons(item: Item) -> tuple[Action, ...]:
    """Returns what can be done about it."""
    if item.state is not State.OPEN:
        return ()
    named = {"item": item.name}
    return (
        Action(label="Done", command="action done", arguments=named, style="primary"),
        Action(label="Assign to…", command="action assign", arguments=named),
        Action(label="Later", command="action due", arguments=named),
    )


def row(item: Item, now: datetime) -> Row:
    """Returns the item's line in a list."""
    how: tuple[Span, ...] = (standing(item.due, now), " (", Time(at=item.due, style="date"), ")") if item.state is State.OPEN else came_of(item)
    return Row(name=item.name, text=line(item.text, " · ", Person(name=item.owner), " · ", *how, f" · #{item.incident}", *issue(item)))


def digest(items: Sequence[Item], now: datetime) -> Card:
    """Returns what is said once a week of the items that are open, those that are due first."""
    late = sum(item.overdue(now) for item in items)
    listed = sorted(items, key=lambda item: (item.due, item.number))
    more = [line(f"and {len(items) - SHOWN} more: ", Code(text="/aiec action list"), " has them all")] if len(items) > SHOWN else []
    return Card(
        state=Mark.NEEDS_YOU if late else None,
        headline=line(Bold(text=count(len(items))), f" open, {late or 'none'} of them overdue"),
        lines=tuple(more),
        rows=tuple(row(item, now) for item in listed[:SHOWN]),
    )


def count(number: int) -> str:
    """Returns `3 action items`."""
    return f"{number} action item{'' if number == 1 else 's'}"
