"""Slack: the token, its scopes, how deliveries come in, and the channels and user groups that aiec.yaml names."""

import asyncio
from collections.abc import Iterable

from bot.checks.finding import Finding, failed, ok, warning, wrong
from bot.core.config import Config
from bot.core.errors import AiecError, NotFound
from bot.core.ports import Account, Chat
from bot.core.suggest import did_you_mean
from bot.groups import handles
from bot.settings import Settings


async def slack(settings: Settings, chat: Chat) -> list[Finding]:
    """Returns what is to be said of Slack as it is configured."""
    try:
        account = await chat.account()
    except AiecError as error:
        return [failed("slack", error, "everything in Slack"), *await _deliveries(settings, chat)]
    groups = (_group(handle, chat) for handle in handles(settings.config))
    asked = await asyncio.gather(_deliveries(settings, chat), _channels(settings.config, chat), *groups)
    found = [ok("slack", f"{account.name} in the workspace {account.workspace}"), *_scopes(account)]
    return [*found, *(one for findings in asked for one in findings)]


def _scopes(account: Account) -> list[Finding]:
    if not account.missing:
        return [ok("slack scopes", "all that are needed")]
    fix = "add it under OAuth & Permissions and install the app again (docs/slack.md)"
    return [wrong("slack scopes", f"`{scope}` was not granted", ", ".join(uses), fix) for scope, uses in account.missing.items()]


async def _deliveries(settings: Settings, chat: Chat) -> list[Finding]:
    """The app-level token goes before the signing secret, as when the bot runs."""
    subject, breaks = "slack deliveries", "commands and buttons: they never arrive"
    if settings.slack_app_token is not None:
        try:
            await chat.accepts(settings.slack_app_token.get_secret_value())
        except AiecError as error:
            fix = "make a new app-level token with the scope `connections:write` (Basic Information), and set SLACK_APP_TOKEN"
            return [wrong(subject, f"SLACK_APP_TOKEN: {error.text}", breaks, fix)]
        return [ok(subject, "by Socket Mode; Slack accepts the app-level token")]
    if settings.slack_signing_secret is not None:
        return [ok(subject, "by HTTP, proved by the signing secret")]
    return [wrong(subject, "neither SLACK_SIGNING_SECRET nor SLACK_APP_TOKEN is set", breaks, "set one of them (docs/slack.md)")]


def named(config: Config) -> dict[str, list[str]]:
    """Returns the channels that aiec.yaml names, each with the keys that name it."""
    found: dict[str, list[str]] = {}
    pairs: Iterable[tuple[str, str]] = [
        *((one.channel, f"environments.{name}.channel") for name, one in config.environments.items()),
        *((channel, f"channels.{key}") for key, channel in config.channels.model_dump(exclude={"digest_at"}).items()),
    ]
    for channel, key in pairs:
        found.setdefault(channel, []).append(key)
    return found


async def _channels(config: Config, chat: Chat) -> list[Finding]:
    try:
        seen = await chat.channels()
    except AiecError as error:
        return [failed("slack channels", error, "whether the channels of aiec.yaml exist is not known")]
    wanted = named(config)
    fix = "type `/invite @aiec` there if it is private, or correct aiec.yaml"
    found = [
        wrong("slack channels", f"{channel} cannot be seen{_meant(channel, seen)}", f"what is posted there ({', '.join(keys)})", fix)
        for channel, keys in wanted.items()
        if channel not in seen
    ]
    later = [channel for channel in wanted if seen.get(channel) is False]
    if len(found) < len(wanted):
        joined = f" ({', '.join(later)} will be joined at the first message)" if later else ""
        found.append(ok("slack channels", ", ".join(channel for channel in wanted if channel in seen) + joined))
    return found


def _meant(channel: str, seen: Iterable[str]) -> str:
    return did_you_mean(channel, [name for name in seen if name.startswith("#")]) if channel.startswith("#") else ""


async def _group(handle: str, chat: Chat) -> list[Finding]:
    try:
        members = await chat.group_members(handle.removeprefix("@"))
    except NotFound:
        fix = "create the user group in Slack, or correct `permissions` in aiec.yaml"
        return [warning("slack groups", f"there is no user group {handle}", "what is granted to it is granted to nobody", fix)]
    except AiecError as error:
        return [failed("slack groups", error, f"what is granted to {handle}")]
    return [ok("slack groups", f"{handle} has {len(members)} members")]
