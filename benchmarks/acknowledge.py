"""How long Slack waits for the acknowledgement of a command while rollouts are being watched. Slack gives up after 3 s."""

import asyncio
import statistics

from benchmarks.place import Platform, place
from benchmarks.process import free_port, running
from benchmarks.result import Result
from benchmarks.slack import SECRET, Typist

GOAL = 250.0  # milliseconds
NEVER = "v2.0.0-unready"


async def measure(*, at_once: int = 20, rounds: int = 25, rollouts: int = 5) -> list[Result]:
    """Types `at_once` commands together, turn by turn to aiec and to a bare Bolt app, `rounds` times, while `rollouts` go on."""
    namespaces = tuple(f"bench-{number}" for number in range(rollouts))
    port = free_port()
    peer = f"http://127.0.0.1:{port}"
    async with (
        place(Platform(namespaces, replicas=6, tags=(NEVER,))) as here,
        running("benchmarks.bolt_app", str(port), SECRET, ready=f"{peer}/readyz"),
    ):
        for number, namespace in enumerate(namespaces, 1):
            await here.engineer.acknowledged(f"deploy {namespace} {NEVER}")
            await here.reaches(number, "running")
        bare = Typist(here.client, peer, here.hooks)
        ours: list[float] = []
        theirs: list[float] = []
        for turn in range(rounds + 1):
            mine = await asyncio.gather(*(here.engineer.acknowledged(f"status {namespaces[0]}") for _ in range(at_once)))
            other = await asyncio.gather(*(bare.acknowledged("status") for _ in range(at_once)))
            await asyncio.sleep(0.5)  # people do not type without a break; what was asked is being answered
            if turn:  # the first one opens the connections
                ours += mine
                theirs += other
    name = f"acknowledge a command, {at_once} at once, {rollouts} rollouts watched"
    return [
        Result(f"{name}, p99", "ms", percentile(ours, 99), percentile(theirs, 99), GOAL),
        Result(f"{name}, median", "ms", percentile(ours, 50), percentile(theirs, 50)),
    ]


def percentile(seconds: list[float], which: int) -> float:
    """Returns a percentile (1 to 99) in milliseconds."""
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[which - 1]
