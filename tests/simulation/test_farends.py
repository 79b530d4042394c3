"""The adapters of PagerDuty and Alertmanager over the simulation's network: the same code as in production, without a thread and without a socket."""

import random
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bot.adapters.alertmanager import AlertmanagerAlerting
from bot.adapters.pagerduty import PagerDutyPager
from bot.adapters.pagerduty.connection import connection
from bot.core.alerting import Matcher
from bot.core.errors import Unavailable
from bot.core.pager import Page
from sandbox.faults import Fault
from sandbox.world import World
from tests.simulation.farends import PATIENCE, Crash, HttpTransport, Life, Line, PagerDutyTransport, in_turns
from tests.simulation.scene import START

ACCOUNT = {
    "users": [{"id": "P0LEAD", "name": "lead", "email": "lead@example.com"}],
    "policies": [{"id": "PPOLICY", "name": "default", "levels": [{"targets": ["P0LEAD"], "minutes": 20}]}],
    "services": [{"id": "PSERVICE", "name": "shop", "policy": "PPOLICY", "routing_key": "KEY"}],
}
PAGE = Page("aiec-42", "gateway", "", 1, None)


class Scene:
    def __init__(self, seed: int = 1) -> None:
        self.world = World.build({"pagerduty": ACCOUNT}, seed=seed, start=START)
        self.trace: list[str] = []
        self.life, self.others = Life(), 0
        self.line = Line(self.world, self.life, random.Random(seed), self.trace.append, self._meanwhile)
        connected = connection("pagerduty-sandbox", "lead@example.com", "KEY", in_turns, transport=PagerDutyTransport(self.line))
        self.pager = PagerDutyPager(connected, "PSERVICE", "PPOLICY")

    async def _meanwhile(self) -> None:
        self.others += 1

    def fault(self, **rule: Any) -> None:
        self.world.faults.add(Fault(system="pagerduty", **rule))


async def test_pages_are_made_without_a_thread_and_others_act_meanwhile() -> None:
    scene, before = Scene(), threading.active_count()
    id = await scene.pager.open(PAGE)
    await scene.pager.signal(PAGE)
    assert [one.incident for one in scene.world.pagerduty.ringing("P0LEAD")] == [id]
    assert (await scene.pager.setup()).name == "shop"
    assert scene.others >= 5
    assert threading.active_count() == before


async def test_faults_are_met_and_the_same_seed_is_the_same_run() -> None:
    async def run() -> list[str]:
        scene = Scene(seed=7)
        scene.fault(kind="drop_after", method="POST", times=1)
        with pytest.raises(Unavailable):
            await scene.pager.open(PAGE)
        await scene.pager.open(PAGE)
        assert len(scene.world.pagerduty.incidents) == 1
        return scene.trace

    first = await run()
    assert first == await run()
    assert first[0] == "  POST pagerduty/incidents: Unanswered"


async def test_a_call_that_hangs_takes_the_time_that_it_would() -> None:
    scene = Scene()
    scene.fault(kind="hang", times=1)
    with pytest.raises(Unavailable, match="it does not answer in time"):
        await scene.pager.read("Q1")
    assert scene.world.clock.now() - START == timedelta(seconds=PATIENCE)


async def test_a_process_that_dies_in_a_call_makes_no_other() -> None:
    scene = Scene()
    scene.fault(kind="kill", at="answer", call=lambda: None, times=1)
    with pytest.raises(Crash):
        await scene.pager.open(PAGE)
    assert len(scene.world.pagerduty.incidents) == 1
    with pytest.raises(Crash):
        await scene.pager.read("Q1")


async def test_alertmanager_is_reached_too() -> None:
    scene = Scene()
    alerting = AlertmanagerAlerting(httpx.AsyncClient(transport=HttpTransport(scene.line), base_url="http://alertmanager", trust_env=False))
    assert await alerting.alerts() == []
    id = await alerting.silence([Matcher("service", "gateway")], START, START + timedelta(hours=1), "lead", "known")
    assert [one.id for one in await alerting.silences()] == [id]
