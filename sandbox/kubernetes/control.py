"""The control API of the sandbox's Kubernetes: arranging what happens in the cluster, and looking at it. Each route's docstring documents it."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.kubernetes.access import Rule, User
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.execs import Answer
from sandbox.kubernetes.fates import FATES
from sandbox.kubernetes.resources import PODS
from sandbox.kubernetes.summary import summary

Endpoint = Callable[[Request], Awaitable[JSONResponse]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Pod(_Body):
    namespace: str
    pod: str


class _Named(_Body):
    kind: str
    namespace: str = ""
    name: str


class _Fate(_Pod):
    fate: str


class _Logs(_Pod):
    text: str
    container: str = ""
    previous: bool = False
    append: bool = False


class _Usage(_Pod):
    cpu: str
    memory: str


class _Ready(_Body):
    seconds: float


class _Exec(_Body):
    command: str
    pod: str = ""
    namespace: str = ""
    stdout: str = ""
    stdout_base64: str = ""
    stderr: str = ""
    exit_code: int = 0
    times: int = 1
    reads_stdin: bool = False
    cut_after: int | None = None
    seconds: float = 0.0
    missing: bool = False


class _Rule(_Body):
    verbs: list[str]
    resources: list[str]
    namespace: str = ""


class _Token(_Body):
    token: str
    user: str = "system:serviceaccount:default:default"
    rules: list[_Rule] | None = None


class _Expiry(_Body):
    token: str
    after: float = 0.0


def control(cluster: Cluster) -> list[Route]:
    """The routes that look at and change `cluster`."""
    routes = [*_objects(cluster), *_pods(cluster), *_execs(cluster), *_tokens(cluster), *_settings(cluster)]
    return [Route(path, _refusals(endpoint), methods=[method]) for method, path, endpoint in routes]


Entry = tuple[str, str, Endpoint]


def _refusals(endpoint: Endpoint) -> Endpoint:
    """What the API refuses is answered with its Status."""

    async def wrapped(request: Request) -> JSONResponse:
        try:
            return await endpoint(request)
        except ApiError as error:
            return JSONResponse(error.body(), error.code)

    wrapped.__doc__ = endpoint.__doc__
    return wrapped


def _objects(cluster: Cluster) -> list[Entry]:
    async def apply(request: Request) -> JSONResponse:
        """Create or replace objects: the body is JSON or YAML, one object or several (YAML documents, a list, a List)."""
        written = [cluster.apply(obj) for obj in _documents(await request.body())]
        return JSONResponse([{"kind": obj["kind"], "namespace": obj["metadata"].get("namespace", ""), "name": obj["metadata"]["name"]} for obj in written])

    async def delete(request: Request) -> JSONResponse:
        """Delete an object, as kubectl does: {kind, namespace?, name}. What it owns goes with it."""
        body = _Named.model_validate_json(await request.body())
        cluster.delete(body.kind, body.namespace, body.name)
        return JSONResponse({})

    async def state(request: Request) -> JSONResponse:
        """What runs, by namespace: workloads with their versions, replicas and pods (phase, state, image, restarts), and the nodes."""
        cluster.play()
        return JSONResponse(summary(cluster.core.store))

    return [("GET", "/state", state), ("POST", "/apply", apply), ("POST", "/delete", delete)]


def _documents(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for document in yaml.safe_load_all(body):
        if isinstance(document, list):
            found += document
        elif isinstance(document, dict) and document.get("kind") == "List":
            found += document["items"]
        elif isinstance(document, dict):
            found.append(document)
        elif document is not None:
            raise ValueError("an object is needed, with apiVersion, kind and metadata")
    return found


def _pods(cluster: Cluster) -> list[Entry]:
    async def fate(request: Request) -> JSONResponse:
        body = _Fate.model_validate_json(await request.body())
        if body.fate not in FATES:
            raise ValueError(f"no fate {body.fate!r}; there are {', '.join(FATES)}")
        cluster.set_fate(body.namespace, body.pod, body.fate)
        return JSONResponse({})

    fate.__doc__ = f"Change what becomes of one pod: {{namespace, pod, fate}}. Fates: {', '.join(FATES)}."

    async def kill(request: Request) -> JSONResponse:
        """Kill the containers of a pod as SIGKILL does; they are started again: {namespace, pod}."""
        body = _Pod.model_validate_json(await request.body())
        cluster.kill(body.namespace, body.pod)
        return JSONResponse({})

    async def logs(request: Request) -> JSONResponse:
        """Set a container's log, or add to it: {namespace, pod, text, container?, previous?, append?}. Lines are stamped with the present time."""
        body = _Logs.model_validate_json(await request.body())
        pod = cluster.core.registry.get(PODS, body.namespace, body.pod)
        lines = [(cluster.core.clock.now() + timedelta(microseconds=number), text) for number, text in enumerate(body.text.splitlines())]
        if body.append:
            for line in lines:
                cluster.logs.append(pod, line, container=body.container)
        else:
            cluster.logs.set(pod, lines, container=body.container, previous=body.previous)
        return JSONResponse({})

    async def usage(request: Request) -> JSONResponse:
        """Set what each container of a pod uses: {namespace, pod, cpu: "250m", memory: "128Mi"}. Metrics and autoscalers see it."""
        body = _Usage.model_validate_json(await request.body())
        cluster.set_usage(body.namespace, body.pod, body.cpu, body.memory)
        return JSONResponse({})

    return [("POST", "/fate", fate), ("POST", "/kill", kill), ("POST", "/logs", logs), ("POST", "/usage", usage)]


