"""Events, recorded as client-go's recorder does: the same one again raises a count, many similar ones are combined, and a flood is cut off."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sandbox.kubernetes.objects import Object, micro_timestamp, random_uid, timestamp
from sandbox.kubernetes.resources import EVENTS
from sandbox.kubernetes.store import Store
from sandbox.timeline import Timeline

TIME_TO_LIVE = timedelta(hours=1)  # kube-apiserver --event-ttl
SIMILAR_EVENTS = 10  # the next ones within the interval become one: EventAggregator
SIMILAR_INTERVAL = timedelta(minutes=10)
BURST, REFILL = 25, timedelta(minutes=5)  # EventSourceObjectSpamFilter


class Recorder:
    """Writes events about objects; they go away an hour after they were last seen."""

    def __init__(self, store: Store, timeline: Timeline, rng: random.Random) -> None:
        self._store = store
        self._timeline = timeline
        self._rng = rng
        self._serial = 0
        self._names: dict[tuple[str, ...], str] = {}
        self._similar: dict[tuple[str, ...], dict[str, datetime]] = {}
        self._tokens: dict[tuple[str, str], tuple[float, datetime]] = {}
        self._last_seen: dict[tuple[str, str], datetime] = {}

    def record(self, about: Object, component: str, kind: str, reason: str, message: str, *, host: str = "", field: str = "") -> None:
        """`kind` is Normal or Warning; `host` the node of a kubelet; `field` the part concerned, such as `spec.containers{web}`."""
        now = self._timeline.now
        uid = about["metadata"]["uid"]
        if not self._take_token(component, uid):
            return
        message, key = self._aggregate((component, uid, field, kind, reason), message)
        again = self._seen(about, key)
        if again is not None:
            self._write({**again, "count": again["count"] + 1, "message": message, "lastTimestamp": timestamp(now)})
            return
        source = {"component": component, "host": host} if host else {"component": component}
        event = self._new(about, kind, reason, message, field)
        event |= {"source": source, "firstTimestamp": timestamp(now), "lastTimestamp": timestamp(now), "count": 1, "eventTime": None}
        self._remember(event | {"reportingComponent": component, "reportingInstance": host}, key)

    def record_action(self, about: Object, component: str, kind: str, reason: str, action: str, message: str) -> None:
        """An event in the style of events.k8s.io, as the scheduler writes them: no count, but a series when it comes again."""
        now = self._timeline.now
        key = (component, about["metadata"]["uid"], kind, reason, message)
        again = self._seen(about, key)
        if again is not None:
            count = again.get("series", {}).get("count", 1) + 1
            self._write({**again, "series": {"count": count, "lastObservedTime": micro_timestamp(now)}})
            return
        event = self._new(about, kind, reason, message, "")
        event |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": micro_timestamp(now), "action": action}
        self._remember(event | {"reportingComponent": component, "reportingInstance": f"{component}-0"}, key)

    def _new(self, about: Object, kind: str, reason: str, message: str, field: str) -> Object:
        now = self._timeline.now
        meta = about["metadata"]
        self._serial += 1
        involved = {"kind": about["kind"], "namespace": meta.get("namespace", ""), "name": meta["name"], "uid": meta["uid"], "apiVersion": about["apiVersion"]}
        involved |= {"resourceVersion": meta["resourceVersion"], "fieldPath": field}
        name = f"{meta['name']}.{int(now.timestamp() * 1e9) + self._serial:x}"
        return {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {
                "name": name,
                "namespace": meta.get("namespace", "default"),
                "uid": random_uid(self._rng),
                "creationTimestamp": timestamp(now),
            },
            "involvedObject": {part: value for part, value in involved.items() if value},
            "reason": reason,
            "message": message,
            "type": kind,
        }

    def _seen(self, about: Object, key: tuple[str, ...]) -> Object | None:
        name = self._names.get(key)
        return self._store.get(EVENTS, about["metadata"].get("namespace", "default"), name) if name else None

    def _remember(self, event: Object, key: tuple[str, ...]) -> None:
        self._names[key] = event["metadata"]["name"]
        self._timeline.at(self._timeline.now + TIME_TO_LIVE, lambda: self._expire(event["metadata"]["namespace"], event["metadata"]["name"], key))
        self._write(event)

    def _write(self, event: Object) -> None:
        meta = event["metadata"]
        self._last_seen[meta["namespace"], meta["name"]] = self._timeline.now
        self._store.put(EVENTS, event)

    def _expire(self, namespace: str, name: str, key: tuple[str, ...]) -> None:
        expires = self._last_seen[namespace, name] + TIME_TO_LIVE
        if self._timeline.now < expires:
            self._timeline.at(expires, lambda: self._expire(namespace, name, key))
            return
        del self._last_seen[namespace, name]
        self._names.pop(key, None)
        if self._store.get(EVENTS, namespace, name):
            self._store.remove(EVENTS, namespace, name)

    def _aggregate(self, group: tuple[str, ...], message: str) -> tuple[str, tuple[str, ...]]:
        now = self._timeline.now
        recent = {text: when for text, when in self._similar.get(group, {}).items() if now - when <= SIMILAR_INTERVAL}
        recent[message] = now
        self._similar[group] = recent
        if len(recent) < SIMILAR_EVENTS:
            return message, (*group, message)
        return f"(combined from similar events): {message}", group

    def _take_token(self, component: str, uid: str) -> bool:
        now = self._timeline.now
        tokens, since = self._tokens.get((component, uid), (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - since) / REFILL)
        allowed = tokens >= 1
        self._tokens[component, uid] = (tokens - 1 if allowed else tokens, now)
        return allowed
