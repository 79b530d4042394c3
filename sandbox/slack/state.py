"""What a workspace holds: people, groups, conversations, messages, views, files."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.slack.answer import Json
from sandbox.slack.forms import elements


@dataclass
class User:
    """A member of the workspace. `id` as Slack's (`U0ENGINEER`), `name` without @."""

    id: str
    name: str
    real_name: str = ""
    email: str = ""
    tz: str = "UTC"
    title: str = ""
    is_bot: bool = False
    deleted: bool = False


@dataclass
class Usergroup:
    """A user group, mentioned by its `handle`; `users` are ids."""

    id: str
    handle: str
    name: str = ""
    users: list[str] = field(default_factory=list)
    disabled: bool = False


@dataclass
class App:
    """The app installed in the workspace: its bot user, tokens, scopes and what it listens to."""

    user: str = "U0APP"
    name: str = "app"
    id: str = "A0APP"
    bot_id: str = "B0APP"
    token: str = "xoxb-sandbox"
    app_token: str = "xapp-sandbox"
    signing_secret: str = "sandbox-signing-secret"
    scopes: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    """Subscribed bot events, such as `app_mention`, `message.channels`, `message.im`, `app_home_opened`, `reaction_added`, `member_joined_channel`."""
    commands: list[Json] = field(default_factory=list)
    """`{"command": "/deploy", "description": …, "usage_hint": …, "should_escape": bool}`."""
    shortcuts: list[Json] = field(default_factory=list)
    """`{"name": …, "type": "global" or "message", "callback_id": …}`."""


@dataclass
class Message:
    """A message. `visible_to` is None for everybody in the channel, or the one user who sees an ephemeral message."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    visible_to: str | None = None
    app: Json | None = None
    """The `bot_id` and `app_id` when the app wrote it."""
    metadata: Json | None = None
    attachments: list[Json] = field(default_factory=list)
    files: list[Json] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited: str | None = None
    broadcast: bool = False
    subtype: str | None = None

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons, in reading order."""
        return [element["text"]["text"] for _, element in elements(self.blocks) if element["type"] == "button"]

    @property
    def plain(self) -> str:
        """All that a reader sees, as lines of text: the blocks' words when there are blocks, else the text."""
        return "\n".join(_words(self.blocks)) if self.blocks else self.text

    def snapshot(self) -> Message:
        """A copy that later edits do not touch."""
        return copy.deepcopy(self)


def _words(node: Any) -> Iterator[str]:
    """The visible words inside blocks, depth first."""
    if isinstance(node, list):
        for item in node:
            yield from _words(item)
    elif isinstance(node, dict):
        if isinstance(node.get("text"), str):
            yield node["text"]
        if "alt_text" in node:
            yield node["alt_text"]
        for key in ("title", "text", "fields", "elements", "accessory", "label", "hint", "element", "options"):
            if isinstance(node.get(key), dict | list):
                yield from _words(node[key])


@dataclass
class Channel:
    """A conversation. `kind` is `public`, `private`, `im` or `mpim`; `messages` by ts, in order."""

    id: str
    name: str
    kind: str = "public"
    creator: str = ""
    created: int = 0
    members: list[str] = field(default_factory=list)
    topic: str = ""
    purpose: str = ""
    archived: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)
    """The ts of each thread's replies, by that of its parent."""
    last_ts: int = 0
    """Microseconds of the newest ts, ephemeral ones included: a ts is unique in its channel."""
    pins: list[str] = field(default_factory=list)
    bookmarks: list[Json] = field(default_factory=list)

    def replies(self, ts: str) -> list[Message]:
        """The replies in the thread below the message at `ts`, oldest first."""
        return [self.messages[reply] for reply in self.threads.get(ts, ()) if reply in self.messages]

    @property
    def is_direct(self) -> bool:
        return self.kind in ("im", "mpim")


@dataclass
class View:
    """A modal or a home tab as one user has it open. `wire` is Slack's view object."""

    user: str
    wire: Json
    errors: dict[str, str] = field(default_factory=dict)
    """What the app said about each input (`response_action: errors`), by block_id."""
    notice: str = ""
    """What Slack's client itself says when a submission failed."""

    @property
    def id(self) -> str:
        return str(self.wire["id"])

    @property
    def blocks(self) -> list[Json]:
        return list(self.wire["blocks"])


@dataclass
class Trigger:
    """A `trigger_id`: exchanged at most once, within three seconds."""

    user: str
    expires: datetime
    view: str | None = None
    """The view that it came from, below which `views.push` puts the new one."""
    used: bool = False


@dataclass
class Hook:
    """A `response_url`: good for five uses in thirty minutes."""

    channel: str
    user: str
    expires: datetime
    message: str | None = None
    """The ts of the message that was clicked."""
    thread_ts: str | None = None
    uses: int = 0


@dataclass
class File:
    """An uploaded file; `content` is None until the bytes came. `alternative` describes an image for those who do not see it."""

    id: str
    name: str
    length: int
    alternative: str = ""
    content: bytes | None = None
    title: str = ""
    shared: bool = False

    @property
    def mimetype(self) -> str:
        content = self.content or b""
        return "image/png" if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR" and len(content) > 24 else "application/octet-stream"
