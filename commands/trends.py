"""`/aiec trends`: what a month was like, beside the month before."""

import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from bot.command import Command, Context, Read
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.errors import UsageError
from bot.core.parse import Param
from bot.core.suggest import quoted
from escalation.trends.card import as_csv, review
from escalation.trends.facts import Facts, Month, month_of
from escalation.trends.figures import figures
from escalation.trends.reading import read


def _month(value: object) -> object:
    """Accepts `2026-11`."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(2\d{3})-(0[1-9]|1[0-2])", value.strip(), re.ASCII)
    if found is None:
        raise PydanticCustomError("sentence", "{text}", {"text": f"*{quoted(value)}* is not a month such as 2026-11"})
    return value.strip()


class Arguments(Frozen):
    month: Annotated[str | None, BeforeValidator(_month), Param(option=True, metavar="MONTH", help="such as 2026-11; this one, unless given")] = None
    csv: Annotated[bool, Param(option=True, help="as a file for spreadsheets, in your direct messages")] = False


async def _trends(arguments: Arguments, context: Context) -> Card:
    this = month_of(context.now)
    month = this if arguments.month is None else Month(year=int(arguments.month[:4]), month=int(arguments.month[5:]))
    if month.start > this.start:
        raise UsageError(f"{month.title} has not begun.", f"The latest that there is something of is `/aiec trends --month {this.name}`.")
    facts: Facts = await context.store.read(lambda tx: read(tx, context.config, month))
    whole = review(month, facts, context.now)
    if arguments.csv:
        here, before = figures(month, facts, context.now), figures(month.back(), facts, context.now)
        return Card(headline=whole.headline, file=as_csv(here, before, facts.owed))
    return whole


COMMAND = Command(
    name="trends",
    arguments=Arguments,
    does=Read(_trends),
    permission="incident.list",
    group="afterwards",
    summary="what a month was like: incidents, answers, nights, alerts that came again, deploys",
    examples=("trends", "trends --month 2026-10", "trends --month 2026-10 --csv"),
    rules=(
        "Private incidents are counted, and neither their service nor their cause is named.",
        "The review of the month that is over posts itself when `postmortem.trends.cron` says so.",
    ),
)
