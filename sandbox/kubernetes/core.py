"""What the parts of the cluster share: time, randomness, the store and the ways to write to it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from sandbox.clock import Clock
from sandbox.kubernetes.recorder import Recorder
from sandbox.kubernetes.registry import Registry
from sandbox.kubernetes.store import Store
from sandbox.timeline import Timeline


class Core:
    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.rng = random.Random(seed)
        self.timeline = Timeline(clock.now())
        self.store = Store()
        self.registry = Registry(self.store, self.timeline, self.rng)
        self.recorder = Recorder(self.store, self.timeline, self.rng)

    @property
    def now(self) -> datetime:
        """The time being played: of the request, or at which the running action was due."""
        return self.timeline.now

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self.timeline.at(self.now + timedelta(seconds=seconds), action)

    def play(self, until: datetime | None = None) -> None:
        """Lets everything happen that is due by now, or only what is due by an earlier time."""
        self.timeline.play(until or self.clock.now())
