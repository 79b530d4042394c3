"""A stage for stories: the real bot, with its real adapters, on the sandbox's servers, and a clock that moves only when the story moves it."""

import html
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlmodel import col, select

from bot import scenario
from bot.adapters.alertmanager import open_alertmanager
from bot.adapters.backups import open_backups
from bot.adapters.backups.seal import Seal
from bot.adapters.drawing import open_drawing
from bot.adapters.folder import Folder
from bot.adapters.github import open_github
from bot.adapters.github_issues import GitHubIssues
from bot.adapters.github_pulls import PullRequests
from bot.adapters.kubernetes import connect
from bot.adapters.pagerduty import PagerDutyPager, open_connection
from bot.adapters.prober import open_prober
from bot.adapters.prometheus import open_prometheus
from bot.adapters.registry import open_registry
from bot.adapters.shelf import Folders
from bot.adapters.slack.chat import open_chat
from bot.bot import Bot, Ports
from bot.core.backups import Scratch
from bot.core.config import Config
from bot.core.library import Library
from bot.core.ports import Mailer
from bot.entry.hooks import BotHooks
from bot.entry.http import http_app, serve
from bot.entry.reception import Reception
from bot.entry.slack import slack_app, slack_endpoint
from bot.entry.webhooks import alertmanager_endpoint, pagerduty_endpoint
from bot.scenario import on_sandbox
from bot.store.store import Store, make_engine
from bot.store.tables import EventRow
from commands.registry import COMMANDS
from escalation.managers import managers as of_incidents
from runbooks.library import SHIPPED as RUNBOOKS
from runbooks.managers import managers as of_runbooks
from sandbox.kubeconfig import kubeconfig as sandbox_kubeconfig
from sandbox.server import Sandbox
from sandbox.slack.state import Message
from sandbox.world import World
from tests.databases import with_schema

START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
KEY = b"a key of tests"
BACKUP_KEY = "a key of tests, of more than 32 characters"
TOKEN = "alertmanager-token-of-tests"
HURRIED, TRIES = "did not answer in time, so nothing was done", 3
"""What a machine that is too busy for a moment makes the bot say to whoever types; they type it again, as people do."""


def config(url: str, **changes: Any) -> Config:
    """Returns the demo's configuration with the times of stories, and `changes` to environments and services, and to the section
    `github` (None: without it), `escalation.pagerduty`, `postmortem` and `procedures`: `prod={"approvals": 2}`."""
    data = scenario.config(on_sandbox(), url)
    for environment in data["environments"].values():
        environment["health"] |= {"for": "10s", "timeout": "2s"}
        environment["rollout"]["bake"] = "20s"
    for name, one in (data["environments"] | data["services"]).items():
        one.update(changes.get(name, {}))
    data["escalation"]["pagerduty"] |= changes.get("pagerduty", {})
    data["procedures"] = changes.get("procedures", {})
    for one in data["backup"].values():
        one["cron"] = "0 1 1 1 *"
    data["backup"] |= changes.get("backup", {})
    data["postmortem"] |= changes.get("postmortem", {})
    own = changes.get("github", {})
    data["github"] = None if own is None else data["github"] | own
    return Config.model_validate(data)


class Somebody:
    """A person in front of Slack."""

    def __init__(self, stage: "Stage", name: str) -> None:
        self._stage, self.name = stage, name

    async def says(self, text: str, channel: str = "devops") -> str:
        """Types in a channel; the bot then does everything that it can do without time passing. Returns what the acknowledgement said, as text."""
        before = len(self.sees(channel))
        for _ in range(TRIES):
            reply = await self._stage.slack.says(self.name, channel, text)
            if HURRIED not in str(reply.body):
                break
        await self._stage.settle()
        return "\n".join(said(message) for message in self.sees(channel)[before:] if message.visible_to)

    async def clicks(self, button: str, channel: str = "devops", message: Message | None = None) -> None:
        """Presses a button of the latest message that has it."""
        await self._stage.slack.clicks(self.name, message or self._stage.message_with(button, channel), button)
        await self._stage.settle()

    def sees(self, channel: str = "devops") -> list[Message]:
        return self._stage.slack.messages(channel, self.name)


