"""A Kubernetes namespace of its own for every test: in the sandbox, and on the cluster that TEST_KUBECONFIG names."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from bot.adapters.kubernetes import KubernetesCluster, connect
from bot.adapters.kubernetes.kinds import KINDS, Resource
from bot.core.errors import Unauthenticated
from sandbox.kubernetes import access
from sandbox.server import Sandbox
from sandbox.world import World

Json = dict[str, Any]
Rule = tuple[str, str, list[str]]
"""API group, resource (`pods/log`), verbs."""

START = datetime(2026, 11, 1, 3, 12, tzinfo=UTC)

_RBAC = "rbac.authorization.k8s.io"
_RESOURCES = KINDS | {
    "Namespace": Resource("", "v1", "namespaces", namespaced=False),
    "ClusterRole": Resource(_RBAC, "v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Resource(_RBAC, "v1", "clusterrolebindings", namespaced=False),
    "Role": Resource(_RBAC, "v1", "roles"),
    "RoleBinding": Resource(_RBAC, "v1", "rolebindings"),
    "ServiceAccount": Resource("", "v1", "serviceaccounts"),
}


class Kubernetes(Protocol):
    """A namespace, as its administrator sees it."""

    namespace: str
    cluster: KubernetesCluster
    kubeconfig: Path

    def now(self) -> datetime: ...

    async def passes(self, seconds: float) -> None:
        """Lets that time go by: really, or by the sandbox's clock."""

    async def create(self, obj: Json) -> None: ...

    async def token(self, *rules: Rule, clusterwide: Sequence[Rule] = ()) -> str:
        """Returns a token of somebody who may do that in the namespace, this on the whole cluster, and nothing else."""

    async def expire(self, token: str) -> None:
        """Makes that token no good any more."""


def with_token(kubeconfig: Path, token: str) -> Path:
    """Returns another kubeconfig, for the same server and somebody else."""
    return with_user(kubeconfig, {"token": token})


def with_user(kubeconfig: Path, user: Json) -> Path:
    written = yaml.safe_load(kubeconfig.read_text())
    written["users"][0]["user"] = user
    path = kubeconfig.with_name(f"kubeconfig-{uuid.uuid4().hex[:8]}")
    path.write_text(yaml.safe_dump(written))
    return path


class InSandbox:
    """The sandbox's own idea of tokens stands for RBAC: what is declared is allowed."""

    def __init__(self, sandbox: Sandbox, cluster: KubernetesCluster, kubeconfig: Path) -> None:
        self.namespace = cluster.namespace
        self.cluster = cluster
        self.kubeconfig = kubeconfig
        self.sandbox = sandbox
        self.world = sandbox.world

    def now(self) -> datetime:
        return self.world.clock.now()

    async def passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    async def create(self, obj: Json) -> None:
        api_version = _RESOURCES[obj["kind"]].api_version
        self.world.kubernetes.apply({"apiVersion": api_version, **obj, "metadata": {**obj["metadata"], "namespace": self.namespace}})

    async def token(self, *rules: Rule, clusterwide: Sequence[Rule] = ()) -> str:
        token = uuid.uuid4().hex
        here = [access.Rule(tuple(verbs), (resource,), self.namespace) for _, resource, verbs in rules]
        everywhere = [access.Rule(tuple(verbs), (resource,)) for _, resource, verbs in clusterwide]
        self.world.kubernetes.access.declare(token, access.User(f"system:serviceaccount:{self.namespace}:tester", (*here, *everywhere)))
        return token

    async def expire(self, token: str) -> None:
        self.world.kubernetes.access.expire(token, self.now())


@asynccontextmanager
async def in_sandbox(folder: Path) -> AsyncIterator[InSandbox]:
    async with Sandbox(World.build({}, start=START)) as sandbox:
        namespace = f"test-{uuid.uuid4().hex[:8]}"
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "sandbox",
                    "clusters": [{"name": "sandbox", "cluster": {"server": sandbox.urls["kubernetes"]}}],
                    "users": [{"name": "admin", "user": {"token": "admin"}}],
                    "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "admin"}}],
                }
            )
        )
        sandbox.world.kubernetes.access.declare("admin", access.ADMINISTRATOR)
        cluster = await connect(str(kubeconfig), None, namespace, "test")
        try:
            yield InSandbox(sandbox, cluster, kubeconfig)
        finally:
            await cluster.close()


