"""Alerts as Alertmanager sends them, from the webhook's door to the incident."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from bot.core.alerts import Alert, Notification, fingerprint
from bot.entry.hooks import BotHooks
from bot.store.incident_tables import AlertRow, IncidentRow
from bot.store.tables import RequestRow
from sandbox.alertmanager.alerts import Alert as Fires
from tests.harness import START, Stage, stage


def notification(*names: str) -> Notification:
    labels = [{"alertname": name, "severity": "critical", "service": "gateway", "namespace": "aiecommerce"} for name in names]
    alerts = tuple(Alert(fingerprint(each), "firing", each, {"summary": "error rate 12 %"}, START, None, "") for each in labels)
    return Notification("aiec", "{}:{}", "firing", alerts, 0, "", {})


async def test_a_notification_is_stored_first_and_taken_in_by_a_lane_of_its_own(bot: Stage) -> None:
    hooks = BotHooks(bot.bot)
    await hooks.alerts(notification("HighErrorRate", "HighLatency"))
    stored = await bot.bot.store.read(lambda tx: tx.first(select(RequestRow)))
    assert (stored.lane, stored.state) == ("machine", "received")
    await bot.settle()
    rows = await bot.bot.store.read(lambda tx: [*tx.all(select(AlertRow))])
    assert [row.fate for row in rows] == ["opened", "merged"]
    assert await bot.events("request.answered") == ["alertmanager"]


async def test_nobody_can_type_what_only_a_webhook_may_say(bot: Stage) -> None:
    assert "*alerts* is not a command" in await bot.engineer.says("/aiec alerts")


async def test_a_warning_that_goes_on_becomes_an_incident_by_itself(bot: Stage) -> None:
    labels = {"alertname": "HighLatency", "severity": "warning", "service": "gateway"}
    alert = Alert(fingerprint(labels), "firing", labels, {}, START, None, "")
    await BotHooks(bot.bot).alerts(Notification("aiec", "g", "firing", (alert,), 0, "", {}))
    await bot.settle()
    bot.world.clock.advance(timedelta(minutes=31).total_seconds())
    await bot.settle()
    assert [row.severity for row in await bot.bot.store.read(lambda tx: [*tx.all(select(IncidentRow))])] == ["SEV3"]


async def test_an_alert_whose_end_was_never_told_is_over_when_alertmanager_has_been_without_it_for_long_enough(bot: Stage) -> None:
    await BotHooks(bot.bot).alerts(notification("HighErrorRate"))
    await bot.forward(minutes=5, step=60)
    assert await bot.events("alert.ended") == []
    await bot.forward(minutes=2, step=60)
    assert await bot.events("alert.ended") == ["alertmanager"]


@pytest.mark.slow
async def test_an_end_that_was_cut_off_is_known_as_soon_as_alertmanager_has_been_without_the_alert_for_long_enough(tmp_path: Path) -> None:
    async with stage(tmp_path, webhooks=True) as bot:
        there = bot.world.alertmanager
        there.configure(there.receiver.model_copy(update={"max_alerts": 1, "group_interval": 400.0}))

        def put(pod: str, minutes: float) -> None:
            labels = {"alertname": "HighErrorRate", "severity": "critical", "service": "gateway", "pod": pod}
            there.put([Fires(labels, {}, START, START + timedelta(minutes=minutes), there.now)])

        async def fire(seconds: float) -> list[str]:
            await bot.forward(seconds=seconds, step=20)
            rows = await bot.bot.store.read(lambda tx: [*tx.all(select(AlertRow).where(AlertRow.status == "firing").order_by(col(AlertRow.id)))])
            return [row.labels["pod"] for row in rows]

        put("a", 60)
        put("b", 60)
        assert await fire(340) == ["a", "b"], "one was told, the other one asked for"
        put("b", 5.5)
        assert await fire(360) == ["a", "b"], "only a was told, at 420 s"
        assert await fire(20) == ["a"]
