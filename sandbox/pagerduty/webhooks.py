"""Webhooks v3: what is delivered to subscriptions, in which order, and what becomes of deliveries that fail. No I/O: somebody takes them and carries them.

An event of an incident waits until those before it were delivered or dropped. 5xx, 429 and no answer are tried again, later and later, for 48 hours;
another status drops the delivery at once. Three drops in a row disable the subscription for a day (developer.pagerduty.com, "Webhooks: behavior").
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.pagerduty import wire
from sandbox.pagerduty.state import DAY, Agent, Incident, Json, Note, Subscription

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty

EVENTS = [
    f"incident.{name}"
    for name in ("acknowledged", "annotated", "delegated", "escalated", "priority_updated", "reassigned", "reopened", "resolved", "triggered", "unacknowledged")
]
TRY_AGAIN_FOR = timedelta(hours=48)
DISABLED_FOR = DAY
DROPS_THAT_DISABLE = 3
_PAUSES = (5, 10, 30, 60, 300, 900, 3600)


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one subscription. `id` is the X-Webhook-Id, the same each time it is tried; `due` when it may be sent next."""

    id: str
    event: str
    kind: str
    incident: str
    subscription: str
    body: bytes
    made: datetime
    due: datetime
    attempts: int = 0

    def headers(self, subscription: Subscription) -> dict[str, str]:
        signatures = ",".join(f"v1={hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()}" for secret in subscription.secrets)
        return {
            "Content-Type": "application/json",
            "User-Agent": "PagerDuty-Webhook/V3.0",
            "X-PagerDuty-Signature": signatures,
            "X-Webhook-Id": self.id,
            "X-Webhook-Subscription": subscription.id,
        }


@dataclass
class Troubles:
    """What goes wrong with the next deliveries: so many are lost, sent twice, held back for some seconds, or overtaken by the one after."""

    drop: int = 0
    duplicate: int = 0
    reorder: int = 0
    delay: int = 0
    seconds: float = 0.0