class OnCluster:
    """Service accounts, roles and their tokens are real; a token ends with its account."""

    def __init__(self, configuration: Configuration, cluster: KubernetesCluster, kubeconfig: Path) -> None:
        self.namespace = cluster.namespace
        self.cluster = cluster
        self.kubeconfig = kubeconfig
        self.configuration = configuration
        self._host = configuration.host
        self._rest = RESTClientObject(configuration)
        self._accounts: dict[str, str] = {}
        self._clusterwide: list[str] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def passes(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def create(self, obj: Json) -> None:
        resource = _RESOURCES[obj["kind"]]
        await self._send("POST", resource.path(self.namespace), {"apiVersion": resource.api_version, **obj})

    async def token(self, *rules: Rule, clusterwide: Sequence[Rule] = ()) -> str:
        name = f"tester-{uuid.uuid4().hex[:8]}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        await self.create({"kind": "ServiceAccount", "metadata": {"name": name}})
        for kind, given in (("Role", rules), ("ClusterRole", clusterwide)):
            allowed = [{"apiGroups": [group], "resources": [resource], "verbs": verbs} for group, resource, verbs in given]
            await self.create({"kind": kind, "metadata": {"name": name}, "rules": allowed})
            binding = {"roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name}, "subjects": [subject]}
            await self.create({"kind": f"{kind}Binding", "metadata": {"name": name}, **binding})
        self._clusterwide.append(name)
        path = _RESOURCES["ServiceAccount"].path(self.namespace, name, "token")
        answer = await self._send("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        token: str = answer["status"]["token"]
        self._accounts[token] = name
        return token

    async def expire(self, token: str) -> None:
        """The API server learns from its own watch, a little later, that the account is gone; it remembers a token that was good for 10 s."""
        await self._send("DELETE", _RESOURCES["ServiceAccount"].path(self.namespace, self._accounts[token]))
        stranger = await connect(str(with_token(self.kubeconfig, token)), None, self.namespace, "test")
        try:
            for _ in range(100):
                await stranger.version()
                await asyncio.sleep(0.3)
            raise AssertionError("a deleted account's token was good for 30 s")
        except Unauthenticated:
            return
        finally:
            await stranger.close()

    async def open(self) -> None:
        """Makes the namespace, and waits until pods can be made in it."""
        await self.create({"kind": "Namespace", "metadata": {"name": self.namespace}})
        account = _RESOURCES["ServiceAccount"].path(self.namespace, "default")
        for _ in range(200):
            if (await self._rest.request("GET", self._host + account)).status == 200:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"namespace {self.namespace} got no service account within 20 s")

    async def close(self) -> None:
        for kind, name in itertools.product(("ClusterRoleBinding", "ClusterRole"), self._clusterwide):
            await self._send("DELETE", _RESOURCES[kind].path("", name))
        await self._send("DELETE", _RESOURCES["Namespace"].path(self.namespace, self.namespace))
        await self._rest.close()

    async def _send(self, method: str, path: str, body: Json | None = None) -> Json:
        response = await self._rest.request(method, self._host + path, body=body)
        answer: Json = json.loads(await response.read())
        assert response.status < 300, answer
        return answer


@asynccontextmanager
async def on_cluster(kubeconfig: Path, folder: Path) -> AsyncIterator[OnCluster]:
    copied = Path(shutil.copy(kubeconfig, folder / "kubeconfig"))
    configuration = Configuration()
    await config.load_kube_config(str(copied), client_configuration=configuration)
    cluster = await connect(str(copied), None, f"test-{uuid.uuid4().hex[:8]}", "test")
    place = OnCluster(configuration, cluster, copied)
    await place.open()
    try:
        yield place
    finally:
        await place.close()
        await cluster.close()


@pytest.fixture
async def sandboxed(tmp_path: Path) -> AsyncIterator[InSandbox]:
    """The sandbox alone, for what a real cluster cannot be made to do."""
    async with in_sandbox(tmp_path) as place:
        yield place


@pytest.fixture(params=["sandbox", "real"])
async def kubernetes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kubernetes]:
    if request.param == "sandbox":
        async with in_sandbox(tmp_path) as sandboxed:
            yield sandboxed
    elif path := os.environ.get("TEST_KUBECONFIG"):
        async with on_cluster(Path(path), tmp_path) as real:
            yield real
    else:
        pytest.skip("TEST_KUBECONFIG names no cluster")


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[OnCluster]:
    """A real cluster alone, for what the sandbox does not have: server-side apply."""
    path = os.environ.get("TEST_KUBECONFIG")
    if path is None:
        pytest.skip("TEST_KUBECONFIG names no cluster")
    async with on_cluster(Path(path), tmp_path) as place:
        yield place
