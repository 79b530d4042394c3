"""What is seen of an incident's service at one moment: pods, events, logs of what crashed, revisions, and what was changed lately. It fails piece by piece."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from bot.core.card import Evidence, Line
from bot.core.chart import Chart, Mark, in_words
from bot.core.config import Config, Service
from bot.core.errors import AiecError
from bot.core.figures import drawn, figures_of
from bot.core.ports import Cluster, Json, World
from bot.core.redact import redacted
from bot.core.revisions import number, owned, template_of
from bot.core.steps import CHANGE_CAUSE, OPERATION, annotations, short
from bot.core.text import cut
from bot.core.workload import container_image, containers
from escalation.incident import Incident, Suspect
from escalation.pods import crashed, event_lines, pod_lines, troubled
from escalation.routing import production
from escalation.suspects import LATELY, going_back, ordered

WITHIN = timedelta(seconds=8)
"""How long each piece may take."""
HOUR = timedelta(hours=1)
LOGS, TAIL, LONGEST = 3, 60, 20_000
ORDER = ("Pods", "Kubernetes events", "Last words of ", "Rollout history")
"""How titles of evidence begin, in the order in which they are shown: what answers first stands nowhere else for it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Gathered:
    """`unseen`: what could not be looked at, with the reason. `chart`: the figures of the hour before, `undrawn`: those not in it."""

    at: datetime
    evidence: tuple[Evidence, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    unseen: tuple[str, ...] = ()
    chart: Chart | None = None
    undrawn: tuple[Line, ...] = ()


async def gather(world: World, config: Config, incident: Incident, own: Sequence[Suspect]) -> Gathered:
    """Returns what is seen now. `own`: the suspects that our own records know. Never raises for what the outside does."""
    environment = incident.environment or production(config)
    cluster, service = world.clusters.get(environment), config.services.get(incident.service)
    if cluster is None:
        return Gathered(world.now, suspects=tuple(own))
    look = _Look(world.now, cluster, environment, incident.service, service)
    pieces = [look.pods(), look.revisions()] if service is not None else [look.pods()]
    await asyncio.gather(*pieces)
    suspects = ordered([*own, *look.suspects])
    chart, undrawn = await _figures(world, incident, service, suspects)
    words = [Evidence(title="Figures of the hour before", text="\n".join(in_words(chart)))] if chart is not None else []
    return Gathered(world.now, (*sorted(look.evidence, key=_place), *words), suspects, tuple(look.unseen), chart, undrawn)


def _place(evidence: Evidence) -> tuple[int, str]:
    return next(place for place, title in enumerate(ORDER) if evidence.title.startswith(title)), evidence.title


async def _figures(world: World, incident: Incident, service: Service | None, suspects: Sequence[Suspect]) -> tuple[Chart | None, tuple[Line, ...]]:
    """The service's figures, with the suspects marked in them."""
    wanted = figures_of(incident.service, service) if service is not None else []
    if world.metrics is None or not wanted:
        return None, ()
    start = world.now - HOUR
    marks = [Mark(at=one.at, label="change") for one in suspects if one.at >= start]
    opened = [Mark(at=incident.opened_at, label=incident.name)] if incident.opened_at >= start else []
    return await drawn(world, wanted, f"{incident.service}, the hour before {incident.name}", start, world.now, (*marks, *opened))


class _Look:
    """One look at one environment; each piece adds what it saw, or why it saw nothing."""

    def __init__(self, now: datetime, cluster: Cluster, environment: str, name: str, service: Service | None) -> None:
        self.evidence: list[Evidence] = []
        self.suspects: list[Suspect] = []
        self.unseen: list[str] = []
        self._now, self._cluster, self._environment, self._name, self._service = now, cluster, environment, name, service

    async def pods(self) -> None:
        """The service's pods (of none: those that are in trouble), what Kubernetes tells of them, and the last words of those that crashed."""
        listed = await self._try("pods", lambda: self._cluster.list("Pod"))
        if listed is None:
            return
        prefix = f"{self._object}-" if self._service is not None else ""
        mine = [pod for pod in listed if pod["metadata"]["name"].startswith(prefix)] if prefix else [pod for pod in listed if troubled(pod)]
        self._add("Pods", pod_lines(mine, self._now))
        await asyncio.gather(self._events(prefix), *(self._log(pod, container) for pod, container in crashed(mine)[:LOGS]))

    async def _events(self, prefix: str) -> None:
        events = await self._try("events", lambda: self._cluster.list("Event"))
        mine = [one for one in events or [] if one["involvedObject"].get("name", "").startswith(prefix.removesuffix("-"))]
        self._add("Kubernetes events", event_lines(mine))

    async def _log(self, pod: str, container: str) -> None:
        log = await self._try(f"the log of {pod}", lambda: self._cluster.logs(pod, container=container, previous=True, tail=TAIL))
        self._add(f"Last words of {pod}", redacted(log or "").splitlines())

    async def revisions(self) -> None:
        """The service's revisions, and whether the newest one is a change that somebody made past aiec."""
        service = self._service
        assert service is not None
        workload = await self._try("revisions", lambda: self._cluster.get(service.kind, self._object))
        if workload is None:
            return
        kind = "ReplicaSet" if service.kind == "Deployment" else "ControllerRevision"
        listed = await self._try("revisions", lambda: self._cluster.list(kind))
        newest = sorted(owned(workload, listed or []), key=number, reverse=True)
        self._add("Rollout history", [_revision(one, service) for one in newest])
        if len(newest) > 1 and OPERATION not in annotations(workload):
            self._suspect(workload, newest[0], newest[1], service)

    def _suspect(self, workload: Json, newest: Json, before: Json, service: Service) -> None:
        made = datetime.fromisoformat(newest["metadata"]["creationTimestamp"])
        was, now = _image(before, service), container_image(workload, service.container) or ""
        if self._now - made > LATELY or was == now:
            return
        cause = annotations(workload).get(CHANGE_CAUSE)
        text = f"{self._name} {short(was)} → {short(now)}, past aiec{f' ({cut(cause, 80)})' if cause else ''}"
        back = going_back(was) if service.deployable and service.image else ""
        self.suspects.append(Suspect(text=text, at=made, environment=self._environment, service=self._name, back=back))

    @property
    def _object(self) -> str:
        return self._service.name_in(self._environment, self._name) if self._service is not None else ""

    async def _try(self, what: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                return await ask()
        except AiecError as error:
            self.unseen.append(f"{what} in {self._environment}: {error.text}")
        except TimeoutError:
            self.unseen.append(f"{what} in {self._environment}: no answer within {WITHIN.seconds} s")
        return None

    def _add(self, title: str, lines: Sequence[str]) -> None:
        if lines:
            self.evidence.append(Evidence(title=title, text=cut("\n".join(lines), LONGEST)))


def _image(revision: Json, service: Service) -> str:
    return next((one["image"] for one in containers(template_of(revision)) if one["name"] == service.container), "")


def _revision(revision: Json, service: Service) -> str:
    cause = annotations(revision).get(CHANGE_CAUSE) or "no change-cause"
    return f"{number(revision):>4}  {short(_image(revision, service))}  {revision['metadata']['creationTimestamp'][:19].replace('T', ' ')}  {cause}"
