"""`/aiec restore <env> <backup>`, `/aiec backup verify <env> <backup>`: putting a backup back, and trying whether that would work."""

from datetime import UTC
from typing import Annotated

from bot.command import Change, Command, Context
from bot.core import postgres
from bot.core.backups import Backup, find, listed, size_of
from bot.core.card import CheckResult, Verdict
from bot.core.data import Frozen
from bot.core.errors import NotFound, Refused
from bot.core.parse import Param
from bot.core.plan import Plan, weigh
from bot.core.steps.backup import store_of
from bot.core.steps.restore import LONGEST_NAME, RestoreStep, VerifyBackupStep, fresh_name
from bot.store.transaction import Transaction
from commands.arguments import Environment
from commands.backup import database_of
from commands.hands import DryRun, Emergency
from commands.preflight import records

LATEST = "latest"

Name = Annotated[str, Param(metavar="backup", help="a backup, as `backups` lists it; `latest` is the latest one of the database")]


class Arguments(Frozen):
    environment: Environment
    backup: Name
    into: Annotated[str, Param(option=True, metavar="NAME", help="the new database; the live one's name replaces that")] = ""
    emergency: Emergency = ""
    dry_run: DryRun = False


async def plan(arguments: Arguments, context: Context) -> Plan:
    environment = context.config.environments[arguments.environment]
    backup = await _backup(context, arguments.environment, arguments.backup)
    if backup.kind == "config":
        hint = f"Take {backup.file} out of {store_of(context.world).where} and apply what you need of it: `kubectl apply -f {backup.name}.yaml`."
        raise Refused(f"{backup.name} is a backup of configuration, which is not restored as a whole: what runs has changed since.", hint)
    database, service = database_of(context, arguments.environment)
    into = arguments.into or f"{database.name}_{backup.made_at:%Y%m%d_%H%M%S}"
    live = into == database.name
    kept = f"{database.name}_before_{context.now:%Y%m%d_%H%M%S}" if live else ""
    cluster = context.world.clusters[arguments.environment]
    source = await postgres.primary(cluster, database)
    program = await postgres.version_of(cluster, database, source.pod, "pg_restore", int(backup.versions.get("pg_dump", "0").partition(".")[0]))
    for name in (kept, fresh_name(into)) if live else (into,):
        await _free(context, database, arguments.environment, source.pod, name)
    step = RestoreStep(environment=arguments.environment, service=service, name=backup.name, database=database, into=into, kept=kept, at=_moment(context))
    checks = await context.store.read(lambda tx: _checks(tx, context, arguments.environment))
    primary = f"{source.pod} is the primary: PostgreSQL {source.version}, pg_restore {program}"
    return Plan(
        command="restore",
        environment=arguments.environment,
        title=f"Restore {backup.name} {'in the place of' if live else 'into'} {into} in {arguments.environment}",
        steps=(step,),
        checks=weigh((*checks, CheckResult(check="primary", verdict=Verdict.PASSED, text=primary), *_warnings(database, live)), arguments.emergency),
        notes={step.target: f"{size_of(backup.size)} of {backup.made_at:%Y-%m-%d %H:%M} UTC"},
        approvals=max(environment.approvals, 1),
        expires_after=environment.approval_expires,
        undo_on_failure=False,
        emergency=arguments.emergency,
    )


async def _backup(context: Context, environment: str, name: str) -> Backup:
    store = store_of(context.world)
    if name != LATEST:
        return await find(store, environment, name)
    found = next((one.backup for one in await listed(store, environment) if one.backup.kind == "database"), None)
    if found is None:
        raise NotFound(f"There is no backup of a database of {environment} in {store.where}.", f"`/aiec backup {environment} database` takes one.")
    return found


async def _free(context: Context, database: postgres.Database, environment: str, pod: str, name: str) -> None:
    if len(name.encode()) > LONGEST_NAME:
        raise Refused(f"{name} is longer than the {LONGEST_NAME} bytes that PostgreSQL allows.", "Give a shorter name with `--into`.")
    if await postgres.comment(context.world.clusters[environment], database, pod, name) is not None:
        hint = f"Give another name with `--into`; `--into {database.name}` replaces the live one."
        raise Refused(f"There is a database {name} in {environment} already, and only the live one is ever replaced.", hint)


def _moment(context: Context) -> str:
    return context.now.astimezone(UTC).replace(microsecond=0).isoformat()


def _checks(tx: Transaction, context: Context, environment: str) -> tuple[CheckResult, ...]:
    settings, mine = context.config.environments[environment], (context.request.actor.name, context.request.key)
    found = (records.lock(tx, environment, mine), records.freeze(tx, environment, settings), records.window(settings, tx.now), records.recent(tx, environment))
    return tuple(one for one in found if one is not None)


def _warnings(database: postgres.Database, live: bool) -> list[CheckResult]:
    if not live:
        return []
    text = f"{database.name} is replaced: whoever is connected loses the connection, and what was written since the backup is only in the database that is kept"
    stays = "roles, and what was set for the database itself, are not in a backup"
    return [CheckResult(check="live", verdict=Verdict.WARNING, text=said) for said in (text, stays)]


class VerifyArguments(Frozen):
    environment: Environment
    backup: Name


async def plan_verify(arguments: VerifyArguments, context: Context) -> Plan:
    backup = await _backup(context, arguments.environment, arguments.backup)
    if backup.kind == "database":
        await _trial(context, backup)
    service = context.config.backup.database.service if context.config.backup.database and backup.kind == "database" else backup.kind
    step = VerifyBackupStep(environment=arguments.environment, service=service, name=backup.name, what=backup.kind, at=_moment(context))
    return Plan(
        command="backup verify",
        environment=arguments.environment,
        title=f"Verify {backup.name} of {arguments.environment}",
        steps=(step,),
        notes={step.target: size_of(backup.size)},
        undo_on_failure=False,
        exclusive=False,
    )


async def _trial(context: Context, backup: Backup) -> None:
    """Raises Refused where there is no server for trials, or it is production's."""
    scratch = context.world.scratch
    if scratch is None:
        text = "There is no server to try backups on, and a list of what is in an archive proves nothing."
        raise Refused(text, "Name the variable that has the URL of one in `backup.verify.target` of aiec.yaml, and set it.")
    if await scratch.system() == backup.system:
        raise Refused(f"The server to try backups on is the one that {backup.name} was taken from.", "Name another one in `backup.verify.target`.")


RESTORE = Command(
    name="restore",
    arguments=Arguments,
    does=Change(plan, rehearsal=lambda arguments: arguments.dry_run),
    permission="restore",
    group="change production",
    summary="put a backup of the database back",
    examples=("restore prod database-20261126-010003", "restore prod latest --into aiecommerce"),
    rules=(
        "It goes into a new database, which nothing uses yet; only when the live one's name is given is that replaced, when all of the backup is there.",
        "The live database that was replaced is kept under another name.",
        "It always needs somebody else's approval, and waits for the change window where there is one.",
        "The archive is read to its end before anything is changed.",
    ),
)

VERIFY = Command(
    name="backup verify",
    arguments=VerifyArguments,
    does=Change(plan_verify),
    permission="backup",
    group="look",
    summary="try whether a backup can be restored",
    examples=("backup verify prod latest",),
    rules=("It is restored on the server of `backup.verify.target`, never on the one that it was taken from; its rows are counted, and it is dropped again.",),
)
