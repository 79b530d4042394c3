"""Backups, as people take, see, verify and restore them; and what goes wrong with them."""

import re
from pathlib import Path

import pytest
import yaml

from bot.adapters.backups.seal import Seal
from bot.core import postgres
from bot.core.errors import Invalid
from sandbox.kubernetes import access
from sandbox.kubernetes.execs import Answer
from tests.harness import BACKUP_KEY, Stage, said, stage

END = postgres.END.encode()


def folder(bot: Stage) -> Path:
    return Path(bot.ports.backups.where)


def files(bot: Stage) -> list[str]:
    return sorted(one.name for one in folder(bot).rglob("*") if one.is_file())


async def taken(bot: Stage) -> str:
    """Returns the name of a backup that was just taken."""
    await bot.engineer.says("/aiec backup prod database")
    await bot.forward(6)
    assert "✅ done · *Back up aiecommerce in prod*" in bot.last()
    return next(name for name in reversed(files(bot)) if name.endswith(".dump")).removesuffix(".dump")


async def test_the_database_is_backed_up_from_its_primary(bot: Stage) -> None:
    await bot.engineer.says("/aiec backup prod database")
    await bot.forward(6)
    assert "✅ done · *Back up aiecommerce in prod*" in bot.last()
    assert "(server 15.18, pg_dump 15.18)" in bot.last()
    assert files(bot) == ["database-20261123-140000.dump", "database-20261123-140000.json"]
    dumped = [call for call in bot.world.kubernetes.execs.calls if "pg_dump" in call.command and call.command[1] != "--version"]
    assert [(call.pod, call.container) for call in dumped] == [("postgres-0", "postgres")]
    listed = await bot.engineer.says("/aiec backups prod")
    assert "1 backup of prod" in listed
    assert "database-20261123-140000" in listed


TROUBLE = {
    "exits": (Answer("pg_dump --format", stdout=b"PGDMP half", stderr=b"pg_dump: error: could not open relation\n", exit_code=1), "could not open relation"),
    "is cut off": (Answer("pg_dump --format", stdout=b"x" * 100_000, cut_after=70_000), "ended before it said how it went"),
    "says nothing": (Answer("pg_dump --format", stdout=END), "succeeded and wrote nothing"),
    "loses its end": (Answer("pg_dump --format", stdout=b"PGDMP and most of it"), "The end of what pg_dump wrote in postgres-0 did not arrive"),
}


@pytest.mark.slow
async def test_a_dump_that_does_not_end_well_leaves_nothing(bot: Stage) -> None:
    for answer, sentence in TROUBLE.values():
        bot.world.kubernetes.execs.arrange(answer)
        await bot.engineer.says("/aiec backup prod database")
        await bot.forward(50)
        assert "❌ failed · *Back up aiecommerce in prod failed*" in bot.last()
        assert sentence in bot.last()
        assert files(bot) == []
        assert "Retry" in bot.message_with("Retry").buttons
        assert "Undo it" not in bot.message_with("Retry").buttons
        bot.world.kubernetes.execs.forget()


async def test_what_pg_dump_complains_of_does_not_matter_when_it_succeeds(bot: Stage) -> None:
    bot.world.kubernetes.execs.arrange(Answer("pg_dump --format", stdout=b"PGDMP" + END, stderr=b"pg_dump: warning: there are circles\n"))
    await taken(bot)


@pytest.mark.slow
async def test_a_connection_that_breaks_once_is_tried_again(bot: Stage) -> None:
    bot.world.kubernetes.execs.arrange(Answer("pg_dump --format", stdout=b"x" * 100_000, cut_after=70_000))
    await bot.engineer.says("/aiec backup prod database")
    await bot.forward(4)
    assert "is begun anew soon: The connection to the command" in bot.last()
    bot.world.kubernetes.execs.forget()
    await bot.forward(40)
    assert "✅ done" in bot.last()


