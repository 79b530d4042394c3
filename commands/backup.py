"""`/aiec backup <env> database|config`, `/aiec backups <env>`: taking backups, and seeing which there are."""

import json
from datetime import UTC, timedelta
from typing import Annotated, Literal

from sqlmodel import col, select

from bot.command import Change, Command, Context, Read
from bot.core import postgres
from bot.core.backups import Listed, backup_name, listed, size_of
from bot.core.card import Bold, Card, CheckResult, Line, Row, Time, Verdict, line
from bot.core.config import Keep
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.operation import Phase
from bot.core.parse import Param
from bot.core.plan import Plan
from bot.core.steps import ConfigBackupStep, DatabaseBackupStep, Step
from bot.core.steps.backup import store_of
from bot.core.steps.config_backup import kinds, unreadable
from bot.store.tables import OperationRow
from bot.store.transaction import Transaction
from commands.arguments import Environment

KINDS = ("database", "config")

SHOWN = 30
"""How many backups are listed."""


class Arguments(Frozen):
    environment: Environment
    what: Annotated[Literal["database", "config"], Param(among=KINDS, metavar="database|config", help="of what: the database, or all that is configured")]


async def plan(arguments: Arguments, context: Context) -> Plan:
    environment, what = arguments.environment, arguments.what
    store = store_of(context.world)
    await store.names(f"{environment}/")  # raises when it is out of reach
    name = backup_name(what, context.now.astimezone(UTC))
    step, title, note, checks = await (_database if what == "database" else _config)(context, environment, name)
    alone = await context.store.read(lambda tx: _alone(tx, environment))
    return Plan(
        command="backup",
        environment=environment,
        title=title,
        steps=(step,),
        checks=(*checks, *alone, CheckResult(check="store", verdict=Verdict.PASSED, text=f"into {store.where}")),
        notes={step.target: note},
        undo_on_failure=False,
        exclusive=False,
    )


async def _database(context: Context, environment: str, name: str) -> tuple[Step, str, str, list[CheckResult]]:
    database, service = database_of(context, environment)
    cluster = context.world.clusters[environment]
    source = await postgres.primary(cluster, database)
    program = await postgres.version_of(cluster, database, source.pod, "pg_dump", source.major)
    keep = context.config.backup.database.keep if context.config.backup.database else Keep()
    step = DatabaseBackupStep(environment=environment, service=service, name=name, made_at=context.now.replace(microsecond=0), keep=keep, database=database)
    text = f"{source.pod} is the primary: PostgreSQL {source.version}, pg_dump {program}"
    return step, f"Back up {database.name} in {environment}", f"in {source.pod}, as {name}", [CheckResult(check="primary", verdict=Verdict.PASSED, text=text)]


async def _config(context: Context, environment: str, name: str) -> tuple[Step, str, str, list[CheckResult]]:
    cluster, settings = context.world.clusters[environment], context.config.backup.config
    secrets = settings.secrets if settings is not None and settings.env == environment else "omit"
    if secrets == "encrypt" and context.world.seal is None:
        raise Refused("There is no key to encrypt Secrets with.", "Set AIEC_BACKUP_KEY, or `backup.config.secrets: omit`.")
    wanted = await kinds(cluster, secrets)
    if denied := await unreadable(cluster, wanted):
        said = ", ".join(sorted(f"{resource}.{group}" if group else resource for group, resource in denied))
        groups = sorted({group for group, _ in denied})
        rules = [(group, sorted(resource for one, resource in denied if one == group)) for group in groups]
        rule = ", ".join(f'{{apiGroups: ["{group}"], resources: {json.dumps(resources)}, verbs: ["list"]}}' for group, resources in rules)
        raise Refused(f"We may not list {said} in namespace {cluster.namespace}, and a backup without them would be none.", f"Add to aiec's role: {rule}")
    keep = settings.keep if settings is not None and settings.env == environment else Keep()
    made_at = context.now.replace(microsecond=0)
    step = ConfigBackupStep(environment=environment, service="config", name=name, made_at=made_at, keep=keep, secrets=secrets)
    return step, f"Back up the configuration of {environment}", f"{len(wanted)} kinds, as {name}", []


def database_of(context: Context, environment: str) -> tuple[postgres.Database, str]:
    """Returns the database of an environment and its service. Raises Refused when aiec.yaml names none there."""
    named = context.config.backup.database
    if named is None or named.env != environment:
        where = f"only one of {named.env}" if named else "none"
        raise Refused(f"aiec.yaml knows no database to back up in {environment}: {where}.", "Say it in `backup.database`.")
    service = context.config.services[named.service]
    found = postgres.Database(
        workload=service.kind, workload_name=service.name_in(environment, named.service), container=service.container, user=named.user, name=named.name
    )
    return found, named.service


def _alone(tx: Transaction, environment: str) -> list[CheckResult]:
    """Blocks while another backup is taken there: they would only slow each other down."""
    moving = (col(OperationRow.state).in_([Phase.RUNNING, Phase.UNDOING]), OperationRow.environment == environment)
    found = [row for row in tx.all(select(OperationRow).where(*moving)) if row.document["command"] == "backup"]
    if not found:
        return []
    text = f"op-{found[0].id} takes a backup of {environment} at this moment."
    return [CheckResult(check="alone", verdict=Verdict.BLOCKED, text=text, hint=f"Wait for it (`/aiec show op-{found[0].id}`).")]


class ListArguments(Frozen):
    environment: Environment


async def _list(arguments: ListArguments, context: Context) -> Card:
    store = store_of(context.world)
    found = await listed(store, arguments.environment)
    if not found:
        text = f"There is no backup of {arguments.environment} in {store.where}."
        return Card(headline=line(text), lines=(line(f"`/aiec backup {arguments.environment} database` takes one."),))
    latest = {kind: next((one for one in found if one.backup.kind == kind), None) for kind in ("database", "config")}
    more = (line(f"and {len(found) - SHOWN} older ones"),) if len(found) > SHOWN else ()
    return Card(
        headline=line(Bold(text=f"{len(found)} backup{'' if len(found) == 1 else 's'} of {arguments.environment}"), f" in {store.where}"),
        lines=(*(_old(kind, one, context) for kind, one in latest.items() if one is not None), *more),
        rows=tuple(_row(one) for one in found[:SHOWN]),
    )


def _old(kind: str, one: Listed, context: Context) -> Line:
    old = context.now - one.backup.made_at
    return line(f"The latest of the {kind} is ", "older than a day: " if old > timedelta(days=1) else "of ", Time(at=one.backup.made_at, style="ago"))


def _row(one: Listed) -> Row:
    verified = f" · verified {one.verified.at:%Y-%m-%d}: {one.verified.rows} rows" if one.verified else ""
    return Row(name=one.backup.name, text=line(f"{size_of(one.backup.size)}{verified}"))


COMMAND = Command(
    name="backup",
    arguments=Arguments,
    does=Change(plan),
    permission="backup",
    group="change production",
    summary="take a backup of the database, or of all that is configured",
    examples=("backup prod database", "backup prod config"),
    rules=(
        "The database is dumped in its primary and streamed to the store; a dump that does not end well leaves nothing that looks like a backup.",
        "When it is done, those that `backup.*.keep` does not keep are removed.",
        "It takes no lock: deploys go on beside it.",
    ),
)

LIST = Command(
    name="backups",
    arguments=ListArguments,
    does=Read(_list),
    permission="backup",
    group="look",
    summary="list the backups that there are",
    examples=("backups prod",),
)
