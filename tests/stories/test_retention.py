"""What is old is exported, and only then pruned; what is open stays."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import SQLModel, select

from bot.audit import Verification, verify
from bot.store.incident_tables import EvidenceRow, IncidentRow
from bot.store.tables import AnchorRow, EventRow, MessageRow, OperationRow, RequestRow
from tests.harness import KEY, Stage, said, stage


async def count(bot: Stage, table: type[SQLModel]) -> int:
    return int(await bot.bot.store.read(lambda tx: tx.session.scalar(select(func.count()).select_from(table)) or 0))


async def verified(bot: Stage) -> Verification:
    await bot.settle()
    return await bot.bot.store.read(lambda tx: verify(tx, KEY))


async def days(bot: Stage, number: int) -> None:
    """So many days later, at the hour at which it looks."""
    bot.world.clock.advance(timedelta(days=number).total_seconds())
    await bot.settle()


def exported(folder: Path, table: str) -> list[Any]:
    """The lines of all files of a table."""
    files = sorted((folder / "backups" / "records").glob(f"{table}-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


async def some_work(bot: Stage) -> None:
    """Two deploys, an incident that is over and closed, and one that is open."""
    for version in ("v1.2.1", "v1.2.2"):
        await bot.engineer.says(f"/aiec deploy staging {version}")
        await bot.forward(60)
    await bot.lead.says("/aiec incident declare SEV3 error rate 12 % --service gateway")
    await bot.engineer.says("/aiec incident note #1 restarted the pool")
    await bot.engineer.says("/aiec incident resolve #1")
    await bot.engineer.says("/aiec incident close #1")
    await bot.lead.says("/aiec incident declare SEV3 disk is filling --service postgres")
    await bot.forward(4)


async def test_after_a_month_what_is_over_was_exported_and_is_gone_and_what_is_open_stays(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await some_work(bot)
        before = {table: await count(bot, table) for table in (RequestRow, OperationRow, MessageRow, EventRow)}
        await days(bot, 29)
        assert await count(bot, OperationRow) == before[OperationRow]
        assert not (tmp_path / "backups" / "records").exists()
        await days(bot, 3)
        rows = {table: await count(bot, table) for table in before}
        assert rows[RequestRow] == 1  # the newest: its number must not be given again
        assert rows[OperationRow] == 1
        assert rows[EventRow] > before[EventRow]
        assert [line["row"]["id"] for line in exported(tmp_path, "operations")] == [1]
        assert len(exported(tmp_path, "requests")) == before[RequestRow] - 1
        assert await count(bot, IncidentRow) == 2
        assert "restarted the pool" in await bot.engineer.says("/aiec incident show #1")
        keys = await bot.bot.store.read(lambda tx: [row.key for row in tx.all(select(MessageRow))])
        assert "incident-2" in keys  # it is open, and its message is still edited
        assert "incident-1" not in keys
        assert await bot.bot.store.read(lambda tx: [row for row in tx.all(select(EvidenceRow)) if row.incident == 1]) == []
        assert (await verified(bot)).problem == ""
        await bot.engineer.says("/aiec incident note #2 still filling")
        assert len([one for one in bot.slack.messages("incidents") if "disk is filling" in said(one) and not one.is_reply]) == 1
        await bot.engineer.says("/aiec deploy staging v1.2.0")
        await bot.forward(60)
        assert await bot.bot.store.read(lambda tx: [row.id for row in tx.all(select(OperationRow))]) == [2, 3]


@pytest.mark.slow
async def test_after_three_months_events_are_gone_and_the_chain_verifies_from_its_anchor(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await some_work(bot)
        await bot.engineer.says("/aiec incident resolve #2")
        sealed = (await verified(bot)).sealed
        shown = await bot.engineer.says("/aiec incident show #2")
        await days(bot, 92)
        found = await verified(bot)
        assert found.problem == ""
        assert found.pruned >= sealed - 1
        lines = exported(tmp_path, "events")
        assert [line["sequence"] for line in lines] == [*range(1, found.pruned + 1)]
        assert (tmp_path / "backups" / found.file).is_file()
        for opened in (re.search(r"declared by lead.*", shown), re.search(r"resolved by engineer.*", shown)):
            assert opened is not None
            assert opened[0] in await bot.engineer.says("/aiec incident show #2")  # it was never closed, and its events are gone
        assert "restarted the pool" in await bot.engineer.says("/aiec incident show #1")


@pytest.mark.slow
async def test_an_open_incident_keeps_its_events_and_all_after_them(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await some_work(bot)
        first = await bot.bot.store.read(lambda tx: tx.session.scalar(select(func.min(EventRow.id)).where(EventRow.subject == "#2")))
        await days(bot, 92)
        assert await bot.bot.store.read(lambda tx: tx.session.scalar(select(func.min(EventRow.id)))) == first
        assert (await verified(bot)).problem == ""


@pytest.mark.slow
async def test_without_the_store_nothing_is_pruned_and_it_goes_on_when_it_is_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await some_work(bot)
        folder = tmp_path / "backups"
        folder.rename(tmp_path / "away")
        before = await count(bot, RequestRow)
        await days(bot, 32)
        assert await count(bot, RequestRow) == before
        assert await bot.events("retention.failed") == ["aiec"]
        await bot.forward(minutes=61, step=600)
        assert await bot.events("retention.failed") == ["aiec"]  # said once
        (warning,) = [said(one) for one in bot.slack.messages("devops-alerts") if "RetentionFailed" in said(one)]
        assert "⚠️ needs you · *RetentionFailed* · warning · 1 of 1 still fire" in warning
        assert f"so that nothing is pruned, and it is tried again every hour: There is no folder {folder} for backups. Mount it, or correct AIEC_B" in warning
        (tmp_path / "away").rename(folder)
        await bot.forward(minutes=70, step=600)
        assert await count(bot, RequestRow) < before
        assert await bot.events("alert.ended") == ["alertmanager"]


@pytest.mark.slow
async def test_what_was_exported_and_not_pruned_is_exported_once_more(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await some_work(bot)
        await days(bot, 92)
        anchor = await bot.bot.store.read(lambda tx: tx.get(AnchorRow, 1))
        assert anchor is not None
        shutil.rmtree(tmp_path / "backups" / "records")
        await days(bot, 1)
        found = await verified(bot)
        assert (found.problem, found.pruned >= anchor.sequence) == ("", True)
