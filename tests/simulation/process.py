"""One process of the bot: everything in its memory is made anew, the database and the far ends are as they are."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import httpx
from kubernetes.aio.client import Configuration
from sqlalchemy import Engine

from bot.adapters.alertmanager import AlertmanagerAlerting
from bot.adapters.kubernetes import KubernetesCluster
from bot.adapters.pagerduty import PagerDutyPager
from bot.adapters.pagerduty.connection import connection
from bot.adapters.prober import HttpProber
from bot.adapters.registry import OciRegistry
from bot.adapters.slack.chat import SlackChat
from bot.bot import Bot, Ports
from bot.core.config import Config
from bot.groups import Groups
from bot.pipeline import RequestManager
from bot.store.store import NoDatabase, Store
from bot.store.transaction import Transaction
from commands.registry import COMMANDS
from escalation.managers import managers
from tests.simulation.ending import mention
from tests.simulation.farends import Crash, HttpTransport, KubernetesRest, Line, PagerDutyTransport, SlackSession, in_turns

T = TypeVar("T")

AUDIT_KEY = b"the key of the simulation"
PAGERDUTY_FROM = "aiec@example.com"


@dataclass(frozen=True)
class Odds:
    """How probable it is that a process dies at a commit (before it, or right after it), and that the database does not work."""

    deadly: float = 0.0
    broken: float = 0.0


class Watcher(Protocol):
    """Whoever looks at what the bot does, from outside."""

    def patched(self, namespace: str, name: str, before: Any, after: Any) -> None:
        """The API server has accepted a change."""
        ...

    def committed(self) -> None: ...


class Mortal(Store):
    """A store whose process may die, and whose database may be locked, full or gone."""

    def __init__(self, engine: Engine, line: Line, watcher: Watcher, luck: random.Random, odds: Odds) -> None:
        super().__init__(str(engine.url), line.world.clock, threads=False, engine=engine)
        self._line, self._luck, self._odds = line, luck, odds
        self.on_commit(watcher.committed)
        self.on_commit(lambda: self._maybe_die("after a commit"))

    async def transaction(self, work: Callable[[Transaction], T], *, within: timedelta | None = None) -> T:
        def doomed(tx: Transaction) -> T:
            result = work(tx)
            tx.session.flush()
            self._maybe_die("before a commit")
            return result

        await self._reach()
        return await super().transaction(doomed, within=within)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        await self._reach()
        return await super().read(work)

    async def _reach(self) -> None:
        await self._line.life.go_on()
        if self._luck.random() < self._odds.broken:
            self._line.trace("  the database does not work")
            raise NoDatabase("The database cannot be used: it is locked.")

    def _maybe_die(self, when: str) -> None:
        if self._luck.random() < self._odds.deadly:
            self._line.trace(f"  killed {when}")
            self._line.life.end()
            raise Crash


class Process:
    """`requests` is one more manager of requests: in production each manager runs beside the others, and this one runs while others wait for an answer."""

    def __init__(self, name: str, engine: Engine, config: Config, line: Line, watcher: Watcher, luck: random.Random, odds: Odds) -> None:
        self.name, self.life = name, line.life
        self.store = Mortal(engine, line, watcher, luck, odds)
        self.bot = Bot(self.store, config, COMMANDS, _ports(config, line, watcher.patched), AUDIT_KEY, name, managers)
        self.requests = RequestManager(self.store, config, COMMANDS, Groups(self.store, self.bot.ports.chat, config), self.bot.world, self.bot.deliveries)


def _ports(config: Config, line: Line, patched: Callable[[str, str, Any, Any], None]) -> Ports:
    clusters = {
        name: KubernetesCluster(Configuration(host=f"https://{name}"), KubernetesRest(line, patched), environment.namespace, name)
        for name, environment in config.environments.items()
    }
    client = httpx.AsyncClient(transport=HttpTransport(line), trust_env=False)
    slack = line.world.slack
    chat = SlackChat(slack.app.token, SlackSession(line), mention=mention, base_url=f"{slack.base_url}/api/")  # type: ignore[arg-type]
    alerting = AlertmanagerAlerting(httpx.AsyncClient(transport=HttpTransport(line), base_url="http://alertmanager", trust_env=False))
    return Ports(clusters, OciRegistry(client), HttpProber(client), chat, pager=_pager(config, line), alerting=alerting if config.routing else None)


def _pager(config: Config, line: Line) -> PagerDutyPager | None:
    there = config.escalation.pagerduty if config.escalation else None
    if there is None:
        return None
    account = line.world.pagerduty
    token = next(token for token, user in account.tokens.items() if user is None)
    connected = connection(token, PAGERDUTY_FROM, account.services[there.service].routing_key, in_turns, transport=PagerDutyTransport(line))
    return PagerDutyPager(connected, there.service, there.policy)
