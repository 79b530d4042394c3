"""Cutting the audit chain: what stays verifies, and what does not is not cut."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from bot.adapters.backups.folder import Folder
from bot.audit import Sealer, verify
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.events import Event
from bot.store.incident_tables import OverrideRow
from bot.store.store import Store
from bot.store.tables import AnchorRow, EventRow
from escalation.retention.chain import Cut, cut, oldest
from escalation.retention.export import Export, row_line, write
from escalation.retention.kinds import KINDS as KINDS_OF_ROWS
from escalation.retention.kinds import needed
from escalation.retention.manager import RetentionManager, prune
from tests.databases import KINDS, database_with_schema
from tests.unit.test_config import MINIMAL

KEY = b"a key of tests"
START = datetime(2026, 5, 4, 9, tzinfo=UTC)
EXPORT = Export("records/events-1.jsonl", "00")


class Clock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with database_with_schema(request.param, tmp_path) as url:
        made = Store(url, Clock(), durable=False)
        yield made
        made.close()


async def a_day_each(store: Store, count: int) -> None:
    """Events, a day between them, sealed; the last one is of now."""
    for number in range(count):
        store.clock.at = START + timedelta(days=number)
        await store.transaction(lambda tx, number=number: tx.record(Event(kind="operation.planned", subject=f"op-{number}", data={"n": number})))
        await Sealer(store, KEY).update(store.clock.at)


async def look(store: Store, border: datetime, limit: int = 100) -> Cut:
    return await store.read(lambda tx: oldest(tx, KEY, border, limit))


async def test_what_is_older_than_the_border_may_go_in_order_and_the_last_stays(store: Store) -> None:
    await a_day_each(store, 5)
    assert [row.subject for _, row in (await look(store, START + timedelta(days=2))).links] == ["op-0", "op-1"]
    assert len((await look(store, START + timedelta(days=99))).links) == 4
    assert len((await look(store, START + timedelta(days=99), limit=3)).links) == 3


async def test_the_chain_verifies_from_its_anchor_also_when_it_is_cut_again(store: Store) -> None:
    await a_day_each(store, 6)
    for border in (2, 4):
        found = await look(store, START + timedelta(days=border))
        assert await store.transaction(lambda tx, found=found: cut(tx, KEY, found.sequence, found.links, EXPORT))
        await Sealer(store, KEY).update(store.clock.at)
        after = await store.read(lambda tx: verify(tx, KEY))
        assert (after.problem, after.pruned, after.file) == ("", border, EXPORT.file)
    assert (await store.read(lambda tx: verify(tx, b"another key of tests"))).problem.startswith("the anchor")


async def test_of_two_who_cut_one_does(store: Store) -> None:
    await a_day_each(store, 4)
    found = await look(store, START + timedelta(days=2))
    assert await store.transaction(lambda tx: cut(tx, KEY, found.sequence, found.links, EXPORT))
    assert not await store.transaction(lambda tx: cut(tx, KEY, found.sequence, found.links, EXPORT))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE anchors SET sequence = 1", "the anchor"),
        ("UPDATE anchors SET file = 'records/other.jsonl'", "the anchor"),
        ("DELETE FROM anchors", "link 1 is missing"),
        ("DELETE FROM seals WHERE sequence = 3", "link 3 is missing"),
    ],
)
async def test_who_tampers_with_the_cut_is_found(store: Store, statement: str, said: str) -> None:
    await a_day_each(store, 5)
    found = await look(store, START + timedelta(days=2))
    await store.transaction(lambda tx: cut(tx, KEY, found.sequence, found.links, EXPORT))
    await store.transaction(lambda tx: tx.session.connection().execute(text(statement)) and None)
    assert said in (await store.read(lambda tx: verify(tx, KEY))).problem


async def test_a_chain_that_does_not_hold_is_not_cut(store: Store, tmp_path: Path) -> None:
    await a_day_each(store, 5)
    await store.transaction(lambda tx: tx.session.connection().execute(text("UPDATE events SET actor = 'lead' WHERE id = 1")) and None)
    with pytest.raises(AiecError, match="does not hold"):
        await look(store, START + timedelta(days=99))
    (tmp_path / "there").mkdir()
    store.clock.at += timedelta(days=99)
    config = Config.model_validate(MINIMAL | {"retention": {"application": "30d", "audit": "90d"}})
    manager = RetentionManager(store, config, Folder(tmp_path / "there"), KEY)
    assert await manager.update(store.clock.at) is False
    kinds = await store.read(lambda tx: [row.kind for row in tx.all(select(EventRow).order_by(col(EventRow.id)))])
    assert kinds == ["operation.planned"] * 5 + ["retention.failed", "alert.rejected"]
    assert await store.read(lambda tx: tx.get(AnchorRow, 1)) is None


async def test_a_file_that_is_not_what_was_written_is_no_export(tmp_path: Path) -> None:
    class Forgetful(Folder):
        async def read(self, name):
            yield b"something else"

    with pytest.raises(AiecError, match="is not what was written"):
        await write(Forgetful(tmp_path), "events-1-2", [b"{}"])
    export = await write(Folder(tmp_path), "events-1-2", [b"{}", b"[]"])
    assert (tmp_path / export.file).read_bytes() == b"{}\n[]\n"


async def test_every_table_can_be_asked_for_what_is_old(store: Store) -> None:
    for kind in KINDS_OF_ROWS:
        assert await store.read(lambda tx, kind=kind: [*kind.candidates(tx, START, None, 10)]) == []
        after = "a" if kind.name in ("messages", "pages", "alert_groups") else 7
        assert await store.read(lambda tx, kind=kind, after=after: [*kind.candidates(tx, START, after, 10)]) == []
    assert (await store.read(lambda tx: needed(tx, START))).operations == frozenset()


async def test_rows_are_pruned_only_as_they_were_exported(store: Store) -> None:
    def given(tx) -> None:
        tx.save(OverrideRow(policy="default", level=1, person="senior", starts_at=START, ends_at=START, by="lead"))
        tx.save(OverrideRow(policy="default", level=2, person="lead", starts_at=START, ends_at=START, by="lead"))
        tx.save(OverrideRow(policy="default", level=3, person="cto", starts_at=START, ends_at=START, by="lead"))

    await store.transaction(given)
    border = START + timedelta(days=1)
    kind = next(one for one in KINDS_OF_ROWS if one.name == "overrides")
    rows = await store.read(lambda tx: [*kind.candidates(tx, border, None, 10)])
    lines = {row.id: row_line(kind.name, row) for row in rows}
    assert len(lines) == 2  # the newest stays
    await store.transaction(lambda tx: tx.session.connection().execute(text("UPDATE overrides SET person = 'engineer' WHERE level = 2")) and None)
    await store.transaction(lambda tx: prune(tx, kind, border, lines, EXPORT))
    left = await store.read(lambda tx: sorted(row.person for row in tx.all(select(OverrideRow))))
    assert left == ["cto", "engineer"]
