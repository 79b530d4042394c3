"""The chat port over Slack's Web API. Nothing is retried here: whoever calls decides when to try again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.adapters.slack.blocks import Json, blocks, fallback, thread_blocks
from bot.adapters.slack.errors import answered, code_of, translated
from bot.adapters.slack.modal import card_view, form_view, home_view
from bot.adapters.slack.mrkdwn import Mention
from bot.adapters.slack.pictures import Draw, Pictures, Undrawn
from bot.adapters.slack.rooms import SlackRooms
from bot.adapters.slack.scopes import missing
from bot.adapters.slack.uploads import COMPLETE, ENDINGS, Upload, Uploads, ending, file_name
from bot.core.card import Attachment, Card, Evidence, line
from bot.core.chart import Chart
from bot.core.errors import Forbidden, Invalid, NotFound, Refused
from bot.core.form import Form
from bot.core.ports import Account, MessageRef, Said

API_URL = AsyncWebClient.BASE_URL
TIME_LIMIT = timedelta(seconds=10)
EVENT_TYPE = "aiec"
"""The type of our messages' metadata; its payload is `{"key": …}`."""
_CLOCKS_DIFFER = timedelta(minutes=5)
_PAGE = 200
_END = 6_000
_CHANNELS = "public_channel,private_channel"
_CHANNELS_PAGE = 999


