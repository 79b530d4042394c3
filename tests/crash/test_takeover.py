"""A process that stands still for longer than its lease while another one takes over: whatever it still does then changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlmodel import select

from bot.bot import Bot
from bot.engine import LEASE
from bot.store.tables import EventRow, OperationRow, RequestRow
from sandbox.faults import Fault
from tests.crash.scene import until
from tests.harness import Stage, new_bot, stage

STILL = 1.0  # seconds that the far end keeps the first process waiting


@asynccontextmanager
async def another(bot: Stage) -> AsyncIterator[Bot]:
    """The same bot once more, on the same database."""
    second = new_bot(bot.sandbox, bot.bot.config, bot.ports, bot.database)
    yield second
    second.store.close()


async def taken_over(bot: Stage, second: Bot, fault: str) -> None:
    """Lets the second bot take over while the first one waits for the far end."""
    await until(lambda: bot.world.faults.met(fault) == 1)
    bot.world.clock.advance(LEASE.total_seconds())
    await second.engine.settle()
    assert second.engine.held


async def test_a_change_that_comes_late_is_refused_and_its_outcome_forgotten(tmp_path):
    async with stage(tmp_path, prod={"approvals": 0}) as bot, another(bot) as second:
        generation = bot.world.kubernetes.get("Deployment", "aiecommerce", "gateway-production")["metadata"]["generation"]
        fault = bot.world.faults.add(Fault(kind="latency", seconds=STILL, system="kubernetes", method="PATCH", times=1))
        first = asyncio.create_task(bot.engineer.says("/aiec deploy prod v1.2.0"))
        await taken_over(bot, second, fault)
        await first
        bot.bot = second
        await bot.forward(minutes=2)
        assert "✅ done · *Deploy v1.2.0 to prod*" in bot.last()
        assert bot.image("gateway-production") == "v1.2.0"
        assert bot.world.kubernetes.get("Deployment", "aiecommerce", "gateway-production")["metadata"]["generation"] == generation + 1


async def test_a_request_that_both_planned_is_answered_once(tmp_path):
    async with stage(tmp_path) as bot, another(bot) as second:
        fault = bot.world.faults.add(Fault(kind="latency", seconds=STILL, system="registry", times=1))
        first = asyncio.create_task(bot.engineer.says("/aiec deploy prod v1.2.0"))
        await taken_over(bot, second, fault)
        await first
        requests, operations, events = second.store.look(lambda tx: tuple(tx.all(select(table)) for table in (RequestRow, OperationRow, EventRow)))
        assert [(row.state, row.operation) for row in requests] == [("operation", 1)]
        assert [row.state for row in operations] == ["waiting"]
        assert [event.kind for event in events if event.kind.startswith("request.")] == ["request.received", "request.operation"]
        assert len([m for m in bot.slack.messages("devops") if m.app]) == 1


async def test_a_process_that_stood_still_does_not_act_any_more(tmp_path):
    async with stage(tmp_path, prod={"approvals": 0}) as bot, another(bot) as second:
        changes = bot.world.faults.add(Fault(kind="latency", system="kubernetes", method="PATCH"))
        still = bot.world.faults.add(
            Fault(kind="latency", seconds=STILL, system="kubernetes", method="GET", path="/deployments/gateway-production$", skip=1, times=1)
        )
        first = asyncio.create_task(bot.engineer.says("/aiec deploy prod v1.2.0"))
        await until(lambda: bot.world.faults.met(still) == 1)
        bot.world.clock.advance(LEASE.total_seconds())
        assert await second.engine.hold()
        await first
        assert bot.world.faults.met(changes) == 0
        await second.engine.settle()
        assert bot.image("gateway-production") == "v1.2.0"
