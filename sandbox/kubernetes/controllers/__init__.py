"""Level-triggered controllers: a change of an object puts keys in a queue, and `sync` brings one of them nearer to what is wanted.

Each does what its namesake in kube-controller-manager does, in the same order of writes. The manager plays their work queues on the timeline, a few
milliseconds after the change, so that a client sees the steps in between (`observedGeneration` behind `generation`, for one) as it would in a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.objects import Key
from sandbox.kubernetes.store import Change

REACTION = (0.002, 0.020)
"""Seconds from a change to the controller's sync: the least and the most."""
FIRST_RETRY, LAST_RETRY = 0.005, 1000.0  # workqueue.DefaultTypedControllerRateLimiter


class Controller(Protocol):
    """`keys` says whose desired state a change concerns; `sync` acts, and returns the seconds after which to look again, if any."""

    def keys(self, change: Change) -> Iterable[Key]: ...

    def sync(self, namespace: str, name: str) -> float | None: ...


class Manager:
    """Feeds changes to the controllers and runs their syncs; one that is refused by the API is tried again with exponential back-off."""

    def __init__(self, core: Core, controllers: Iterable[Controller]) -> None:
        self._core = core
        self._controllers = tuple(controllers)
        self._due: dict[tuple[int, Key], datetime] = {}
        self._failures: dict[tuple[int, Key], int] = {}
        core.store.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        for number, controller in enumerate(self._controllers):
            for key in controller.keys(change):
                self._enqueue(number, key, self._core.rng.uniform(*REACTION))

    def _enqueue(self, number: int, key: Key, seconds: float) -> None:
        when = self._core.now + timedelta(seconds=seconds)
        if when >= self._due.get((number, key), datetime.max.replace(tzinfo=when.tzinfo)):
            return
        self._due[number, key] = when
        self._core.timeline.at(when, lambda: self._run(number, key, when))

    def _run(self, number: int, key: Key, when: datetime) -> None:
        if self._due.get((number, key)) != when:
            return  # an earlier one has been queued meanwhile and has run
        del self._due[number, key]
        try:
            again = self._controllers[number].sync(*key)
        except ApiError:
            failures = self._failures[number, key] = self._failures.get((number, key), 0) + 1
            again = min(FIRST_RETRY * 2 ** (failures - 1), LAST_RETRY)
        else:
            self._failures.pop((number, key), None)
        if again is not None:
            self._enqueue(number, key, again)
