"""What webhooks bring becomes requests too: stored before it is acknowledged, and taken in by a lane of its own."""

import uuid
from contextlib import suppress

from pydantic import TypeAdapter

from bot.bot import Bot
from bot.core.alerts import Notification
from bot.core.errors import AiecError
from bot.core.pager_events import PagerEvent
from bot.core.request import Actor, Origin, Request
from bot.pipeline import INSERT_WITHIN

_NOTIFICATION = TypeAdapter(Notification)
_EVENT = TypeAdapter(PagerEvent)


class BotHooks:
    """Implements `AlertHooks` and `PagerHooks` of `bot.entry.webhooks`: returns when the delivery is stored. Raises Unavailable when it could not be within
    a second."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def alerts(self, notification: Notification) -> None:
        """Stores a notification. Taking it in is idempotent, so that each delivery may be a request of its own."""
        given = {"notification": _NOTIFICATION.dump_python(notification, mode="json")}
        actor, origin = Actor(name="alertmanager"), Origin(kind="webhook")
        await self._bot.door.submit(Request(key=f"alerts:{uuid.uuid4()}", command="alerts", arguments=given, actor=actor, origin=origin))

    async def pager(self, event: PagerEvent) -> None:
        """Stores an event of PagerDuty, which is the same in each of its deliveries."""
        given = {"event": _EVENT.dump_python(event, mode="json")}
        actor, origin = Actor(name="PagerDuty"), Origin(kind="webhook")
        await self._bot.door.submit(Request(key=f"pagerduty:{event.id}", command="pager event", arguments=given, actor=actor, origin=origin))

    async def failed(self, sender: str, error: Exception) -> None:
        """Counts a delivery that could not be stored because of a mistake of ours, and tells people where that can be stored."""
        self._bot.deliveries.failures += 1
        with suppress(AiecError):
            await self._bot.store.transaction(lambda tx: self._bot.deliveries.failed(tx, sender, error), within=INSERT_WITHIN)