async def test_which_pod_is_the_primary_has_to_be_clear(bot: Stage) -> None:
    server = bot.world.kubernetes.postgres.server("aiecommerce")
    server.primaries = ("-0", "-1")
    assert "postgres-0 and postgres-1 all say that they are the primary." in await bot.engineer.says("/aiec backup prod database")
    server.primaries = ("-9",)
    assert "There is no primary of postgres: postgres-0 is a replica; postgres-1 is a replica" in await bot.engineer.says("/aiec backup prod database")
    server.primaries = ("-0",)
    bot.world.kubernetes.execs.arrange(Answer("^psql", pod="postgres-0", stderr=b"psql: error: no such socket\n", exit_code=2))
    told = await bot.engineer.says("/aiec backup prod database")
    assert "postgres-0 does not answer (`psql` in postgres-0 ended with exit code 2: psql: error: no such socket)" in told
    assert files(bot) == []


async def test_a_pg_dump_that_is_missing_or_too_old_is_said_before(bot: Stage) -> None:
    server = bot.world.kubernetes.postgres.server("aiecommerce")
    server.program = "13.2"
    assert "`pg_dump` in postgres-0 is of version 13, older than the server's 15." in await bot.engineer.says("/aiec backup prod database")
    server.program, server.version = "16.1", "16.1"
    await taken(bot)
    bot.world.kubernetes.execs.arrange(Answer("^pg_dump --version", missing=True))
    assert "There is no `pg_dump` in the container of postgres-0." in await bot.engineer.says("/aiec backup prod database")


async def test_a_store_that_is_gone_is_said_before(bot: Stage) -> None:
    folder(bot).rename(folder(bot).with_name("elsewhere"))
    assert f"There is no folder {folder(bot)} for backups." in await bot.engineer.says("/aiec backup prod database")
    assert "Mount it, or correct AIEC_BACKUP_URL." in await bot.engineer.says("/aiec backups prod")


async def test_where_aiec_yaml_names_no_database(bot: Stage) -> None:
    assert "aiec.yaml knows no database to back up in staging: only one of prod." in await bot.engineer.says("/aiec backup staging database")


async def test_a_database_that_is_not_there(bot: Stage) -> None:
    del bot.world.kubernetes.postgres.server("aiecommerce").databases["aiecommerce"]
    await bot.engineer.says("/aiec backup prod database")
    await bot.forward(10)
    assert 'database "aiecommerce" does not exist' in bot.last()
    assert files(bot) == []


@pytest.mark.slow
async def test_deploys_go_on_beside_a_backup(bot: Stage) -> None:
    bot.world.kubernetes.execs.arrange(Answer("pg_dump --format", stdout=b"PGDMP" + END, seconds=0.3))
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    await bot.lead.clicks("Approve")
    await bot.engineer.says("/aiec backup prod database")
    await bot.forward(minutes=2)
    assert bot.image("gateway-production") == "v1.2.0"
    assert [name for name in files(bot) if name.endswith(".json")]


async def test_a_bot_that_was_gone_begins_the_backup_anew_once(bot: Stage) -> None:
    bot.world.kubernetes.execs.arrange(Answer("pg_dump --format", stdout=b"PGDMP half", times=10, seconds=30))
    await bot.slack.says("engineer", "devops", "/aiec backup prod database")
    await bot.bot.engine.settle()
    assert not [name for name in files(bot) if name.endswith(".json")]
    bot.world.kubernetes.execs.forget()
    await bot.dead(minutes=1)
    await bot.forward(10)
    assert "✅ done" in bot.last()
    assert files(bot) == ["database-20261123-140000.dump", "database-20261123-140000.json"]
    assert "op-2" not in await bot.engineer.says("/aiec operations")


