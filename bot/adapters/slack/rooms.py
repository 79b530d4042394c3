"""Channels that are made, described, filled and archived by the bot (docs.slack.dev: conversations.create, .info, .setTopic, .invite, .archive)."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import unescape
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.adapters.slack.errors import code_of, translated
from bot.core.errors import Conflict
from bot.core.rooms import RoomInfo
from bot.core.text import cut

Json = dict[str, Any]

_TEXT = 250
_AT_ONCE = 30
_THERE = ("already_in_channel", "cant_invite_self")
_WHY = {
    "user_not_found": "no such Slack account",
    "no_user": "no such Slack account",
    "user_is_restricted": "a guest, whom only an administrator can invite",
    "user_is_ultra_restricted": "a guest of one channel",
    "cant_invite": "Slack does not let aiec invite them",
    "ura_max_channels": "a guest who is in as many channels as allowed",
}


class SlackRooms:
    """Implements `bot.core.rooms.Rooms`."""

    _web: AsyncWebClient
    _user = ""

    async def create_room(self, name: str, *, private: bool) -> str:
        with translated("conversations.create"):
            try:
                made = await self._web.conversations_create(name=name, is_private=private)
            except SlackApiError as error:
                if code_of(error) == "name_taken":
                    raise Conflict(f"The channel name {name} is taken.") from error
                raise
        return str(made["channel"]["id"])

    async def find_room(self, name: str) -> RoomInfo | None:
        me = await self._me()
        async for channel in self._list(archived=True):
            if channel["name"] == name:
                return _info(channel, me)
        return None

    async def room(self, id: str) -> RoomInfo | None:
        with translated("conversations.info"):
            try:
                found = await self._web.conversations_info(channel=id)
            except SlackApiError as error:
                if code_of(error) == "channel_not_found":
                    return None
                raise
        return _info(found["channel"], await self._me())

    async def describe_room(self, id: str, *, topic: str | None = None, purpose: str | None = None) -> None:
        if topic is not None:
            await self._inside("conversations.setTopic", id, lambda: self._web.conversations_setTopic(channel=id, topic=cut(topic, _TEXT)))
        if purpose is not None:
            await self._inside("conversations.setPurpose", id, lambda: self._web.conversations_setPurpose(channel=id, purpose=cut(purpose, _TEXT)))

    async def invite(self, id: str, users: Sequence[str]) -> Mapping[str, str]:
        refused: dict[str, str] = {}
        for start in range(0, len(users), _AT_ONCE):
            refused |= await self._invite(id, users[start : start + _AT_ONCE])
        return refused

    async def _invite(self, id: str, users: Sequence[str]) -> dict[str, str]:
        """With `force` Slack invites those whom it can, and names the others; where it can invite nobody it answers with an error, and may name them too."""
        faults: dict[str, str] = {}

        async def call() -> AsyncSlackResponse:
            try:
                answer = await self._web.conversations_invite(channel=id, users=[*users], force=True)
            except SlackApiError as error:
                code = code_of(error)
                if code not in (*_THERE, *_WHY):
                    raise
                answer = error.response
                faults.update(dict.fromkeys(users, code) if len(users) == 1 else {})
            faults.update({fault["user"]: fault["error"] for fault in answer.get("errors") or [] if fault.get("user")})
            return answer

        await self._inside("conversations.invite", id, call)
        return {user: _WHY.get(code, code.replace("_", " ")) for user, code in faults.items() if code not in _THERE}

    async def archive_room(self, id: str) -> None:
        async def call() -> AsyncSlackResponse:
            try:
                return await self._web.conversations_archive(channel=id)
            except SlackApiError as error:
                if code_of(error) != "already_archived":
                    raise
                return error.response  # type: ignore[no-any-return]

        await self._inside("conversations.archive", id, call)

    async def _me(self) -> str:
        if not self._user:
            with translated("auth.test"):
                self._user = str((await self._web.auth_test())["user_id"])
        return self._user

    @abstractmethod
    async def _inside(self, method: str, channel: str, call: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse: ...

    @abstractmethod
    def _list(self, *, archived: bool = False) -> AsyncIterator[Json]: ...


def _info(channel: Json, me: str) -> RoomInfo:
    return RoomInfo(
        id=channel["id"],
        name=channel["name"],
        topic=_text(channel, "topic"),
        purpose=_text(channel, "purpose"),
        archived=bool(channel.get("is_archived")),
        member=bool(channel.get("is_member")),
        ours=channel.get("creator") == me,
        created=datetime.fromtimestamp(channel["created"], UTC),
    )


def _text(channel: Json, field: str) -> str:
    return unescape(str((channel.get(field) or {}).get("value") or ""))