def _execs(cluster: Cluster) -> list[Entry]:
    async def arrange(request: Request) -> JSONResponse:
        """Arrange what a command answers: {command, pod?, namespace?, stdout? | stdout_base64?, stderr?, exit_code?, …}.

        command and pod are regular expressions. Also: times (stdout is written so often), reads_stdin (to its end, before answering),
        seconds (to wait before the first byte), cut_after (breaks the connection after so many bytes, without a status), missing (there is no such program).
        """
        body = _Exec.model_validate_json(await request.body())
        stdout = base64.b64decode(body.stdout_base64) if body.stdout_base64 else body.stdout.encode()
        rest = body.model_dump(exclude={"stdout", "stdout_base64", "stderr"})
        cluster.execs.arrange(Answer(stdout=stdout, stderr=body.stderr.encode(), **rest))
        return JSONResponse({})

    async def calls(request: Request) -> JSONResponse:
        """The commands that were run, and how many bytes each was given to read."""
        made = cluster.execs.calls
        return JSONResponse([{"namespace": call.namespace, "pod": call.pod, "command": call.command, "stdin": len(call.stdin)} for call in made])

    async def forget(request: Request) -> JSONResponse:
        """Forget all arranged answers."""
        cluster.execs.forget()
        return JSONResponse({})

    return [("GET", "/exec", calls), ("POST", "/exec", arrange), ("DELETE", "/exec", forget)]


def _tokens(cluster: Cluster) -> list[Entry]:
    async def declare(request: Request) -> JSONResponse:
        """Declare a bearer token: {token, user?, rules?: [{verbs, resources, namespace?}]}. Without rules, all is allowed.

        From the first declaration on, only declared tokens are good.
        """
        body = _Token.model_validate_json(await request.body())
        rules = None if body.rules is None else tuple(Rule(tuple(rule.verbs), tuple(rule.resources), rule.namespace) for rule in body.rules)
        cluster.access.declare(body.token, User(body.user, rules))
        return JSONResponse({})

    async def expire(request: Request) -> JSONResponse:
        """Let a token expire, now or `after` seconds: {token, after?}. It is answered with 401 from then on."""
        body = _Expiry.model_validate_json(await request.body())
        cluster.access.expire(body.token, cluster.core.clock.now() + timedelta(seconds=body.after))
        return JSONResponse({})

    return [("POST", "/token", declare), ("POST", "/token/expire", expire)]


def _settings(cluster: Cluster) -> list[Entry]:
    async def ready_after(request: Request) -> JSONResponse:
        """Set how long an ordinary pod takes to become ready: {seconds}."""
        cluster.ready_after = _Ready.model_validate_json(await request.body()).seconds
        return JSONResponse({})

    async def compact(request: Request) -> JSONResponse:
        """Forget the history of changes: watches from older versions get 410."""
        cluster.compact()
        return JSONResponse({})

    return [("POST", "/ready_after", ready_after), ("POST", "/compact", compact)]
