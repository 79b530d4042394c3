"""People in front of Slack and of a terminal while something is broken: they declare, acknowledge, talk, resolve; they press buttons, also stale ones."""

import json
import random
from collections.abc import Callable

from bot.adapters.slack.blocks import ACTION
from bot.bot import Bot
from bot.core.errors import AiecError
from bot.core.request import Origin, Request
from sandbox.slack import Channel, Message, Workspace
from sandbox.slack.forms import elements
from tests.simulation.oncall import INCIDENTS, PEOPLE, SECRET, SERVICES, STRANGER
from tests.simulation.scene import slack_id

SHOWN = 6
"""How many of the latest messages with buttons somebody looks at."""


class Responders:
    def __init__(self, luck: random.Random, workspace: Workspace, trace: Callable[[str], None], known: Callable[[], int]) -> None:
        self._luck, self._workspace, self._trace, self._known = luck, workspace, trace, known
        self._asked = 0
        self._latest: Request | None = None

    async def act(self, bot: Bot) -> None:
        """Somebody does something that reaches the bot."""
        kind = self._luck.choices((self._says, self._clicks, self._declares, self._repeats), (45, 40, 10, 5))[0]
        await self.submit(bot, kind(bot))

    async def submit(self, bot: Bot, request: Request | None) -> None:
        if request is None:
            return
        self._latest = request
        self._trace(f"{request.actor.name}: {request.text[:80] or f'[{request.command} {request.arguments}]'}")
        try:
            await bot.door.submit(request)
        except AiecError as error:
            self._trace(f"  not stored: {error.text}")

    def typed(self, bot: Bot, person: str, text: str) -> Request | None:
        try:
            return bot.door.understand(text, key=self._key(), actor=bot.actor(slack_id(person)), origin=self._origin(person, "commands"))
        except AiecError as error:
            self._trace(f"{person}: {text[:80]}: {error.text[:80]}")
            return None

    def _says(self, bot: Bot) -> Request | None:
        luck = self._luck
        which, other = (f"#{luck.randint(1, max(self._known(), 1))}" for _ in range(2))
        texts = {
            f"incident ack {which}": 6, f"incident resolve {which}": 4, f"incident reopen {which}": 2, f"incident note {which} restarted it": 3,
            f"incident escalate {which}": 3, f"incident status {which} {luck.choice(('mitigated', 'triggered'))}": 3, f"incident close {which}": 1,
            f"incident severity {which} {luck.choice(('SEV1', 'SEV2', 'SEV3'))}": 2, f"incident merge {other} {which}": 1,
            f"incident update {which} we are on it": 2, f"incident still {which}": 2, f"incident handover {which} {luck.choice(PEOPLE)}": 1,
            f"incident assign {which} comms {luck.choice(PEOPLE)}": 1, f"incident show {which}": 1, "incident list": 1, "oncall": 1,
            f"oncall override L{luck.randint(1, 3)} {luck.choice(PEOPLE)} --for 20m": 1, f"page {luck.choice(('L2', 'lead'))} come and look": 1,
        }  # fmt: skip
        text = luck.choices([*texts], [*texts.values()])[0]
        return self.typed(bot, luck.choice((*PEOPLE, *PEOPLE, STRANGER)), text)

    def _declares(self, bot: Bot) -> Request | None:
        luck = self._luck
        text = f"incident declare {luck.choice(('SEV1', 'SEV2', 'SEV3'))} it is broken"
        if luck.random() < 0.4:
            text = f"incident declare {luck.choice(('SEV1', 'SEV2'))} {SECRET} --private"
        elif luck.random() < 0.5:
            text += f" --service {luck.choice(SERVICES)}"
        return self.typed(bot, luck.choice(PEOPLE), text)

    def _repeats(self, bot: Bot) -> Request | None:
        """The same request comes once more, as after a double click."""
        return self._latest

    def _clicks(self, bot: Bot) -> Request | None:
        """Presses a button of one of the latest messages in a channel that he is in, or of what he was told directly."""
        luck = self._luck
        person = luck.choice(PEOPLE)
        messages = [(channel, message) for channel in self._workspace.channels.values() for message in channel.messages.values()]
        seen = [one for one in messages if self._sees(*one, person)]
        if not seen:
            return None
        channel, message = luck.choice(seen[-SHOWN:])
        button = luck.choice([element for _, element in elements(message.blocks) if element["type"] == "button"])
        if not button["action_id"].startswith(ACTION):
            return None
        value, key = json.loads(button["value"]), (message.metadata or {})["event_payload"]["key"]
        origin = Origin(kind="slack", channel=channel.id, message=key)
        return Request(key=self._key(), command=value["c"], arguments=value["a"], actor=bot.actor(slack_id(person)), origin=origin)

    @staticmethod
    def _sees(channel: Channel, message: Message, person: str) -> bool:
        return bool(message.buttons) and message.metadata is not None and slack_id(person) in channel.members and message.visible_to is None

    def _origin(self, person: str, kind: str) -> Origin:
        if self._luck.random() < 0.1:
            return Origin(kind="terminal")
        channel = self._workspace.channel(INCIDENTS).id
        url = self._workspace.make_hook(kind, channel, slack_id(person)) if self._luck.random() < 0.5 else None
        return Origin(kind="slack", channel=channel, response_url=url)

    def _key(self) -> str:
        self._asked += 1
        return f"trigger-{self._asked}"
