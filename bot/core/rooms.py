"""Channels that come and go with what they are about, as an interface of the chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class RoomInfo:
    """A channel as it is. `ours`: we have made it. `member`: we are in it."""

    id: str
    name: str
    topic: str
    purpose: str
    archived: bool
    member: bool
    ours: bool
    created: datetime


class Rooms(Protocol):
    async def create_room(self, name: str, *, private: bool) -> str:
        """Makes a channel (80 lower-case letters, digits and hyphens at most) and returns its id. Raises Conflict when the name is taken, Refused when we may
        not make channels."""
        ...

    async def find_room(self, name: str) -> RoomInfo | None:
        """Returns the channel of this name, archived or not, or None when there is none that we can see."""
        ...

    async def room(self, id: str) -> RoomInfo | None:
        """Returns the channel, or None when it is gone, or private and we are not in it."""
        ...

    async def describe_room(self, id: str, *, topic: str | None = None, purpose: str | None = None) -> None:
        """Sets its topic or its purpose, 250 characters at most, joining a public channel if needed."""
        ...

    async def invite(self, id: str, users: Sequence[str]) -> Mapping[str, str]:
        """Invites Slack users and returns those who could not be, each with the reason in words; who is there already is no trouble."""
        ...

    async def archive_room(self, id: str) -> None:
        """Archives it; nothing happens when it is archived already."""
        ...