@dataclass
class Webhooks:
    """The subscriptions of an account, and the deliveries that wait."""

    account: PagerDuty
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    waiting: list[Delivery] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)
    """What was delivered or dropped, oldest first."""
    troubles: Troubles = field(default_factory=Troubles)
    _flying: set[str] = field(default_factory=set)
    _overtaken: list[Delivery] = field(default_factory=list)

    def subscribe(
        self, url: str, secret: str, events: list[str] | None = None, services: list[str] | None = None, subscription_id: str | None = None
    ) -> Subscription:
        made = Subscription(subscription_id or self.account.make_id("P", 7), url, [secret], list(EVENTS if events is None else events), services)
        self.subscriptions[made.id] = made
        self.account.changed()
        return made

    # --- what happens

    def emit(self, kind: str, incident: Incident, agent: Agent | None, note: Note | None = None) -> None:
        """Queues an event for every subscription that asked for it. Disabled ones miss it for good."""
        data = incident_data(self.account, incident) if note is None else note_data(self.account, incident, note)
        for one in self.subscriptions.values():
            if self._wants(one, kind, incident):
                self._queue(one, kind, "incident", incident.id, agent, data, incident.client if kind == "incident.triggered" else None)

    def ping(self, subscription: Subscription) -> None:
        """Queues a `pagey.ping`, whatever the subscription's events are."""
        self._queue(subscription, "pagey.ping", "pagey", "", None, {"message": "Hello from your friend Pagey!", "type": "ping"})
        self.account.changed()

    def _wants(self, one: Subscription, kind: str, incident: Incident) -> bool:
        self._recover(one)
        return one.active and one.disabled_until is None and kind in one.events and (one.services is None or incident.service in one.services)

    def _queue(self, one: Subscription, kind: str, resource: str, incident: str, agent: Agent | None, data: Json, client: Json | None = None) -> None:
        now = self.account.now()
        event: Json = {
            "id": self.account.make_id("01", 26),
            "event_type": kind,
            "resource_type": resource,
            "occurred_at": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
            "agent": None if agent is None else wire.agent_ref(self.account, agent),
            "client": client,
            "data": data,
        }
        body = json.dumps({"event": event}, separators=(",", ":")).encode()
        made = Delivery(self.account.make_key(), event["id"], kind, incident, one.id, body, now, now)
        self.waiting.extend(self._troubled(made))

    def _troubled(self, made: Delivery) -> Iterator[Delivery]:
        troubles = self.troubles
        if troubles.drop:
            troubles.drop -= 1
            return
        if troubles.delay:
            troubles.delay -= 1
            made = replace(made, due=made.due + timedelta(seconds=troubles.seconds))
        if troubles.reorder:
            troubles.reorder -= 1
            self._overtaken.append(made)
            return
        yield made
        if troubles.duplicate:
            troubles.duplicate -= 1
            yield replace(made, due=made.due + timedelta(milliseconds=1))
        yield from self._overtaken
        self._overtaken.clear()

    def replay(self, event: str | None = None) -> Delivery:
        """Sends something once more that was sent before: the event of this id, or the latest. LookupError if there is none."""
        found = next((one for one in reversed(self.sent) if event in (None, one.event)), None)
        if found is None:
            raise LookupError(f"no event {event or ''} has been delivered")
        again = replace(found, due=self.account.now(), attempts=0, made=self.account.now())
        self.waiting.append(again)
        self.account.changed()
        return again

    # --- being carried

    def take(self) -> list[tuple[str, dict[str, str], bytes, Delivery]]:
        """What is to be sent now: `(url, headers, body, delivery)` each; `settle` says what came of it. Until then it is not taken again."""
        now, found, blocked = self.account.clock.now(), [], {self._line(one) for one in self.waiting if self._key(one) in self._flying}
        for one in list(self.waiting):
            subscription = self.subscriptions.get(one.subscription)
            if subscription is None or not subscription.active:
                self.waiting.remove(one)
                continue
            self._recover(subscription)
            line = self._line(one)
            if not subscription.url or subscription.disabled_until is not None or line in blocked:
                continue
            blocked.add(line)
            if one.due <= now:
                self._flying.add(self._key(one))
                found.append((subscription.url, one.headers(subscription), one.body, one))
        return found

    @staticmethod
    def _line(one: Delivery) -> tuple[str, str]:
        """Deliveries of one line go one after the other."""
        return (one.subscription, one.incident or one.event)

    @staticmethod
    def _key(one: Delivery) -> str:
        return f"{one.id} {one.made} {one.due}"

    def settle(self, delivery: Delivery, status: int | None) -> None:
        """What came of a delivery: the HTTP status, or None if there was no answer in time."""
        self._flying.discard(self._key(delivery))
        if delivery not in self.waiting:  # the world began again, or its subscription was removed
            return
        now, place = self.account.clock.now(), self.waiting.index(delivery)
        subscription = self.subscriptions[delivery.subscription]
        again = status is None or status == 429 or status >= 500
        tried = replace(delivery, attempts=delivery.attempts + 1)
        if again and now - delivery.made < TRY_AGAIN_FOR:
            pause = timedelta(seconds=_PAUSES[min(delivery.attempts, len(_PAUSES) - 1)])
            self.waiting[place] = replace(tried, due=now + pause)
        else:
            del self.waiting[place]
            self.sent.append(tried)
            delivered = status is not None and 200 <= status < 300
            self._count(subscription, delivered)
        self.account.changed()

    def _count(self, subscription: Subscription, delivered: bool) -> None:
        subscription.dropped = 0 if delivered else subscription.dropped + 1
        if subscription.dropped >= DROPS_THAT_DISABLE:
            subscription.disabled_until = self.account.clock.now() + DISABLED_FOR

    def _recover(self, subscription: Subscription) -> None:
        if subscription.disabled_until is not None and subscription.disabled_until <= self.account.now():
            self.enable(subscription)

    def recover(self) -> None:
        """Ends what disablings are over."""
        for one in self.subscriptions.values():
            self._recover(one)

    def enable(self, subscription: Subscription) -> None:
        """Ends a disabling; what was waiting goes on."""
        subscription.disabled_until, subscription.dropped = None, 0
        self.account.changed()


def incident_data(account: PagerDuty, incident: Incident) -> Json:
    """The `data` of an incident's event."""
    return {
        "id": incident.id,
        "type": "incident",
        "self": f"{wire.API}/incidents/{incident.id}",
        "html_url": f"https://{account.subdomain}.pagerduty.com/incidents/{incident.id}",
        "number": incident.number,
        "status": incident.status,
        "incident_key": incident.key,
        "created_at": wire.time(incident.created),
        "reopened_at": wire.time(incident.reopened),
        "title": incident.title,
        "service": wire.service_ref(account, incident.service),
        "assignees": [wire.user_ref(account, user) for user in incident.assignees],
        "escalation_policy": wire.policy_ref(account, incident.policy),
        "teams": [],
        "priority": wire.priority_ref(account, incident.priority),
        "urgency": incident.urgency,
        "conference_bridge": None,
        "resolve_reason": wire.reason(account, incident),
        "incident_type": {"name": "incident_default"},
    }


def note_data(account: PagerDuty, incident: Incident, note: Note) -> Json:
    """The `data` of an annotation: its incident by reference, whose summary has no number here."""
    reference = wire.incident_ref(account, incident) | {"summary": incident.title}
    return {"incident": reference, "id": note.id, "content": note.content, "trimmed": False, "type": "incident_note"}
