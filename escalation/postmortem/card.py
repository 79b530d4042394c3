"""A post-mortem as messages: its card, which is edited in place from the draft to what is published, a reminder, and a line in a list. Pure."""

from collections.abc import Sequence
from datetime import datetime

from bot.core.card import Action, Bold, Card, Line, Link, Person, Row, Span, State, Time, line
from bot.core.data import Frozen
from bot.core.text import cut, duration
from escalation.postmortem.document import SECTIONS
from escalation.postmortem.draft import Section
from escalation.reminders import Reminder, standing

LONGEST = 200


class Place(Frozen):
    """Where a published one should stand beside the chat: `name` as people call it, `url` or path once it is there (`done`), or why not yet (`trouble`)."""

    key: str
    name: str
    done: bool = False
    where: str = ""
    trouble: str = ""


class Standing(Frozen):
    """How a post-mortem stands. `left`: the sections that need a person; `open`: its incident is open again; `aside`: texts that wait to be put in."""

    name: str
    title: str
    state: str
    owner: str | None = None
    reviewer: str | None = None
    due: datetime | None = None
    left: tuple[Section, ...] = ()
    open: bool = False
    published_by: str | None = None
    published_at: datetime | None = None
    anyway: str = ""
    places: tuple[Place, ...] = ()
    merged_into: int | None = None
    aside: int = 0


def postmortem_card(one: Standing) -> Card:
    """Returns its message: who writes it until when, what is missing, and what can be done now."""
    what = Bold(text=f"Post-mortem of {one.name}")
    if one.merged_into is not None:
        return Card(state=State.DONE, headline=line(what, f" belongs to that of #{one.merged_into} now"), lines=(_title(one),))
    if one.state == "published":
        return _published(one, what)
    if one.open:
        said = line(what, " waits: the incident is open again · what was written is kept")
        return Card(headline=("📝 ", *said), lines=(_title(one),), actions=_writing(one))
    due: Line = (", due ", Time(at=one.due, style="ago" if one.left else "date")) if one.due is not None else ()
    word = " is in review" if one.state == "review" else " is drafted"
    reader: Line = (" · read by ", Person(name=one.reviewer)) if one.state == "review" and one.reviewer else ()
    headline = ("📝 ", what, f"{word}: owner ", *_owner(one.owner, notify=True), *due, *reader, f" · {_needs(one.left)}")
    aside = (line(f"{one.aside} text{'s' * (one.aside != 1)} of somebody who wrote at the same time wait to be put in: `/aiec postmortem show {one.name}`."),)
    return Card(headline=headline, lines=(_title(one), *_empty(one.left), *(aside if one.aside else ())), actions=_writing(one))


def reminder_card(one: Standing, reminder: Reminder, now: datetime, to: str, why: str) -> Card:
    """Returns what somebody is told directly of one that is not published yet; `why`: why its owner cannot be."""
    whose = "yours" if one.owner == to else f"{one.owner}'s" if one.owner else "nobody's"
    headline = line(Bold(text=f"The post-mortem of {one.name} is {standing(reminder.due, now)}"), f" · it is {whose} to write · {_needs(one.left)}")
    lines: list[Line] = [_title(one), *_empty(one.left)]
    if reminder.late is not None:
        lines.append(line(f"This reminder is {duration(reminder.late)} late: aiec was not running at ", Time(at=reminder.planned), "."))
    if one.owner != to:
        lines.append(line(f"It comes to you because {why or 'nobody else will write it otherwise'}: `Assign to…` gives it to somebody."))
    return Card(state=State.NEEDS_YOU, headline=headline, lines=tuple(lines), actions=_writing(one))


def row(one: Standing, now: datetime) -> Row:
    """Returns its line in a list."""
    due = f" · {standing(one.due, now)}" if one.due is not None else ""
    return Row(name=one.name, text=line(*_owner(one.owner), f"{due} · {_needs(one.left)} · {cut(one.title, 60)}"))


def link_line(one: Standing, ref: Span) -> Line:
    """Returns what an incident's card says of it; `ref` leads to its message."""
    if one.state == "published":
        return line(ref, " is published")
    due: Line = (", due ", Time(at=one.due, style="date")) if one.due is not None else ()
    return line(ref, ": owner ", *_owner(one.owner), *due)


def _published(one: Standing, what: Bold) -> Card:
    by: Line = (" by ", Person(name=one.published_by)) if one.published_by else ()
    at: Line = (", ", Time(at=one.published_at, style="date")) if one.published_at is not None else ()
    lines: list[Line] = [_title(one)]
    if one.anyway:
        lines.append(line(f"{len(one.left)} of {len(SECTIONS)} sections are empty; published anyway: {cut(one.anyway, LONGEST)}"))
    lines += [_place(place) for place in one.places]
    show = Action(label="Show", command="postmortem show", arguments={"incident": one.name})
    waits = any(not place.done and place.trouble for place in one.places)
    return Card(state=State.WAITING if waits else State.DONE, headline=line(what, " is published", *by, *at), lines=tuple(lines), actions=(show,))


def _place(place: Place) -> Line:
    if place.done:
        where: Span = Link(url=place.where, text=place.where) if place.where.startswith(("http://", "https://")) else place.where
        return line(f"{place.name}: ", where)
    return line(f"{place.name}: not there yet, {place.trouble or 'it is on its way'}{' It is tried again.' if place.trouble else ''}")


def over_card(one: Standing, card: Card, *, again: bool) -> Card:
    """Returns a reminder that asks nobody any more: it says what became of it, or that another one followed (`again`), without buttons."""
    if again:
        return Card(state=State.DONE, headline=card.headline, lines=(line("Reminded again"),))
    said = line("It is published") if one.state == "published" else line("It is with ", *_owner(one.owner), " now")
    return Card(state=State.DONE, headline=card.headline, lines=(said,))


def _title(one: Standing) -> Line:
    return line(cut(one.title, LONGEST))


def _owner(owner: str | None, *, notify: bool = False) -> tuple[Span, ...]:
    return (Person(name=owner, notify=notify),) if owner else ("nobody",)


def _needs(left: Sequence[Section]) -> str:
    return f"{len(left)} of {len(SECTIONS)} sections need you" if left else "every section says something"


def _empty(left: Sequence[Section]) -> tuple[Line, ...]:
    return (line(Bold(text="Empty"), f": {', '.join(section.heading for section in left)}"),) if left else ()


def _writing(one: Standing) -> tuple[Action, ...]:
    named = {"incident": one.name}
    full = not one.left and not one.open
    write = Action(label="Continue writing", command="postmortem edit", arguments=named, style=None if full else "primary")
    assign = Action(label="Assign to…", command="postmortem assign", arguments=named)
    preview = Action(label="Preview", command="postmortem show", arguments=named)
    confirm = f"Publish the post-mortem of {one.name}? Everybody who may see it is shown it, also where it is kept outside of Slack."
    publish = Action(label="Publish", command="postmortem publish", arguments=named, style="primary", confirm=confirm)
    return (*([publish] if full else []), write, assign, preview)