@dataclass
class Stage:
    sandbox: Sandbox
    bot: Bot
    ports: Ports
    database: str
    process: AsyncExitStack
    webhooks: bool
    url: str = ""

    def __post_init__(self) -> None:
        self.engineer, self.senior, self.lead, self.newcomer = (Somebody(self, name) for name in ("engineer", "senior", "lead", "newcomer"))

    @property
    def world(self) -> World:
        return self.sandbox.world

    @property
    def slack(self) -> Any:
        return self.world.slack

    async def listen(self) -> None:
        """Lets the bot listen, at `url`, for those who tell it something."""
        self.process.callback(self.bot.store.close)
        app = http_app(
            readiness=lambda: _nothing(),
            metrics=CollectorRegistry(),
            slack=slack_endpoint(slack_app(Reception(self.bot), self.ports.chat), self.slack.app.signing_secret),
            alertmanager=alertmanager_endpoint(BotHooks(self.bot), TOKEN),
            pagerduty=pagerduty_endpoint(BotHooks(self.bot), ["sandbox-webhook-secret"], self.world.clock),
        )
        self.url = f"http://127.0.0.1:{await self.process.enter_async_context(serve(app, '127.0.0.1', 0))}"
        await self.sandbox.deliver_to(f"{self.url}/slack/events")
        if self.webhooks:
            await self.sandbox.webhooks_to(f"{self.url}/webhooks/pagerduty")
            await self.sandbox.alerts_to(f"{self.url}/webhooks/alertmanager", TOKEN)

    async def dead(self, minutes: float) -> None:
        """The bot is gone for so long, while the world goes on; then another one begins with the same database."""
        await self.bot.works.close()
        await self.process.aclose()
        for _ in range(round(minutes)):
            self.world.clock.advance(60)
            await self.sandbox.delivered()
        self.bot = new_bot(self.sandbox, self.bot.config, self.ports, self.database)
        await self.listen()
        await self.settle()

    async def settle(self) -> None:
        self.world.kubernetes.play()
        await self.bot.engine.settle()
        await self.bot.works.idle()
        await self.bot.engine.settle()
        await self.sandbox.delivered()
        await self.bot.engine.settle()

    async def forward(self, seconds: float = 0, minutes: float = 0, step: float = 2) -> None:
        """Lets time pass in small steps, the bot ticking at each."""
        left = seconds + 60 * minutes
        while left > 0:
            self.world.clock.advance(min(step, left))
            left -= step
            await self.settle()

    def message_with(self, button: str, channel: str = "devops") -> Message:
        found = [message for message in self.slack.messages(channel) if button in message.buttons]
        assert found, f"no message in #{channel} has a button {button}: {[said(m) for m in self.slack.messages(channel)]}"
        return found[-1]

    async def events(self, kind: str) -> list[str]:
        """The actors of the recorded events of a kind, in order."""
        query = select(EventRow).where(EventRow.kind == kind).order_by(col(EventRow.id))
        return [row.actor for row in await self.bot.store.read(lambda tx: tx.all(query))]

    def last(self, channel: str = "devops") -> str:
        """The text of the latest public message."""
        return said([message for message in self.slack.messages(channel) if not message.visible_to and not message.is_reply][-1])

    def image(self, name: str, namespace: str = "aiecommerce") -> str:
        """The tag that a Deployment runs."""
        workload = self.world.kubernetes.get("Deployment", namespace, name)
        return str(workload["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[0].rpartition(":")[2])


def said(message: Message) -> str:
    """What a message shows, as text."""
    return html.unescape(message.plain)


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    pictures: bool = False,
    webhooks: bool = False,
    pager: bool = True,
    mailer: Mailer | None = None,
    scratch: Scratch | None = None,
    **changes: Any,
) -> AsyncIterator[Stage]:
    """Yields a running stage; `changes` go to the configuration's environments and services. Charts are pictures only where a story looks at them; without
    `webhooks` those of PagerDuty and Alertmanager are lost on the way, and without `pager` there is no PagerDuty; `scratch`: where backups are tried."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(World.build(on_sandbox().scenario, start=START)))
        settings = config(sandbox.urls["platform"], **changes)
        url = with_schema(folder / "aiec.db")
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(sandbox_kubeconfig(sandbox.urls["kubernetes"]))
        ports = await stack.enter_async_context(ports_of(sandbox, settings, kubeconfig, pictures=pictures))
        ports = replace(ports, mailer=mailer, scratch=scratch, pager=ports.pager if pager else None)
        process = await stack.enter_async_context(AsyncExitStack())
        found = Stage(sandbox, new_bot(sandbox, settings, ports, url), ports, url, process, webhooks)
        await found.listen()
        yield found


@asynccontextmanager
async def ports_of(sandbox: Sandbox, config: Config, kubeconfig: Path, *, pictures: bool = False) -> AsyncIterator[Ports]:
    own = kubeconfig.parent / "runbooks"
    own.mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        clusters = {}
        for name, environment in config.environments.items():
            clusters[name] = await connect(str(kubeconfig), None, environment.namespace, name)
            stack.push_async_callback(clusters[name].close)
        registry = await stack.enter_async_context(open_registry(sandbox.urls["registry"], None, None))
        prober = await stack.enter_async_context(open_prober())
        mention = {name: person.slack for name, person in config.people.items()}.get
        draw = await stack.enter_async_context(open_drawing()) if pictures else None
        chat = await stack.enter_async_context(open_chat(sandbox.world.slack.app.token, mention=mention, base_url=sandbox.urls["slack"], draw=draw))
        metrics = await stack.enter_async_context(open_prometheus(sandbox.urls["prometheus"]))
        code = await stack.enter_async_context(open_github(sandbox.urls["github"], SecretStr("github_pat_of_stories")))
        issues = GitHubIssues(code) if config.github is not None and config.github.issues is not None else None
        there = config.escalation.pagerduty if config.escalation else None
        pager = await stack.enter_async_context(pager_of(sandbox, there.service, there.policy)) if there else None
        alerting = await stack.enter_async_context(open_alertmanager(sandbox.urls["alertmanager"]))
        kept = kubeconfig.with_name("postmortems")
        kept.mkdir(exist_ok=True)
        libraries: dict[str, Library] = {"folder": Folder(str(kept), "AIEC_POSTMORTEM_DIR")}
        if config.postmortem is not None and (where := config.postmortem.github) is not None:
            writer = await stack.enter_async_context(open_github(sandbox.urls["github"], SecretStr("github_pat_of_tests")))
            libraries["github"] = PullRequests(writer, where.repository, where.folder)
        folder = kubeconfig.with_name("backups")
        folder.mkdir(exist_ok=True)
        backups = await stack.enter_async_context(open_backups(folder.as_uri()))
        yield Ports(
            clusters,
            registry,
            prober,
            chat,
            metrics,
            pager,
            alerting,
            code=code,
            shelf=Folders([RUNBOOKS, own]),
            backups=backups,
            seal=Seal(BACKUP_KEY).close,
            issues=issues,
            libraries=libraries,
        )


@asynccontextmanager
async def pager_of(sandbox: Sandbox, service: str, policy: str) -> AsyncIterator[PagerDutyPager]:
    token = next(token for token, user in sandbox.world.pagerduty.tokens.items() if user is None)
    key = sandbox.world.pagerduty.services[service].routing_key
    urls = {"api_url": sandbox.urls["pagerduty"], "events_url": sandbox.urls["pagerduty_events"]}
    async with open_connection(token, "lead@example.com", key, **urls) as connection:
        yield PagerDutyPager(connection, service, policy)


def new_bot(sandbox: Sandbox, config: Config, ports: Ports, url: str) -> Bot:
    store = Store(url, sandbox.world.clock, engine=make_engine(url, durable=False))
    return Bot(store, config, COMMANDS, ports, KEY, managers=lambda bot: [*of_incidents(bot), *of_runbooks(bot)])


async def _nothing() -> list[Any]:
    return []
