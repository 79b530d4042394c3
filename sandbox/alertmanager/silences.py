"""Silences: who has asked for quiet, about what, from when until when."""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sandbox.alertmanager.labels import Labels, Matcher, quoted

State = Literal["active", "pending", "expired"]

RETENTION = timedelta(hours=120)
"""How long an expired silence is remembered."""
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True)
class Silence:
    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""
    updated_at: datetime | None = None

    def state(self, now: datetime) -> State:
        if now < self.starts_at:
            return "pending"
        return "active" if now < self.ends_at else "expired"

    def mutes(self, labels: Labels) -> bool:
        """Whether an alert with these labels is meant, whenever."""
        return all(matcher.matches(labels) for matcher in self.matchers)


class NotThere(LookupError):
    """There is no silence of that id."""


class Silences:
    """The silences by id."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._all: dict[str, Silence] = {}

    def __getitem__(self, silence_id: str) -> Silence:
        """NotThere if there is none of that id."""
        if silence_id not in self._all:
            raise NotThere("silence not found")
        return self._all[silence_id]

    def all(self, now: datetime) -> list[Silence]:
        """All, in the API's order: active by their end, pending by their start, expired from the latest."""
        self._all = {one.id: one for one in self._all.values() if one.ends_at + RETENTION > now}

        def key(silence: Silence) -> tuple[int, float]:
            match silence.state(now):
                case "active":
                    return 0, silence.ends_at.timestamp()
                case "pending":
                    return 1, silence.starts_at.timestamp()
                case _:
                    return 2, -silence.ends_at.timestamp()

        return sorted(self._all.values(), key=key)

    def muting(self, labels: Labels, now: datetime) -> list[str]:
        """The ids of the silences that are in force and mean an alert with these labels."""
        return sorted(one.id for one in self._all.values() if one.state(now) == "active" and one.mutes(labels))

    def set(self, silence: Silence, now: datetime) -> str:
        """Creates a silence (`id` empty), changes one, or, where it cannot be changed so, ends it and makes another. Returns the id.

        NotThere, or ValueError with Alertmanager's words.
        """
        previous = self[silence.id] if silence.id else None
        if previous is not None and _changeable(previous, silence, now):
            _check(silence)
            self._all[silence.id] = replace(silence, updated_at=now)
            return silence.id
        if previous is not None and previous.state(now) != "expired":
            self.expire(previous.id, now)
        new = replace(silence, id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)), starts_at=max(silence.starts_at, now), updated_at=now)
        _check(new)
        self._all[new.id] = new
        return new.id

    def expire(self, silence_id: str, now: datetime) -> None:
        """Ends a silence. NotThere if there is none; one that has ended stays as it is."""
        silence = self[silence_id]
        if silence.state(now) != "expired":
            self._all[silence_id] = replace(silence, starts_at=min(silence.starts_at, now), ends_at=now, updated_at=now)


def _changeable(old: Silence, new: Silence, now: datetime) -> bool:
    match old.state(now):
        case "active":
            in_time = int(new.starts_at.timestamp()) == int(old.starts_at.timestamp()) and new.ends_at >= now
        case "pending":
            in_time = new.starts_at >= now
        case _:
            in_time = False
    return in_time and old.matchers == new.matchers


def _check(silence: Silence) -> None:
    for number, matcher in enumerate(silence.matchers):
        if _LABEL_NAME.fullmatch(matcher.name) is None:
            raise ValueError(f"silence invalid: invalid label matcher {number}: invalid label name {quoted(matcher.name)}")
    if all(matcher.matches({}) for matcher in silence.matchers):
        raise ValueError("silence invalid: at least one matcher must not match the empty string")
