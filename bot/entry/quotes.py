"""Messages of people that are to stand in an incident: as the beginning of one, or in its timeline, with a link to where they were said."""

import asyncio
from typing import Any

from sqlmodel import select

from bot.bot import Bot
from bot.core.errors import AiecError
from bot.core.ports import MessageRef, Said
from bot.core.request import Actor, Origin, Request
from bot.core.text import cut
from bot.core.words import typed
from bot.entry.door import Quote
from bot.store.incident_tables import ChannelRow

TITLE, TEXT = 150, 2_000
WITHIN = 0.8
"""Seconds that Slack has for each of our questions: a delivery must be answered, or a form opened, within three."""


class Quotes:
    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def values(self, about: Quote) -> dict[str, Any]:
        """Returns what a form holds that is about a message: its text as a note, its first line as a title, and its link. What the form does not ask is left
        out by it."""
        text = typed(about.text).strip()
        link = await self._link(about.ref)
        title = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return {"title": cut(title, TITLE), "text": self._by(about.user, text), **({"link": link} if link else {})}

    async def pinned(self, ref: MessageRef, actor: Actor) -> Request | None:
        """Returns the note that a pinned message is, or None where the channel is no incident's. A message makes one note, whoever pins it, and how often."""
        row = await self._bot.store.read(lambda tx: tx.first(select(ChannelRow).where(ChannelRow.slack == ref.channel)))
        if row is None:
            return None
        said, link = await asyncio.gather(self._said(ref), self._link(ref))
        text = self._by(said.user, typed(said.text).strip()) if said is not None else "a message that could not be read"
        arguments = {"incident": f"#{row.incident}", "text": text, **({"link": link} if link else {})}
        origin = Origin(kind="slack", channel=ref.channel)
        return Request(key=f"pin:{ref.channel}:{ref.ts}", command="incident note", arguments=arguments, actor=actor, origin=origin)

    def _by(self, user: str, text: str) -> str:
        return cut(f"{self._bot.config.person_by_slack(user) or user}: {text}", TEXT)

    async def _link(self, ref: MessageRef) -> str:
        """Returns the message's address; empty when Slack does not say in time: the words matter more."""
        if self._bot.ports.chat is None:
            return ""
        try:
            async with asyncio.timeout(WITHIN):
                return await self._bot.ports.chat.permalink(ref)
        except (AiecError, TimeoutError):
            return ""

    async def _said(self, ref: MessageRef) -> Said | None:
        if self._bot.ports.chat is None:
            return None
        try:
            async with asyncio.timeout(WITHIN):
                return await self._bot.ports.chat.message(ref)
        except (AiecError, TimeoutError):
            return None
