"""The bot without its outside: store, door, engine and managers, wired the same way for production, the terminal, stories and the simulation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.audit import Sealer
from bot.core.alerting import Alerting
from bot.core.backups import Backups, Scratch
from bot.core.codehost import CodeHost
from bot.core.config import Config
from bot.core.issues import Issues
from bot.core.library import Library
from bot.core.pager import Pager
from bot.core.ports import Chat, Cluster, Mailer, Metrics, Prober, Registry, World
from bot.core.request import Actor
from bot.core.shelf import Shelf
from bot.deliveries import Deliveries
from bot.engine import Engine, Manager
from bot.follows import FollowManager
from bot.groups import Groups
from bot.operations import OperationManager, active
from bot.outbox import OutboxManager
from bot.pipeline import Commands, Door, Lane, RequestManager
from bot.store.due import Look
from bot.store.store import Store
from bot.works import Tasks


@dataclass(frozen=True)
class Ports:
    """The outside systems that are configured. Without a chat, messages are kept and nothing is sent; without metrics, gates on figures are not seen;
    without a pager nobody is paged by PagerDuty; without alerting, alerts cannot be asked for or silenced; without backups there are
    none, and without scratch none is tried. `libraries`: where published post-mortems are kept, by a key that stays the same.
    """

    clusters: Mapping[str, Cluster]
    registry: Registry
    prober: Prober
    chat: Chat | None = None
    metrics: Metrics | None = None
    pager: Pager | None = None
    alerting: Alerting | None = None
    code: CodeHost | None = None
    shelf: Shelf | None = None
    mailer: Mailer | None = None
    grafana: str = ""
    backups: Backups | None = None
    scratch: Scratch | None = None
    seal: Callable[[bytes], bytes] | None = None
    issues: Issues | None = None
    libraries: Mapping[str, Library] = field(default_factory=dict)


class Bot:
    """`audit_key` signs the event log; `holder` names this process in the engine lock; `managers` makes those of what is built upon this."""

    def __init__(
        self,
        store: Store,
        config: Config,
        commands: Commands,
        ports: Ports,
        audit_key: bytes,
        holder: str | None = None,
        managers: Callable[["Bot"], Sequence[Manager]] = lambda _: (),
    ) -> None:
        self.store = store
        self.config = config
        self.ports = ports
        self.commands = commands
        self.audit_key = audit_key
        self.groups = Groups(store, ports.chat, config)
        self.deliveries = Deliveries(config)
        self.door = Door(store, config, commands)
        self._operations = OperationManager(store, config, commands, self.world)
        own: list[Manager] = [
            *(RequestManager(store, config, commands, self.groups, self.world, self.deliveries, lane) for lane in Lane),
            self._operations,
        ]
        self._follows: list[FollowManager] = [FollowManager(store, ports.chat, ports.clusters)] if ports.chat is not None else []
        last: list[Manager] = [
            *([OutboxManager(store, ports.chat, ports.mailer)] if ports.chat is not None else []),
            *self._follows,
            Sealer(store, audit_key),
        ]
        self.works = Tasks(lambda: self.engine.wake())
        self.engine = Engine(store, [*own, *managers(self), *last], holder)

    def world(self) -> World:
        """Returns the outside as it is at this moment of the clock."""
        one, now = self.ports, self.store.clock.now()
        outside = (one.metrics, lambda: self.engine.held, one.pager, one.alerting, one.code, one.shelf, one.grafana)
        kept = (self.works, one.backups, one.scratch, one.seal)
        return World(one.clusters, one.registry, one.prober, now, *outside, *kept)

    def actor(self, slack: str) -> Actor:
        """Returns who a Slack member id is: a person of aiec.yaml, else somebody unknown by his id."""
        name = self.config.person_by_slack(slack)
        return Actor(name=name or slack, slack=slack, known=name is not None)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches the clusters in which operations are under way, so that their changes wake the engine at once; at the end nothing is read any more."""
        watcher = Watcher(self._operations, self.ports.clusters, self.engine)
        self.engine.add(watcher)
        try:
            yield
        finally:
            await watcher.close()
            await self.close()

    async def close(self) -> None:
        """Ends what this process reads: logs that somebody follows."""
        for one in self._follows:
            await one.close()


class Watcher:
    """A manager that keeps one watch for every environment in which an operation is under way, and none where nothing moves."""

    name = "watches"
    patience = timedelta(seconds=10)

    def __init__(self, operations: OperationManager, clusters: Mapping[str, Cluster], engine: Engine) -> None:
        self._operations = operations
        self._clusters = clusters
        self._engine = engine
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def look(self) -> Look:
        watched = frozenset(self._tasks)
        return lambda tx: active(tx) != watched

    async def update(self, now: datetime) -> bool:
        """Opens and closes watches as needed; never asks for another turn."""
        wanted = await self._operations.active()
        for environment in wanted - self._tasks.keys():
            self._tasks[environment] = asyncio.create_task(self._watch(environment), name=f"watch {environment}")
        for environment in self._tasks.keys() - wanted:
            self._tasks.pop(environment).cancel()
        return False

    async def _watch(self, environment: str) -> None:
        async for _ in self._clusters[environment].changes():
            self._operations.stir(environment)
            self._engine.wake()

    async def close(self) -> None:
        """Ends all watches."""
        tasks, self._tasks = [*self._tasks.values()], {}
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
