"""Slack's side of the door: a person's words, clicks and forms become stored requests, and what cannot be stored is answered at once."""

from collections.abc import Mapping
from typing import Any

from bot.bot import Bot
from bot.core.card import Card
from bot.core.errors import AiecError
from bot.core.parse import Incomplete
from bot.core.ports import MessageRef
from bot.core.request import Origin, Request
from bot.entry.door import Quote, Reply
from bot.entry.forms import Forms
from bot.entry.home import home
from bot.entry.quotes import Quotes
from bot.pipeline import error_card

_CANNOT_BE_SHOWN = Card(headline=("Slack did not show the form in time. Nothing was done; try again.",))
_UNKNOWN = Reply(text="That form is from another version of aiec. `/aiec help` lists what you may do.")


class Reception:
    """Implements `bot.entry.door.Door`. An empty reply means that the request is stored; what comes of it is said by messages."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._forms = Forms(bot)
        self._quotes = Quotes(bot)

    async def submit_text(self, text: str, *, key: str, slack_user: str, origin: Origin) -> Reply:
        try:
            request = self._bot.door.understand(text, key=key, actor=self._bot.actor(slack_user), origin=origin)
        except Incomplete as incomplete:
            return await self._ask(incomplete.command, incomplete.values, slack_user, incomplete)
        except AiecError as error:
            return _refusal(error)
        return await self._take(request)

    async def submit(self, command: str, arguments: dict[str, Any], *, key: str, slack_user: str, origin: Origin) -> Reply:
        if (incomplete := self._forms.incomplete(command, arguments)) is not None:
            return await self._ask(command, arguments, slack_user, incomplete)
        return await self._take(Request(key=key, command=command, arguments=arguments, actor=self._bot.actor(slack_user), origin=origin))

    async def form(self, command: str, *, slack_user: str, about: Quote | None = None) -> Reply:
        if command not in self._bot.commands:
            return _UNKNOWN
        return await self._ask(command, await self._quotes.values(about) if about is not None else {}, slack_user)

    async def pin(self, ref: MessageRef, *, slack_user: str) -> None:
        if (request := await self._quotes.pinned(ref, self._bot.actor(slack_user))) is not None:
            await self._bot.door.submit(request)

    async def submit_form(self, command: str, filled: Mapping[str, Any], *, key: str, slack_user: str, origin: Origin) -> Reply:
        if command not in self._bot.commands:
            return _UNKNOWN
        values, errors = self._forms.read(command, filled)
        if errors:
            return Reply(text=" ".join(errors.values()), errors=errors)
        return await self.submit(command, values, key=key, slack_user=slack_user, origin=origin)

    async def home(self, *, slack_user: str) -> tuple[Card, ...]:
        actor = self._bot.actor(slack_user)
        return await home(self._bot, actor, await self._forms.groups(actor))

    async def _ask(self, command: str, values: Mapping[str, Any], slack_user: str, instead: AiecError | None = None) -> Reply:
        """The form, and what is said `instead` where it cannot be shown."""
        try:
            form = await self._forms.form(command, values, self._bot.actor(slack_user))
        except AiecError as error:
            return _refusal(error)
        return Reply(error_card(instead) if instead else None, form=form)

    async def _take(self, request: Request) -> Reply:
        """Stores a request, or opens the form in which it goes on; where that cannot be shown, its own answer says what can be typed."""
        try:
            form = await self._forms.opened(request)
        except AiecError as error:
            return _refusal(error)
        return Reply(_CANNOT_BE_SHOWN, form=form) if form is not None else await self._store(request)

    async def _store(self, request: Request) -> Reply:
        try:
            await self._bot.door.submit(request)
        except AiecError as error:
            return _refusal(error)
        return Reply()


def _refusal(error: AiecError) -> Reply:
    return Reply(error_card(error), error.text)
