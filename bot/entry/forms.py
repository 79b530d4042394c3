"""Forms for those who did not say everything: filled with what they said, offering what they hold the permission for."""

import asyncio
from collections.abc import Mapping
from typing import Any

from bot.bot import Bot
from bot.command import Command, Context
from bot.core.access import allowed
from bot.core.errors import Denied, UsageError
from bot.core.events import Event
from bot.core.form import Form, form_of, given, opened
from bot.core.parse import Incomplete, check, validate
from bot.core.request import Actor, Request
from bot.pipeline import choices

GROUPS_WITHIN = 1.0
"""Seconds that Slack has for saying who is in which group: a modal must be opened within three."""


class Forms:
    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._choices = choices(bot.config, bot.commands)

    async def form(self, command: str, values: Mapping[str, Any], actor: Actor) -> Form:
        """Returns the form of a command, filled with `values`. Raises Denied, and records it, where the actor could not submit it."""
        chosen = self._bot.commands[command]
        groups = await self.groups(actor)
        mine = self._environments(chosen, actor, groups)
        named = values.get("environment")
        if not mine or (named is not None and named not in mine):
            where = named or next(iter(self._bot.config.environments))
            reason = allowed(self._bot.config, actor, groups, chosen.permission, where).reason
            denied = Event(kind="request.denied", subject=command, actor=actor.name, data={"command": command, "because": reason})
            await self._bot.store.transaction(lambda tx: tx.record(denied))
            raise Denied(reason, f"`/aiec help` lists what you may do, {actor.name}.")
        return form_of(command, chosen.summary, chosen.arguments, values, {**self._choices, "environments": mine})

    async def opened(self, request: Request) -> Form | None:
        """Returns the form in which a request goes on that says nothing to do yet, or None for any other. Raises what the command itself would say."""
        command = self._bot.commands.get(request.command)
        if command is None or (opens := command.opens) is None:
            return None
        arguments = validate(command.arguments, request.arguments, self._choices, command=request.command, examples=command.examples)
        blank = await self.form(request.command, {}, request.actor)  # who may not submit it is told so now, and it is recorded
        context = Context(request, self._bot.config, self._bot.world(), self._bot.store, self._bot.commands)
        opening = await self._bot.store.read(lambda tx: opens(arguments, context, tx))
        return opened(blank.command, opening, command.arguments, self._choices) if opening is not None else None

    def read(self, command: str, filled: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Returns the arguments that a filled form gives, and what is wrong with which of its fields, a sentence each."""
        model = self._bot.commands[command].arguments
        values = given(model, filled)
        return values, check(model, values, self._choices)

    def incomplete(self, command: str, values: Mapping[str, Any]) -> Incomplete | None:
        """Returns what the command needs beside these values, when a form can ask for it."""
        known = self._bot.commands.get(command)
        if known is None:
            return None
        try:
            validate(known.arguments, values, self._choices, command=command, examples=known.examples)
        except Incomplete as error:
            return error
        except UsageError:
            return None  # a wrong value is answered where all requests are checked
        return None

    async def groups(self, actor: Actor) -> frozenset[str] | None:
        """Returns the groups that the actor is in, or None when Slack does not say in time: then what they grant is not offered."""
        try:
            async with asyncio.timeout(GROUPS_WITHIN):
                return (await self._bot.groups.of(actor)).groups
        except TimeoutError:
            return None

    def _environments(self, command: Command[Any], actor: Actor, groups: frozenset[str] | None) -> list[str]:
        config = self._bot.config
        return [name for name in config.environments if not command.permission or allowed(config, actor, groups, command.permission, name).allowed]
