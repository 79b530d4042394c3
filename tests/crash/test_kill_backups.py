"""Killed in the middle of a backup, of verifying one, of a restore: what is half done counts for nothing, and the successor begins anew, once."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlmodel import select

from bot.core import postgres
from bot.core.clock import SystemClock
from bot.store.store import Store
from bot.store.tables import LockRow, OperationRow
from sandbox.kubernetes.execs import Answer
from tests.archives import FOUND, archive, asked, trials
from tests.crash.scene import PROD, Replica, Scene, staged, until
from tests.databases import SERVER, needs_postgresql

pytestmark = pytest.mark.slow
LIVE = "aiecommerce"
ANEW = "begun anew"
TWICE = "aiec was stopped twice while it was under way, and nothing of it is left."
END = postgres.END.encode()
LARGE = b"PGDMP" + bytes(range(256)) * 4096 * 24
"""24 MiB."""


@asynccontextmanager
async def played(folder: Path) -> AsyncIterator[Scene]:
    """A scene with a place for backups, and a server to try them on where there is one."""
    store = folder / "store"
    store.mkdir()
    verify = {"target": "VERIFY_DATABASE_URL", "cron": "0 3 * * MON"}
    database = {"env": "prod", "service": "postgres", "name": LIVE, "user": "postgres", "cron": "0 1 1 1 *", "keep": {"daily": 7}}
    async with staged(folder, f"sqlite:///{folder / 'aiec.db'}", backup={"database": database, "verify": verify}) as scene:
        scene.environ |= {"AIEC_BACKUP_URL": store.as_uri()} | ({"VERIFY_DATABASE_URL": SERVER} if SERVER else {})
        yield scene


def files(scene: Scene) -> list[Path]:
    return sorted(one for one in (scene.folder / "store").rglob("*") if one.is_file())


def descriptions(scene: Scene) -> list[Path]:
    """What makes files backups."""
    return [one for one in files(scene) if one.suffix == ".json"]


async def killed(scene: Scene, replica: Replica, half: Callable[[], object], deaths: int, said: str) -> None:
    """Waits until it is half done, and everybody can see that (`said`), and kills the process; then again, when the next one has begun anew."""
    for death in range(deaths):
        words = ANEW if death else said
        await until(lambda words=words: any(words in message.plain for message in scene.messages()[-1:]) and half(), what=scene.describe)
        replica.kill()
        await until(lambda death=death: replica.deaths > death, what=scene.describe)


async def over(scene: Scene, state: str) -> None:
    """The operation asked for last is over, everybody can see that, nothing is locked, and the log of events is whole."""
    await scene.ended({"done": "✅ done", "failed": "❌ failed"}[state])
    store = Store(scene.database, SystemClock())
    rows, locks = store.look(lambda tx: (tx.all(select(OperationRow)), tx.all(select(LockRow))))
    store.close()
    assert (rows[-1].state, rows[-1].lease_until, locks) == (state, None, [])
    code, out, err = await scene.aiec("audit", "verify")
    assert code == 0, out + err


@pytest.mark.parametrize("deaths", [1, 2])
async def test_a_backup_that_was_half_written_is_none(tmp_path: Path, deaths: int) -> None:
    async with played(tmp_path) as scene, scene.running() as replica:
        execs = scene.world.kubernetes.execs
        execs.arrange(Answer("pg_dump --format", stdout=LARGE + END, after=20 * 1024 * 1024, seconds=3600))
        await scene.say("engineer", "/aiec backup prod database")
        seen = set[Path]()

        def half() -> object:
            found = [one for one in files(scene) if one.suffix == ".partial" and one not in seen and one.stat().st_size > len(LARGE) // 2]
            seen.update(found)
            return found

        await killed(scene, replica, half, deaths, "16.0 MiB of postgres-0")
        execs.arrange(Answer("pg_dump --format", stdout=LARGE + END))
        assert descriptions(scene) == []
        if deaths == 2:
            await over(scene, "failed")
            assert TWICE in scene.messages()[-1].plain
            assert files(scene) == []
            await scene.say("engineer", "/aiec backup prod database")  # nothing stands in the way of another one
        await over(scene, "done")
        assert (ANEW in scene.messages()[-1].plain) is (deaths == 1)
        written, description = files(scene)
        assert json.loads(description.read_text())["sha256"] == hashlib.sha256(LARGE).hexdigest() == hashlib.sha256(written.read_bytes()).hexdigest()


@pytest.mark.parametrize("deaths", [1, 2])
async def test_a_restore_that_was_half_done_is_not_in_use(tmp_path: Path, deaths: int) -> None:
    async with played(tmp_path) as scene, scene.running() as replica:
        await scene.say("engineer", "/aiec backup prod database")
        await over(scene, "done")
        server = scene.world.kubernetes.postgres.server(PROD)
        server.databases[LIVE] = {"orders": [["1", "written since"]]}
        scene.world.kubernetes.execs.arrange(Answer("^pg_restore --exit", reads_stdin=True, seconds=3600))
        await scene.say("lead", "/aiec restore prod latest --into aiecommerce")
        await scene.press("senior", "Approve")
        begun = 0

        def half() -> object:
            nonlocal begun
            count = sum(call.command[:2] == ("pg_restore", "--exit-on-error") and call.stdin != b"" for call in scene.world.kubernetes.execs.calls)
            more, begun = count > begun, count
            return more

        await killed(scene, replica, half, deaths, "pg_restore of")
        assert server.databases[LIVE] == {"orders": [["1", "written since"]]}
        assert server.comments["aiecommerce_restoring"].startswith("being restored by aiec")
        scene.world.kubernetes.execs.forget()
        if deaths == 2:
            await over(scene, "failed")
            assert TWICE in scene.messages()[-1].plain
            assert {*server.databases} == {"postgres", LIVE}
            await scene.say("lead", "/aiec restore prod latest --into aiecommerce")
            await scene.press("senior", "Approve")
        await over(scene, "done")
        assert (ANEW in scene.messages()[-1].plain) is (deaths == 1)
        assert len(server.databases[LIVE]["orders"]) == 500
        (kept,) = {*server.databases} - {"postgres", LIVE}
        assert kept.startswith("aiecommerce_before_")
        assert (server.databases[kept], server.closed) == ({"orders": [["1", "written since"]]}, set())


@needs_postgresql
@pytest.mark.parametrize("deaths", [1, 2])
async def test_what_was_half_verified_is_not_verified(tmp_path: Path, deaths: int) -> None:
    with archive(tmp_path, slow=True) as dumped:
        async with played(tmp_path) as scene, scene.running() as replica:
            scene.world.kubernetes.execs.arrange(Answer("pg_dump --format", stdout=dumped + END))
            await scene.say("engineer", "/aiec backup prod database")
            await over(scene, "done")
            store, (written, _) = scene.folder / "store", files(scene)
            name = written.stem
            await scene.say("engineer", "/aiec backup verify prod latest")
            seen = set[int]()

            def half() -> object:
                where = "', '".join(trials(store, name))
                rows = asked(f"SELECT pid FROM pg_stat_activity WHERE datname IN ('{where}') AND query LIKE 'COPY public.weights%'")
                found = {pid for (pid,) in rows} - seen
                seen.update(found)
                return found

            await killed(scene, replica, half, deaths, "restores ")
            assert [one for one in descriptions(scene) if "verified" in one.name] == []
            if deaths == 2:
                await over(scene, "failed")
                assert TWICE in scene.messages()[-1].plain
                assert trials(store, name) == []
                await scene.say("engineer", "/aiec backup verify prod latest")
            await over(scene, "done")
            assert (ANEW in scene.messages()[-1].plain) is (deaths == 1)
            assert FOUND in scene.messages()[-1].plain
            assert trials(store, name) == []
            assert [one for one in descriptions(scene) if "verified" in one.name]
