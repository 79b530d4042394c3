"""Reading what a month was like from our records, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.config_file import read as configuration
from bot.core.events import Event
from bot.settings import SHIPPED
from bot.store.log import first_since
from bot.store.postmortem_tables import PostmortemRow
from bot.store.store import Store
from bot.store.tables import ReleaseRow
from escalation import book
from escalation.actions import book as actions
from escalation.book import Draft
from escalation.trends.facts import PRIVATE, Month, Owed
from escalation.trends.reading import read
from tests.databases import KINDS, database_with_schema

NOVEMBER = Month(year=2026, month=11)
START = datetime(2026, 11, 3, 2, tzinfo=UTC)
CONFIG = configuration(SHIPPED)


class Clock:
    at = START

    def now(self) -> datetime:
        return self.at


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with database_with_schema(request.param, tmp_path) as url:
        made = Store(url, Clock(), durable=False)
        yield made
        made.close()


async def record(store: Store, minutes: int, kind: str, subject: str, **data: object) -> None:
    store.clock.at = START + timedelta(minutes=minutes)
    await store.transaction(lambda tx: tx.record(Event(kind=kind, subject=subject, data=data)))


async def a_deploy(store: Store, number: int, minutes: int, version: str) -> None:
    name = f"op-{number}"
    await record(store, minutes, "operation.planned", name, command="deploy", environment="prod")
    await record(store, minutes + 1, "operation.running", name, because="")
    await record(store, minutes + 2, "step.done", name, target="deployment/gateway-production", text="")
    await record(store, minutes + 3, "operation.done", name, because="")
    release = {"service": "gateway", "version": version, "image": f"gateway:{version}"}
    at = store.clock.at
    await store.transaction(lambda tx: tx.save(ReleaseRow(environment="staging", operation=number + 50, healthy_at=at - timedelta(days=1), **release)))
    await store.transaction(lambda tx: tx.save(ReleaseRow(environment="prod", operation=number, healthy_at=at, **release)))


async def test_incidents_alerts_pages_and_deploys_are_found(store: Store) -> None:
    draft = Draft(title="gateway: error rate", severity="SEV2", service="gateway", origin="alert", alert="HighErrorRate")
    opened = await store.transaction(lambda tx: book.open_incident(tx, CONFIG, draft, "alertmanager"))
    secret = await store.transaction(lambda tx: book.open_incident(tx, CONFIG, draft.model_copy(update={"private": True}), "alertmanager"))
    about = {"alert": "HighErrorRate", "fingerprint": "f1", "service": "gateway"}
    await record(store, 1, "alert.opened", opened.name, **about)
    await record(store, 2, "alert.suppressed", "alert f1", **about)
    await record(store, 3, "alert.opened", secret.name, alert="LeakedKey", fingerprint="f2", service="vault")
    await record(store, 4, "page.requested", opened.name, people=["engineer"], level=1)
    await a_deploy(store, 1, 10, "v1.2.0")
    facts = await store.read(lambda tx: read(tx, CONFIG, NOVEMBER))
    assert [(one.severity, one.cause, one.private) for one in facts.incidents] == [("SEV2", "HighErrorRate", False), ("SEV2", "HighErrorRate", True)]
    assert [(one.name, one.service, one.times, one.before) for one in facts.alerts] == [("HighErrorRate", "gateway", 2, 0)]
    assert [(one.person, one.hour) for one in facts.pages] == [("engineer", 23)]  # in São Paulo
    (change,) = facts.changes
    assert (change.operation, change.services, change.outcome) == ("op-1", frozenset({"gateway"}), "done")
    assert change.ready == change.ended - timedelta(days=1)
    assert facts.known == START


async def test_what_is_overdue_and_late_is_found_and_of_private_incidents_not_named(store: Store) -> None:
    draft = Draft(title="gateway: error rate", severity="SEV2", service="gateway")
    opened = await store.transaction(lambda tx: book.open_incident(tx, CONFIG, draft, "lead"))
    secret = await store.transaction(lambda tx: book.open_incident(tx, CONFIG, draft.model_copy(update={"private": True}), "lead"))

    def owe(tx) -> None:
        for number in (opened.number, secret.number):
            actions.add(tx, CONFIG, opened.model_copy(update={"number": number}), "raise the pool", "engineer", START + timedelta(days=1), "lead")
            tx.save(PostmortemRow(incident=number, state="drafted", owner="lead", created_at=START, due_at=START + timedelta(days=2)))

    await store.transaction(owe)
    assert (await store.read(lambda tx: read(tx, CONFIG, NOVEMBER))).owed == Owed()
    store.clock.at = START + timedelta(days=3)
    found = (await store.read(lambda tx: read(tx, CONFIG, NOVEMBER))).owed
    assert found == Owed(actions=("act-1 raise the pool (engineer)", PRIVATE), postmortems=(f"{opened.name} (lead)", PRIVATE))


async def test_december_knows_what_was_in_november(store: Store) -> None:
    about = {"alert": "HighErrorRate", "fingerprint": "f1", "service": "gateway"}
    await record(store, 1, "alert.suppressed", "alert f1", **about)
    await record(store, 40 * 24 * 60, "alert.suppressed", "alert f1", **about)
    (alert,) = (await store.read(lambda tx: read(tx, CONFIG, Month(year=2026, month=12)))).alerts
    assert (alert.times, alert.before) == (1, 1)


async def test_events_are_found_by_their_time(store: Store) -> None:
    assert await store.read(lambda tx: first_since(tx, START)) == 1
    for minutes in (0, 10, 10, 20):
        await record(store, minutes, "note", "x")
    wanted = {-1: 1, 0: 1, 5: 2, 10: 2, 11: 4, 20: 4, 21: 5}
    assert {minutes: await store.read(lambda tx, m=minutes: first_since(tx, START + timedelta(minutes=m))) for minutes in wanted} == wanted
