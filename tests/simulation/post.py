"""What Alertmanager and PagerDuty tell the bot, on its way: lost, late, doubled, out of order, and refused when the bot cannot store it."""

import json
import random
from collections.abc import Callable, Coroutine
from functools import partial

from bot.bot import Bot
from bot.core import alerts, pager_events
from bot.core.alerts import Notification
from bot.core.errors import Unavailable
from bot.entry.hooks import BotHooks
from sandbox.world import World

ROUNDS = 20
STORED, REFUSED = 200, 503
"""What the bot answers, as in bot.entry.webhooks."""
Bag = tuple[Callable[[Bot], Coroutine[None, None, int]], Callable[[int | None], None]]
"""A delivery: how it arrives, and whom to tell what came of it."""


class Post:
    """`lost`: how probable it is that a delivery gets no answer, whether it arrives or not. `received` learns of every notification that the bot took."""

    def __init__(self, world: World, luck: random.Random, trace: Callable[[str], None], received: Callable[[Notification], None]) -> None:
        self._world, self._luck, self._trace, self._received = world, luck, trace, received
        self.lost = 0.0

    async def bring(self, bot: Bot | None) -> None:
        """Brings what is due now to the bot, or to nobody where none runs (None), until nothing is. Raises Crash if the bot dies of it."""
        alertmanager, webhooks = self._world.alertmanager, self._world.pagerduty.webhooks
        for _ in range(ROUNDS):
            self._world.pagerduty.play()
            alertmanager.play()
            events = webhooks.take()
            notifications = [alertmanager.outgoing.popleft() for _ in range(len(alertmanager.outgoing))]
            if not events and not notifications:
                return
            bags: list[Bag] = [(partial(self._alerts, body=one.body), partial(alertmanager.answer, one)) for one in notifications]
            bags += [(partial(self._event, body=body), partial(webhooks.settle, event)) for _, _, body, event in events]
            try:
                while bags:
                    await self._carry(bot, *bags.pop(0))
            finally:
                for _, settle in bags:  # the bot has died over one before them
                    settle(None)

    async def _carry(self, bot: Bot | None, arrive: Callable[[Bot], Coroutine[None, None, int]], settle: Callable[[int | None], None]) -> None:
        status, fate = None, self._luck.random()
        try:
            if bot is None or fate < self.lost / 2:
                return
            status = await arrive(bot)
            if fate < self.lost:
                self._trace("  its answer is lost")
                status = None
        finally:
            settle(status)

    async def _alerts(self, bot: Bot, body: bytes) -> int:
        notification = alerts.parse(json.loads(body))
        told = ", ".join(f"{one.labels['alertname']}/{one.labels.get('service', '')} {one.status}" for one in notification.alerts)
        self._trace(f"alertmanager: {told}{f', {notification.truncated} more' if notification.truncated else ''}")
        try:
            await BotHooks(bot).alerts(notification)
        except Unavailable:
            return REFUSED
        self._received(notification)
        return STORED

    async def _event(self, bot: Bot, body: bytes) -> int:
        event = pager_events.parse(json.loads(body))
        if event is None:
            return STORED
        self._trace(f"pagerduty: {event.type} of {event.title or event.incident} by {event.agent}")
        try:
            await BotHooks(bot).pager(event)
        except Unavailable:
            return REFUSED
        return STORED
