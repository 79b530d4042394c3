"""Reading logs that go on: all pods that a selector finds, as they come and go, each by a task of its own, merged by time when somebody takes what there is.

Memory does not grow with what is written: of each container so much is kept as one message holds, and a line of any length is cut.
"""

import asyncio
from contextlib import aclosing
from datetime import datetime, timedelta

from bot.core.errors import AiecError, NotFound, Unavailable
from bot.core.follows import MOST_PODS, Batch, Followed
from bot.core.loglines import LogLine, Pattern, Sieve
from bot.core.ports import Cluster, Json
from bot.core.workload import container_of

KEPT = 1_000
"""Lines of a container between two takes; kubectl prints whatever comes, a chat cannot."""
LOOK_EVERY = timedelta(seconds=2)
_OVERLAP = timedelta(seconds=2)
_SILENCE = 60.0
"""Seconds after which a stream that broke off is one in which nothing was written: connections that are silent are given up."""


class Following:
    """A log that is being followed. `refresh` says at a moment which pods there are, `take` gives what was written since the last one."""

    def __init__(self, followed: Followed, cluster: Cluster) -> None:
        self._followed = followed
        self._cluster = cluster
        self._pattern = Pattern(followed.grep) if followed.grep else None
        self._tails: dict[str, _Tail] = {}
        self._notes: list[str] = []
        self._looked: datetime | None = None
        self._trouble = ""

    async def refresh(self, now: datetime) -> None:
        """Looks, every two seconds, which pods there are; begins to read the new ones, and again where a container was started anew."""
        if self._looked is not None and timedelta() <= now - self._looked < LOOK_EVERY:
            return
        try:
            pods = await self._cluster.list("Pod", labels=self._followed.labels, fields=self._followed.fields)
        except AiecError as error:
            self._say_trouble(f"Which pods there are cannot be seen: {error.text.rstrip('.')}. It is tried again.")
            return
        self._say_trouble("")
        first, self._looked = self._looked is None, now
        there = {pod["metadata"]["uid"]: pod for pod in pods}
        for uid in [uid for uid in self._tails if uid not in there]:
            tail = self._tails[uid]
            await tail.close()
            if not tail.gone:
                tail.gone = True
                self._notes.append(f"{tail.pod} is gone.")
        newest = sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"], reverse=True)[:MOST_PODS]
        if first and len(pods) > MOST_PODS:
            self._notes.append(f"Only the newest {MOST_PODS} of {len(pods)} pods are followed.")
        for pod in newest:
            self._attend(pod, now, first=first)

    def _attend(self, pod: Json, now: datetime, *, first: bool) -> None:
        """Begins to read a pod, or goes on where its stream ended."""
        tail = self._tails.get(pod["metadata"]["uid"])
        if tail is None:
            container = container_of(pod, self._followed.container)
            tail = self._tails[pod["metadata"]["uid"]] = _Tail(self._cluster, pod["metadata"]["name"], container, self._pattern)
            if not first:
                self._notes.append(f"{tail.pod} is new, and followed too.")
            past = (self._followed.since, self._followed.tail) if first else (None, None)
            tail.read(*past)
        elif not tail.reading and not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            if said := tail.ending():
                self._notes.append(said)
            tail.read(now - tail.seen + _OVERLAP if tail.seen else None, None)

    def _say_trouble(self, text: str) -> None:
        """Says once what is wrong."""
        if text and text != self._trouble:
            self._notes.append(text)
        self._trouble = text

    def take(self) -> Batch:
        """Returns what was written since the last one."""
        lines: list[LogLine] = []
        lost = 0
        for tail in self._tails.values():
            fresh, gone = tail.take()
            lines += fresh
            lost += gone
        for uid in [uid for uid, tail in self._tails.items() if tail.gone]:
            del self._tails[uid]
        notes, self._notes = self._notes, []
        return Batch(sorted(lines, key=lambda line: line.at), notes, lost)

    async def close(self) -> None:
        """Ends all reading."""
        for tail in self._tails.values():
            await tail.close()


class _Tail:
    """One container's log as it goes on. `seen`: the time of the last line that was taken; `gone`: its pod is there no more."""

    def __init__(self, cluster: Cluster, pod: str, container: str, pattern: Pattern | None) -> None:
        self.pod = pod
        self.seen: datetime | None = None
        self.gone = False
        self._cluster = cluster
        self._container = container
        self._sieve = Sieve(pod, KEPT, pattern)
        self._task: asyncio.Task[str] | None = None
        self._from: datetime | None = None
        self._said = ""

    @property
    def reading(self) -> bool:
        return self._task is not None and not self._task.done()

    def read(self, since: timedelta | None, tail: int | None) -> None:
        """Opens the stream. What was taken of it before comes once more, and is left out."""
        self._from = self.seen
        self._task = asyncio.create_task(self._read(since, tail), name=f"log of {self.pod}")

    async def _read(self, since: timedelta | None, tail: int | None) -> str:
        """Reads until the stream ends, and returns what is to be said of that; nothing where only nothing was written for long."""
        begun = asyncio.get_running_loop().time()
        try:
            async with aclosing(self._cluster.read_logs(self.pod, container=self._container, since=since, tail=tail, follow=True)) as pieces:
                async for piece in pieces:
                    self._sieve.feed(piece)
                    await asyncio.sleep(0)  # what has arrived already comes without a pause, and others want their turn
        except NotFound:
            return ""  # it has not started yet, or its pod is about to go
        except Unavailable as error:
            if asyncio.get_running_loop().time() - begun >= _SILENCE:
                return ""
            return f"The log of {self.pod} broke off: {error.text.rstrip('.')}. It is read again."
        except AiecError as error:
            return f"The log of {self.pod} cannot be read: {error.text.rstrip('.')}."
        finally:
            self._sieve.end()
        return f"Container {self._container} of {self.pod} ended."

    def ending(self) -> str:
        """Returns what is to be said of a stream that ended, once until there are lines again."""
        said = self._task.result() if self._task is not None and not self._task.cancelled() else ""
        if said == self._said:
            return ""
        self._said = said or self._said
        return said

    def take(self) -> tuple[list[LogLine], int]:
        """Returns the lines since the last take, and how many were lost before them."""
        lines, lost = self._sieve.take()
        fresh = [line for line in lines if self._from is None or line.at > self._from]
        if fresh:
            self.seen, self._said = fresh[-1].at, ""
        return fresh, lost

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
