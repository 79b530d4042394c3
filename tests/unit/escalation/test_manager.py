"""Escalations in the database: what is paged, when, and what is written down of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from bot.config_file import read
from bot.settings import SHIPPED
from bot.store.incident_tables import EscalationRow, OverrideRow, PageRow
from bot.store.store import Store, make_engine
from bot.store.tables import EventRow, MessageRow
from escalation import book
from escalation.book import Draft
from escalation.incident import State
from escalation.manager import EscalationManager, serve
from tests.databases import KINDS, database_with_schema

CONFIG = read(SHIPPED)
START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Store]:
    with database_with_schema(kind, folder) as url:
        store = Store(url, Clock(), threads=False, engine=make_engine(url, durable=False))
        try:
            yield store
        finally:
            store.close()


class Desk:
    """Somebody who opens incidents, lets time pass, and reads what the bot wrote."""

    def __init__(self, store: Store, config: Any = CONFIG) -> None:
        self.store, self.config = store, config
        self.manager = EscalationManager(store, config)

    async def open(self, severity: str = "SEV1", **fields: Any) -> int:
        draft = Draft(title="error rate 12 %", severity=severity, service="gateway", **fields)
        return (await self.store.transaction(lambda tx: book.open_incident(tx, self.config, draft, "alertmanager"))).number

    async def become(self, number: int, state: State, by: str = "engineer") -> None:
        def work(tx: Any) -> None:
            _, before = book.find(tx, number)
            book.change(tx, self.config, before, before.go(state, tx.now, by), by)

        await self.store.transaction(work)

    async def forward(self, minutes: float) -> None:
        self.store.clock.at += timedelta(minutes=minutes)  # type: ignore[attr-defined]
        while await self.manager.update(self.store.clock.now()):
            pass

    async def sent(self) -> None:
        """Lets the pages stand in PagerDuty as wanted."""

        def work(tx: Any) -> None:
            for row in tx.all(select(PageRow).where(col(PageRow.next_at).is_not(None))):
                row.sent_version, row.sent_rounds, row.sent_level, row.sent_status, row.next_at = row.version, row.rounds, row.level, row.status, None
                row.remote = f"P-{row.key}"
                tx.save(row)

        await self.store.transaction(work)

    async def pages(self) -> list[PageRow]:
        return [*await self.store.read(lambda tx: tx.all(select(PageRow).order_by(col(PageRow.created_at), col(PageRow.key))))]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        rows = await self.store.read(lambda tx: tx.all(select(EventRow).where(EventRow.kind == kind).order_by(col(EventRow.id))))
        return [{"subject": row.subject, **(row.payload or {})} for row in rows]

    async def row(self, number: int) -> EscalationRow:
        row = await self.store.read(lambda tx: tx.get(EscalationRow, number))
        assert row is not None
        return row


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    with opened(request.param, tmp_path) as store:
        yield Desk(store)


async def test_levels_are_paged_on_time_and_the_last_one_again(desk: Desk) -> None:
    await desk.open()
    for minutes in (0, 14, 1, 30, 60, 119, 1):
        await desk.forward(minutes)
        await desk.sent()
    said = [(one["level"], one["people"], one["round"]) for one in await desk.events("page.requested")]
    assert said == [(1, ["engineer"], 1), (2, ["senior"], 2), (3, ["lead", "manager"], 3), (4, ["cto"], 4), (4, ["cto"], 5)]
    first, again = await desk.pages()
    assert (first.level, first.status, first.rounds, first.sent_rounds) == (4, "triggered", 5, 5)
    assert (again.level, again.status, again.rounds, again.again, again.people, again.call) == (4, "triggered", 1, 5, ["P0CTO"], ["cto"])
    assert again.key.startswith(first.key)
    await desk.forward(120)
    await desk.sent()
    _, old, new = await desk.pages()
    assert (old.status, new.status, new.again) == ("resolved", "triggered", 6)


async def test_the_last_level_is_called_again_as_often_as_people_want_also_in_the_same_second(desk: Desk) -> None:
    number = await desk.open()
    for minutes in (0, 15, 30, 60):
        await desk.forward(minutes)
        await desk.sent()

    def at_once(tx: Any) -> None:
        row = tx.get(EscalationRow, number)
        row.next_at = tx.now
        tx.save(row)

    for _ in range(2):
        await desk.store.transaction(at_once)
        await desk.forward(0)
        await desk.sent()
    base, *repeats = await desk.pages()
    assert [row.key.removeprefix(base.key) for row in repeats] == ["-again-5", "-again-6"]
    assert [row.status for row in repeats] == ["resolved", "triggered"]


async def test_what_was_not_delivered_yet_needs_no_second_page(desk: Desk) -> None:
    await desk.open()
    for minutes in (0, 15, 30, 60, 120):
        await desk.forward(minutes)
    (page,) = await desk.pages()
    assert (page.level, page.rounds, page.sent_rounds) == (4, 5, 0)


async def test_an_answer_stops_it_and_silence_afterwards_pages_the_level_anew(desk: Desk) -> None:
    number = await desk.open()
    await desk.forward(0)
    await desk.forward(15)
    await desk.sent()
    await desk.become(number, State.ACKNOWLEDGED, "senior")
    await desk.forward(1000)
    assert len(await desk.events("page.requested")) == 2
    (page,) = await desk.pages()
    assert (page.status, page.by) == ("acknowledged", "senior")
    await desk.become(number, State.TRIGGERED, "aiec")
    await desk.forward(0)
    (page,) = await desk.pages()
    assert [one["level"] for one in await desk.events("page.requested")] == [1, 2, 2]
    assert (page.status, page.level, page.rounds, page.by) == ("triggered", 2, 3, None)


async def test_a_resolved_incident_pages_nobody_and_one_that_was_never_paged_stays_unknown(desk: Desk) -> None:
    number = await desk.open()
    await desk.become(number, State.RESOLVED)
    await desk.forward(10_000)
    (page,) = await desk.pages()
    assert (page.rounds, page.next_at) == (0, None)
    assert await desk.events("page.requested") == []


async def test_a_severity_that_does_not_page_begins_to_when_it_is_raised(desk: Desk) -> None:
    number = await desk.open("SEV3")
    await desk.forward(60)
    assert await desk.pages() == []

    def work(tx: Any) -> None:
        _, before = book.find(tx, number)
        book.change(tx, CONFIG, before, before.model_copy(update={"severity": "SEV1"}), "lead", "severity")

    await desk.store.transaction(work)
    await desk.forward(0)
    (page,) = await desk.pages()
    assert (page.title, page.level) == (f"#{number} SEV1 error rate 12 %", 1)


async def test_a_severity_that_is_raised_while_somebody_is_on_it_pages_once_he_is_gone(desk: Desk) -> None:
    number = await desk.open("SEV3")
    await desk.become(number, State.ACKNOWLEDGED)

    def raised(tx: Any) -> None:
        _, before = book.find(tx, number)
        book.change(tx, CONFIG, before, before.model_copy(update={"severity": "SEV1"}), "lead", "severity")

    await desk.store.transaction(raised)
    await desk.forward(0)
    assert await desk.pages() == []
    await desk.become(number, State.TRIGGERED)
    await desk.forward(0)
    assert [one["people"] for one in await desk.events("page.requested")] == [["engineer"]]


@pytest.mark.parametrize(
    ("severity", "asked", "owed"),
    [
        ("SEV1", False, 40),  # at once, as half an hour has gone by without one
        ("SEV2", False, 60),
        ("SEV2", True, 60),
        ("SEV1", True, 240),  # it is asked for already, and owed by either
    ],
)
async def test_the_next_update_is_owed_by_the_severity_that_it_has_now(tmp_path: Path, severity: str, asked: bool, owed: int) -> None:
    with opened("sqlite", tmp_path) as store:
        desk = Desk(store)
        number = await desk.open("SEV3")
        await desk.forward(40)

        def raise_it(tx: Any) -> None:
            _, before = book.find(tx, number)
            before = book.change(tx, CONFIG, before, before.model_copy(update={"update_asked": asked}), "aiec", "asked")
            book.change(tx, CONFIG, before, before.model_copy(update={"severity": severity}), "aiec", "severity")

        await store.transaction(raise_it)
        _, after = await store.transaction(lambda tx: book.find(tx, number))
        assert after.update_due == START + timedelta(minutes=owed)
        assert after.update_asked == (asked and severity == "SEV1")


async def test_an_override_is_paged_by_name(desk: Desk) -> None:
    row = OverrideRow(policy="default", level=1, person="lead", starts_at=START, ends_at=START + timedelta(hours=8), by="lead")
    await desk.store.transaction(lambda tx: tx.save(row))
    await desk.open()
    await desk.forward(0)
    (page,) = await desk.pages()
    assert (page.people, page.call) == (["P0LEAD"], ["lead"])


async def test_only_calls_from_now_on_count_where_the_page_before_may_have_been_for_the_same_people(desk: Desk) -> None:
    row = OverrideRow(policy="default", level=2, person="cto", starts_at=START, ends_at=START + timedelta(hours=8), by="lead")
    await desk.store.transaction(lambda tx: tx.save(row))
    await desk.open()
    since = []
    for minutes in (0, 15, 30, 60):
        await desk.forward(minutes)
        since.append((await desk.pages())[0].since)
        if minutes != 30:
            await desk.sent()
    # L3 is not taken by PagerDuty, so that who is called there late was not called for L4.
    assert since == [None, None, None, START + timedelta(minutes=105)]


async def test_who_was_called_before_it_was_resolved_was_not_called_for_what_came_back(desk: Desk) -> None:
    """Where PagerDuty was not told yet that it was resolved: whoever is first to be called now may still be assigned there, from a higher level."""
    number = await desk.open()
    for minutes in (0, 15):
        await desk.forward(minutes)
        await desk.sent()
    await desk.become(number, State.RESOLVED)
    await desk.become(number, State.TRIGGERED)
    await desk.forward(1)
    (page,) = await desk.pages()
    assert (page.level, page.status, page.since) == (1, "triggered", START + timedelta(minutes=15))


async def test_nobody_on_call_is_recorded_shouted_and_paged_once_somebody_is(tmp_path: Path) -> None:
    policy = CONFIG.escalation.policies["default"]  # type: ignore[union-attr]
    empty = policy.model_copy(update={"levels": tuple(level.model_copy(update={"people": ()}) for level in policy.levels)})
    config = CONFIG.model_copy(update={"escalation": CONFIG.escalation.model_copy(update={"policies": {"default": empty}})})  # type: ignore[union-attr]
    with opened("sqlite", tmp_path) as store:
        desk = Desk(store, config)
        await desk.open()
        await desk.forward(0)
        await desk.forward(5)
        assert [one["level"] for one in await desk.events("level.skipped")] == [1, 2, 3, 4] * 2
        (message,) = await store.read(lambda tx: tx.all(select(MessageRow)))
        assert "#1: nobody is on call at any level of default" in str(message.card)
        row = OverrideRow(policy="default", level=2, person="senior", starts_at=START, ends_at=START + timedelta(hours=8), by="lead")
        await store.transaction(lambda tx: tx.save(row))
        await desk.forward(5)
        assert [one["level"] for one in await desk.events("page.requested")] == [2]


async def test_a_clock_that_is_set_back_causes_neither_silence_nor_a_burst(desk: Desk) -> None:
    number = await desk.open()
    await desk.forward(0)
    await desk.forward(-300)
    assert len(await desk.events("page.requested")) == 1
    assert (await desk.row(number)).next_at == START - timedelta(minutes=285)
    await desk.forward(15)
    assert [one["level"] for one in await desk.events("page.requested")] == [1, 2]


async def test_many_are_served_each_once_in_batches(desk: Desk) -> None:
    for _ in range(25):
        await desk.open()
    await desk.forward(0)
    desk.store.clock.at += timedelta(hours=9)  # type: ignore[attr-defined]
    served = [await desk.store.transaction(lambda tx: serve(tx, CONFIG, 10)) for _ in range(4)]
    assert served == [10, 10, 5, 0]
    second = [one["subject"] for one in await desk.events("page.requested") if one["round"] == 2]
    assert sorted(second) == sorted(f"#{number}" for number in range(1, 26))
    assert len({row.key for row in await desk.pages()}) == 25
    stale = select(EscalationRow).where(col(EscalationRow.stale).is_(True))
    assert len(await desk.store.read(lambda tx: tx.all(stale))) == 25


async def test_a_storm_has_a_page_for_each_service(desk: Desk) -> None:
    number = await desk.open(storm=True)

    def join(tx: Any) -> None:
        for service in ("gateway", "postgres"):
            book.prepare(tx, CONFIG, book.find(tx, number)[1], service)

    await desk.store.transaction(join)
    await desk.forward(0)
    assert sorted((page.service, page.rounds) for page in await desk.pages()) == [("gateway", 1), ("postgres", 1)]

    def late(tx: Any) -> None:
        book.prepare(tx, CONFIG, book.find(tx, number)[1], "redis")
        book.prepare(tx, CONFIG, book.find(tx, number)[1], "redis")

    await desk.store.transaction(late)
    joined = next(page for page in await desk.pages() if page.service == "redis")
    assert (joined.rounds, joined.next_at, joined.call) == (1, START, ["engineer"])


async def test_what_was_resolved_by_itself_rings_no_more_while_its_storm_goes_on_until_it_fires_anew(desk: Desk) -> None:
    number = await desk.open(storm=True)

    def join(tx: Any, *services: str) -> None:
        for service in services:
            book.prepare(tx, CONFIG, book.find(tx, number)[1], service)

    async def resolve(service: str) -> None:
        def on_the_phone(tx: Any) -> None:
            row = next(row for row in book.pages_of(tx, number) if row.service == service)
            row.status = row.sent_status = "resolved"
            tx.save(row)

        await desk.store.transaction(on_the_phone)

    async def rounds() -> list[tuple[str, str, int]]:
        return sorted((page.service, page.status, page.rounds) for page in await desk.pages())

    await desk.store.transaction(lambda tx: join(tx, "gateway", "postgres"))
    await desk.forward(0)
    await desk.sent()
    await resolve("gateway")
    await desk.forward(15)
    assert await rounds() == [("gateway", "resolved", 1), ("postgres", "triggered", 2)]
    await desk.store.transaction(lambda tx: join(tx, "gateway"))
    assert await rounds() == [("gateway", "triggered", 2), ("postgres", "triggered", 2)]
    await desk.sent()
    await resolve("gateway")
    await desk.become(number, State.RESOLVED)
    await desk.become(number, State.TRIGGERED)
    await desk.forward(0)
    assert await rounds() == [("gateway", "triggered", 3), ("postgres", "triggered", 3)]