async def test_without_the_right_to_it_the_rule_is_named(bot: Stage) -> None:
    everything = ("get", "list", "watch", "patch", "create", "delete")
    names = ("deployments", "statefulsets", "daemonsets", "pods", "pods/log", "events", "replicasets", "horizontalpodautoscalers", "services")
    bot.world.kubernetes.access.declare("sandbox", access.User("aiec", (access.Rule(everything, names),)))
    told = await bot.engineer.says("/aiec backup prod database")
    assert re.search("We may not create pods/postgres-[0-2]/exec in namespace aiecommerce", told)
    assert 'Add this rule to aiec\'s role: {apiGroups: [""], resources: ["pods/exec"], verbs: ["get", "create"]}' in told


def databases(bot: Stage) -> dict[str, int]:
    """The rows of each database."""
    found = bot.world.kubernetes.postgres.server("aiecommerce").databases
    return {name: sum(map(len, tables.values())) for name, tables in found.items() if name != "postgres"}


async def test_a_backup_is_restored_into_a_new_database_once_somebody_approves(bot: Stage) -> None:
    name = await taken(bot)
    await bot.lead.says(f"/aiec restore prod {name}")
    assert "waits for one approval" in bot.last()
    assert databases(bot) == {"aiecommerce": 500}
    await bot.senior.clicks("Approve")
    await bot.forward(6)
    assert f"✅ done · *Restore {name} into aiecommerce_20261123_140000 in prod*" in bot.last()
    assert "1 table, 500 rows" in bot.last()
    assert databases(bot) == {"aiecommerce": 500, "aiecommerce_20261123_140000": 500}
    told = await bot.lead.says(f"/aiec restore prod {name}")
    assert "There is a database aiecommerce_20261123_140000 in prod already, and only the live one is ever replaced." in told


async def test_the_live_database_is_replaced_when_its_name_is_given_and_kept_beside(bot: Stage) -> None:
    name = await taken(bot)
    bot.world.kubernetes.postgres.server("aiecommerce").databases["aiecommerce"]["orders"].clear()
    await bot.lead.says("/aiec restore prod latest --into aiecommerce")
    assert "whoever is connected loses the connection" in bot.last()
    await bot.senior.clicks("Approve")
    await bot.forward(6)
    assert f"✅ done · *Restore {name} in the place of aiecommerce in prod*" in bot.last()
    assert databases(bot) == {"aiecommerce": 500, "aiecommerce_before_20261123_140006": 0}
    assert bot.world.kubernetes.postgres.server("aiecommerce").closed == set()


async def damaged(bot: Stage, change: str) -> str:
    """Returns the name of a backup whose file was changed behind our back."""
    name = await taken(bot)
    file = folder(bot) / "prod" / f"{name}.dump"
    content = file.read_bytes()
    file.write_bytes({"cut off": content[:-100], "changed": content[:200] + b"?" + content[201:], "gone": b""}[change])
    return name


async def test_a_damaged_archive_is_found_before_anything_is_changed(bot: Stage) -> None:
    for change, sentence in {"cut off": "it has ", "changed": "its SHA-256 is not", "gone": "it has 0 bytes"}.items():
        name = await damaged(bot, change)
        await bot.lead.says(f"/aiec restore prod {name} --into fresh")
        await bot.senior.clicks("Approve")
        await bot.forward(6)
        assert "❌ failed" in bot.last()
        assert f"{name} is damaged: {sentence}" in bot.last()
        assert databases(bot) == {"aiecommerce": 500}


@pytest.mark.slow
async def test_a_restore_that_fails_leaves_no_database(bot: Stage) -> None:
    name = await taken(bot)
    bot.world.kubernetes.execs.arrange(Answer("^pg_restore --exit", reads_stdin=True, stderr=b'pg_restore: error: role "shop" does not exist\n', exit_code=1))
    for into in ("fresh", "aiecommerce"):
        await bot.lead.says(f"/aiec restore prod {name} --into {into}")
        await bot.senior.clicks("Approve")
        await bot.forward(6)
        assert 'role "shop" does not exist' in bot.last()
        assert databases(bot) == {"aiecommerce": 500}


