"""kill -9 around the COMMITs of PostgreSQL, and two replicas of which one dies in the middle of a deploy."""

import asyncio

import httpx
import pytest
from sqlalchemy import make_url

from bot.core.clock import SystemClock
from bot.store.store import Store
from bot.store.tables import EngineRow
from tests.crash.judge import CRASHING, ENDS, GATEWAY, GOOD, generations, judge
from tests.crash.proxy import Moment, Proxy
from tests.crash.scene import Replica, Scene, staged, until
from tests.databases import database, needs_postgresql

pytestmark = [needs_postgresql, pytest.mark.slow]
MOMENTS: tuple[Moment, ...] = ("before", "after")
COMMITS = range(1, 17)
TOGETHER = 3
POINTS = [(number, moment) for number in COMMITS for moment in MOMENTS]


@pytest.mark.parametrize(
    "chosen", [POINTS[first : first + TOGETHER] for first in range(0, len(POINTS), TOGETHER)], ids=lambda chosen: f"from commit {chosen[0][0]}"
)
async def test_a_process_that_is_killed_around_a_commit_finishes_after_its_restart_what_it_began(tmp_path, chosen):
    ends = await asyncio.gather(*(survive(*point, tmp_path / f"{point}") for point in chosen), return_exceptions=True)
    failures = {point: end for point, end in zip(chosen, ends, strict=True) if end is not None}
    assert not failures, "\n\n".join(f"{point}\n{error!r}" for point, error in failures.items())


async def survive(number: int, moment: Moment, folder) -> None:
    """The process dies at the commit of this number after the approval was pressed."""
    with database("postgresql", folder) as direct:
        server = make_url(direct)
        async with Proxy(server.host or "", server.port or 5432) as proxy, staged(folder, direct) as scene:
            scene.environ["DATABASE_URL"] = server.set(host="127.0.0.1", port=proxy.listens_on).render_as_string(hide_password=False)
            before = generations(scene)
            async with scene.running() as replica:
                await scene.say("engineer", f"/aiec {GOOD}")
                await scene.button("Approve")
                start = proxy.commits

                def strike(commit: int, when: Moment) -> None:
                    if (commit - start, when) == (number, moment) and not replica.deaths:
                        replica.kill()
                        raise ConnectionAbortedError

                proxy.on_commit = strike
                await scene.press("lead", "Approve")
                await scene.ended(*ENDS)
                assert replica.deaths == 1
            await judge(scene, GOOD, before)


def holder_of(scene: Scene) -> Replica:
    """The replica that holds the engine lock."""
    store = Store(scene.database, SystemClock())
    row = store.look(lambda tx: tx.get(EngineRow, 1))
    store.close()
    assert row is not None
    return next(replica for replica in scene.replicas if replica.process.pid == int(row.holder.split(":")[1]))


@pytest.mark.parametrize("asked", [GOOD, CRASHING])
async def test_when_the_replica_that_works_dies_in_the_middle_of_a_deploy_the_other_one_finishes_it(tmp_path, asked):
    with database("postgresql", tmp_path) as url:
        async with staged(tmp_path, url) as scene:
            before = generations(scene)
            scene.world.kubernetes.ready_after = 3
            async with scene.running(replicas=2, mortal=True):
                await scene.say("engineer", f"/aiec {asked}")
                await scene.press("lead", "Approve")
                await until(lambda: scene.deployment(GATEWAY)["metadata"]["generation"] > before[GATEWAY], what=scene.describe)
                worker = holder_of(scene)
                worker.kill()
                scene.world.kubernetes.ready_after = 0.2
                other = next(replica for replica in scene.replicas if replica is not worker)
                await scene.sandbox.deliver_to(f"http://127.0.0.1:{other.port}/slack/events")
                await scene.ended(*ENDS)
                assert holder_of(scene) is other
            await judge(scene, asked, before)


async def test_while_two_replicas_run_each_thing_is_done_and_said_once(tmp_path):
    with database("postgresql", tmp_path) as url:
        async with staged(tmp_path, url) as scene:
            before = generations(scene)
            async with scene.running(replicas=2):
                standby = next(replica for replica in scene.replicas if replica is not holder_of(scene))
                await scene.sandbox.deliver_to(f"http://127.0.0.1:{standby.port}/slack/events")
                await scene.say("engineer", f"/aiec {GOOD}")
                await scene.press("lead", "Approve")
                await scene.ended(*ENDS)
            await judge(scene, GOOD, before)


async def test_while_the_database_hangs_it_says_so_and_goes_on_when_it_is_back(tmp_path):
    with database("postgresql", tmp_path) as direct:
        server = make_url(direct)
        async with Proxy(server.host or "", server.port or 5432) as proxy, staged(tmp_path, direct) as scene:
            scene.environ["DATABASE_URL"] = server.set(host="127.0.0.1", port=proxy.listens_on).render_as_string(hide_password=False)
            before = generations(scene)
            async with scene.running() as replica, httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{replica.port}") as client:
                await ready(client)
                proxy.flows.clear()
                reply = await scene.slack.says("engineer", "devops", f"/aiec {GOOD}")
                assert reply.failure is None
                assert "nothing was done" in str(reply.body)
                answer = await client.get("/readyz", timeout=10)
                assert (answer.status_code, answer.json()["ok"]) == (503, False)
                assert (await client.get("/healthz")).status_code == 200
                proxy.flows.set()
                await ready(client)
                await scene.say("engineer", f"/aiec {GOOD}")
                await scene.press("lead", "Approve")
                await scene.ended(*ENDS)
            await judge(scene, GOOD, before)


async def ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (await client.get("/readyz", timeout=30)).status_code != 200:
            await asyncio.sleep(0.1)
