"""The composition root: the only module that names concrete adapters. From settings to a bot, and from a bot to a running process."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from bot.adapters.alertmanager import open_alertmanager
from bot.adapters.backups import open_backups
from bot.adapters.backups.seal import Seal
from bot.adapters.drawing import open_drawing
from bot.adapters.email import SmtpMailer
from bot.adapters.folder import Folder
from bot.adapters.github import open_github
from bot.adapters.github_issues import GitHubIssues
from bot.adapters.github_pulls import PullRequests
from bot.adapters.kubernetes import connect
from bot.adapters.pagerduty import PagerDutyPager, open_connection
from bot.adapters.prober import open_prober
from bot.adapters.prometheus import open_prometheus
from bot.adapters.registry import open_registry
from bot.adapters.scratch import Server
from bot.adapters.shelf import Folders
from bot.adapters.slack.chat import open_chat
from bot.adapters.slack.socket import open_socket
from bot.bot import Bot, Ports
from bot.clusters import tell_unknown
from bot.core.clock import Clock, SystemClock
from bot.core.errors import Invalid, Unavailable
from bot.core.library import Library
from bot.core.pager import Pager
from bot.core.shelf import Shelf
from bot.engine import Manager
from bot.entry.hooks import BotHooks
from bot.entry.http import Endpoint, Part, http_app
from bot.entry.http import serve as serve_http
from bot.entry.metrics import collectors
from bot.entry.reception import Reception
from bot.entry.slack import slack_app, slack_endpoint, slack_envelopes
from bot.entry.webhooks import alertmanager_endpoint, pagerduty_endpoint
from bot.logs import configure
from bot.settings import Settings, load, secrets
from bot.store.migrate import missing, upgrade
from bot.store.store import Store
from bot.store.tables import EngineRow
from bot.store.transaction import Transaction
from commands.registry import COMMANDS
from escalation.managers import managers as of_incidents
from runbooks.library import SHIPPED
from runbooks.managers import managers as of_runbooks

log = logging.getLogger("aiec")


@asynccontextmanager
async def connected(settings: Settings, environments: Collection[str] | None = None) -> AsyncIterator[Ports]:
    """Yields the outside systems that are configured, with the clusters of those environments (None: of all); nothing is asked of them yet."""
    async with AsyncExitStack() as stack:
        clusters = {}
        for name in settings.config.environments if environments is None else environments:
            environment = settings.config.environments[name]
            cluster = await connect(settings.kubeconfig, environment.context, environment.namespace, name)
            stack.push_async_callback(cluster.close)
            clusters[name] = cluster
        registry = await stack.enter_async_context(open_registry(settings.registry_url, settings.registry_username, settings.registry_password))
        prober = await stack.enter_async_context(open_prober())
        chat = None
        if settings.slack_bot_token is not None:
            token, people = settings.slack_bot_token.get_secret_value(), settings.config.people
            mention = {name: person.slack for name, person in people.items()}.get
            draw = await stack.enter_async_context(open_drawing())
            chat = await stack.enter_async_context(open_chat(token, mention=mention, base_url=settings.slack_api_url, draw=draw))
        metrics = await stack.enter_async_context(open_prometheus(settings.prometheus_url)) if settings.prometheus_url is not None else None
        alerting = await stack.enter_async_context(open_alertmanager(settings.alertmanager_url)) if settings.alertmanager_url is not None else None
        kept = settings.config.postmortem.github if settings.config.postmortem is not None else None
        code, issues, libraries = None, None, _folders(settings)
        if settings.config.github is not None or kept is not None:
            github = await stack.enter_async_context(open_github(settings.github_api_url, settings.github_token))
            code = github if settings.config.github is not None else None
            issues = GitHubIssues(github) if settings.config.github is not None and settings.config.github.issues is not None else None
            libraries |= {"github": PullRequests(github, kept.repository, kept.folder)} if kept is not None else {}
        pager = await stack.enter_async_context(_pager(settings))
        backups = await stack.enter_async_context(open_backups(settings.backup_url)) if settings.backup_url is not None else None
        scratch = Server(settings.verify_url.get_secret_value()) if settings.verify_url is not None else None
        seal = Seal(settings.backup_key.get_secret_value()).close if settings.backup_key is not None else None
        books, mailer, grafana = shelf(settings.runbook_folders()), _mailer(settings), settings.grafana_url or ""
        yield Ports(
            clusters, registry, prober, chat, metrics, pager, alerting, code, books, mailer, grafana, backups, scratch, seal, issues=issues, libraries=libraries
        )


def _folders(settings: Settings) -> dict[str, Library]:
    return {"folder": Folder(settings.postmortem_dir, "AIEC_POSTMORTEM_DIR")} if settings.postmortem_dir is not None else {}


@asynccontextmanager
async def _pager(settings: Settings) -> AsyncIterator[Pager | None]:
    """Yields PagerDuty when there is a token for it, and aiec.yaml names the service and the policy there."""
    there = settings.config.escalation.pagerduty if settings.config.escalation else None
    if settings.pagerduty_api_token is None or there is None:
        yield None
        return
    key = settings.pagerduty_routing_key.get_secret_value() if settings.pagerduty_routing_key else None
    token, urls = settings.pagerduty_api_token.get_secret_value(), (settings.pagerduty_api_url, settings.pagerduty_events_url)
    async with open_connection(token, settings.pagerduty_from, key, api_url=urls[0], events_url=urls[1]) as connection:
        yield PagerDutyPager(connection, there.service, there.policy)


def shelf(folders: Sequence[Path]) -> Shelf:
    """Returns the runbooks that come with aiec, and those of folders, which count before them."""
    return Folders([SHIPPED, *folders])


def managers(bot: Bot) -> Sequence[Manager]:
    """Returns the managers of what is built upon the bot; what pages comes first."""
    return [*of_incidents(bot), *of_runbooks(bot)]


def _mailer(settings: Settings) -> SmtpMailer | None:
    """Returns who mails, when there is a server, and an address to send from: SMTP_FROM, else that of aiec.yaml."""
    sender = settings.smtp_from or (settings.config.notifications.email.from_ if settings.config.notifications.email else None)
    return SmtpMailer(settings.smtp_url, sender) if settings.smtp_url is not None and sender is not None else None


def opener(settings: Settings) -> Callable[[bytes], bytes]:
    """Returns what makes the Secrets of a config backup readable. Raises Invalid when there is no key."""
    if settings.backup_key is None:
        raise Invalid("AIEC_BACKUP_KEY is not set, and Secrets are encrypted with it.", "Set it, or AIEC_BACKUP_KEY_FILE.")
    return Seal(settings.backup_key.get_secret_value()).open


def prepared(settings: Settings, clock: Clock) -> Store:
    """Returns the database, ready for this version: SQLite is migrated on the way, PostgreSQL only by `aiec migrate`. Raises Unavailable."""
    store = Store(settings.database_url, clock)
    try:
        if store.sqlite:
            upgrade(store.engine)
        if problem := missing(store.engine):
            raise Unavailable(f"The database does not fit: {problem}.")
    except Unavailable:
        store.close()
        raise
    return store


@asynccontextmanager
async def opened(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Bot]:
    """Yields the bot with everything that is configured, and closes it again. It does not tick by itself."""
    store = prepared(settings, clock or SystemClock())
    try:
        async with connected(settings) as ports:
            bot = Bot(store, settings.config, COMMANDS, ports, settings.audit_key(), managers=managers)
            try:
                yield bot
            finally:
                await bot.works.close()
    finally:
        store.close()


@asynccontextmanager
async def running(bot: Bot, settings: Settings) -> AsyncIterator[int]:
    """Runs the bot with its HTTP side and yields the port. Ends when the block does, in order: no new requests, the managers, the lock."""
    slack, deliveries = _slack(bot, settings)
    registry = CollectorRegistry()
    registry.register(collectors(bot))
    app = http_app(readiness=lambda: readiness(bot), metrics=registry, slack=slack, **webhooks(bot, settings))
    unknown = tell_unknown(bot.store, bot.config, bot.ports.clusters)
    async with bot.watching(), ticking(bot), serve_http(app, settings.host, settings.port) as port, deliveries, _beside(unknown, "clusters"):
        yield port


@asynccontextmanager
async def ticking(bot: Bot) -> AsyncIterator[None]:
    """Runs the managers, as long as no other process does, and gives the engine lock back in the end."""
    async with _beside(bot.engine.run(), "engine"):
        bot.engine.wake()
        yield


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Lets something go on for as long as the block does."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _slack(bot: Bot, settings: Settings) -> tuple[Endpoint | None, AbstractAsyncContextManager[object]]:
    """Returns how Slack's deliveries come in: by the endpoint, or while the context lasts by Socket Mode, which wins where both are configured."""
    if bot.ports.chat is None:
        return None, contextlib.nullcontext()
    listeners = slack_app(Reception(bot), bot.ports.chat)
    if settings.slack_app_token is not None:
        return None, open_socket(settings.slack_app_token.get_secret_value(), slack_envelopes(listeners), base_url=settings.slack_api_url)
    if settings.slack_signing_secret is not None:
        return slack_endpoint(listeners, settings.slack_signing_secret.get_secret_value()), contextlib.nullcontext()
    return None, contextlib.nullcontext()