@pytest.mark.slow
async def test_a_bot_that_was_gone_restores_anew_once(bot: Stage) -> None:
    name = await taken(bot)
    bot.world.kubernetes.execs.arrange(Answer("^pg_restore --exit", reads_stdin=True, seconds=30))
    await bot.lead.says(f"/aiec restore prod {name} --into aiecommerce")
    await bot.slack.clicks("senior", bot.message_with("Approve"), "Approve")
    await bot.bot.engine.settle()
    while "aiecommerce_restoring" not in databases(bot):
        await bot.bot.engine.settle()
    bot.world.kubernetes.execs.forget()
    await bot.dead(minutes=1)
    await bot.forward(6)
    assert "✅ done" in bot.last()
    assert [*databases(bot).values()] == [500, 500]


async def test_a_restore_waits_for_the_change_window(tmp_path: Path) -> None:
    async with stage(tmp_path, prod={"change_window": {"cron": "0 2 * * SUN", "duration": "4h"}}) as bot:
        name = await taken(bot)
        told = await bot.lead.says(f"/aiec restore prod {name}")
        assert "The change window is closed; it opens 2026-11-29 02:00 UTC, until 06:00." in told
        assert databases(bot) == {"aiecommerce": 500}


async def test_who_may_not_restore_and_what_is_no_backup(bot: Stage) -> None:
    name = await taken(bot)
    assert "`restore` in prod is not granted to you" in await bot.engineer.says(f"/aiec restore prod {name}")
    told = await bot.lead.says("/aiec restore prod database-20261123-140001")
    assert "*database-20261123-140001* is no backup of prod; did you mean `database-20261123-140000`?" in told
    (folder(bot) / "prod" / f"{name}.json").write_text("{}")
    assert "makes no sense" in await bot.lead.says(f"/aiec restore prod {name}")
    assert "There is no backup of prod" in await bot.engineer.says("/aiec backups prod")


async def test_verifying_needs_a_server_for_it(bot: Stage) -> None:
    name = await taken(bot)
    told = await bot.engineer.says(f"/aiec backup verify prod {name}")
    assert "There is no server to try backups on, and a list of what is in an archive proves nothing." in told


async def test_all_that_is_configured_is_backed_up_and_no_secret(bot: Stage) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": "aiecommerce"}, "data": {"token": "aHVudGVyMg=="}}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "aiecommerce"}, "data": {"greeting": "olá"}}
    bot.world.kubernetes.apply(secret)
    bot.world.kubernetes.apply(settings)
    await bot.engineer.says("/aiec backup prod config")
    await bot.forward(6)
    assert "✅ done · *Back up the configuration of prod*" in bot.last()
    assert "Secrets left out" in bot.last()
    written = (folder(bot) / "prod" / "config-20261123-140000.yaml").read_text()
    things = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(written)}
    assert ("ConfigMap", "settings") in things
    assert {("Deployment", "gateway-production"), ("HorizontalPodAutoscaler", "gateway-production"), ("StatefulSet", "postgres")} <= {*things}
    assert things["ConfigMap", "settings"] == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": settings["metadata"], "data": {"greeting": "olá"}}
    assert not {"Secret", "Pod", "ReplicaSet", "Event", "EndpointSlice"} & {kind for kind, _ in things}
    assert not any("status" in one or "managedFields" in one["metadata"] for one in things.values())
    assert "hunter2" not in written
    assert "aHVudGVyMg" not in written

    await bot.engineer.says("/aiec backup verify prod config-20261123-140000")
    await bot.forward(6)
    assert f"read to its end: {len(things)} objects" in bot.last()
    told = await bot.lead.says("/aiec restore prod config-20261123-140000")
    assert "is a backup of configuration, which is not restored as a whole" in told


