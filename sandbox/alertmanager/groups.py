"""A group of alerts: when it is looked at, what is worth a notification, and when one is tried again (Alertmanager's dispatcher and stages, 0.25)."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from sandbox.alertmanager.alerts import Alert
from sandbox.alertmanager.labels import order
from sandbox.alertmanager.webhook import Receiver, group_key
from sandbox.timeline import Timeline

SHORTEST_TRY = 10.0
"""Seconds for which a notification is tried at least, where group_interval is shorter."""
FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 0.5, 1.5, 60.0


@dataclass(frozen=True)
class Told:
    """What the receiver was told of a group the last time (the notification log): fingerprints."""

    firing: frozenset[str]
    resolved: frozenset[str]
    at: datetime


@dataclass
class Sending:
    """A notification under way: `alerts` are all of the group when it began, `told` what is noted when it has arrived."""

    alerts: list[Alert]
    shown: list[Alert]
    told: Told
    deadline: datetime
    attempts: int = 0
    began: datetime | None = None


class Host(Protocol):
    """What a group needs of the Alertmanager that it belongs to."""

    receiver: Receiver
    timeline: Timeline
    log: dict[str, Told]

    def muted(self, alert: Alert) -> bool: ...

    def attempt(self, group: Group, sending: Sending) -> None:
        """Sends once, and calls `answered` when it is known what became of it."""

    def jitter(self) -> float:
        """Between 0.5 and 1.5."""

    def emptied(self, group: Group) -> None: ...


class Group:
    """The alerts that have `labels` in common. It first speaks after group_wait, and then looks every group_interval."""

    def __init__(self, host: Host, labels: dict[str, str]) -> None:
        self.labels = labels
        self.key = group_key(labels)
        self.alerts: dict[str, Alert] = {}
        self.gone = False
        self._host = host
        self._flushed = False
        self._sending: Sending | None = None
        self._late = False
        self._timer = 0
        self._reset(host.receiver.group_wait)

    @property
    def now(self) -> datetime:
        return self._host.timeline.now

    def insert(self, alert: Alert) -> None:
        """Puts an alert in. A group that waits yet does not wait for one that fires for longer than that."""
        self.alerts[alert.fingerprint] = alert
        if not self._flushed and alert.starts_at + timedelta(seconds=self._host.receiver.group_wait) < self.now:
            self._reset(0)

    def _reset(self, seconds: float) -> None:
        self._timer += 1
        self._host.timeline.at(self.now + timedelta(seconds=seconds), functools.partial(self._tick, self._timer))

    def _tick(self, timer: int) -> None:
        if self.gone or timer != self._timer:
            return
        if self._sending is not None:  # its turn comes when that has ended
            self._late = True
            return
        self._flush()

    def _flush(self) -> None:
        receiver, now = self._host.receiver, self.now
        self._reset(receiver.group_interval)
        self._flushed = True
        alerts = sorted(
            (alert if alert.resolved(now) else replace(alert, ends_at=None) for alert in self.alerts.values()),
            key=functools.cmp_to_key(_order),
        )
        loud = [alert for alert in alerts if not self._host.muted(alert)]
        firing, resolved = (frozenset(one.fingerprint for one in loud if one.resolved(now) is ended) for ended in (False, True))
        if not loud or not receiver.url or not self._worth_telling(firing, resolved):
            self._forget_resolved(alerts)
            return
        told = Told(firing, resolved, now)
        if not firing and not receiver.send_resolved:
            self._host.log[self.key] = told
            self._forget_resolved(alerts)
            return
        shown = loud if receiver.send_resolved else [alert for alert in loud if alert.fingerprint in firing]
        self._sending = Sending(alerts, shown, told, now + timedelta(seconds=max(receiver.group_interval, SHORTEST_TRY)))
        self._try(self._sending)

    def _worth_telling(self, firing: frozenset[str], resolved: frozenset[str]) -> bool:
        last, receiver = self._host.log.get(self.key), self._host.receiver
        if last is None:
            return bool(firing)
        if not firing <= last.firing:
            return True
        if not firing:
            return bool(last.firing)
        if receiver.send_resolved and not resolved <= last.resolved:
            return True
        return last.at < self.now - timedelta(seconds=receiver.repeat_interval)

    def _try(self, sending: Sending) -> None:
        if self.gone or sending is not self._sending:
            return
        sending.attempts += 1
        sending.began = self.now
        self._host.attempt(self, sending)

    def answered(self, sending: Sending, status: int | None) -> None:
        """What became of an attempt: the status of the answer, None if there was none. 5xx and none are tried again, anything but 2xx is dropped."""
        if self.gone or sending is not self._sending:
            return
        assert sending.began is not None
        if status is not None and status // 100 == 2:
            self._host.log[self.key] = replace(sending.told, at=self.now)
            self._forget_resolved(sending.alerts)
            self._end()
        elif status is None or status // 100 == 5:
            pause = min(FIRST_PAUSE * GROWTH ** (sending.attempts - 1), LONGEST_PAUSE) * self._host.jitter()
            again = max(sending.began + timedelta(seconds=pause), self.now)
            if again < sending.deadline:
                self._host.timeline.at(again, functools.partial(self._try, sending))
            else:
                self._host.timeline.at(max(sending.deadline, self.now), self._end)
        else:
            self._end()

    def _end(self) -> None:
        self._sending = None
        if self._late and not self.gone:
            self._late = False
            self._flush()

    def _forget_resolved(self, alerts: list[Alert]) -> None:
        """Takes out those of `alerts` that had ended, unless they have changed since."""
        for alert in alerts:
            known = self.alerts.get(alert.fingerprint)
            if alert.ends_at is not None and known is not None and known.updated_at == alert.updated_at:
                del self.alerts[alert.fingerprint]
        if not self.alerts:
            self._host.emptied(self)


def _order(one: Alert, other: Alert) -> int:
    return order(one.labels, other.labels)
