"""`/aiec silence create|list|expire`: alerts that Alertmanager keeps to itself for a while."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError
from sqlmodel import col, select

from bot.command import Bookkeeping, Command, Context, Read
from bot.core.alerting import matcher
from bot.core.card import Bold, Card, Code, Row, Span, Time, line
from bot.core.data import Frozen
from bot.core.durations import Duration, notation
from bot.core.errors import NotFound, Refused, UsageError
from bot.core.events import Event
from bot.core.parse import Param
from bot.store.incident_tables import SilenceRow
from bot.store.transaction import Transaction
from commands.arguments import Reason
from escalation.silences import say

LONGEST = timedelta(days=7)
"""A silence that nobody remembers is an alert that nobody gets."""


def _matcher(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return str(matcher(value))
    except UsageError as error:
        raise PydanticCustomError("sentence", "{text}", {"text": f"{error.text.rstrip('.')}; {error.hint[:1].lower()}{error.hint[1:].rstrip('.')}"}) from error


def _short_enough(value: timedelta) -> timedelta:
    if not timedelta() < value <= LONGEST:
        raise PydanticCustomError("sentence", "{text}", {"text": f"A silence lasts at most {notation(LONGEST)}, not {notation(value)}"})
    return value


Matching = Annotated[str, BeforeValidator(_matcher)]


class CreateArguments(Frozen):
    matching: Annotated[Matching, Param(metavar="label=value", help='which alerts: service=gateway, alertname=~"High.*", severity!=critical')]
    and_: Annotated[tuple[Matching, ...], Param(option=True, metavar="label=value", help="and which of those; may be given several times")] = ()
    for_: Annotated[Duration, AfterValidator(_short_enough), Param(option=True, metavar="DURATION", help="how long, at most 7d")]
    reason: Reason


class NoArguments(Frozen):
    pass


class ExpireArguments(Frozen):
    silence: Annotated[str, Param(metavar="silence", help="its number, or its id in Alertmanager")]


def _create(arguments: CreateArguments, context: Context, tx: Transaction) -> Card | None:
    if context.world.alerting is None:
        raise Refused("No Alertmanager is configured.", "Set ALERTMANAGER_URL, and aiec can silence it.")
    me = context.request.actor.name
    matchers = list(dict.fromkeys((arguments.matching, *arguments.and_)))
    row = SilenceRow(matchers=matchers, starts_at=tx.now, ends_at=tx.now + arguments.for_, reason=arguments.reason, by=me, next_at=tx.now)
    tx.save(row)
    data = {"matchers": matchers, "until": row.ends_at.isoformat(), "reason": row.reason}
    tx.record(Event(kind="silence.wanted", subject=f"silence {row.id}", actor=me, data=data))
    say(tx, context.config, row)
    return None


async def _list(_arguments: NoArguments, context: Context) -> Card:
    """What Alertmanager itself has, whoever made it."""
    if context.world.alerting is None:
        raise Refused("No Alertmanager is configured.", "Set ALERTMANAGER_URL, and aiec can ask it.")
    found = sorted(await context.world.alerting.silences(), key=lambda silence: silence.end)
    known = await context.store.read(lambda tx: {row.remote: row.id for row in tx.all(select(SilenceRow).where(col(SilenceRow.ends_at) > tx.now))})
    rows = []
    for silence in found:
        since: tuple[Span, ...] = (" · from ", Time(at=silence.start, style="date")) if silence.state == "pending" else ()
        said = line(
            Bold(text=", ".join(map(str, silence.matchers))), *since, " · until ", Time(at=silence.end, style="date"), f" · {silence.author}: {silence.comment}"
        )
        rows.append(Row(name=str(known.get(silence.id) or silence.id[:8]), text=said))
    headline = line(Bold(text=f"{len(rows)} silences" if len(rows) != 1 else "1 silence")) if rows else line("Nothing is silenced.")
    return Card(headline=headline, rows=tuple(rows), lines=(line(Code(text="/aiec silence expire 3"), " ends one."),) if rows else ())


def _expire(arguments: ExpireArguments, context: Context, tx: Transaction) -> Card | None:
    me = context.request.actor.name
    wanted = arguments.silence.strip().lstrip("#")
    alive = tx.all(select(SilenceRow).where(col(SilenceRow.ends_at) > tx.now, col(SilenceRow.ended).is_(None)))
    row = next((one for one in alive if str(one.id) == wanted or (one.remote or "").startswith(wanted)), None)
    if row is None:
        raise NotFound(
            f"No silence of aiec's is called {wanted}, or it is over.", "`/aiec silence list` lists them; one that was made elsewhere is ended there."
        )
    row.ended, row.next_at, row.done = me, tx.now, False
    tx.save(row)
    tx.record(Event(kind="silence.unwanted", subject=f"silence {row.id}", actor=me))
    say(tx, context.config, row)
    return None


CREATE = Command(
    name="silence create",
    arguments=CreateArguments,
    does=Bookkeeping(_create),
    permission="silence",
    group="people and pages",
    summary="let Alertmanager keep alerts to itself for a while",
    examples=(
        "silence create service=gateway --for 2h moving the load balancer",
        "silence create alertname=~High.* --and severity=warning --for 30m a load test",
    ),
    rules=("It is made in Alertmanager, also for everybody else whom it notifies.", "Alerts that an incident was opened for stay with it."),
)
LIST = Command(
    name="silence list",
    arguments=NoArguments,
    does=Read(_list),
    permission="silence",
    group="people and pages",
    summary="what is silenced in Alertmanager, by whomever",
    examples=("silence list",),
)
EXPIRE = Command(
    name="silence expire",
    arguments=ExpireArguments,
    does=Bookkeeping(_expire),
    permission="silence",
    group="people and pages",
    summary="end a silence",
    examples=("silence expire 3",),
)
