"""The cluster as a whole: its parts put together, its API as a function, and a small Python API for tests and demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sandbox.clock import Clock
from sandbox.kubernetes.access import Access
from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers import Controller, Manager
from sandbox.kubernetes.controllers.autoscaler import Autoscalers
from sandbox.kubernetes.controllers.daemonset import DaemonSets
from sandbox.kubernetes.controllers.deployment import Deployments
from sandbox.kubernetes.controllers.endpoints import Claims, ServiceEndpoints
from sandbox.kubernetes.controllers.garbage import GarbageCollector, Namespaces, furnish
from sandbox.kubernetes.controllers.policy import DisruptionBudgets, Quotas
from sandbox.kubernetes.controllers.replicaset import ReplicaSets
from sandbox.kubernetes.controllers.statefulset import StatefulSets
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.execs import Execs, final_status
from sandbox.kubernetes.kubelet import Kubelet
from sandbox.kubernetes.logs import Logs
from sandbox.kubernetes.nodes import furnish_cluster
from sandbox.kubernetes.objects import Object, copy, with_annotations
from sandbox.kubernetes.postgres import Postgres
from sandbox.kubernetes.registry import DeleteOptions
from sandbox.kubernetes.requests import Request, Response, Target
from sandbox.kubernetes.resources import BY_KIND, BY_NAME, NAMESPACES, PODS
from sandbox.kubernetes.scheduler import Scheduler
from sandbox.kubernetes.schema import DecodingError, decode
from sandbox.kubernetes.selectors import parse_labels
from sandbox.kubernetes.watch import Watch

CONTROLLERS: tuple[Callable[[Core], Controller], ...] = (
    Deployments,
    ReplicaSets,
    StatefulSets,
    DaemonSets,
    Autoscalers,
    DisruptionBudgets,
    Quotas,
    ServiceEndpoints,
    Claims,
    GarbageCollector,
    Namespaces,
)


class Cluster:
    """Everything that happens is a function of the clock, the seed and the requests, in their order.

    Whenever the cluster is touched it first plays what is due, each thing at its own time; with a manual clock, nothing happens in between.
    """

    def __init__(self, clock: Clock, seed: int = 0, nodes: int = 3) -> None:
        self.core = Core(clock, seed)
        self.access = Access()
        self.logs = Logs()
        self.postgres = Postgres()
        self.execs = Execs({"postgres": self.postgres.run})
        self.kubelet = Kubelet(self.core)
        self._scheduler = Scheduler(self.core)
        self._manager = Manager(self.core, [controller(self.core) for controller in CONTROLLERS])
        self.api = Api(self.core, self.access, self.logs)
        furnish_cluster(self.core, nodes)
        self.core.play()

    def handle(
        self, method: str, path: str, query: Mapping[str, str | list[str]] | None = None, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Answers one HTTP request that is not a stream. `path` is below the API's root: `/api/v1/…`, `/apis/…`."""
        return self.answer(Request.of(method, path, query or {}, headers or {}, body))

    def answer(self, request: Request) -> Response:
        self.core.play()
        return self.api.answer(request)

    def open(self, request: Request) -> Watch | Object:
        """Begins a stream: the watch that was asked for or, of a followed log, the pod. Raises ApiError."""
        self.core.play()
        if request.flag("watch"):
            return Watch(self.core, request, self.api.open_stream(request, "watch"))
        target = self.api.open_stream(request, "get")
        return self.core.registry.get(PODS, target.namespace, target.name)

    def watch(self, path: str, query: Mapping[str, str | list[str]] | None = None, headers: Mapping[str, str] | None = None) -> Watch:
        """The watch of a collection, to be polled. Raises ApiError."""
        self.core.play()
        request = Request.of("GET", path, {**(query or {}), "watch": "true"}, headers or {}, b"")
        return Watch(self.core, request, self.api.open_stream(request, "watch"))

    def open_exec(self, request: Request) -> Target:
        """What an exec is to run in, once its caller may. Raises ApiError."""
        self.core.play()
        target = self.api.open_stream(request, "get")
        try:
            return self.api.open_stream(request, "create")
        except ApiError as denied:
            raise ApiError(denied.code, denied.reason, f'pods "{target.name}" is forbidden: ', {"name": target.name, "kind": "pods"}) from None

    def exec(self, namespace: str, pod: str, command: Sequence[str], *, container: str = "", stdin: bytes = b"") -> tuple[bytes, bytes, Object]:
        """Runs an arranged command at once: standard output, standard error and the final Status. Raises ApiError."""
        self.core.play()
        call, answer = self.execs.call(self.core.store, namespace, pod, container, command)
        call.stdin = stdin
        answer = answer or self.execs.program(call)
        output = (answer.stdout * answer.times, answer.stderr) if answer else (b"", b"")
        return *output, final_status(command, answer)

    def play(self, until: datetime | None = None) -> None:
        """Lets everything happen that is due by the clock's time, or only what is due by an earlier one."""
        self.core.play(until)

    @property
    def ready_after(self) -> float:
        """Seconds that an ordinary pod takes to become ready."""
        return self.kubelet.ready_after

    @ready_after.setter
    def ready_after(self, seconds: float) -> None:
        self.kubelet.ready_after = seconds

    # ---- for tests and demonstrations

    def apply(self, obj: Object) -> Object:
        """Creates the object, and its namespace, or replaces the one there is, but for its status and metadata that is not given.

        Raises ApiError for what the API refuses, ValueError for what is no object, of no kind that is served, or has fields that it cannot have.
        """
        self.core.play()
        resource = BY_KIND.get((obj.get("apiVersion", ""), obj.get("kind", "")))
        if resource is None or not isinstance(obj.get("metadata"), dict) or "name" not in obj["metadata"]:
            raise ValueError(f"no object of a kind that is served, with a name: {obj.get('apiVersion')} {obj.get('kind')}")
        meta = obj["metadata"]
        namespace = meta.get("namespace", "default") if resource.namespaced else ""
        if namespace and self.core.store.get(NAMESPACES, "", namespace) is None:
            self.core.registry.create(NAMESPACES, "", {"metadata": {"name": namespace}})
            furnish(self.core, namespace)
        stored = self.core.store.get(resource, namespace, meta["name"])
        try:
            read = decode(resource, obj)
        except DecodingError as error:
            raise ValueError(f"{obj['kind']} {meta['name']}: {error.decoding}") from None
        if read.unknown:
            raise ValueError(f"{obj['kind']} {meta['name']} has no {', '.join(read.unknown)}")
        if stored is None:
            created = self.core.registry.create(resource, namespace, read.object)
            if resource is NAMESPACES:
                furnish(self.core, meta["name"])
            return self._copy(created)
        merged = {**stored["metadata"]}
        for field in ("annotations", "labels"):
            if field in meta:
                merged[field] = {**merged.get(field, {}), **meta[field]}
        return self._copy(self.core.registry.update(resource, {**stored, **read.object, "metadata": merged}))

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """A copy of an object, by its kind (`Deployment`) or its resource's name (`deployments`)."""
        self.core.play()
        found = self.core.store.get(BY_NAME[kind], namespace, name)
        return self._copy(found) if found else None

    def objects(self, kind: str, namespace: str = "", selector: str = "") -> list[Object]:
        """Copies of all objects of a kind that a label selector matches."""
        return [self._copy(obj) for obj in self._all(kind, namespace, selector)]

    def pods(self, namespace: str, selector: str = "") -> list[Object]:
        """The pods that a label selector matches, for who only looks at them: not copies."""
        return self._all("Pod", namespace, selector)

    def _all(self, kind: str, namespace: str, selector: str) -> list[Object]:
        self.core.play()
        selected = parse_labels(selector)
        return [obj for obj in self.core.store.all(BY_NAME[kind], namespace) if selected(obj["metadata"].get("labels", {}))]

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Deletes as `kubectl delete` does. Raises ApiError 404."""
        self.core.play()
        self.core.registry.delete(BY_NAME[kind], namespace, name, DeleteOptions())

    def set_fate(self, namespace: str, pod: str, fate: str) -> None:
        """Changes what becomes of one running pod. Raises ApiError 404."""
        self._annotate(namespace, pod, fate=fate)

    def set_usage(self, namespace: str, pod: str, cpu: str, memory: str) -> None:
        """What each container of the pod uses, as quantities. Raises ApiError 404."""
        self._annotate(namespace, pod, **{"usage/cpu": cpu, "usage/memory": memory})

    def _annotate(self, namespace: str, pod: str, **annotations: str) -> None:
        self.core.play()
        self.core.registry.write(PODS, with_annotations(self.core.registry.get(PODS, namespace, pod), **annotations))

    def kill(self, namespace: str, pod: str) -> None:
        """The pod's containers die and are started again. Raises ApiError 404."""
        self.core.play()
        self.kubelet.kill(self.core.registry.get(PODS, namespace, pod))

    def compact(self) -> None:
        """Forgets all history, so that watches from older versions get 410."""
        self.core.play()
        self.core.store.compact()

    @staticmethod
    def _copy(obj: Object) -> Object:
        copied: Object = copy(obj)
        return copied
