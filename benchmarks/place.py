"""Where it is measured: a platform on the sandbox (or on the cluster of TEST_KUBECONFIG), and the bot that operates it, each a process of its own."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import yaml

from benchmarks.process import Running, call, free_port, kubectl, running
from benchmarks.slack import SECRET, Hooks, Typist, slack_client
from bot import scenario
from bot.core.clock import SystemClock
from bot.store.store import Store
from bot.store.tables import OperationRow

Json = dict[str, Any]
BEFORE = "v1.0.0"
LOOK_EVERY = 0.02


@dataclass(frozen=True)
class Platform:
    """`namespaces` are environments of the same name, each with the same services; `others` are namespaces that the bot knows nothing of."""

    namespaces: tuple[str, ...]
    services: tuple[str, ...] = ("web",)
    others: tuple[str, ...] = ()
    replicas: int = 2
    tags: tuple[str, ...] = ()
    approvals: int = 0
    deadline: int = 600
    nodes: int = 0
    real: bool = False

    def objects(self) -> list[Json]:
        return [_deployment(namespace, service, self) for namespace in (*self.namespaces, *self.others) for service in self.services]

    def config(self) -> Json:
        """Returns the aiec.yaml of this platform, without health checks: there is nothing to ask."""
        environments = {
            name: {"namespace": name, "channel": "#devops", "approvals": self.approvals, "rollout": {"deadline": "30m"}} for name in self.namespaces
        }
        return {
            "platform": "bench",
            "environments": environments,
            "services": {name: {"container": name, "image": f"ghcr.io/bench/{name}"} for name in self.services},
            "people": {"engineer": {"slack": "U0ENGINEER"}, "lead": {"slack": "U0LEAD"}},
            "permissions": [{"who": ["engineer", "lead"], "may": ["*"]}],
            "channels": {"incidents": "#devops", "alerts": "#devops", "digest": "#devops"},
        }

    def scenario(self) -> Json:
        """Returns what the sandbox plays."""
        people = [{"id": f"U0{name.upper()}", "name": name, "real_name": name} for name in ("engineer", "lead")]
        return {
            "team": {"id": "T0BENCH", "name": "Bench", "domain": "bench"},
            "app": {"user": "U0AIEC", "name": "aiec", "scopes": scenario.SCOPES, "commands": [{"command": "/aiec", "should_escape": True}]},
            "users": people,
            "channels": [{"id": "C0DEVOPS", "name": "devops", "members": ["engineer", "lead"]}],
            "images": [{"name": f"bench/{service}", "tags": [tag]} for service in self.services for tag in (BEFORE, *self.tags)],
            "kubernetes": [*(_node(number) for number in range(self.nodes)), *([] if self.real else self.objects())],
        }


@dataclass
class Place:
    """A bot that runs. `kubeconfig` is what it and kubectl use."""

    folder: Path
    url: str
    bot: Running
    kubeconfig: Path
    control: str
    client: aiohttp.ClientSession
    hooks: Hooks
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def engineer(self) -> Typist:
        return Typist(self.client, self.url, self.hooks)

    @property
    def lead(self) -> Typist:
        return self.engineer.of("U0LEAD")

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return await call(*kubectl(self.kubeconfig), *arguments, stdin=stdin)

    async def reaches(self, number: int, *states: str, patience: float = 300) -> float:
        """Returns when (`time.perf_counter()`) operation `number` was seen in one of the states."""
        store = Store(self.environ["DATABASE_URL"], SystemClock())
        try:
            async with asyncio.timeout(patience):
                while True:
                    row = await store.read(lambda tx: tx.get(OperationRow, number))
                    if row is not None and row.state in states:
                        return time.perf_counter()
                    await asyncio.sleep(LOOK_EVERY)
        finally:
            store.close()


@asynccontextmanager
async def place(platform: Platform) -> AsyncIterator[Place]:
    """Yields the place, with the platform standing and the bot ready."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aiec-bench-")))
        environ = await stack.enter_async_context(world(platform, folder))
        client, hooks = await stack.enter_async_context(slack_client())
        url = f"http://127.0.0.1:{environ['AIEC_PORT']}"
        bot = await stack.enter_async_context(running("bot", "run", ready=f"{url}/readyz", environ=environ, cwd=folder))
        yield Place(folder, url, bot, Path(environ["KUBECONFIG"]), environ["SLACK_API_URL"].replace("/slack/api/", "/_sandbox"), client, hooks, environ)


@asynccontextmanager
async def world(platform: Platform, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Runs the sandbox with the platform on it, and yields the environment with which a bot operates it."""
    port, kubeconfig = free_port(), folder / "kubeconfig"
    (folder / "scenario.json").write_text(json.dumps(platform.scenario()))
    (folder / "aiec.yaml").write_text(yaml.safe_dump(platform.config(), sort_keys=False))
    arguments = ["--port", str(port), "--scenario", str(folder / "scenario.json"), "--kubeconfig", str(kubeconfig)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running("sandbox", *arguments, ready=f"http://127.0.0.1:{port}/_sandbox/clock"))
        # Limits on posting would be measured instead of the bot.
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.post(f"http://127.0.0.1:{port}/_sandbox/slack/limits", json={"on": False})).raise_for_status()
        if platform.real:
            kubeconfig = Path(os.environ["TEST_KUBECONFIG"])
            await stack.enter_async_context(_installed(platform, kubeconfig))
        yield {
            "AIEC_CONFIG": str(folder / "aiec.yaml"),
            "DATABASE_URL": f"sqlite:///{folder / 'aiec.db'}",
            "SLACK_BOT_TOKEN": "xoxb-sandbox",
            "SLACK_SIGNING_SECRET": SECRET,
            "SLACK_API_URL": f"http://127.0.0.1:{port}/slack/api/",
            "KUBECONFIG": str(kubeconfig),
            "REGISTRY_URL": f"http://127.0.0.1:{port}",
            "AIEC_AUDIT_KEY": "a key of benchmarks",
            "AIEC_PORT": str(free_port()),
        }


@asynccontextmanager
async def _installed(platform: Platform, kubeconfig: Path) -> AsyncIterator[None]:
    """Puts the platform on a real cluster, in namespaces that are removed afterwards."""
    namespaces = [*platform.namespaces, *platform.others]
    objects = [*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces), *platform.objects()]
    try:
        await call(*kubectl(kubeconfig), "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        for name in namespaces:
            await call(*kubectl(kubeconfig), "-n", name, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=300s")
        yield
    finally:
        await call(*kubectl(kubeconfig), "delete", "namespace", *namespaces, "--ignore-not-found")  # until they are gone: the next one uses the same names


def _deployment(namespace: str, service: str, platform: Platform) -> Json:
    image = f"ghcr.io/bench/{service}:{BEFORE}"
    found = scenario.deployment(namespace, namespace, service, image, ("10m", "16Mi", platform.replicas))
    found["spec"] |= {"replicas": platform.replicas, "progressDeadlineSeconds": platform.deadline}
    if platform.nodes:  # the sandbox's scheduler looks at every pod for each pod, which takes minutes for thousands
        found["spec"]["template"]["spec"]["nodeName"] = f"big-{platform.services.index(service) % platform.nodes}"
    return found


def _node(number: int) -> Json:
    room = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"big-{number}"}, "status": {"capacity": room, "allocatable": room}}
