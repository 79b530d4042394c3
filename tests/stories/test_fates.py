"""One story, whatever becomes of the new version: the whole bot deploys it on the sandbox and, by the same code, on a real cluster."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot.adapters.kubernetes import connect
from bot.adapters.prober import open_prober
from bot.adapters.registry import open_registry
from bot.bot import Bot, Ports
from bot.core.config import Config
from bot.core.operation import Operation, Phase
from bot.core.request import Actor, Origin
from bot.core.steps import CHANGE_CAUSE, OPERATION
from bot.core.workload import container_image
from bot.store.migrate import upgrade
from bot.store.store import Store, TooSlow, make_engine
from bot.store.tables import OperationRow
from commands.registry import COMMANDS
from escalation.managers import managers
from sandbox.server import Sandbox
from sandbox.world import World
from tests.adapters.conftest import Kubernetes, kubernetes
from tests.harness import TRIES

__all__ = ["kubernetes"]

Json = dict[str, Any]
IMAGE = "registry.example/shop/web"

STORIES: dict[str, tuple[Phase, str, str]] = {
    "good": (Phase.DONE, "", ""),
    "slow": (Phase.DONE, "", ""),
    "flaky": (Phase.DONE, "", ""),
    "crash": (Phase.ROLLED_BACK, "CrashLoopBackOff", "PAYMENTS_URL"),
    "oom": (Phase.ROLLED_BACK, "OOMKilled", "64Mi"),
    "missing": (Phase.ROLLED_BACK, "ImageNotFound", "v2.0.0-missing"),
    "private": (Phase.ROLLED_BACK, "ImageUnauthorized", "credentials"),
    "unready": (Phase.ROLLED_BACK, "ProbeFailed", "503"),
    "noconfig": (Phase.ROLLED_BACK, "CreateContainerConfigError", "app-config"),
    "quota": (Phase.REFUSED, "", "Quota team"),
    "unschedulable": (Phase.REFUSED, "", "cpu"),
}
"""How each ends: the phase, the failure's code, and a word of what is said."""


class Clock:
    def __init__(self, place: Kubernetes) -> None:
        self._place = place

    def now(self) -> datetime:
        return self._place.now()


@asynccontextmanager
async def bot_on(place: Kubernetes, folder: Path, *, kubeconfig: Path | None = None, **service: Any) -> AsyncIterator[Bot]:
    """Yields a bot whose only environment is the namespace, and whose only service is `web`. Its registry has every version. With a `kubeconfig` it may there
    what that one's account may."""
    tags = [f"v2.0.0-{name}" for name in STORIES]
    async with Sandbox(World.build({"images": [{"name": "shop/web", "tags": [tag]} for tag in tags]})) as far:
        config = Config.model_validate(
            {
                "platform": "shop",
                "environments": {"test": {"namespace": place.namespace, "channel": "#ops", "approvals": 1, "rollout": {"deadline": "50s", "bake": "1s"}}},
                "services": {"web": {"container": "web", "image": IMAGE, **service}},
                "people": {"ana": {}, "rui": {}},
                "permissions": [{"who": ["ana", "rui"], "may": ["*"]}],
                "channels": {"incidents": "#ops", "alerts": "#ops", "digest": "#ops"},
            }
        )
        url = f"sqlite:///{folder / 'aiec.db'}"
        store = Store(url, Clock(place), engine=make_engine(url, durable=False))
        upgrade(store.engine)
        cluster = place.cluster if kubeconfig is None else await connect(str(kubeconfig), None, place.namespace, "test")
        async with open_registry(far.urls["registry"], None, None) as registry, open_prober() as prober:
            yield Bot(store, config, COMMANDS, Ports({"test": cluster}, registry, prober), b"key", managers=managers)
        if cluster is not place.cluster:
            await cluster.close()
        store.close()


async def asks(bot: Bot, name: str, text: str) -> None:
    """Asks, and again when the machine was too busy for a moment."""
    request = bot.door.understand(text, key=uuid.uuid4().hex, actor=Actor(name=name), origin=Origin(kind="terminal"))
    for left in reversed(range(TRIES)):
        try:
            await bot.door.submit(request)
            break
        except TooSlow:
            if not left:
                raise
    await bot.engine.settle()


async def operation(bot: Bot) -> Operation | None:
    row = await bot.store.read(lambda tx: tx.first(select(OperationRow)))
    return Operation.model_validate(row.document) if row else None


async def ends(bot: Bot, place: Kubernetes, within: float) -> Operation:
    """Lets time pass until the operation is over."""
    begun = place.now()
    while (place.now() - begun).total_seconds() < within:
        await bot.engine.settle()
        found = await operation(bot)
        if found is not None and found.phase.over:
            return found
        await place.passes(0.5)
    raise AssertionError(f"not over after {within} s: {found}")


def web(**resources: Json) -> Json:
    container = {"name": "web", "image": f"{IMAGE}:v1.0.0", "resources": {"limits": {"memory": "64Mi"}, **resources}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {CHANGE_CAUSE: "installed"}},
        "spec": {
            "replicas": 2,
            "progressDeadlineSeconds": 600,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    }


async def is_up(place: Kubernetes) -> None:
    for _ in range(100):
        found = await place.cluster.get("Deployment", "web")
        if found and found["status"].get("availableReplicas") == 2:
            return
        await place.passes(0.2)
    raise AssertionError("the first version did not come up")


async def is_counted(place: Kubernetes) -> None:
    for _ in range(100):
        quotas = await place.cluster.list("ResourceQuota")
        if quotas and quotas[0].get("status", {}).get("used", {}).get("pods") == "2":
            return
        await place.passes(0.2)
    raise AssertionError("the quota was not counted")


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
async def test_a_deploy_ends_as_it_should(name: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    phase, code, word = STORIES[name]
    await kubernetes.create(web())
    await is_up(kubernetes)
    async with bot_on(kubernetes, tmp_path) as bot:
        await asks(bot, "ana", f"deploy test v2.0.0-{name}")
        if name == "quota":  # after the plan: what is checked again before the start
            await kubernetes.create({"kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": {"pods": "2"}}})
            await is_counted(kubernetes)
        if name == "unschedulable":  # likewise: somebody asks for more than any node has
            path = "/spec/template/spec/containers/0/resources/requests"
            await kubernetes.cluster.patch("Deployment", "web", [{"op": "add", "path": path, "value": {"cpu": "100"}}])
        begun = kubernetes.now()
        await asks(bot, "rui", "approve op-1")
        found = await ends(bot, kubernetes, 60)

        said = " ".join([found.because, *([found.failure.why, found.failure.hint, found.failure.new] if found.failure else [])])
        assert (found.phase, found.failure.code if found.failure else "") == (phase, code), said
        assert word in said
        after = await kubernetes.cluster.get("Deployment", "web")
        assert after is not None
        marks = after["metadata"]["annotations"]
        if phase is Phase.DONE:
            assert (container_image(after, "web") or "").startswith(f"{IMAGE}:v2.0.0-{name}@sha256:")
            assert marks[CHANGE_CAUSE] == f"Deploy v2.0.0-{name} to test by ana (op-1)"
        else:
            assert container_image(after, "web") == f"{IMAGE}:v1.0.0"
            assert (marks[CHANGE_CAUSE], marks.get(OPERATION)) == ("installed", None)
            assert (kubernetes.now() - begun).total_seconds() < 50  # long before Kubernetes' own deadline of 600 s
        if phase in (Phase.DONE, Phase.ROLLED_BACK):
            assert after["status"]["availableReplicas"] == 2
