"""Troubles that one can make on the page, each by a name and a title. Which there are is data of the scenario; the scenario says what each does."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.alertmanager import Rules
from sandbox.faults import Fault, Faults
from sandbox.kubernetes import Cluster
from sandbox.prometheus import Prometheus, load
from sandbox.slack import Workspace


class Patch(BaseModel):
    """A change of one object behind everybody's back: `path` below the API's root, `body` a strategic merge patch."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    body: dict[str, Any]


class Fate(BaseModel):
    """What becomes of the pods that a label selector finds in a namespace."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    namespace: str
    selector: str
    fate: str


class FiredAlert(BaseModel):
    """An alert that fires."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class Trouble(BaseModel):
    """`fault`, `slack_down`, `pods` and `alerts` last until they are ended; a `patch` and a `metric` (as sandbox.prometheus.load) happen once each time.

    A metric lasts too where `metric_after` says what it is when the trouble has ended. One `by_host` lasts as well, and is made by whoever runs the sandbox,
    who sees by `is_on` that it is wanted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str
    text: str = ""
    fault: Fault | None = None
    slack_down: bool = False
    patch: Patch | None = None
    metric: dict[str, Any] | None = None
    metric_after: dict[str, Any] | None = None
    pods: Fate | None = None
    alerts: list[FiredAlert] = []
    by_host: bool = False

    @property
    def lasting(self) -> bool:
        return self.fault is not None or self.slack_down or self.kept

    @property
    def kept(self) -> bool:
        """Whether it is remembered that it is on: because it changes things that have to be put back, or somebody else acts on it."""
        return self.metric_after is not None or self.pods is not None or bool(self.alerts) or self.by_host


class Troubles:
    """What can be made to go wrong, and whether it does."""

    def __init__(self, offered: Iterable[Any], faults: Faults, cluster: Cluster, workspace: Workspace, prometheus: Prometheus, rules: Rules) -> None:
        self._offered = {trouble.name: trouble for trouble in map(Trouble.model_validate, offered)}
        self._faults, self._cluster, self._workspace, self._prometheus, self._rules = faults, cluster, workspace, prometheus, rules
        self._kept: set[str] = set()

    def __getitem__(self, name: str) -> Trouble:
        return self._offered[name]

    def __contains__(self, name: str) -> bool:
        return name in self._offered

    def is_on(self, name: str) -> bool:
        """Tells whether a trouble lasts at this moment; one that is not offered does not."""
        return name in self._offered and self._on(self._offered[name])

    def list(self) -> list[dict[str, Any]]:
        """Returns each as the page shows it: `{name, title, text, lasting, on}`."""
        return [{"name": one.name, "title": one.title, "text": one.text, "lasting": one.lasting, "on": self._on(one)} for one in self._offered.values()]

    def _on(self, trouble: Trouble) -> bool:
        return self._rule(trouble) in self._faults.list() or (trouble.slack_down and self._workspace.down) or trouble.name in self._kept

    @staticmethod
    def _rule(trouble: Trouble) -> str:
        return f"trouble-{trouble.name}"

    def make(self, name: str) -> None:
        """Makes a trouble; the workspace remembers when. KeyError if there is none of that name, ValueError if the cluster refuses its patch."""
        trouble = self._offered[name]
        if trouble.fault is not None:
            self._faults.add(trouble.fault, self._rule(trouble))
        if trouble.slack_down:
            self._workspace.down = True
        if trouble.patch is not None:
            self._patch(trouble.patch)
        if trouble.metric is not None:
            load(self._prometheus, trouble.metric)
        if trouble.pods is not None:
            self._fate(trouble.pods, trouble.pods.fate)
        for alert in trouble.alerts:
            self._rules.fire(alert.labels, alert.annotations)
        if trouble.kept:
            self._kept.add(name)
        self._workspace.mark(name)

    def end(self, name: str) -> None:
        """Ends a lasting trouble; one that is not on stays as it is."""
        trouble = self._offered[name]
        if self._rule(trouble) in self._faults.list():
            self._faults.clear(self._rule(trouble))
        if trouble.slack_down:
            self._workspace.down = False
        if name in self._kept:
            self._kept.remove(name)
            self._put_back(trouble)
        self._workspace.changed()

    def _put_back(self, trouble: Trouble) -> None:
        if trouble.metric_after is not None:
            load(self._prometheus, trouble.metric_after)
        if trouble.pods is not None:
            self._fate(trouble.pods, "ready")
        for alert in trouble.alerts:
            self._rules.resolve(alert.labels)

    def _fate(self, pods: Fate, fate: str) -> None:
        for pod in self._cluster.pods(pods.namespace, pods.selector):
            self._cluster.set_fate(pods.namespace, pod["metadata"]["name"], fate)

    def _patch(self, patch: Patch) -> None:
        headers = {"content-type": "application/strategic-merge-patch+json"}
        answer = self._cluster.handle("PATCH", patch.path, {"fieldManager": "somebody"}, headers, json.dumps(patch.body).encode())
        if answer.status >= 400:
            raise ValueError(f"the cluster refused it: {answer.status}")


class _Switch(BaseModel):
    model_config = ConfigDict(extra="forbid")
    on: bool = True


def control(troubles: Troubles) -> list[Route]:
    """The routes that list and make them, below /_sandbox/troubles."""

    async def listing(request: Request) -> JSONResponse:
        """What the scenario lets go wrong: [{name, title, text, lasting, on}]."""
        return JSONResponse(troubles.list())

    async def switch(request: Request) -> JSONResponse:
        """Let it go wrong, or be well again: {on?: bool}."""
        name = request.path_params["name"]
        if _Switch.model_validate_json(await request.body() or b"{}").on:
            troubles.make(name)
        else:
            troubles.end(name)
        return JSONResponse({})

    return [Route("/troubles", listing, methods=["GET"]), Route("/troubles/{name}", switch, methods=["POST"])]