@asynccontextmanager
async def open_chat(token: str, *, mention: Mention, base_url: str = API_URL, draw: Draw | None = None) -> AsyncIterator["SlackChat"]:
    """Yields the chat with a bot token (`xoxb-…`), its connections kept open between calls. Proxies come from the environment (HTTPS_PROXY, NO_PROXY)."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIME_LIMIT.total_seconds()), trust_env=True) as session:
        yield SlackChat(token, session, mention=mention, base_url=base_url, draw=draw)


class SlackChat(SlackRooms):
    """Implements `bot.core.ports.Chat`.

    Every byte goes out by `session.request`: whatever has that method and `closed` can stand in for the network. Its time limits are the calls' limits.
    Without `draw` charts are said in words.
    """

    def __init__(self, token: str, session: aiohttp.ClientSession, *, mention: Mention, base_url: str = API_URL, draw: Draw | None = None) -> None:
        self._session = session
        self._web = AsyncWebClient(token=token, base_url=base_url, session=session, retry_handlers=[])
        # slack_sdk would take HTTPS_PROXY for every host; the session honours NO_PROXY as well.
        self._web.proxy = None
        self._mention = mention
        self._uploads = Uploads(self._web, session, mention)
        self._pictures = Pictures(self._uploads, draw) if draw is not None else None
        self._ids: dict[str, str] = {}
        self._listing = asyncio.Lock()

    async def account(self) -> Account:
        with translated("auth.test"):
            answer = await self._web.auth_test()
        return Account(str(answer["user"]), str(answer["team"]), missing(answer.headers))

    async def accepts(self, app_token: str) -> None:
        with translated("apps.connections.open"):
            await self._web.apps_connections_open(app_token=app_token)

    async def channels(self) -> Mapping[str, bool]:
        listed = [channel async for channel in self._list()]
        return {name: bool(channel["is_member"]) for channel in listed for name in (f"#{channel['name']}", channel["id"])}

    async def post(self, channel: str, card: Card, *, key: str, thread: MessageRef | None = None, only_for: str | None = None) -> MessageRef:
        """A channel may also be a person's id: his direct messages, which nobody else sees. A chart becomes a picture, unless only one person sees it.

        A card with a file is that file, in a `thread`, whose channel is known by its id.
        """
        where = thread.channel if thread else await self._id(channel)
        try:
            if only_for and only_for != where:
                message = self._message(card, key, whole=True) | _place(where, thread)
                return MessageRef(where, (await self._say("chat.postEphemeral", message | {"user": only_for}))["message_ts"])
            if card.chart is not None and self._pictures is not None and not only_for:
                try:
                    return await self._picture(self._pictures, card, card.chart, where, key, thread)
                except Undrawn as undrawn:
                    card = card.model_copy(update={"lines": (*card.lines, line(f"{undrawn.error.text} {undrawn.error.hint}".strip()))})
            if card.file is not None and thread is not None and not only_for:
                try:
                    upload = await self._uploads.upload(file_name(key, ending(card.file.name)), card.file.name, card.file.text.encode())
                    return await self._share(upload, card, where, thread)
                except Forbidden as error:
                    card = _in_words(card, card.file, error)
            message = self._message(card, key, whole=thread is not None or card.chart is not None) | _place(where, thread)
            posted = await self._say("chat.postMessage", message | {"metadata": _metadata(key), "unfurl_links": False, "unfurl_media": False})
            return MessageRef(posted["channel"], posted["ts"])
        except Refused:
            # The name may belong to another channel by now.
            self._ids.pop(channel, None)
            raise

    async def update(self, ref: MessageRef, card: Card, *, key: str, thread: MessageRef | None = None) -> None:
        """`thread` is where the message was posted: there a card is shown with its evidence. A chart, and a file, stays as it was posted."""
        if card.chart is not None or card.file is not None:
            return
        message = self._message(card, key, whole=thread is not None)
        with translated("chat.update"):
            await self._web.chat_update(channel=ref.channel, ts=ref.ts, metadata=_metadata(key), **message)

    async def find(self, channel: str, key: str, since: datetime, *, thread: MessageRef | None = None) -> MessageRef | None:
        """A message in a thread is found only when its `thread` is given; a picture or another file by its name, as it carries no metadata. What was said to a
        person directly is never found: its history is that of another conversation, which aiec may not read, and twice is better than never."""
        if (thread.channel if thread else channel)[:1] in ("U", "W", "D"):
            return None
        names = {file_name(key, one) for one in ("png", *ENDINGS)}
        where = thread.channel if thread else await self._id(channel)
        wanted = {"channel": where, "oldest": f"{(since - _CLOCKS_DIFFER).timestamp():.6f}", "include_all_metadata": True, "limit": _PAGE}
        cursor = ""
        while True:
            page = await self._page(wanted | {"cursor": cursor}, thread)
            for message in page.get("messages", []):
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == EVENT_TYPE and (metadata.get("event_payload") or {}).get("key") == key:
                    return MessageRef(where, message["ts"])
                if file := next((file["id"] for file in message.get("files") or [] if file.get("name") in names), None):
                    return MessageRef(where, file)
            cursor = _cursor(page)
            if not cursor:
                return None

    async def respond(self, response_url: str, card: Card) -> None:
        """Raises Refused when the URL has expired or has been used too often."""
        hook = AsyncWebhookClient(response_url, session=self._session, retry_handlers=[])
        hook.proxy = None
        with translated("response_url"):
            response = await hook.send_dict(self.acknowledgement(card) | {"replace_original": False})
        answered(response.status_code, response.headers, "response_url")
        if response.status_code == 404:
            raise Refused("That request can no longer be answered privately: Slack allows five answers within 30 minutes.", "Ask again.")
        if response.status_code != 200:
            raise Invalid(f"Slack refuses a private answer: {response.body[:200]}.")

    async def permalink(self, ref: MessageRef) -> str:
        with translated("chat.getPermalink"):
            return str((await self._web.chat_getPermalink(channel=ref.channel, message_ts=ref.ts))["permalink"])

    async def message(self, ref: MessageRef) -> Said | None:
        try:
            page = await self._page({"channel": ref.channel, "oldest": ref.ts, "latest": ref.ts, "inclusive": True, "limit": 2}, ref)
        except NotFound:
            return None
        found = next((message for message in page.get("messages", []) if message["ts"] == ref.ts), None)
        return Said(str(found.get("user") or found.get("bot_id") or ""), str(found.get("text") or "")) if found is not None else None

    async def active(self, user: str) -> bool:
        with translated("users.info"):
            try:
                return not (await self._web.users_info(user=user))["user"].get("deleted", False)
            except SlackApiError as error:
                if code_of(error) != "user_not_found":
                    raise
                return False

    async def group_members(self, handle: str) -> frozenset[str]:
        with translated("usergroups.list"):
            groups = (await self._web.usergroups_list())["usergroups"]
        group = next((group["id"] for group in groups if group["handle"] == handle), None)
        if group is None:
            raise NotFound(f"There is no user group `@{handle}` in Slack.", "Create it, or correct `permissions` in aiec.yaml.")
        with translated("usergroups.users.list"):
            return frozenset((await self._web.usergroups_users_list(usergroup=group))["users"])

    def acknowledgement(self, card: Card) -> Json:
        """Returns the card as the body of an acknowledgement, which only the caller sees."""
        return {"response_type": "ephemeral", **self._message(card, "", whole=True)}

    def modal(self, card: Card) -> Json:
        """Returns the card as a modal."""
        return card_view(card, self._mention)

    async def open_modal(self, trigger_id: str, content: Form | Card, metadata: str = "") -> None:
        """Shows a form or a card to whom the trigger came from. Raises Invalid when it is older than three seconds."""
        view = form_view(content, metadata) if isinstance(content, Form) else self.modal(content)
        with translated("views.open"):
            await self._web.views_open(trigger_id=trigger_id, view=view)

    async def publish_home(self, user: str, cards: Sequence[Card]) -> None:
        """Shows the cards in the person's App Home. Raises Invalid when it is switched off."""
        with translated("views.publish"):
            await self._web.views_publish(user_id=user, view=home_view(cards, self._mention))

    async def _picture(self, pictures: Pictures, card: Card, chart: Chart, where: str, key: str, thread: MessageRef | None) -> MessageRef:
        return await self._share(await pictures.prepared(chart, key), card, where, thread)

    async def _share(self, upload: Upload, card: Card, where: str, thread: MessageRef | None) -> MessageRef:
        await self._inside(COMPLETE, where, lambda: self._uploads.share(upload, card, where, thread))
        return MessageRef(where, upload.file)

    def _message(self, card: Card, key: str, *, whole: bool) -> Json:
        render = thread_blocks if whole else blocks
        return {"text": fallback(card), "blocks": render(card, self._mention, key)}

    async def _say(self, method: str, message: Json) -> AsyncSlackResponse:
        return await self._inside(method, message["channel"], lambda: self._web.api_call(method, json=message))

    async def _page(self, wanted: Json, thread: MessageRef | None) -> Json:
        """A page of a channel's or a thread's messages. To post in a public channel the bot need not be in it, to read there it must."""
        if thread:
            page = await self._inside("conversations.replies", wanted["channel"], lambda: self._web.conversations_replies(ts=thread.ts, **wanted))
        else:
            page = await self._inside("conversations.history", wanted["channel"], lambda: self._web.conversations_history(**wanted))
        return page.data  # type: ignore[return-value]

    async def _inside(self, method: str, channel: str, call: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse:
        """Makes the call, and where the bot is not in that public channel, joins it first."""
        with translated(method):
            try:
                return await call()
            except SlackApiError as error:
                if code_of(error) != "not_in_channel":
                    raise
            with translated("conversations.join"):
                await self._web.conversations_join(channel=channel)
            return await call()

    async def _id(self, channel: str) -> str:
        """The id of a channel that is given by its id or as `#name`."""
        if not channel.startswith("#"):
            return channel
        async with self._listing:
            if channel not in self._ids:
                self._ids = {f"#{found['name']}": found["id"] async for found in self._list()}
        if channel not in self._ids:
            raise Refused(
                f"There is no channel `{channel}` that aiec can see: it does not exist, is archived, or is private and aiec is not in it.",
                "Type `/invite @aiec` there, or name another one in aiec.yaml.",
            )
        return self._ids[channel]

    async def _list(self, *, archived: bool = False) -> AsyncIterator[Json]:
        cursor = ""
        while True:
            with translated("conversations.list"):
                page = await self._web.conversations_list(types=_CHANNELS, exclude_archived=not archived, limit=_CHANNELS_PAGE, cursor=cursor)
            for channel in page["channels"]:
                yield channel
            cursor = _cursor(page)
            if not cursor:
                return


def _in_words(card: Card, file: Attachment, error: Forbidden) -> Card:
    """The card of a file that could not be one: as much of its end as fits into a message, and why."""
    return card.model_copy(
        update={
            "lines": (*card.lines, line(f"{error.text} {error.hint}".strip())),
            "evidence": (*card.evidence, Evidence(title=f"{file.name}, its end", text=file.text[-_END:])),
        }
    )


def _place(channel: str, thread: MessageRef | None) -> Json:
    return {"channel": channel, **({"thread_ts": thread.ts} if thread else {})}


def _metadata(key: str) -> Json:
    return {"event_type": EVENT_TYPE, "event_payload": {"key": key}}


def _cursor(page: Any) -> str:
    return str((page.get("response_metadata") or {}).get("next_cursor") or "")