async def test_secrets_are_encrypted_with_the_key(tmp_path: Path) -> None:
    async with stage(tmp_path, backup={"config": {"env": "prod", "cron": "30 1 * * *", "keep": {"daily": 30}, "secrets": "encrypt"}}) as bot:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": "aiecommerce"}, "data": {"token": "aHVudGVyMg=="}}
        bot.world.kubernetes.apply(secret)
        await bot.engineer.says("/aiec backup prod config")
        await bot.forward(6)
        assert "Secrets encrypted" in bot.last()
        written = (folder(bot) / "prod" / "config-20261123-140000.yaml").read_bytes()
        assert b"aHVudGVyMg" not in written
        assert "token" not in [one["metadata"]["name"] for one in yaml.safe_load_all(written) if one]
        opened = [one for one in yaml.safe_load_all(Seal(BACKUP_KEY).open(written)) if one["kind"] == "Secret"]
        assert [(one["metadata"]["name"], one["data"]) for one in opened] == [("token", {"token": "aHVudGVyMg=="})]
        with pytest.raises(Invalid, match="is not the key"):
            Seal("another key, which is as long as the first one was").open(written)


async def test_kinds_that_may_not_be_read_are_named_with_the_rule(bot: Stage) -> None:
    everything = ("get", "list", "watch", "patch", "create", "delete")
    names = ("deployments", "statefulsets", "daemonsets", "pods", "replicasets", "horizontalpodautoscalers", "services", "selfsubjectaccessreviews")
    bot.world.kubernetes.access.declare("sandbox", access.User("aiec", (access.Rule(everything, names),)))
    told = await bot.engineer.says("/aiec backup prod config")
    assert "We may not list " in told
    assert "ingresses.networking.k8s.io" in told
    assert '{apiGroups: ["networking.k8s.io"], resources: ["ingresses"' in told
    assert files(bot) == []


def every_day(keep: int) -> dict[str, object]:
    database = {"env": "prod", "service": "postgres", "name": "aiecommerce", "user": "postgres", "cron": "5 14 * * *", "keep": {"daily": keep}}
    return {"database": database}


async def test_backups_take_themselves_and_old_ones_go(tmp_path: Path) -> None:
    async with stage(tmp_path, backup=every_day(2)) as bot:
        await bot.forward(minutes=6, step=30)
        assert files(bot) == ["database-20261123-140500.dump", "database-20261123-140500.json"]
        assert "✅ done · *Back up aiecommerce in prod*" in bot.last()
        assert "asked by @schedule" in bot.last()
        for _ in range(2):
            bot.world.clock.advance(24 * 3600 - 360)
            await bot.forward(minutes=6, step=30)
        assert [name for name in files(bot) if name.endswith(".dump")] == ["database-20261124-140500.dump", "database-20261125-140500.dump"]
        assert "1 older removed (database-20261123-140500)" in bot.last()
        assert bot.slack.messages("devops-alerts") == []


async def test_a_backup_that_fails_by_itself_is_a_warning_until_one_is_well(tmp_path: Path) -> None:
    async with stage(tmp_path, backup=every_day(2)) as bot:
        bot.world.kubernetes.execs.arrange(Answer("pg_dump --format", stderr=b"pg_dump: error: no space\n", exit_code=1))
        await bot.forward(minutes=7, step=30)
        warnings = bot.slack.messages("devops-alerts")
        assert len(warnings) == 1
        assert "The scheduled backup of the database of prod did not go well: op-1 failed: `pg_dump` in postgres-0" in said(warnings[0])
        bot.world.kubernetes.execs.forget()
        bot.world.clock.advance(24 * 3600 - 420)
        await bot.forward(minutes=7, step=30)
        await bot.forward(minutes=12, step=30)
        assert "✅ done · *#1 SEV3 The scheduled backup of the database of prod" in said(bot.slack.messages("incidents")[0])


async def test_a_backup_that_was_missed_is_taken_late_and_said(tmp_path: Path) -> None:
    async with stage(tmp_path, backup=every_day(2)) as bot:
        await bot.settle()
        await bot.dead(minutes=60)
        await bot.forward(minutes=1)
        assert [name for name in files(bot) if name.endswith(".dump")] == ["database-20261123-150000.dump"]
        assert "it was due at 14:05 UTC and was done at 2026-11-23 15:00, for aiec did not run" in said(bot.slack.messages("devops-alerts")[-1])
