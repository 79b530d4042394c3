"""`/aiec maintenance start|list|end`: work on named services, during which only what is critical pages."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError
from sqlmodel import col, select

from bot.command import Bookkeeping, Command, Context, Read
from bot.core.card import Bold, Card, Code, Row, Time, line
from bot.core.data import Frozen
from bot.core.durations import Duration, notation
from bot.core.errors import NotFound, Refused
from bot.core.events import Event
from bot.core.parse import Param
from bot.core.suggest import quoted
from bot.core.windows import next_window
from bot.store.incident_tables import MaintenanceRow
from bot.store.transaction import Transaction
from commands.arguments import Environment, Reason
from escalation.maintenance import finish, held, say

LONGEST = timedelta(days=3)
SLOT = "slot"


def _moment(value: object) -> object:
    """Accepts `slot`, `2026-11-29T02:00` and `2026-11-29 02:00`, in UTC."""
    if not isinstance(value, str) or not value or value.casefold() == SLOT:
        return value.casefold() if isinstance(value, str) else value
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        text = f"*{quoted(value)}* is not a moment: write 2026-11-29T02:00 (UTC), or `slot` for the environment's next maintenance slot"
        raise PydanticCustomError("sentence", "{text}", {"text": text}) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _bounded(value: timedelta | None) -> timedelta | None:
    if value is not None and not timedelta() < value <= LONGEST:
        raise PydanticCustomError("sentence", "{text}", {"text": f"A maintenance lasts at most {notation(LONGEST)}, not {notation(value)}"})
    return value


Service = Annotated[str, Param(choices="services", metavar="service", help="what is worked on")]


class StartArguments(Frozen):
    environment: Environment
    service: Service
    and_: Annotated[tuple[str, ...], Param(option=True, choices="services", metavar="SERVICE", help="and what else; may be given several times")] = ()
    for_: Annotated[Duration | None, AfterValidator(_bounded), Param(option=True, metavar="DURATION", help="how long, at most 3d; a slot has its own")] = None
    at: Annotated[str, BeforeValidator(_moment), Param(option=True, metavar="WHEN", help="`slot`, or a moment in UTC; without it now")] = ""
    reason: Reason


class NoArguments(Frozen):
    pass


class EndArguments(Frozen):
    maintenance: Annotated[str, Param(metavar="maintenance", help="its number")]


def _start(arguments: StartArguments, context: Context, tx: Transaction) -> Card | None:
    me = context.request.actor.name
    starts_at, ends_at = _when(arguments, context)
    services = list(dict.fromkeys((arguments.service, *arguments.and_)))
    overlapping = tx.all(select(MaintenanceRow).where(col(MaintenanceRow.ended_at).is_(None), MaintenanceRow.environment == arguments.environment))
    other = next((row for row in overlapping if set(row.services) & set(services) and row.starts_at < ends_at and starts_at < row.ends_at), None)
    if other is not None:
        both = ", ".join(sorted(set(other.services) & set(services)))
        raise Refused(f"{both} has maintenance {other.id} in that time already, by {other.by}: {other.reason}.", f"`/aiec maintenance end {other.id}` ends it.")
    row = MaintenanceRow(
        environment=arguments.environment, services=services, starts_at=starts_at, ends_at=ends_at, reason=arguments.reason, by=me, next_at=tx.now
    )
    tx.save(row)
    data = {"services": services, "from": starts_at.isoformat(), "until": ends_at.isoformat(), "reason": row.reason}
    tx.record(Event(kind="maintenance.planned", subject=f"maintenance {row.id}", actor=me, data=data))
    say(tx, context.config, row)
    return None


def _when(arguments: StartArguments, context: Context) -> tuple[datetime, datetime]:
    slot = context.config.environments[arguments.environment].maintenance_slot
    if arguments.at == SLOT:
        if slot is None:
            raise Refused(
                f"{arguments.environment} has no maintenance slot.", "Give a moment (`--at 2026-11-29T02:00 --for 2h`), or `maintenance_slot` in aiec.yaml."
            )
        starts_at, ends_at = next_window(slot, context.now)
        return starts_at, starts_at + arguments.for_ if arguments.for_ is not None else ends_at
    starts_at = datetime.fromisoformat(arguments.at) if arguments.at else context.now
    if starts_at < context.now - timedelta(minutes=1):
        raise Refused(f"{starts_at:%Y-%m-%d %H:%M} UTC is over.", "Leave `--at` out to begin now.")
    if arguments.for_ is None:
        hint = f"The next slot begins {next_window(slot, context.now)[0]:%A %Y-%m-%d %H:%M} UTC: `--at slot`." if slot is not None else "Add `--for 2h`."
        raise Refused("How long will it take?", hint)
    return starts_at, starts_at + arguments.for_


async def _list(_arguments: NoArguments, context: Context) -> Card:
    def look(tx: Transaction) -> list[tuple[MaintenanceRow, int]]:
        alive = select(MaintenanceRow).where(col(MaintenanceRow.ended_at).is_(None)).order_by(col(MaintenanceRow.starts_at))
        return [(row, len(held(tx, row))) for row in tx.all(alive)]

    found = await context.store.read(look)
    rows = tuple(
        Row(
            name=str(row.id),
            text=line(
                Bold(text=", ".join(row.services)), f" in {row.environment} · ", Time(at=row.starts_at, style="date"), " until ",
                Time(at=row.ends_at, style="date"), f" · {row.by}: {row.reason}", f" · {count} alerts held back" if count else "",
            ),
        )
        for row, count in found
    )  # fmt: skip
    if not rows:
        return Card(headline=line("No maintenance is under way or planned."))
    return Card(headline=line(Bold(text="Maintenance")), rows=rows, lines=(line(Code(text=f"/aiec maintenance end {found[0][0].id}"), " ends one."),))


def _end(arguments: EndArguments, context: Context, tx: Transaction) -> Card | None:
    number = arguments.maintenance.strip().lstrip("#")
    row = tx.get(MaintenanceRow, int(number), lock=True) if number.isascii() and number.isdigit() and len(number) < 18 else None
    if row is None:
        raise NotFound(f"There is no maintenance {quoted(arguments.maintenance)}.", "`/aiec maintenance list` lists them.")
    decision = context.allows("maintenance", row.environment)
    if not decision.allowed:
        raise Refused(decision.reason)
    if row.ended_at is not None:
        raise Refused(f"Maintenance {row.id} ended at {row.ended_at:%H:%M} UTC.")
    finish(tx, context.config, row, context.request.actor.name)
    return None


START = Command(
    name="maintenance start",
    arguments=StartArguments,
    does=Bookkeeping(_start),
    permission="maintenance",
    group="people and pages",
    summary="work on services, while only what is critical about them pages",
    examples=("maintenance start prod gateway --for 2h new load balancer", "maintenance start prod postgres --and redis --at slot moving the disks"),
    rules=(
        "Critical alerts page all the same.",
        "What was held back and still fires at the end is decided anew then.",
        "`--at slot` is the environment's next maintenance slot.",
    ),
)
LIST = Command(
    name="maintenance list",
    arguments=NoArguments,
    does=Read(_list),
    permission="status",
    group="people and pages",
    summary="what is being maintained, and what was held back",
    examples=("maintenance list",),
)
END = Command(
    name="maintenance end",
    arguments=EndArguments,
    does=Bookkeeping(_end),
    group="people and pages",
    summary="end a maintenance before its time",
    examples=("maintenance end 3",),
)
