"""A mistake of aiec's own while it takes in what Alertmanager or PagerDuty tell: nothing is lost, others go on, and people learn of it.

The mistake is a trigger in the database that refuses a row, as a constraint does that somebody forgot to think of.
"""

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlmodel import select

from bot.entry.hooks import BotHooks
from bot.entry.metrics import collectors
from bot.store.incident_tables import AlertRow
from bot.store.tables import RequestRow
from tests.harness import TOKEN, Stage, said
from tests.stories.test_alerts import notification


async def refuse(bot: Stage, table: str, when: str) -> None:
    await statement(bot, f"CREATE TRIGGER mistaken BEFORE INSERT ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'a mistake of ours'); END")


async def statement(bot: Stage, what: str) -> None:
    await bot.bot.store.transaction(lambda tx: tx.session.connection().execute(text(what)) and None)


async def fates(bot: Stage) -> dict[str, str]:
    return {row.name: row.fate for row in await bot.bot.store.read(lambda tx: [*tx.all(select(AlertRow))])}


def told(bot: Stage) -> list[str]:
    return [said(message) for message in bot.slack.messages("incidents") if "Alertmanager tells" in said(message)]


def metric(bot: Stage, name: str) -> float:
    metrics = CollectorRegistry()
    metrics.register(collectors(bot.bot))
    return metrics.get_sample_value(name) or 0.0


async def test_an_alert_that_cannot_be_taken_in_keeps_no_other_out_and_comes_when_it_can(bot: Stage) -> None:
    await refuse(bot, "alerts", "NEW.name = 'Poison'")
    await BotHooks(bot.bot).alerts(notification("HighErrorRate", "Poison", "HighLatency"))
    await bot.settle()
    assert await fates(bot) == {"HighErrorRate": "opened", "HighLatency": "merged"}
    (message,) = told(bot)
    assert "⚠️ needs you · *Not all that Alertmanager tells can be taken in*" in message
    assert "aiec itself failed (IntegrityError). What Alertmanager tells may be missing here" in message
    assert (metric(bot, "aiec_delivery_failures"), metric(bot, "aiec_deliveries_age_seconds")) == (1, 0)
    await bot.forward(minutes=10, step=30)
    assert len(told(bot)) == 1  # said once, however often it is tried
    assert 1 < metric(bot, "aiec_delivery_failures") < 8  # ever later
    assert metric(bot, "aiec_deliveries_age_seconds") == 600
    await statement(bot, "DROP TRIGGER mistaken")
    await bot.dead(minutes=1)  # somebody brings another version
    assert (await fates(bot))["Poison"] == "merged"
    assert metric(bot, "aiec_deliveries_age_seconds") == 0
    await bot.forward(minutes=60, step=600)
    assert "⚠️ needs you" in told(bot)[0]
    await BotHooks(bot.bot).alerts(notification("HighErrorRate"))
    await bot.settle()
    assert told(bot) == ["✅ done · *All that Alertmanager tells is taken in again*"]


@pytest.mark.slow
async def test_what_can_never_be_taken_in_is_given_up_after_two_days_and_others_are_not_held_up(bot: Stage) -> None:
    await refuse(bot, "alerts", "NEW.name = 'Poison'")
    await BotHooks(bot.bot).alerts(notification("Poison"))
    await bot.settle()
    await bot.forward(minutes=48 * 60 + 31, step=31 * 60)
    rows = await bot.bot.store.read(lambda tx: [row.state for row in tx.all(select(RequestRow))])
    assert rows == ["failed"]
    assert len(told(bot)) == 1
    assert metric(bot, "aiec_deliveries_age_seconds") == 0


async def test_one_that_cannot_even_be_stored_is_sent_again_and_said(bot: Stage) -> None:
    await refuse(bot, "requests", "NEW.lane = 'machine'")
    body = {"version": "4", "receiver": "aiec", "groupKey": "g", "alerts": [{"labels": {"alertname": "HighErrorRate"}}]}
    async with httpx.AsyncClient(base_url=bot.url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as alertmanager:
        for _ in range(2):
            assert (await alertmanager.post("/webhooks/alertmanager", json=body)).status_code == 503
            await bot.settle()
        assert len(told(bot)) == 1
        assert metric(bot, "aiec_delivery_failures") == 2
        await statement(bot, "DROP TRIGGER mistaken")
        assert (await alertmanager.post("/webhooks/alertmanager", json=body)).status_code == 200
    await bot.settle()
    assert [*await fates(bot)] == ["HighErrorRate"]