def webhooks(bot: Bot, settings: Settings) -> dict[str, Endpoint]:
    """Returns the endpoints of those who can prove who they are, by the name of `http_app`'s parameter."""
    found = {}
    if settings.alertmanager_token is not None:
        found["alertmanager"] = alertmanager_endpoint(BotHooks(bot), settings.alertmanager_token.get_secret_value())
    if settings.webhook_secrets():
        found["pagerduty"] = pagerduty_endpoint(BotHooks(bot), settings.webhook_secrets(), bot.store.clock)
    return found


async def readiness(bot: Bot) -> list[Part]:
    """Returns what must be there to serve: the database, its schema, and somebody alive who ticks."""

    def look(tx: Transaction) -> tuple[str, bool]:
        row = tx.get(EngineRow, 1)
        return (row.holder if row else ""), row is not None and bool(row.holder) and row.lease_until > tx.now

    try:
        holder, alive = await bot.store.read(look)
        schema = await asyncio.to_thread(missing, bot.store.engine)
    except Unavailable as error:
        return [Part("database", False, error.text)]
    return [
        Part("database", True, "reachable"),
        Part("schema", not schema, schema or "as the code needs it"),
        Part("engine", alive, f"ticked by {holder}" if alive else "nobody holds the engine lock"),
    ]


async def serve() -> int:
    """`aiec run`: until SIGINT or SIGTERM."""
    settings = load(os.environ)
    configure(settings.log_format, secrets(settings))
    for warning in settings.warnings:
        log.warning("%s", warning)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with opened(settings) as bot, running(bot, settings) as port:
        log.info("aiec listens on http://%s:%s", settings.host, port)
        await stop.wait()
    return 0
