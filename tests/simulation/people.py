"""People in front of Slack: they type commands, mistype them, and press the buttons that they see, at times twice, at times long after."""

import json
import random
from collections.abc import Callable

from bot.adapters.slack.blocks import ACTION
from bot.bot import Bot
from bot.core.errors import AiecError
from bot.core.request import Origin, Request
from sandbox.slack import Message, Workspace
from sandbox.slack.forms import elements
from tests.simulation.scene import CHANNEL, FATES, GOOD, PEOPLE, SERVICES, STRANGER, TRUSTED, slack_id

REASON = "checkout is down"
LONG = "deploy prod v1.2.0 " + "x" * 4000
NONSENSE = ("", "deploy", "deploy prod v1.2.O", "dploy prod v1.2.0", 'deploy prod "v1.2.0', "🚀 🚀", "\u202edeploy prod", "approve", LONG, "cancel op-99999")


class People:
    def __init__(self, luck: random.Random, workspace: Workspace, trace: Callable[[str], None]) -> None:
        self._luck, self._workspace, self._trace = luck, workspace, trace
        self._asked = 0
        self._latest: Request | None = None

    async def act(self, bot: Bot) -> None:
        """Somebody does something that reaches the bot."""
        kinds = (self._deploys, self._clicks, self._says, self._repeats)
        kind = self._luck.choices(kinds, (30, 50, 17, 3))[0]
        request = kind(bot)
        if request is None:
            return
        self._latest = request
        self._trace(f"{request.actor.name}: {request.text[:80] or f'[{request.command} {request.arguments}]'}")
        try:
            await bot.door.submit(request)
        except AiecError as error:
            self._trace(f"  not stored: {error.text}")

    def _deploys(self, bot: Bot) -> Request | None:
        luck = self._luck
        environment = luck.choice(("staging", "prod"))
        version = luck.choice(GOOD) if luck.random() < 0.6 else f"v1.3.0-{luck.choice(FATES)}"
        text = f"deploy {environment} {version}"
        if luck.random() < 0.25:
            text += "".join(f" --service {service}" for service in luck.sample([*SERVICES], luck.randint(1, 2)))
        if environment == "prod" and luck.random() < 0.6:
            text += f' --emergency "{REASON}"'
        if luck.random() < 0.03:
            text += " --dry-run"
        return self._typed(bot, luck.choice(TRUSTED), text)

    def _says(self, bot: Bot) -> Request | None:
        luck = self._luck
        operation, environment = f"op-{luck.randint(1, 6)}", luck.choice(("staging", "prod"))
        hold = (f"lock {environment} looking at something", f"unlock {environment}", f"freeze {environment} --for 2m sales", f"unfreeze {environment}")
        look = (f"show {operation}", "status", f"history {environment} gateway", "operations", "help", "help deploy", luck.choice(NONSENSE))
        kinds = (f"approve {operation}", f"cancel {operation}", luck.choice(hold), luck.choice(look))
        text = luck.choices(kinds, (3, 2, 5, 3))[0]
        return self._typed(bot, luck.choice((*TRUSTED, *PEOPLE, STRANGER)), text)

    def _repeats(self, bot: Bot) -> Request | None:
        """The same request comes once more, as after a double click."""
        return self._latest

    def _clicks(self, bot: Bot) -> Request | None:
        """Presses a button of one of the latest messages; often it is a colleague who approves."""
        luck = self._luck
        seen = [message for message in self._workspace.channel(CHANNEL).messages.values() if message.visible_to is None and message.buttons][-4:]
        if not seen:
            return self._deploys(bot)
        waiting = [message for message in seen if "Approve" in message.buttons]
        message = luck.choice(waiting if waiting and luck.random() < 0.7 else seen)
        buttons = {element["text"]["text"]: element for _, element in elements(message.blocks) if element["type"] == "button"}
        button = buttons["Approve"] if "Approve" in buttons and luck.random() < 0.85 else luck.choice([*buttons.values()])
        return self._pressed(bot, luck.choice((*TRUSTED, *TRUSTED, *PEOPLE)), message, button)

    def _typed(self, bot: Bot, person: str, text: str) -> Request | None:
        try:
            return bot.door.understand(text, key=self._key(), actor=bot.actor(slack_id(person)), origin=self._origin(person, "commands"))
        except AiecError as error:
            self._trace(f"{person}: {text[:80]}: {error.text[:80]}")
            return None

    def _pressed(self, bot: Bot, person: str, message: Message, button: dict[str, str]) -> Request:
        assert button["action_id"].startswith(ACTION)
        value, key = json.loads(button["value"]), (message.metadata or {})["event_payload"]["key"]
        origin = self._origin(person, "actions").model_copy(update={"message": key})
        return Request(key=self._key(), command=value["c"], arguments=value["a"], actor=bot.actor(slack_id(person)), origin=origin)

    def _origin(self, person: str, kind: str) -> Origin:
        if self._luck.random() < 0.1:
            return Origin(kind="terminal")
        channel = self._workspace.channel(CHANNEL).id
        url = self._workspace.make_hook(kind, channel, slack_id(person)) if self._luck.random() < 0.5 else None
        return Origin(kind="slack", channel=channel, response_url=url)

    def _key(self) -> str:
        self._asked += 1
        return f"trigger-{self._asked}"
