"""Files in Slack: uploaded, then shared with a comment (docs.slack.dev: files.getUploadURLExternal, files.completeUploadExternal)."""

import re
from dataclasses import dataclass

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.adapters.slack.errors import answered, translated
from bot.adapters.slack.mrkdwn import Mention, rendered
from bot.core.card import Card
from bot.core.errors import Unavailable
from bot.core.ports import MessageRef
from bot.core.text import cut, headline

COMPLETE = "files.completeUploadExternal"
_UPLOAD_URL = "files.getUploadURLExternal"
_COMMENT = 3_000
ENDINGS = ("txt", "csv")
"""How files of text may end."""


@dataclass(frozen=True)
class Upload:
    """A file that is at Slack, and nobody sees yet."""

    file: str
    title: str


class Uploads:
    def __init__(self, web: AsyncWebClient, session: aiohttp.ClientSession, mention: Mention) -> None:
        self._web = web
        self._session = session
        self._mention = mention

    async def upload(self, name: str, title: str, content: bytes, alternative: str | None = None) -> Upload:
        """Uploads the content; `alternative` describes a picture. Raises Forbidden when no file may be uploaded."""
        with translated(_UPLOAD_URL):
            place = await self._web.files_getUploadURLExternal(filename=name, length=len(content), alt_txt=alternative)
        with translated("the upload of a file"):
            async with self._session.request("POST", place["upload_url"], data=content) as response:
                answered(response.status, response.headers, "the upload of a file")
                if response.status != 200:
                    raise Unavailable(f"Slack answered the upload of a file with HTTP {response.status}.")
        return Upload(str(place["file_id"]), title)

    async def share(self, upload: Upload, card: Card, channel: str, thread: MessageRef | None) -> AsyncSlackResponse:
        """Makes the file a message, below the card's headline and lines. Slack does that a moment later, and names no `ts`: the file's id stands for it."""
        comment = "\n".join(rendered(one, self._mention, _COMMENT) for one in (headline(card), *card.lines))
        return await self._web.files_completeUploadExternal(
            files=[{"id": upload.file, "title": upload.title}],
            channel_id=channel,
            thread_ts=thread.ts if thread else None,
            initial_comment=cut(comment, _COMMENT),
        )


def file_name(key: str, ending: str) -> str:
    """Returns the name of the file that shows the message with this key."""
    return f"aiec-{re.sub(r'[^A-Za-z0-9]+', '-', key)}.{ending}"


def ending(name: str) -> str:
    """Returns how the file of an attachment with this name ends: what programs know by its ending keeps it."""
    found = name.rpartition(".")[2]
    return found if found in ENDINGS else "txt"
