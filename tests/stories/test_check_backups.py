"""`aiec check` of backups: the store, the server for trials, the right to run commands."""

import os
from pathlib import Path

import pytest

from bot.checks.finding import Level
from sandbox.kubernetes.access import Rule, User
from tests.stories.test_check import Checked, checked

__all__ = ["checked"]

VERIFY = {"target": "VERIFY_DATABASE_URL", "cron": "0 3 * * MON"}


@pytest.fixture
def store(checked: Checked, tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    checked.environ["AIEC_BACKUP_URL"] = folder.as_uri()
    return folder


async def test_a_store_is_written_to_and_left_as_it_was(checked: Checked, store: Path) -> None:
    found = [one.text for one in await checked.finds(Level.OK, "backups")]
    assert found == [f"{store} can be read and written", "we may run commands in its pods"]
    assert os.listdir(store) == []


async def test_without_a_store_there_are_none(checked: Checked) -> None:
    assert [one.text for one in await checked.finds(Level.OFF, "AIEC_BACKUP_URL")] == ["not set; there is no place for backups: none are taken"]


async def test_without_a_store_nothing_is_pruned_and_with_one_it_is_said_when(checked: Checked, tmp_path: Path) -> None:
    (found,) = await checked.finds(Level.OFF, "retention")
    assert found.text.startswith("there is no place to export to, so that nothing of aiec's own records is pruned")
    checked.environ["AIEC_BACKUP_URL"] = tmp_path.as_uri()
    (found,) = await checked.finds(Level.OK, "retention")
    assert found.text == f"records go to {tmp_path} and are pruned then, after 30d, events after 90d"


async def test_a_store_that_is_not_there_is_wrong(checked: Checked, store: Path) -> None:
    os.rmdir(store)
    assert await checked.wrong("backups") == [f"There is no folder {store} for backups."]


async def test_a_folder_of_one_machine_is_wrong_where_there_are_several(checked: Checked, store: Path) -> None:
    checked.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/none"
    found = await checked.wrong("backups")
    assert len(found) == 1
    assert "AIEC_BACKUP_URL is a folder of this machine alone" in found[0]


async def test_the_right_to_run_commands_is_asked_for(checked: Checked, store: Path) -> None:
    checked.sandbox.world.kubernetes.access.declare("sandbox", User("aiec", (Rule(("get", "list"), ("pods", "pods/exec", "statefulsets")),)))
    assert await checked.wrong("backups prod") == ["we may not create pods/exec in namespace aiecommerce"]


async def test_a_server_for_trials_that_is_not_named_or_does_not_answer(checked: Checked, store: Path) -> None:
    checked.data["backup"]["verify"] = VERIFY
    assert await checked.wrong("backup.verify") == ["VERIFY_DATABASE_URL is not set"]
    checked.environ["VERIFY_DATABASE_URL"] = "postgresql://nobody:hunter2@127.0.0.1:9/none"
    found = await checked.wrong("backup.verify")
    assert len(found) == 1
    assert "hunter2" not in found[0]
