"""Silences in Alertmanager, and maintenance, as people ask for them."""

from datetime import datetime

from sqlmodel import select

from bot.core.alerts import Alert, Notification, fingerprint
from bot.entry.hooks import BotHooks
from bot.store.incident_tables import AlertRow
from sandbox.faults import Fault
from tests.harness import Stage


def alert(at: datetime, name: str, severity: str, service: str = "gateway") -> Alert:
    labels = {"alertname": name, "severity": severity, "service": service, "namespace": "aiecommerce"}
    return Alert(fingerprint(labels), "firing", labels, {"summary": f"{name} is bad"}, at, None, "")


async def fires(bot: Stage, *alerts: Alert) -> None:
    await BotHooks(bot.bot).alerts(Notification("aiec", alerts[0].labels["alertname"], "firing", alerts, 0, "", {}))
    await bot.settle()


async def fates(bot: Stage) -> dict[str, str]:
    rows = await bot.bot.store.read(lambda tx: [*tx.all(select(AlertRow))])
    return {row.name: row.fate for row in rows}


async def test_a_maintenance_says_what_it_holds_back_and_lets_it_out_when_it_ends(bot: Stage) -> None:
    await bot.lead.says("/aiec maintenance start prod gateway --for 2h new load balancer")
    await bot.forward(1)
    assert "Maintenance of gateway in prod" in bot.last()
    assert "Nothing is held back yet" in bot.last("incidents")
    await fires(bot, alert(bot.world.clock.now(), "HighLatency", "warning"), alert(bot.world.clock.now(), "Down", "critical"))
    assert await fates(bot) == {"HighLatency": "suppressed", "Down": "opened"}
    await bot.forward(minutes=2, step=30)
    assert "Held back: 1, of which 1 still fire" in bot.last("devops")
    await bot.lead.clicks("End it now", "incidents", bot.message_with("End it now", "incidents"))
    await bot.forward(2)
    assert "is over" in bot.last("devops")
    assert (await fates(bot))["HighLatency"] == "merged"


async def test_a_maintenance_ends_by_itself(bot: Stage) -> None:
    await bot.lead.says("/aiec maintenance start prod gateway --and redis --for 1h moving the disks")
    bot.world.clock.advance(3601)
    await bot.forward(2)
    assert "*Maintenance of gateway, redis in prod* is over" in bot.last()
    assert "no alert was held back" in bot.last()


async def test_a_slot_is_proposed_and_taken(bot: Stage) -> None:
    answer = await bot.lead.says("/aiec maintenance start prod gateway new load balancer")
    assert "The next slot begins Sunday 2026-11-29 02:00 UTC: `--at slot`" in answer
    await bot.lead.says("/aiec maintenance start prod gateway --at slot new load balancer")
    assert "⏸ waiting" in bot.last()
    answer = await bot.lead.says("/aiec maintenance start prod gateway --at 2026-11-29T03:00 --for 1h again")
    assert "gateway has maintenance 1 in that time already" in answer


async def test_who_may_not_and_what_is_wrong(bot: Stage) -> None:
    assert "not granted to you" in await bot.newcomer.says("/aiec maintenance start prod gateway --for 1h x")
    assert "*yesterday* is not a moment" in await bot.lead.says("/aiec maintenance start prod gateway --for 1h --at yesterday x")
    assert "at most 3d, not 5d" in await bot.lead.says("/aiec maintenance start prod gateway --for 5d x")
    assert "There is no maintenance" in await bot.lead.says("/aiec maintenance end 7")
    assert "at most 7d, not 8d" in await bot.lead.says("/aiec silence create service=gateway --for 8d x")
    assert "does not say which alerts are meant" in await bot.lead.says("/aiec silence create gateway --for 1h x")
    assert "not a regular expression" in await bot.lead.says('/aiec silence create "service=~(" --for 1h x')
    assert "not granted to you" in await bot.newcomer.says("/aiec silence create service=gateway --for 1h x")
    assert "No silence of aiec's is called 7" in await bot.lead.says("/aiec silence expire 7")


async def silenced(bot: Stage) -> list[str]:
    """What Alertmanager itself has in force."""
    assert bot.ports.alerting is not None
    return [", ".join(map(str, silence.matchers)) for silence in await bot.ports.alerting.silences()]


async def test_a_silence_is_made_listed_and_ended(bot: Stage) -> None:
    await bot.engineer.says("/aiec silence create service=gateway --and severity!=critical --for 2h new load balancer")
    await bot.forward(2)
    assert await silenced(bot) == ['service="gateway", severity!="critical"']
    assert '*service="gateway", severity!="critical"* is silenced until' in bot.last("devops-alerts")
    assert "new load balancer" in await bot.lead.says("/aiec silence list")
    await bot.lead.clicks("End it", "devops-alerts")
    await bot.forward(2)
    assert await silenced(bot) == []
    assert "is over" in bot.last("devops-alerts")
    assert "Nothing is silenced" in await bot.lead.says("/aiec silence list")


async def test_a_silence_waits_for_an_alertmanager_that_is_down_and_says_so(bot: Stage) -> None:
    bot.world.faults.add(Fault(kind="status", system="alertmanager", status=503), "down")
    await bot.engineer.says("/aiec silence create service=gateway --for 2h new load balancer")
    await bot.forward(5)
    assert "is being silenced" in bot.last("devops-alerts")
    assert "Alertmanager" in bot.last("devops-alerts")
    bot.world.faults.clear("down")
    await bot.forward(minutes=2, step=10)
    assert await silenced(bot) == ['service="gateway"']
    bot.world.clock.advance(2 * 3600)
    await bot.forward(4)
    assert "is over" in bot.last("devops-alerts")
