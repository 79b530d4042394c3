"""A backup is tried on a real PostgreSQL by the command that people type: what is whole is counted, and what is not is found."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.adapters.scratch import Server
from sandbox.kubernetes.execs import Answer
from tests.archives import FOUND, archive, asked, trials
from tests.databases import SERVER, needs_postgresql
from tests.harness import Stage, stage
from tests.stories.test_backups import END, folder, taken

pytestmark = needs_postgresql


@pytest.fixture
def dumped(tmp_path: Path) -> Iterator[bytes]:
    with archive(tmp_path) as found:
        yield found


@pytest.fixture
async def bot(tmp_path: Path, dumped: bytes) -> AsyncIterator[Stage]:
    """Its pods write a real archive, and `backup.verify.target` is a real server."""
    async with stage(tmp_path, scratch=Server(SERVER or "")) as found:
        found.world.kubernetes.execs.arrange(Answer("pg_dump --format", stdout=dumped + END))
        yield found


async def verified(bot: Stage, name: str) -> str:
    """Asks for it, and returns what is said in the end."""
    await bot.engineer.says(f"/aiec backup verify prod {name}")
    await bot.forward(6)
    assert trials(folder(bot), name) == []
    return bot.last()


async def test_a_backup_is_restored_for_a_trial_and_counted(bot: Stage) -> None:
    name = await taken(bot)
    told = await verified(bot, name)
    assert f"✅ done · *Verify {name} of prod*" in told
    assert f"read to its end and restored: {FOUND}" in told
    assert "verified 2026-11-23: 203 rows" in await bot.engineer.says("/aiec backups prod")


async def test_an_archive_that_was_cut_off_or_changed_is_found(bot: Stage) -> None:
    name = await taken(bot)
    file = folder(bot) / "prod" / f"{name}.dump"
    whole = file.read_bytes()
    half = len(whole) // 2
    broken = {
        whole[:half]: f"{name} is damaged: it has {half} bytes and was written with {len(whole)}",
        whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :]: f"{name} is damaged: its SHA-256 is not the one that it was written with",
    }
    for content, sentence in broken.items():
        file.write_bytes(content)
        told = await verified(bot, name)
        assert f"❌ failed · *Verify {name} of prod failed*" in told
        assert sentence in told
        assert "verified" not in await bot.engineer.says("/aiec backups prod")
    file.write_bytes(whole)
    assert "✅ done" in await verified(bot, name)


async def test_an_archive_that_was_no_whole_one_when_it_was_written_is_found(bot: Stage, dumped: bytes) -> None:
    """Size and SHA-256 are right, and `pg_restore --list` is content with it."""
    bot.world.kubernetes.execs.arrange(Answer("pg_dump --format", stdout=dumped[: len(dumped) * 2 // 3] + END))
    told = await verified(bot, await taken(bot))
    assert "It cannot be restored: pg_restore ended with exit code 1" in told
    assert "Take another backup." in told


async def test_the_server_that_it_comes_from_is_no_server_for_trials(bot: Stage) -> None:
    ((system,),) = asked("SELECT system_identifier::text FROM pg_control_system()")
    bot.world.kubernetes.postgres.server("aiecommerce").system = system
    name = await taken(bot)
    assert f"The server to try backups on is the one that {name} was taken from." in await bot.engineer.says("/aiec backup verify prod latest")


async def test_a_server_for_trials_that_is_gone_is_said(tmp_path: Path) -> None:
    async with stage(tmp_path, scratch=Server("postgresql://postgres@127.0.0.1:1/postgres")) as bot:
        await taken(bot)
        told = await bot.engineer.says("/aiec backup verify prod latest")
        assert "The server for trials at 127.0.0.1:1 refuses" in told
        assert "Check `backup.verify.target`." in told
