"""Alertmanager as a state machine: alerts come in, time passes, and notifications wait in a queue for whoever carries them."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from sandbox.alertmanager.alerts import Alert, merged, mistake
from sandbox.alertmanager.groups import Group, Sending, Told
from sandbox.alertmanager.silences import Silences
from sandbox.alertmanager.webhook import Receiver, body
from sandbox.clock import Clock
from sandbox.timeline import Timeline

Mishap = Literal["drop", "drop_after", "lose", "delay", "duplicate"]
MISHAPS_TEXT = """
drop        it does not arrive: the connection breaks; Alertmanager tries again
drop_after  it arrives, and the answer is lost; Alertmanager tries again
lose        it does not arrive, and Alertmanager believes that it has: somebody between the two has answered 200
delay       it arrives `seconds` later
duplicate   it arrives twice
""".strip()

_CLEANING, _COLLECTING = timedelta(seconds=30), timedelta(minutes=30)
_REMEMBERED = 500


@dataclass
class Delivery:
    """One attempt to notify the receiver: what is sent to `url`. Whoever takes it from `outgoing` says by `answer` what came of it."""

    number: int
    url: str
    headers: Mapping[str, str]
    body: bytes
    group_key: str
    attempt: int
    at: datetime
    mishap: Mishap | None = None
    status: int | None = None
    over: bool = False
    _done: Callable[[int | None], None] = field(default=lambda status: None, repr=False)

    def json(self) -> dict[str, Any]:
        payload = json.loads(self.body)
        told = {"group_key": self.group_key, "alerts": len(payload["alerts"]), "state": payload["status"], "attempt": self.attempt}
        return {"number": self.number, "at": self.at.isoformat(), "url": self.url, **told, "over": self.over, "answer": self.status, "mishap": self.mishap}


class Alertmanager:
    """One Alertmanager with one route. Like the cluster, it first plays what is due whenever it is touched.

    `outgoing` holds the deliveries that have not been taken, oldest first; `deliveries` the latest ones, taken or not.
    """

    def __init__(self, clock: Clock, seed: int = 0, receiver: Receiver | None = None) -> None:
        self.clock = clock
        self.timeline = Timeline(clock.now())
        self.receiver = receiver or Receiver()
        self.external_url = "http://alertmanager.example"
        self.started = clock.now()
        self.log: dict[str, Told] = {}
        self.outgoing: deque[Delivery] = deque()
        self.deliveries: deque[Delivery] = deque(maxlen=_REMEMBERED)
        self._rng = random.Random(seed)
        self._silences = Silences(self._rng)
        self._alerts: dict[str, Alert] = {}
        self._groups: dict[str, Group] = {}
        self._mishaps: deque[tuple[Mishap, float]] = deque()
        self._sent = 0
        self.timeline.at(self.started + _COLLECTING, self._collect)

    # ---- what clients see

    @property
    def now(self) -> datetime:
        """The time that is being played."""
        return self.timeline.now

    def play(self) -> None:
        """Lets everything happen that is due by the clock's time."""
        self.timeline.play(self.clock.now())

    @property
    def silences(self) -> Silences:
        self.play()
        return self._silences

    def put(self, alerts: Iterable[Alert]) -> list[str]:
        """Takes alerts in as `POST /api/v2/alerts` does, the good ones though others are bad. Returns what is wrong with those."""
        self.play()
        return self.take(alerts)

    def take(self, alerts: Iterable[Alert]) -> list[str]:
        """As `put`, at the time that is being played."""
        mistakes = []
        for alert in alerts:
            if (text := mistake(alert)) is not None:
                mistakes.append(text)
                continue
            known = self._alerts.get(alert.fingerprint)
            kept = merged(known, alert, self.now) if known else alert
            self._alerts[kept.fingerprint] = kept
            self._group(kept).insert(kept)
        return mistakes

    def alerts(self) -> list[Alert]:
        """Those that fire, in the order of their fingerprints."""
        self.play()
        return [self._alerts[key] for key in sorted(self._alerts) if not self._over(self._alerts[key])]

    def groups(self) -> list[tuple[dict[str, str], list[Alert]]]:
        """The groups with an alert that fires: their labels, and those alerts."""
        self.play()
        found = [(group.labels, [alert for alert in group.alerts.values() if not self._over(alert)]) for group in self._groups.values()]
        return [(labels, alerts) for labels, alerts in found if alerts]

    def configure(self, receiver: Receiver) -> None:
        """Another receiver, as by a reload: what was under way is given up, and all groups begin anew. What was told is still known."""
        self.play()
        self.receiver = receiver
        self.outgoing.clear()
        for group in self._groups.values():
            group.gone = True
        self._groups = {}
        for alert in self._alerts.values():
            self._group(alert).insert(alert)

    def mishap(self, kind: Mishap, times: int = 1, seconds: float = 0.0) -> None:
        """What happens to the next `times` deliveries (after those for which something was arranged before)."""
        self._mishaps.extend([(kind, seconds)] * times)

    def answer(self, delivery: Delivery, status: int | None) -> None:
        """What came of a delivery: the HTTP status, None if there was no answer. A second answer counts for nothing."""
        self.play()
        self._settle(delivery, status)

    # ---- what the groups ask for

    def muted(self, alert: Alert) -> bool:
        return bool(self._silences.muting(alert.labels, self.now))

    def jitter(self) -> float:
        return self._rng.uniform(0.5, 1.5)

    def emptied(self, group: Group) -> None:
        """An empty group goes when it is next cleaned up, unless an alert comes into it before."""
        passed = (self.now - self.started) // _CLEANING + 1
        self.timeline.at(self.started + passed * _CLEANING, partial(self._clean, group))

    def attempt(self, group: Group, sending: Sending) -> None:
        """Sends once, or lets happen what was arranged for it."""
        kind, seconds = self._mishaps.popleft() if self._mishaps else (None, 0.0)
        self._sent += 1
        content = body(self.receiver, group.labels, sending.shown, self.external_url, self.now)
        done = partial(group.answered, sending)
        delivery = Delivery(self._sent, self.receiver.url, self.receiver.headers(), content, group.key, sending.attempts, self.now, kind, _done=done)
        self.deliveries.append(delivery)
        match kind:
            case "drop":
                self._settle(delivery, None)
            case "lose":
                self._settle(delivery, 200)
            case "delay":
                self.timeline.at(self.now + timedelta(seconds=seconds), partial(self._send, delivery))
            case "duplicate":
                self._send(delivery)
                self._send(replace(delivery, _done=lambda status: None))
            case _:
                self._send(delivery)

    def _send(self, delivery: Delivery) -> None:
        self.outgoing.append(delivery)

    def _settle(self, delivery: Delivery, status: int | None) -> None:
        if not delivery.over:
            delivery.over, delivery.status = True, status
            delivery._done(None if delivery.mishap == "drop_after" else status)

    # ---- what it does by itself

    def _group(self, alert: Alert) -> Group:
        labels = self.receiver.group_labels(alert.labels)
        key = json.dumps(labels)
        if key not in self._groups:
            self._groups[key] = Group(self, labels)
        return self._groups[key]

    def _over(self, alert: Alert) -> bool:
        return alert.ends_at is not None and alert.ends_at < self.now

    def _clean(self, group: Group) -> None:
        key = json.dumps(group.labels)
        if not group.alerts and self._groups.get(key) is group:
            group.gone = True
            del self._groups[key]

    def _collect(self) -> None:
        """Forgets the alerts that have ended, and what was told so long ago that it counts for nothing."""
        self._alerts = {key: alert for key, alert in self._alerts.items() if not alert.resolved(self.now)}
        oldest = self.now - timedelta(seconds=2 * self.receiver.repeat_interval)
        self.log = {key: told for key, told in self.log.items() if told.at > oldest}
        self.timeline.at(self.now + _COLLECTING, self._collect)
