"""The audit chain: what the sealer writes, and what the verification finds."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from bot.audit import LATE_COMMITS, Sealer, verify
from bot.core.clock import SystemClock
from bot.core.events import Event
from bot.store.store import Store
from bot.store.tables import EventRow
from tests.databases import KINDS, database_with_schema, needs_postgresql

KEY = b"a key of tests"
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
CHANGES = {
    "payload": ("UPDATE events SET payload = '{\"n\": 9}' WHERE id = 2", "the payload of link 2"),
    "kind": ("UPDATE events SET kind = 'operation.approved' WHERE id = 2", "link 2 (operation.approved of op-2)"),
    "subject": ("UPDATE events SET subject = 'op-9' WHERE id = 3", "link 3"),
    "actor": ("UPDATE events SET actor = 'lead' WHERE id = 3", "link 3"),
    "time": ("UPDATE events SET at = '2026-05-04 08:00:00' WHERE id = 1", "link 1"),
    "digest": ("UPDATE seals SET digest = '00' WHERE sequence = 4", "the payload of link 4"),
    "digest of an erased payload": ("UPDATE seals SET digest = '00' WHERE sequence = 5", "link 5"),
    "removed event": ("DELETE FROM events WHERE id = 3", "the event of link 3 was removed"),
    "removed link": ("DELETE FROM seals WHERE sequence = 3", "link 3 is missing"),
    "removed beginning": ("DELETE FROM seals WHERE sequence = 1", "link 1 is missing"),
    "swapped order": ("UPDATE seals SET sequence = CASE sequence WHEN 1 THEN -2 ELSE -1 END WHERE sequence IN (1, 2)", "link 1"),
}


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with database_with_schema(request.param, tmp_path) as url:
        made = Store(url, SystemClock(), durable=False)
        yield made
        made.close()


async def record(store: Store, *numbers: int) -> None:
    for number in numbers:
        await store.transaction(
            lambda tx, number=number: tx.record(Event(kind="operation.planned", subject=f"op-{number}", actor="engineer", data={"n": number}))
        )


async def sealed(store: Store, numbers: int = 5) -> Sealer:
    sealer = Sealer(store, KEY)
    await record(store, *range(1, numbers + 1))
    assert await sealer.update(NOW)
    return sealer


async def verification(store: Store, key: bytes = KEY):
    return await store.read(lambda tx: verify(tx, key))


async def change(store: Store, *statements: str) -> None:
    def work(tx) -> None:
        for statement in statements:
            tx.session.execute(text(statement))

    await store.transaction(work)


async def test_everything_that_is_recorded_is_sealed_in_its_order(store):
    assert await verification(store) == await verification(store, b"another key")
    sealer = await sealed(store)
    assert not await sealer.update(NOW)
    await record(store, 6)
    found = await verification(store)
    assert (found.sealed, found.unsealed, found.problem) == (5, 1, "")
    await sealer.update(NOW)
    grown = await verification(store)
    assert (grown.sealed, grown.unsealed, grown.problem) == (6, 0, "")
    assert grown.head != found.head


async def test_an_erased_payload_still_verifies_and_is_counted(store):
    await sealed(store)
    assert (await verification(store)).erased == 0
    await change(store, "UPDATE events SET payload = NULL WHERE id = 2")
    found = await verification(store)
    assert (found.sealed, found.problem, found.erased) == (5, "", 1)


@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_is_found_where_it_was_made(store, what):
    await sealed(store)
    statement, problem = CHANGES[what]
    await change(store, "UPDATE events SET payload = NULL WHERE id = 5", statement)
    if what == "swapped order":
        await change(store, "UPDATE seals SET sequence = -sequence WHERE sequence < 0")
    found = await verification(store)
    assert found.problem.startswith(problem)
    assert found.sealed < 5


async def test_another_key_does_not_verify(store):
    await sealed(store)
    found = await verification(store, b"another key")
    assert (found.sealed, "AIEC_AUDIT_KEY" in found.problem) == (0, True)


async def test_a_chain_that_was_cut_off_verifies_but_its_head_is_another(store):
    await sealed(store)
    head = (await verification(store)).head
    await change(store, "DELETE FROM seals WHERE sequence = 5", "DELETE FROM events WHERE id = 5")
    cut = await verification(store)
    assert (cut.problem, cut.head == head) == ("", False)


async def test_an_event_that_is_put_in_among_old_ones_is_found(store):
    await change(store, *(_insert(LATE_COMMITS + number) for number in range(1, 4)))
    await Sealer(store, KEY).update(NOW)
    assert (await verification(store)).problem == ""
    await change(store, _insert(2))
    assert not await Sealer(store, KEY).update(NOW)
    assert (await verification(store)).problem == "event 2 (lock.taken of prod) was put in later"


def _insert(number: int) -> str:
    return f"INSERT INTO events (id, at, kind, subject, actor, payload) VALUES ({number}, '2026-05-04 09:00:00', 'lock.taken', 'prod', 'lead', '{{}}')"


async def test_two_that_seal_at_once_make_one_chain(store, tmp_path):
    other = Store(store.engine.url.render_as_string(hide_password=False), SystemClock())
    await record(store, *range(1, 30))
    await asyncio.gather(*(Sealer(each, KEY).update(NOW) for each in (store, other) * 4))
    other.close()
    found = await verification(store)
    assert (found.sealed, found.unsealed, found.problem) == (29, 0, "")


async def test_more_than_a_batch_is_sealed_turn_by_turn(store):
    await store.transaction(lambda tx: [tx.record(Event(kind="note", subject="prod", data={"n": n})) for n in range(1200)])
    sealer = Sealer(store, KEY)
    turns = 0
    while await sealer.update(NOW):
        turns += 1
    found = await verification(store)
    assert (found.sealed, found.unsealed, found.problem, turns) == (1200, 0, "", 3)


@needs_postgresql
async def test_an_event_that_becomes_visible_late_is_sealed_late(tmp_path):
    with database_with_schema("postgresql", tmp_path) as url:
        store = Store(url, SystemClock())
        with store.engine.connect() as slow:
            slow.execute(text("INSERT INTO events (at, kind, subject, actor, payload) VALUES (now(), 'slow', 'prod', 'lead', '{}')"))
            await record(store, 2)
            await Sealer(store, KEY).update(NOW)
            slow.commit()
        await Sealer(store, KEY).update(NOW)
        order = await store.read(lambda tx: [tx.get(EventRow, number).kind for number in (1, 2)])
        found = await verification(store)
        store.close()
    assert order == ["slow", "operation.planned"]
    assert (found.sealed, found.problem) == (2, "")
