"""A real PostgreSQL is backed up by exec on a real cluster, with the roles of deploy/ and nothing else, restored, and compared row by row."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from bot.adapters.backups import open_backups
from bot.adapters.kubernetes import KubernetesCluster
from bot.adapters.scratch import Server
from bot.core import postgres
from bot.core.backups import file_of, find, intact
from bot.core.config import Keep
from bot.core.errors import AiecError, Forbidden, Invalid, NotFound
from bot.core.ports import World
from bot.core.steps import ConfigBackupStep, DatabaseBackupStep, RestoreStep
from bot.core.steps.config_backup import kinds, unreadable
from tests.adapters.conftest import OnCluster
from tests.adapters.test_role import DEPLOY, ROLE, Nothing, somebody

SERVER = os.environ.get("TEST_DATABASE_URL")
BACKUPS = DEPLOY / "backups" / "role.yaml"
AT = datetime(2026, 11, 26, 1, 0, 3, tzinfo=UTC)
ROWS = 20_000

pytestmark = pytest.mark.skipif(not SERVER, reason="TEST_DATABASE_URL names no PostgreSQL server")


async def asked(database: str, *statements: str) -> list[tuple[object, ...]]:
    """Runs statements in a database of the server and returns what the last one found."""
    found: list[tuple[object, ...]] = []
    async with await psycopg.AsyncConnection.connect(make_conninfo(SERVER or "", dbname=database), autocommit=True) as connection:
        for statement in statements:
            cursor = await connection.execute(statement.encode())
            found = await cursor.fetchall() if cursor.description else []
    return found


@pytest.fixture
async def source() -> AsyncIterator[str]:
    """The name of a database with all sorts of rows; whatever is made from it goes with it."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    await asked("postgres", f'CREATE DATABASE "{name}"')
    await asked(
        name,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id bigserial PRIMARY KEY, word text, bytes bytea, at timestamptz)",
        f"INSERT INTO sales.orders (word, bytes, at) SELECT 'é\\n' || n, sha256(n::text::bytea), now() FROM generate_series(1, {ROWS}) n",
        "CREATE TABLE nothing ()",
        "CREATE TABLE \"with 'quotes'\" (x int)",
        "INSERT INTO \"with 'quotes'\" VALUES (1), (NULL)",
    )
    yield name
    for (one,) in await asked("postgres", f"SELECT datname FROM pg_database WHERE datname LIKE '{name}%'"):
        await asked("postgres", f'DROP DATABASE "{one}" WITH (FORCE)')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the backups go."""
    made = tmp_path / "store"
    made.mkdir()
    return made


def left_in(folder: Path) -> list[str]:
    return [one.name for one in folder.rglob("*") if one.is_file()]


def database(name: str) -> postgres.Database:
    return postgres.Database(workload="StatefulSet", workload_name="postgres", container="postgres", user=os.environ.get("PGUSER", "postgres"), name=name)


@pytest.fixture
async def pods(real: OnCluster) -> OnCluster:
    """One pod, whose commands run on the machine of the cluster and reach the server there."""
    spec = {"containers": [{"name": "postgres", "image": "registry.example/postgres:15"}]}
    template = {"metadata": {"labels": {"app": "postgres"}}, "spec": spec}
    selector = {"matchLabels": {"app": "postgres"}}
    await real.create({"kind": "StatefulSet", "metadata": {"name": "postgres"}, "spec": {"serviceName": "db", "selector": selector, "template": template}})
    for _ in range(100):
        pod = await real.cluster.get("Pod", "postgres-0")
        if pod is not None and any("running" in one["state"] for one in pod["status"].get("containerStatuses", ())):
            break
        await real.passes(0.2)
    try:
        await postgres.primary(real.cluster, database("postgres"))
    except AiecError as error:
        pytest.skip(f"commands in pods of TEST_KUBECONFIG reach no PostgreSQL: {error.text}")
    return real


def world(cluster: KubernetesCluster, backups: object) -> World:
    return World({"test": cluster}, Nothing(), Nothing(), datetime.now(UTC), backups=backups)  # type: ignore[arg-type]


def ignored(_: str) -> None:
    return


def step(name: str) -> DatabaseBackupStep:
    return DatabaseBackupStep(environment="test", service="postgres", name="database-20261126-010003", made_at=AT, keep=Keep(), database=database(name))


async def rows(name: str) -> list[tuple[object, ...]]:
    return await asked(name, "SELECT * FROM sales.orders ORDER BY id")


async def test_backed_up_and_restored_it_is_the_same_row_by_row(pods: OnCluster, source: str, folder: Path) -> None:
    async with somebody(pods, ROLE, BACKUPS) as cluster, open_backups(folder.as_uri()) as store:
        here = world(cluster, store)
        taken = step(source)
        assert await taken.found(here) is None
        said = await taken.work(here, ignored)
        assert await taken.found(here) == said
        backup = await find(store, "test", taken.name)
        assert (backup.versions["server"].partition(".")[0], backup.database) == (backup.versions["pg_dump"].partition(".")[0], source)
        assert backup.size == (folder / backup.file).stat().st_size

        kept = f"{source}_before"
        common = {"environment": "test", "service": "postgres", "name": taken.name, "database": database(source), "at": AT.isoformat()}
        beside = RestoreStep.model_validate({**common, "into": f"{source}_new"})
        assert await beside.work(here, ignored) == f"3 tables, {ROWS + 2} rows"
        assert await beside.found(here) == f"3 tables, {ROWS + 2} rows"
        assert await rows(f"{source}_new") == await rows(source)

        before = await rows(source)
        await asked(source, "DELETE FROM sales.orders")
        instead = RestoreStep.model_validate({**common, "into": source, "kept": kept})
        async with await psycopg.AsyncConnection.connect(make_conninfo(SERVER or "", dbname=source)):  # somebody is connected
            assert await instead.work(here, ignored) == f"3 tables, {ROWS + 2} rows; what was there before is {kept}"
        assert await rows(source) == before
        assert await rows(kept) == []
        assert await instead.found(here) == f"3 tables, {ROWS + 2} rows; what was there before is {kept}"


async def test_verifying_restores_all_of_it_for_a_trial(pods: OnCluster, source: str, folder: Path) -> None:
    async with somebody(pods, ROLE, BACKUPS) as cluster, open_backups(folder.as_uri()) as store:
        await step(source).work(world(cluster, store), ignored)
        backup = await find(store, "test", step(source).name)
        server = Server(SERVER or "")
        assert await server.system() == backup.system
        name = f"{source}_trial"
        counts = await server.restore(name, intact(store, backup))
        assert (counts.tables, counts.rows) == (3, ROWS + 2)
        await leaves_nothing(name)

        file = folder / file_of("test", "database", backup.name)
        whole = file.read_bytes()
        for broken in (whole[: len(whole) // 2], whole[:5000], whole[: len(whole) // 2] + b"?" + whole[len(whole) // 2 + 1 :], b"nonsense"):
            file.write_bytes(broken)
            with pytest.raises(Invalid):
                await server.restore(name, intact(store, backup))
            with pytest.raises(Invalid):  # also where its own description would fit
                await server.restore(name, intact(store, backup.model_copy(update={"size": len(broken), "sha256": backup.sha256})))
            await leaves_nothing(name)


async def leaves_nothing(name: str) -> None:
    assert await asked("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == []


async def test_each_right_is_needed(pods: OnCluster, source: str, folder: Path) -> None:
    async with somebody(pods, ROLE) as cluster, open_backups(folder.as_uri()) as store:
        with pytest.raises(Forbidden, match="pods/exec"):
            await step(source).work(world(cluster, store), ignored)
        assert left_in(folder) == []


async def failing(step_: Callable[[], Awaitable[str]]) -> AiecError:
    with pytest.raises(AiecError) as failed:
        await step_()
    return failed.value


async def test_what_is_not_there_is_said_and_nothing_is_left(pods: OnCluster, source: str, folder: Path) -> None:
    async with somebody(pods, ROLE, BACKUPS) as cluster, open_backups(folder.as_uri()) as store:
        here = world(cluster, store)
        error = await failing(lambda: step(f"{source}_no").work(here, ignored))
        assert f'database "{source}_no" does not exist' in error.text
        assert left_in(folder) == []
        with pytest.raises(NotFound):
            await find(store, "test", step(source).name)


async def test_the_role_suffices_for_all_that_is_configured(real: OnCluster, folder: Path) -> None:
    await real.create({"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"greeting": "olá"}})
    async with somebody(real, ROLE, BACKUPS) as cluster, open_backups(folder.as_uri()) as store:
        wanted = await kinds(cluster, "omit")
        assert {"v1/ConfigMap", "networking.k8s.io/v1/Ingress", "v1/PersistentVolumeClaim", "batch/v1/CronJob"} <= {*wanted}
        assert "v1/Secret" not in wanted
        others = await unreadable(cluster, wanted)
        assert [one for one in others if one[0] != "kwok.x-k8s.io"] == []
    more = folder.with_name("more.yaml")
    more.write_text(yaml.safe_dump({"rules": [{"apiGroups": [group], "resources": [resource], "verbs": ["list"]} for group, resource in others]}))
    async with somebody(real, ROLE, BACKUPS, more) as cluster, open_backups(folder.as_uri()) as store:
        config = ConfigBackupStep(environment="test", service="config", name="config-20261126-010003", made_at=AT, keep=Keep(), secrets="omit")
        await config.work(world(cluster, store), ignored)
        backup = await find(store, "test", config.name)
        written = list(yaml.safe_load_all((folder / backup.file).read_text()))
        assert len(written) == backup.things
        assert [one["data"] for one in written if one["metadata"]["name"] == "settings"] == [{"greeting": "olá"}]
    async with somebody(real, ROLE) as cluster:
        lacking = await unreadable(cluster, wanted)
        assert ("", "configmaps") in lacking
        assert ("apps", "deployments") not in lacking
