"""One thing found wrong with a rollout, and the events that prove it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from bot.core.card import Evidence
from bot.core.ports import Json
from bot.core.redact import redacted

AT_ONCE = timedelta(0)


class LogRequest(NamedTuple):
    """A log that would tell more. `previous`: of the container before its last restart."""

    pod: str
    container: str
    previous: bool


@dataclass(frozen=True)
class Finding:
    """`code` is its class. `said` completes «2 of 5 new pods …» in the past tense, `hint` says what to do.

    It is a failure once it has lasted for `patience`, and only if it is `ripe`: False while the cluster still has an attempt to make
    (a restart, a pull), or repairs it by itself.
    `mark` is what must stay the same meanwhile. `logs` says which log of the container tells more.
    """

    code: str
    said: str
    hint: str
    patience: timedelta
    pod: str = ""
    container: str = ""
    ripe: bool = True
    mark: str = ""
    logs: Literal["", "current", "previous"] = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def key(self) -> str:
        """What it is remembered by between two looks."""
        return "/".join((self.code, self.pod, self.container, self.mark))


def event_time(event: Json) -> datetime:
    """Returns when the event happened last. Which field says so depends on the API that the component wrote it with."""
    series = (event.get("series") or {}).get("lastObservedTime")
    return datetime.fromisoformat(series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


class Events:
    """The events of a namespace by what they are about: by uid, because a StatefulSet's pods reuse their names."""

    def __init__(self, events: Iterable[Json]) -> None:
        self._about: dict[str, list[Json]] = {}
        for event in sorted(events, key=event_time):
            self._about.setdefault(event["involvedObject"].get("uid", ""), []).append(event)

    def of(self, thing: Json) -> Sequence[Json]:
        """Returns the events about this very object, oldest first."""
        return self._about.get(thing["metadata"]["uid"], ())


def latest(events: Sequence[Json], *reasons: str) -> Json | None:
    """Returns the last of the (ordered) events with one of the reasons, or None."""
    return next((event for event in reversed(events) if event["reason"] in reasons), None)


def warnings(title: str, events: Sequence[Json], most: int = 5) -> tuple[Evidence, ...]:
    """Returns the last warnings among the (ordered) events as one piece of evidence, redacted; nothing when there are none."""
    lines = [f"{event_time(event):%H:%M:%S} {event['reason']}{_times(event)}: {event['message']}" for event in events if event["type"] == "Warning"]
    return (Evidence(title=title, text=redacted("\n".join(lines[-most:]))),) if lines else ()


def _times(event: Json) -> str:
    count = (event.get("series") or event).get("count") or 1
    return f" ×{count}" if count > 1 else ""
