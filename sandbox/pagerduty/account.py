"""The account as a whole: its parts put together, and time passing in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sandbox.clock import Clock
from sandbox.pagerduty import due, setting
from sandbox.pagerduty.events import enqueue
from sandbox.pagerduty.rest import Answer, handle
from sandbox.pagerduty.state import Incident, Json, Notification, Policy, Priority, Schedule, Service, User, Window
from sandbox.pagerduty.webhooks import Webhooks

PRIORITIES = tuple(Priority(f"PPRIO{number}", f"P{number}") for number in range(1, 6))


class PagerDuty:
    """Everything that happens is a function of the clock, the seed and the requests, in their order.

    Whenever the account is touched it first plays what is due, each thing at its own time; with a manual clock, nothing happens in between.
    `tokens` are REST API keys: of the account (None), or of a user (their id).
    """

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self.clock = clock
        self.random = random.Random(f"pagerduty {seed}")
        self.subdomain = "sandbox"
        self.base_url = "https://api.pagerduty.com"
        self.tokens: dict[str, str | None] = {}
        self.users: dict[str, User] = {}
        self.schedules: dict[str, Schedule] = {}
        self.policies: dict[str, Policy] = {}
        self.services: dict[str, Service] = {}
        self.windows: dict[str, Window] = {}
        self.incidents: dict[str, Incident] = {}
        self.priorities: dict[str, Priority] = {one.id: one for one in PRIORITIES}
        self.notifications: list[Notification] = []
        self.webhooks = Webhooks(self)
        self.limited = 0
        """How many requests to the REST API are refused from now on because of the rate."""
        self.events_limited = 0
        self.revision = 0
        self._moment: datetime | None = None
        self._listeners: list[Callable[[], None]] = []

    # --- time

    def now(self) -> datetime:
        """The time of what is happening: the clock's or, of what is played late, when it was due."""
        return self._moment or self.clock.now()

    def play(self) -> None:
        """Lets everything happen that is due by the clock's time, in its order."""
        until = self.clock.now()
        while (nearest := due.nearest(self)) is not None and nearest.at <= until:
            self._moment = nearest.at
            try:
                nearest.happen()
            finally:
                self._moment = None
            self.changed()

    def handle(
        self, method: str, path: str, query: Mapping[str, list[str]] | None = None, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Answers one request of the REST API; see sandbox.pagerduty.rest.handle."""
        return handle(self, method, path, query or {}, headers or {}, body)

    def enqueue(self, body: bytes) -> Answer:
        """Answers one request of the Events API; see sandbox.pagerduty.events.enqueue."""
        return enqueue(self, body)

    # --- looking

    def user(self, who: str) -> User:
        """The user with this id, name or e-mail address. Raises LookupError."""
        found = self.users.get(who) or next((one for one in self.users.values() if who in (one.name, one.email)), None)
        if found is None:
            raise LookupError(f"no user {who!r}; there are {', '.join(one.name for one in self.users.values())}")
        return found

    def service(self, which: str) -> Service:
        """The service with this id or name. Raises LookupError."""
        found = self.services.get(which) or next((one for one in self.services.values() if one.name == which), None)
        if found is None:
            raise LookupError(f"no service {which!r}; there are {', '.join(self.services)}")
        return found

    def incident(self, which: str) -> Incident:
        """The incident with this id, number or key (the newest of several). Raises LookupError."""
        found = self.incidents.get(which) or next((one for one in reversed(self.incidents.values()) if which in (str(one.number), one.key)), None)
        if found is None:
            raise LookupError(f"no incident {which!r}")
        return found

    def in_maintenance(self, service: str) -> bool:
        return any(window.covers(service, self.now()) for window in self.windows.values())

    def on_call(self, policy: Policy, level: int, at: datetime | None = None) -> list[str]:
        """The ids of those who are on call at a level (from 1) of a policy."""
        when = at or self.now()
        found = (self.schedules[target].on_call(when) if target in self.schedules else target for target in policy.levels[level - 1].targets)
        return list(dict.fromkeys(user for user in found if user in self.users))

    def ringing(self, user: str) -> list[Notification]:
        """What rings at a user (id) now."""
        return [one for one in self.notifications if one.user == user and one.state == "ringing"]

    # --- what an administrator does

    def remove_user(self, who: str) -> None:
        """Deletes a user: they are no longer on call anywhere, and nothing is assigned to them. Raises LookupError."""
        user = self.user(who)
        del self.users[user.id]
        self.tokens = {token: owner for token, owner in self.tokens.items() if owner != user.id}
        for incident in self.incidents.values():
            incident.assignees.pop(user.id, None)
        for one in self.ringing(user.id):
            one.state, one.ended = "stopped", self.now()
        self.changed()

    def remove_service(self, which: str) -> None:
        """Deletes a service and its incidents. Raises LookupError."""
        service = self.service(which)
        del self.services[service.id]
        for incident in [one for one in self.incidents.values() if one.service == service.id]:
            for one in self.notifications:
                if one.incident == incident.id and one.state == "ringing":
                    one.state, one.ended = "stopped", self.now()
            del self.incidents[incident.id]
        self.changed()

    # --- making things

    def make_id(self, prefix: str = "Q", length: int = 14) -> str:
        """A new id that looks like PagerDuty's: capitals and digits."""
        return prefix + "".join(self.random.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=length - len(prefix)))

    def make_key(self) -> str:
        """A new key of an incident or a request: 32 hexadecimal digits."""
        return f"{self.random.getrandbits(128):032x}"

    def setup(self, data: Json) -> None:
        """Fills the account from plain data, as a scenario has it; see sandbox.pagerduty.setting."""
        setting.fill(self, data)
        self.changed()

    # --- being told of changes

    def changed(self) -> None:
        """Counts a change and tells whoever listens."""
        self.revision += 1
        for listener in list(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after every change, until the function that is returned is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def stop_ringing(self, notifications: Iterable[Notification], state: str) -> None:
        for one in notifications:
            if one.state == "ringing":
                one.state, one.ended = state, self.now()
