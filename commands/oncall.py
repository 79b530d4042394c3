"""`/aiec oncall`, `/aiec oncall override|end`: who is called, and who instead."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from sqlmodel import col, select

from bot.command import Bookkeeping, Command, Context, Read
from bot.core.card import Bold, Card, Line, Person, Row, Span, State, Time, line
from bot.core.config import Config
from bot.core.config_types import moment_of
from bot.core.data import Frozen
from bot.core.errors import Refused, UsageError
from bot.core.events import Event
from bot.core.parse import Param
from bot.core.suggest import did_you_mean, quoted
from bot.store.incident_tables import OverrideRow
from bot.store.transaction import Message, Transaction
from commands.arguments import SomeTime
from escalation import oncall
from escalation.handover import DAY, on_duty_since, read, summary
from escalation.ladder import Ladder, ladder_of
from escalation.roster import AHEAD, gap_line, ladders


def _moment(value: object) -> object:
    """Accepts `2026-12-24T18:00`, in UTC."""
    if not isinstance(value, str):
        return value
    try:
        return moment_of(value)
    except ValueError:
        text = f"*{quoted(value)}* is not a time in UTC such as 2026-12-24T18:00"
        raise PydanticCustomError("sentence", "{text}", {"text": text}) from None


Level = Annotated[str, Param(kind="level", metavar="level", help="a level: L2, or its name")]
PolicyName = Annotated[str | None, Param(option=True, choices="policies", metavar="POLICY", help="the escalation policy; the first one, unless given")]


class ShowArguments(Frozen):
    policy: Annotated[str | None, Param(choices="policies", metavar="policy", help="only this escalation policy")] = None


class OverrideArguments(Frozen):
    level: Level
    person: Annotated[str, Param(choices="people", kind="person", metavar="person", help="who is called instead")]
    for_: Annotated[SomeTime, Param(option=True, kind="duration", metavar="DURATION", help="how long, such as 8h")]
    from_: Annotated[datetime | None, BeforeValidator(_moment), Param(option=True, metavar="TIME", help="from when on (UTC); now, unless given")] = None
    policy: PolicyName = None
    reason: Annotated[str, Param(rest=True, metavar="reason", help="why, for the others and for the record")] = ""


class EndArguments(Frozen):
    level: Level
    policy: PolicyName = None


async def _show(arguments: ShowArguments, context: Context) -> Card:
    there = [one for one in ladders(context.config) if arguments.policy in (None, one.name)]
    if not there:
        return Card(headline=line("There is no escalation policy"), lines=(line("`escalation` in aiec.yaml has them."),))
    known = await context.store.read(lambda tx: {one.name: oncall.known(tx, one.name) for one in there})
    rows = [row for one in there for row in _rows(context.config, one, known[one.name], context.now, several=len(there) > 1)]
    gaps = [gap_line(one, gap) for one in there for gap in oncall.gaps(context.config, one, known[one.name], context.now, context.now + AHEAD)]
    lines: list[Line] = [line(Bold(text="Nobody is on call"), " within the next seven days:"), *gaps[:10]] if gaps else []
    fetched = next((facts.fetched_at for facts in known.values() if facts.fetched_at is not None), None)
    if fetched is not None:
        lines.append(line("PagerDuty was asked ", Time(at=fetched, style="ago")))
    elif context.world.pager is not None:
        lines.append(line("PagerDuty has not answered yet: this is from aiec.yaml"))
    return Card(state=State.NEEDS_YOU if gaps else None, headline=line("On call now"), lines=tuple(lines), rows=tuple(rows))


def _rows(config: Config, there: Ladder, facts: oncall.Known, now: datetime, *, several: bool) -> list[Row]:
    found = oncall.on_call(config, there, facts, now, now)
    rows = []
    for level, one in found.items():
        spans: list[Span] = [*_people(one.people), f" · {there.rung(level).name} · from {one.source}"]
        later = oncall.next_on_call(config, there, facts, level, now)
        if one.until is not None and later is not None and later.people != one.people:
            spans += [" until ", Time(at=one.until, style="date"), ", then ", *_people(later.people)]
        rows.append(Row(name=f"{there.name} L{level}" if several else f"L{level}", text=tuple(spans)))
    return rows


def _people(people: tuple[str, ...]) -> list[Span]:
    spans: list[Span] = []
    for name in people:
        spans += [", ", Person(name=name)] if spans else [Person(name=name)]
    return spans or [Bold(text="nobody")]


def policy_of(config: Config, name: str | None) -> Ladder:
    """Returns a policy of aiec.yaml, the first one unless named. Raises Refused where there is none."""
    policies = config.escalation.policies if config.escalation else {}
    chosen = name or next(iter(policies), None)
    if chosen is None:
        raise Refused("There is no escalation policy.", "`escalation` in aiec.yaml has them.")
    return ladder_of(chosen, policies[chosen])


def level_of(there: Ladder, said: str) -> int:
    """Returns the level that a text means: `L2`, `2`, or its name. Raises UsageError."""
    number = said.strip().upper().removeprefix("L")
    if number.isascii() and number.isdecimal() and 1 <= int(number[:4]) <= there.last:
        return int(number[:4])
    names = [rung.name for rung in there.rungs]
    found = next((level for level, name in enumerate(names, 1) if name.casefold() == said.strip().casefold()), None)
    if found is None:
        levels = ", ".join(f"L{level} {name}" for level, name in enumerate(names, 1))
        raise UsageError(f"*{quoted(said)}* is no level of {there.name}{did_you_mean(said, names)}", f"There are {levels}.")
    return found


def _override(arguments: OverrideArguments, context: Context, tx: Transaction) -> Card | None:
    there = policy_of(context.config, arguments.policy)
    level, start, me = level_of(there, arguments.level), arguments.from_ or tx.now, context.request.actor.name
    end = start + arguments.for_
    if end <= tx.now:
        raise Refused(f"That would be over already: it ends {end:%Y-%m-%d %H:%M} UTC.", "Give a later `--from`, or a longer `--for`.")
    given = arguments.person
    person = context.config.person(given)
    if person is None:
        raise Refused(f"{given} is nobody of `people` in aiec.yaml, and cannot be called.", "Add them there.")
    tx.save(OverrideRow(policy=there.name, level=level, person=person, starts_at=start, ends_at=end, by=me))
    data = {"level": level, "person": person, "from": start.isoformat(), "until": end.isoformat(), "reason": arguments.reason}
    tx.record(Event(kind="oncall.override", subject=there.name, actor=me, data=data))
    lacks = (
        ""
        if context.config.people[person].pagerduty or context.world.pager is None
        else f"{person} has no `pagerduty` id: PagerDuty calls whoever is on call there, and {person} gets a direct message"
    )
    headline = line(
        Person(name=person, notify=True),
        f" is on call at L{level} {there.rung(level).name} from ",
        Time(at=start, style="date"),
        " until ",
        Time(at=end, style="date"),
    )
    lines = [line("by ", Person(name=me), f": {arguments.reason}" if arguments.reason else "")] + ([line(lacks)] if lacks else [])
    return _announced(context, tx, Card(headline=headline, lines=tuple(lines)))


def _end(arguments: EndArguments, context: Context, tx: Transaction) -> Card | None:
    there = policy_of(context.config, arguments.policy)
    level, me = level_of(there, arguments.level), context.request.actor.name
    mine = (OverrideRow.policy == there.name, OverrideRow.level == level, col(OverrideRow.ends_at) > tx.now)
    rows = tx.all(select(OverrideRow).where(*mine).order_by(col(OverrideRow.id)))
    if not rows:
        raise Refused(f"Nobody overrides L{level} of {there.name}.", "`/aiec oncall` shows who is on call, and from where that is known.")
    for row in rows:
        row.ends_at = max(tx.now, min(row.starts_at, row.ends_at)) if row.starts_at > tx.now else tx.now
        row.starts_at = min(row.starts_at, row.ends_at)
        tx.save(row)
        tx.record(Event(kind="oncall.ended", subject=there.name, actor=me, data={"level": level, "person": row.person}))
        if row.starts_at == row.ends_at:
            tx.delete(row)
    names = ", ".join(dict.fromkeys(row.person for row in rows))
    return _announced(
        context, tx, Card(headline=line(f"{names} no longer stands in at L{level} {there.rung(level).name}"), lines=(line("by ", Person(name=me)),))
    )


def _announced(context: Context, tx: Transaction, card: Card) -> Card:
    tx.send(Message(key=f"oncall/{context.request.key}", channel=context.config.channels.incidents, card=card))
    return card


class HandoverArguments(Frozen):
    pass


async def _handover(_arguments: HandoverArguments, context: Context) -> Card:
    me = context.request.actor

    def look(tx: Transaction) -> Card:
        since = on_duty_since(tx, me.name) or tx.now - DAY
        return summary(read(tx, context.config, me, since), line(Bold(text="What goes on now")))

    return await context.store.read(look)


SHOW = Command(
    name="oncall",
    arguments=ShowArguments,
    does=Read(_show),
    permission="oncall",
    group="people and pages",
    summary="who is on call, who is next, and from where that is known",
    examples=("oncall", "oncall default"),
    rules=("What PagerDuty said is used for eight days when it is silent; before it has said anything, the people of aiec.yaml are.",),
)
OVERRIDE = Command(
    name="oncall override",
    arguments=OverrideArguments,
    does=Bookkeeping(_override),
    permission="oncall",
    group="people and pages",
    summary="put somebody on call instead of whoever would be",
    examples=("oncall override L1 @senior --for 8h the engineer is ill", "oncall override L2 @lead --for 2d --from 2026-12-24T18:00"),
    rules=("It stands above PagerDuty's schedule, and only aiec knows of it: an incident that is opened in PagerDuty calls whoever is on call there.",),
)
END = Command(
    name="oncall end",
    arguments=EndArguments,
    does=Bookkeeping(_end),
    permission="oncall",
    group="people and pages",
    summary="end an override",
    examples=("oncall end L1",),
)
HANDOVER = Command(
    name="oncall handover",
    arguments=HandoverArguments,
    does=Read(_handover),
    permission="oncall",
    group="people and pages",
    summary="what goes on now, for whoever comes on call",
    examples=("oncall handover",),
    rules=(
        "Whoever comes on call gets the same by direct message, once, and #incidents one line.",
        "Pages are those since you are on call, else of the last 24 hours.",
    ),
)
