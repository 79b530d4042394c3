"""The workspace itself: what it holds, the door of the Web API, and what it sends to the app. No I/O happens here."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sandbox.slack import actions, events, payloads
from sandbox.slack.answer import Answer, Delivery, Json, Refusal, Reply
from sandbox.slack.facts import COMMON_ERRORS, METHODS, Method
from sandbox.slack.limits import Limits
from sandbox.slack.methods import HANDLERS
from sandbox.slack.state import App, Channel, File, Hook, Message, Trigger, User, Usergroup, View

TRIGGER_LIFE = timedelta(seconds=3)
HOOK_LIFE = timedelta(minutes=30)
SLACKBOT = "USLACKBOT"


class Time(Protocol):
    """What the workspace asks of a clock."""

    def now(self) -> datetime: ...


Transport = Callable[[Delivery], Awaitable[Reply]]
"""Takes a delivery to the app and brings its answer back."""


async def no_app(_delivery: Delivery) -> Reply:
    """The transport of a workspace whose app is not running."""
    return Reply(failure="connection_failed", status=0)


class Workspace:
    """A Slack workspace with one app installed. Deterministic: the same calls with the same clock and seed give the same answers."""

    def __init__(self, clock: Time, seed: int = 0) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.team: Json = {"id": "T0SANDBOX", "name": "Sandbox", "domain": "sandbox"}
        self.app = App()
        self.users: dict[str, User] = {}
        self.usergroups: dict[str, Usergroup] = {}
        self.channels: dict[str, Channel] = {}
        self.views: dict[str, View] = {}
        self.stacks: dict[str, list[str]] = {}
        """Ids of the modals that each user has open, the topmost last."""
        self.homes: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.hooks: dict[str, Hook] = {}
        self.files: dict[str, File] = {}
        self.tickets: set[str] = set()
        """Socket Mode addresses that were given out and not used yet."""
        self.things_to_try: list[Json] = []
        self.moments: dict[str, list[str]] = {}
        """When something was done to this world from outside, by its name: ticks, as `ts`."""
        self.limits = Limits()
        self.base_url = "https://sandbox.slack.example"
        """Where `asgi` is served: `response_url`s, upload URLs and permalinks begin with it."""
        self.down = False
        """Slack is out of order: every call is answered with 503, nothing is delivered."""
        self.revoked = False
        self.admins_create_channels = False
        """Nobody but administrators may make channels, so that the app may not."""
        self.transport: Transport = no_app
        self.outgoing: deque[Delivery] = deque()
        """Events for the app that nobody has taken yet."""
        self.revision = 0
        """Counts changes that a client would show."""
        self._listeners: list[Callable[[], None]] = []
        self._serial = 0
        self._last_tick = 0

    # --- scenario

    def setup(
        self,
        *,
        users: Iterable[Json] = (),
        usergroups: Iterable[Json] = (),
        channels: Iterable[Json] = (),
        app: Json | None = None,
        team: Json | None = None,
        rate_limits: bool = True,
        things_to_try: Iterable[Json] = (),
    ) -> None:
        """Fills the workspace from data.

        `users`, `usergroups` and `app` have the fields of `User`, `Usergroup` and `App`; people are named by id or by name everywhere.
        `channels` are `{"name", "members", "kind": "public" or "private", "topic", "purpose", "id"}`, `id` optional. `team` is
        `{"id", "name", "domain"}`. `things_to_try` are for the page, as `sandbox.slack.trying` takes them.
        """
        self.team |= team or {}
        self.app = App(**(app or {}))
        people = [User(**user) for user in users]
        people += [User(self.app.user, self.app.name, self.app.name, is_bot=True), User(SLACKBOT, "slackbot", "Slackbot", is_bot=True)]
        self.users = {user.id: user for user in people}
        groups = [Usergroup(**group) for group in usergroups]
        for group in groups:
            group.users = [self.user(name).id for name in group.users]
        self.usergroups = {group.id: group for group in groups}
        for data in channels:
            members = [self.user(name).id for name in data.get("members", [])]
            self.add_channel(data["name"], data.get("kind", "public"), members, creator=members[0] if members else "", channel_id=data.get("id"))
            self.channel(data["name"]).topic = data.get("topic", "")
            self.channel(data["name"]).purpose = data.get("purpose", "")
        self.limits.on = rate_limits
        self.things_to_try = list(things_to_try)
        self.outgoing.clear()
        self.changed()

    # --- looking things up

    def user(self, who: str) -> User:
        """The user with this id or name (`engineer`, `@engineer`). Raises LookupError."""
        found = self.users.get(who) or next((user for user in self.users.values() if user.name == who.removeprefix("@")), None)
        if found is None:
            raise LookupError(f"no user {who!r}; there are {', '.join(user.name for user in self.users.values())}")
        return found

    def channel(self, which: str) -> Channel:
        """The conversation with this id or name (`devops`, `#devops`). Raises LookupError."""
        found = self.channels.get(which) or self.named(which.removeprefix("#"))
        if found is None:
            raise LookupError(f"no channel {which!r}; there are {', '.join(channel.name for channel in self.channels.values() if channel.name)}")
        return found

    def named(self, name: str) -> Channel | None:
        """The channel of this name, archived ones included."""
        return next((channel for channel in self.channels.values() if channel.name == name and not channel.is_direct), None)

    def direct(self, members: Iterable[str]) -> Channel:
        """The direct conversation of these users (ids), made when it does not exist. A single user talks with the app."""
        people = sorted({*members})
        if len(people) == 1:
            people.append(self.app.user)
        for channel in self.channels.values():
            if channel.is_direct and sorted(channel.members) == sorted(people):
                return channel
        return self.add_channel("", "im" if len(people) == 2 else "mpim", people, creator=self.app.user)

    def conversation(self, which: str, user: str | None = None) -> Channel:
        """The channel with this id or name, or the direct messages with `@name`: of `user` with them, without `user` of them with the app."""
        if not which.startswith("@"):
            return self.channel(which)
        both = {self.user(which).id, self.user(user or which).id}
        return self.direct(both - {self.app.user} or both)

    def messages(self, channel: str, user: str | None = None) -> list[Message]:
        """The messages of a conversation, oldest first, replies included, as this user sees them: with the ephemeral ones that are theirs.

        `channel` is as for `conversation`; without `user`, ephemeral messages are left out. They are snapshots: later edits do not change them.
        """
        where = self.conversation(channel, user)
        reader = self.user(user).id if user else None
        return [message.snapshot() for message in where.messages.values() if message.visible_to in (None, reader)]

    def thread(self, message: Message) -> list[Message]:
        """The replies to a message, oldest first."""
        return [reply.snapshot() for reply in self.channels[message.channel].replies(message.ts)]

    def modal(self, user: str) -> View | None:
        """The modal on top of this user's screen."""
        stack = self.stacks.get(self.user(user).id)
        return self.views[stack[-1]] if stack else None

    # --- making things

    def now(self) -> datetime:
        return self.clock.now()

    def make_id(self, prefix: str) -> str:
        """A new id that looks like Slack's: a letter and upper-case letters and digits."""
        self._serial += 1
        return f"{prefix}0{self._serial:03d}" + "".join(self.random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=6))

    def secret(self, length: int = 24) -> str:
        """Random letters and digits, for URLs and triggers."""
        return "".join(self.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))

    def next_ts(self, channel: Channel) -> str:
        """The `ts` of the channel's next message: the clock's time in microseconds, moved on while it is taken."""
        channel.last_ts = max(_micros(self.now()), channel.last_ts + 1)
        return _seconds(channel.last_ts)

    def tick(self) -> str:
        """When something happens now, as seconds with microseconds, later than everything before it."""
        self._last_tick = max(_micros(self.now()), self._last_tick + 1)
        return _seconds(self._last_tick)

    def add_channel(self, name: str, kind: str, members: Iterable[str], creator: str, channel_id: str | None = None) -> Channel:
        """Adds a conversation; `members` and `creator` are ids."""
        made_id = channel_id or self.make_id("D" if kind == "im" else "C")
        made = Channel(made_id, name, kind, creator, int(self.now().timestamp()), list(dict.fromkeys(members)))
        self.channels[made.id] = made
        self.changed()
        return made

    def post(self, channel: Channel, message: Message) -> Message:
        """Adds a message, and tells the app about it as its subscriptions say."""
        channel.messages[message.ts] = message
        if message.is_reply:
            channel.threads.setdefault(str(message.thread_ts), []).append(message.ts)
        if message.visible_to is None:
            events.announce_message(self, channel, message)
        self.changed()
        return message

    def notice(self, channel: Channel, user: str, text: str, thread_ts: str | None = None) -> Message:
        """Shows this user alone a line by Slackbot."""
        return self.post(channel, Message(channel.id, self.next_ts(channel), SLACKBOT, text, thread_ts=thread_ts, visible_to=user))

    def make_trigger(self, user: str, view: str | None = None) -> str:
        """A `trigger_id` for this user, good for three seconds and one use."""
        trigger_id = f"{_micros(self.now()) // 1_000_000}.{self.random.randrange(10**6, 10**7)}.{self.secret(32)}"
        self.triggers[trigger_id] = Trigger(user, self.now() + TRIGGER_LIFE, view)
        return trigger_id

    def make_hook(self, kind: str, channel: str, user: str, message: str | None = None, thread_ts: str | None = None) -> str:
        """A `response_url` (`kind`: `commands`, `actions` or `app`)."""
        path = f"/{kind}/{self.team['id']}/{self.random.randrange(10**11, 10**12)}/{self.secret()}"
        self.hooks[path] = Hook(channel, user, self.now() + HOOK_LIFE, message, thread_ts)
        return self.base_url + path

    def emit(self, subscription: str, event: Json) -> None:
        """Queues an event for the app, if it has subscribed to `subscription` and is still installed."""
        if subscription not in self.app.events or self.revoked:
            return
        self.outgoing.append(Delivery("event", payloads.event(self, event)))
        self.changed()

    # --- what an administrator does

    def revoke(self) -> None:
        """Revokes the app's tokens; the app hears of it while it still can."""
        self.emit("tokens_revoked", {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [self.app.user]}, "event_ts": self.tick()})
        self.revoked = True
        self.changed()

    def leave(self, channel: str, user: str) -> None:
        """Takes a user, or the app's bot, out of a channel. Raises LookupError when they are not in it."""
        where, who = self.channel(channel), self.user(user).id
        if who not in where.members:
            raise LookupError(f"{user} is not in {channel}")
        where.members.remove(who)
        events.announce_member(self, where, who, joined=False)
        self.changed()

    # --- being told of changes

    def changed(self) -> None:
        """Counts a change and tells whoever listens."""
        self.revision += 1
        for listener in list(self._listeners):
            listener()

    def mark(self, name: str) -> None:
        """Remembers that something of this name happened now, outside the workspace."""
        self.moments.setdefault(name, []).append(self.tick())
        self.changed()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after every change, until the function that is returned is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- the Web API

    def call(self, method: str, arguments: Json, token: str | None) -> Answer:
        """One call of a Web API method, as JSON or form values, with the token of its Authorization header or its `token` argument.

        Refusals have status 200 and Slack's `error`; 429 has `Retry-After` in seconds; 503 when Slack is `down`.
        """
        if self.down:
            return Answer(503, {}, {"ok": False, "error": "service_unavailable"})
        fact = METHODS.get(method)
        if fact is None:
            return Answer(200, {}, {"ok": False, "error": "unknown_method", "req_method": method})
        headers = {"x-oauth-scopes": ",".join(self.app.scopes)} if fact.token == "bot" else {}
        try:
            self._authenticate(fact, token or arguments.get("token"))
            wait = self.limits.take(method, fact.tier, str(arguments.get("channel", "")), self.now())
            if wait:
                return Answer(429, {"Retry-After": str(wait)}, {"ok": False, "error": "ratelimited"})
            self._authorize(fact, arguments)
            body = HANDLERS[method](self, fact.parse(arguments))
        except Refusal as refusal:
            if refusal.error not in fact.errors | COMMON_ERRORS:
                raise AssertionError(f"{method} does not document the error {refusal.error}") from refusal
            return Answer(200, headers, {"ok": False, "error": refusal.error, **refusal.details})
        return Answer(200, headers, {"ok": True, **body})

    def _authenticate(self, fact: Method, token: Any) -> None:
        if not token:
            raise Refusal("not_authed")
        if token not in (self.app.token, self.app.app_token):
            raise Refusal("invalid_auth")
        if self.revoked:
            raise Refusal("token_revoked")
        if token != (self.app.app_token if fact.token == "app" else self.app.token):
            raise Refusal("not_allowed_token_type")

    def _authorize(self, fact: Method, arguments: Json) -> None:
        if fact.token == "app":
            return
        for kind in self._kinds(fact.name, arguments):
            needed = fact.scope_for(kind)
            if needed and needed not in self.app.scopes:
                raise Refusal("missing_scope", needed=needed, provided=",".join(self.app.scopes))

    def _kinds(self, method: str, arguments: Json) -> list[str]:
        """The kinds of conversation that a call is about, on which the needed scope depends."""
        if method == "conversations.list":
            names = {"public_channel": "public", "private_channel": "private"}
            return [names.get(kind, kind) for kind in str(arguments.get("types") or "public_channel").split(",") if kind in ("im", "mpim", *names)]
        if method == "conversations.create":
            return ["private" if arguments.get("is_private") in (True, "true", "1") else "public"]
        if method == "conversations.open":
            return ["mpim" if "," in str(arguments.get("users", "")) else "im"]
        channel = self.channels.get(str(arguments.get("channel", "")))
        return [channel.kind if channel else "public"]

    # --- what people do, carried to the app and back

    async def says(self, user: str, channel: str, text: str, thread: Message | None = None) -> Reply | None:
        """A user types a line and presses Enter: a slash command if it begins with `/`, else a message (in a thread, if given).

        Returns the app's answer to a command, which the user has seen by then (a failure too, as Slack shows it); None for a message.
        """
        return await self._carry(actions.say(self, user, channel, text, thread))

    async def clicks(self, user: str, message: Message | View, what: str, value: str | list[str] | None = None, confirm: bool = True) -> Reply | None:
        """A user presses the button with this label or action_id, or chooses `value` in that menu; see `actions.click`."""
        return await self._carry(actions.click(self, user, message, what, value, confirm))

    async def submits(self, user: str, view: View, values: Json) -> Reply | None:
        """A user submits a modal with these values; see `actions.submit`."""
        return await self._carry(actions.submit(self, user, view, values))

    async def closes(self, user: str, view: View) -> Reply | None:
        """A user cancels a modal; the app hears of it if the view says `notify_on_close`."""
        return await self._carry(actions.close(self, user, view))

    async def shortcut(self, user: str, callback_id: str, message: Message | None = None) -> Reply | None:
        """A user starts a global shortcut, or a message shortcut on `message`."""
        return await self._carry(actions.shortcut(self, user, callback_id, message))

    async def _carry(self, delivery: Delivery | None) -> Reply | None:
        if delivery is None:
            return None
        reply = Reply(failure="connection_failed", status=0) if self.down else await self.transport(delivery)
        actions.settle(self, delivery, reply)
        return reply


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _seconds(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
