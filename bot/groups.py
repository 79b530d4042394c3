"""Who is in which Slack user group: asked of the chat, kept in the database, and good for a day when Slack is silent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.config import Config
from bot.core.errors import AiecError, NotFound
from bot.core.ports import Chat
from bot.core.request import Actor
from bot.store.store import Store
from bot.store.tables import GroupRow
from bot.store.transaction import Transaction

FRESH = timedelta(minutes=5)
GOOD_WHEN_SILENT = timedelta(hours=24)


def handles(config: Config) -> list[str]:
    """Returns the groups that permissions name, such as `@devops` (`@everyone` is not a group)."""
    return sorted({who for rule in config.permissions for who in rule.who if who.startswith("@") and who != "@everyone"})


@dataclass(frozen=True)
class Membership:
    """The groups that somebody is in, None when that cannot be known now. `as_of`: of when that is, where Slack was asked again and did not say."""

    groups: frozenset[str] | None
    as_of: datetime | None = None


class Groups:
    def __init__(self, store: Store, chat: Chat | None, config: Config) -> None:
        self._store = store
        self._chat = chat
        self._handles = handles(config)

    async def of(self, actor: Actor) -> Membership:
        """Returns what is known of the groups that the actor is in. Somebody without a Slack account is in none."""
        if actor.slack is None or not self._handles:
            return Membership(frozenset())
        known = {row.handle: row for row in await self._store.read(self._load)}
        now = self._store.clock.now()
        found, as_of = set(), None
        for handle in self._handles:
            row = known.get(handle)
            if row is None or now - row.fetched_at > FRESH:
                row = await self._fetch(handle) or row
            if row is None or now - row.fetched_at > GOOD_WHEN_SILENT:
                return Membership(None)
            if now - row.fetched_at > FRESH:
                as_of = min(as_of or row.fetched_at, row.fetched_at)
            if actor.slack in row.members:
                found.add(handle)
        return Membership(frozenset(found), as_of)

    def _load(self, tx: Transaction) -> Iterable[GroupRow]:
        return [row for row in (tx.get(GroupRow, handle) for handle in self._handles) if row is not None]

    async def _fetch(self, handle: str) -> GroupRow | None:
        if self._chat is None:
            return None
        try:
            members = await self._chat.group_members(handle.removeprefix("@"))
        except NotFound:
            members = frozenset()
        except AiecError:
            return None
        row = GroupRow(handle=handle, members=sorted(members), fetched_at=self._store.clock.now())
        await self._store.transaction(lambda tx: tx.session.merge(row))
        return row
