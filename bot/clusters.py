"""Environments of which nothing says where their cluster is, as their kubeconfig is missing or makes no sense: said once, in their channels."""

import asyncio
import logging
from collections.abc import Mapping

from bot import troubles
from bot.core.card import line
from bot.core.config import Config
from bot.core.errors import Unavailable
from bot.core.ports import Cluster
from bot.store.store import Store
from bot.store.transaction import Transaction

LOOK_EVERY = 5.0
"""Seconds; only while there is such an environment."""

log = logging.getLogger("aiec")


async def tell_unknown(store: Store, config: Config, clusters: Mapping[str, Cluster]) -> None:
    """Says which clusters are not known, looks again until all are, says so, and ends. What was said by an earlier process is known to the chat alone."""
    waiting, said = set(clusters), dict[str, str]()
    while True:
        for name in sorted(waiting):
            why = await _trouble(clusters[name])
            if why != said.get(name, ""):
                log.warning("environment %s: %s", name, why or "its cluster is known again")
            try:
                if why != said.get(name):
                    await store.transaction(lambda tx, name=name, why=why: _say(tx, config, name, why))  # type: ignore[misc]
            except Unavailable:
                continue  # the database is away: again at the next look
            said[name] = why
            if not why:
                waiting.discard(name)
        if not waiting:
            return
        await asyncio.sleep(LOOK_EVERY)


async def _trouble(cluster: Cluster) -> str:
    try:
        await cluster.ready()
    except Unavailable as error:
        return f"{error.text} {error.hint}"
    return ""


def _say(tx: Transaction, config: Config, name: str, why: str) -> None:
    topic = f"cluster/{name}"
    if why:
        lines = (line(why), line(f"Whatever needs the cluster of {name} fails until then; everything else goes on. It is looked again by itself."))
        troubles.tell(tx, topic, config.environments[name].channel, f"aiec cannot look after {name}", lines)
    else:
        troubles.over(tx, topic, f"aiec looks after {name} again")
