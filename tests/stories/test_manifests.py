"""Services that a folder of manifests changes, told on a real cluster: the sandbox has no server-side apply."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlmodel import col, select

from bot.adapters.kubernetes import connect
from bot.bot import Bot
from bot.core.errors import UsageError
from bot.core.operation import Operation, Phase
from bot.core.operation_card import diff
from bot.core.request import Actor, Origin
from bot.core.steps import CHANGE_CAUSE, OPERATION, SERVICE
from bot.store.tables import OperationRow, ReleaseRow, RequestRow
from tests.adapters.conftest import InSandbox, Kubernetes, OnCluster, real, sandboxed, with_token
from tests.stories.test_fates import IMAGE, asks, bot_on

__all__ = ["real", "sandboxed"]

Json = dict[str, Any]
GOOD, CRASHING = "v2.0.0-good", "v2.0.0-crash"
OTHER = "v2.0.0-quota"  # as good as any other, where there is no quota
SERVICE_KIND = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}


def config(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-config"}, "data": data}


def workload(name: str = "web", container: str = "web", image: str = "", **spec: Any) -> Json:
    one = {"name": container, **({"image": image} if image else {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [one]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


@dataclass
class Shop:
    """A namespace, a bot whose service `web` is changed by a folder, and that folder."""

    place: Kubernetes
    bot: Bot
    folder: Path

    def has(self, *things: Json, file: str = "all.yaml") -> None:
        """Makes the folder what these objects are, each with its number in the file's lines."""
        (self.folder / file).write_text(yaml.safe_dump_all(things, sort_keys=False))

    async def answer(self) -> Json:
        """What the latest request was answered with."""
        row = await self.bot.store.read(lambda tx: tx.first(select(RequestRow).order_by(col(RequestRow.id).desc())))
        assert row is not None
        return row.result or {}

    async def operation(self) -> Operation:
        row = await self.bot.store.read(lambda tx: tx.first(select(OperationRow).order_by(col(OperationRow.id).desc())))
        assert row is not None, await self.answer()
        return Operation.model_validate(row.document)

    async def operations(self) -> int:
        return len(await self.bot.store.read(lambda tx: tx.all(select(OperationRow))))

    async def asks(self, text: str) -> Operation:
        """Ana asks for a deploy, which then waits."""
        await asks(self.bot, "ana", text)
        return await self.operation()

    async def approved(self) -> Operation:
        """Rui agrees, and it is seen to its end."""
        await asks(self.bot, "rui", f"approve {(await self.operation()).name}")
        begun = self.place.now()
        while (self.place.now() - begun).total_seconds() < 60:
            await self.bot.engine.settle()
            if (found := await self.operation()).phase.over:
                return found
            await self.place.passes(0.3)
        raise AssertionError(f"not over: {found}")

    async def deploys(self, text: str) -> Operation:
        await self.asks(text)
        return await self.approved()

    async def refused(self, text: str) -> list[str]:
        """Ana asks, and is told what blocks; nothing is planned."""
        before = await self.operations()
        await asks(self.bot, "ana", text)
        assert await self.operations() == before
        return [check["text"] for check in (await self.answer())["checks"] if check["verdict"] == "blocked"]

    async def checks(self, check: str) -> list[str]:
        return [found["text"] for found in (await self.answer())["checks"] if found["check"] == check]

    async def get(self, kind: str, name: str = "web") -> Json | None:
        return await self.place.cluster.get(kind, name)


@pytest.fixture
async def shop(real: OnCluster, tmp_path: Path) -> AsyncIterator[Shop]:
    folder = tmp_path / "web"
    folder.mkdir()
    async with bot_on(real, tmp_path, strategy="manifests", manifests=str(folder)) as bot:
        yield Shop(real, bot, folder)


def image_of(found: Json | None) -> str:
    assert found is not None
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"]).partition("@")[0].rpartition(":")[2]


async def test_a_service_comes_to_be_from_its_folder(shop: Shop) -> None:
    shop.has(workload(), SERVICE_KIND, config(level="info"))
    operation = await shop.deploys(f"deploy test {GOOD}")
    assert (operation.phase, operation.failure) == (Phase.DONE, None)
    found = await shop.get("Deployment")
    assert found is not None
    assert image_of(found) == GOOD
    cause = f"Deploy {GOOD} to test by ana ({operation.name})"
    marks = found["metadata"]["annotations"]
    assert (marks[OPERATION], marks[SERVICE], marks[CHANGE_CAUSE]) == (operation.name, "web", cause)
    configured = await shop.get("ConfigMap", "web-config")
    assert configured is not None
    assert configured["metadata"]["annotations"] == {OPERATION: operation.name, SERVICE: "web"}
    (release,) = await shop.bot.store.read(lambda tx: tx.all(select(ReleaseRow)))
    assert (release.service, release.version) == ("web", GOOD)
    assert await shop.refused(f"deploy test {GOOD}") == [f"web runs {GOOD} in test already."]


async def test_a_version_that_crashes_is_put_back_with_everything_beside_it(shop: Shop) -> None:
    shop.has(workload(), config(level="info"))
    first = await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload(), SERVICE_KIND, config(level="debug"))
    operation = await shop.deploys(f"deploy test {CRASHING}")
    assert operation.phase is Phase.ROLLED_BACK
    assert operation.failure is not None
    assert (operation.failure.code, "PAYMENTS_URL" in operation.failure.why) == ("CrashLoopBackOff", True)
    found, configured = await shop.get("Deployment"), await shop.get("ConfigMap", "web-config")
    assert found is not None
    assert configured is not None
    assert (image_of(found), found["metadata"]["annotations"][OPERATION]) == (GOOD, first.name)
    assert configured["data"] == {"level": "info"}
    assert await shop.get("Service") is None, "what it created is gone again"


async def test_every_workload_of_the_folder_is_watched(shop: Shop) -> None:
    shop.has(workload(), workload("worker", "worker", "shop/worker:v1"))
    await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload(), workload("worker", "worker", "shop/worker:v2-crash"))
    operation = await shop.deploys(f"deploy test {OTHER}")
    assert operation.phase is Phase.ROLLED_BACK
    assert operation.failure is not None
    assert operation.failure.code == "CrashLoopBackOff"
    assert [image_of(await shop.get("Deployment", name)) for name in ("web", "worker")] == [GOOD, "v1"]


async def test_the_difference_is_what_the_dry_run_says(shop: Shop) -> None:
    shop.has(workload(), config(level="info"))
    await shop.deploys(f"deploy test {GOOD}")
    secret = workload()
    secret["spec"]["template"]["spec"]["containers"][0] |= {"env": [{"name": "TOKEN", "value": "hidden"}], "resources": {"limits": {"memory": "65536Ki"}}}
    shop.has(secret, config(level="debug"))
    operation = await shop.asks(f"deploy test {GOOD}")
    container = "spec.template.spec.containers[web]"
    assert diff(operation.plan).text.splitlines() == [
        "configmap/web-config",
        "- data.level: info",
        "+ data.level: debug",
        "deployment/web",
        f"+ {container}.resources.limits.memory: 64Mi",
        f"+ {container}.env[TOKEN].name: TOKEN",
        f"+ {container}.env[TOKEN].value: •••",
    ]
    await asks(shop.bot, "ana", f"show {operation.name}")
    assert "hidden" not in str(await shop.answer())


async def test_fields_of_others_are_named_with_their_owners_and_taken_only_when_asked(shop: Shop) -> None:
    await shop.place.create(workload(image=f"{IMAGE}:v1.0.0", replicas=2))
    found = await shop.get("Deployment")
    assert found is not None
    owner = found["metadata"]["managedFields"][0]["manager"]
    shop.has(workload())
    blocked = await shop.refused(f"deploy test {GOOD}")
    assert blocked == [f'deployment/web: spec.replicas and spec.template.spec.containers[name="web"].image belong to {owner}.']
    operation = await shop.deploys(f"deploy test {GOOD} --take-ownership")
    assert operation.phase is Phase.DONE
    assert [check.text.partition(":")[0] for check in operation.plan.checks if check.check == "ownership"] == ["takes over"]
    assert image_of(await shop.get("Deployment")) == GOOD


async def test_a_change_between_approval_and_start_is_named_and_nothing_done(shop: Shop) -> None:
    shop.has(workload(), config(level="info"))
    await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload(), config(level="debug"))
    await shop.asks(f"deploy test {GOOD}")
    await shop.place.cluster.patch("ConfigMap", "web-config", [{"op": "replace", "path": "/data/level", "value": "trace"}])
    operation = await shop.approved()
    assert operation.phase is Phase.REFUSED
    assert operation.because == "configmap/web-config was changed meanwhile: its data.level is trace now, not info"


async def test_a_folder_that_changes_between_approval_and_start_is_a_difference(shop: Shop) -> None:
    shop.has(workload(), config(level="info"))
    await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload(), config(level="debug"))
    await shop.asks(f"deploy test {GOOD}")
    shop.has(workload(), config(level="trace"), SERVICE_KIND)
    operation = await shop.approved()
    assert operation.phase is Phase.REFUSED
    assert operation.because == "configmap/web-config stands otherwise in the folder now; service/web would be changed as well"
    await shop.asks(f"deploy test {GOOD}")
    assert (await shop.approved()).phase is Phase.DONE


async def test_what_the_folder_has_no_more_stays_until_it_is_asked_to_go(shop: Shop) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    shop.has(workload(), config(level="info"), SERVICE_KIND, claim)
    await shop.deploys(f"deploy test {GOOD}")
    await shop.place.create({**config(), "metadata": {"name": "of-somebody-else"}})
    shop.has(workload(), SERVICE_KIND)
    await shop.deploys(f"deploy test {OTHER}")
    stays = ["the folder has no more, and it stays: configmap/web-config (`--prune` removes it)"]
    holds = ["the folder has no more, and it stays because it holds data: persistentvolumeclaim/data"]
    assert [check.text for check in (await shop.operation()).plan.checks if check.check == "prune"] == [*stays, *holds]
    assert await shop.get("ConfigMap", "web-config") is not None
    operation = await shop.deploys(f"deploy test {GOOD} --prune")
    assert operation.phase is Phase.DONE
    assert [check.text for check in operation.plan.checks if check.check == "prune"] == [
        "removes at last what the folder has no more: configmap/web-config",
        *holds,
    ]
    assert await shop.get("ConfigMap", "web-config") is None
    assert await shop.get("ConfigMap", "of-somebody-else") is not None
    assert await shop.get("v1/PersistentVolumeClaim", "data") is not None


async def test_leftovers_go_alone_when_nothing_else_is_to_do(shop: Shop) -> None:
    shop.has(workload(), config(level="info"))
    await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload())
    assert await shop.refused(f"deploy test {GOOD}") == [f"web runs {GOOD} in test already."]
    assert (await shop.deploys(f"deploy test {GOOD} --prune")).phase is Phase.DONE
    assert await shop.get("ConfigMap", "web-config") is None
    assert await shop.refused(f"deploy test {GOOD} --prune") == [f"web runs {GOOD} in test already."]


async def test_what_was_there_already_becomes_ours_with_the_next_change(shop: Shop) -> None:
    await shop.place.create(config(level="info"))
    shop.has(workload(), config(level="info"))
    operation = await shop.asks(f"deploy test {GOOD}")
    assert "configmap/web-config (only its ownership)" in diff(operation.plan).text
    assert (await shop.approved()).phase is Phase.DONE
    configured = await shop.get("ConfigMap", "web-config")
    assert configured is not None
    assert configured["metadata"]["annotations"][OPERATION] == operation.name


async def test_a_statefulset_that_never_got_ready_is_put_back(real: OnCluster, tmp_path: Path) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    async with bot_on(real, tmp_path, strategy="manifests", manifests=str(folder), kind="StatefulSet") as bot:
        shop = Shop(real, bot, folder)
        shop.has(workload(replicas=2, serviceName="web") | {"kind": "StatefulSet"})
        assert (await shop.deploys(f"deploy test {GOOD}")).phase is Phase.DONE
        operation = await shop.deploys(f"deploy test {CRASHING}")
        assert operation.phase is Phase.ROLLED_BACK
        assert image_of(await shop.get("StatefulSet")) == GOOD
        pods = await real.cluster.list("Pod")
        assert {pod["spec"]["containers"][0]["image"].partition("@")[0].rpartition(":")[2] for pod in pods} == {GOOD}


async def test_nothing_is_removed_when_the_new_version_fails(shop: Shop) -> None:
    shop.has(workload(), config(level="info"))
    await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload())
    assert (await shop.deploys(f"deploy test {CRASHING} --prune")).phase is Phase.ROLLED_BACK
    assert await shop.get("ConfigMap", "web-config") is not None
    await asks(shop.bot, "ana", f"deploy test {OTHER} --dry-run")
    assert await shop.checks("prune") == ["the folder has no more, and it stays: configmap/web-config (`--prune` removes it)"]


async def test_an_autoscaler_keeps_its_replicas(shop: Shop) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 4},
    }
    shop.has(workload(replicas=2))
    await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload(replicas=1), scaler)
    assert (await shop.deploys(f"deploy test {OTHER}")).phase is Phase.DONE
    found = await shop.get("Deployment")
    assert found is not None
    assert found["spec"]["replicas"] == 2


NO_CONTAINER = "all.yaml:15: Deployment web has no container web; it has other."


@pytest.mark.parametrize(
    ("things", "said"),
    [
        ([workload(container="other")], NO_CONTAINER),
        ([config()], "The folder has no Deployment web, which the service is."),
        ([workload("webb")], "The folder has no Deployment web, which the service is; did you mean `webb`?"),
        (
            [workload(), {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"}}],
            "all.yaml:19: ClusterRole all belongs to the whole cluster, and aiec changes one namespace only.",
        ),
        (
            [workload(), {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}],
            "all.yaml:19: the cluster knows no Widget of example.com/v1; correct it, or install what brings that kind.",
        ),
        ([workload(), config(), config()], "all.yaml:27: ConfigMap web-config stands here again; it is in all.yaml:21 already."),
    ],
)
async def test_a_mistake_in_the_folder_is_one_sentence(shop: Shop, things: list[Json], said: str) -> None:
    shop.has(*things)
    assert await shop.refused(f"deploy test {GOOD}") == [said]


async def test_what_the_api_server_does_not_accept_is_said_in_its_words(shop: Shop) -> None:
    shop.has(workload(paused="perhaps"), {**config(), "data": {"a": 7}})
    blocked = await shop.refused(f"deploy test {GOOD}")
    assert [text.partition(": ")[0] for text in blocked] == ["all.yaml:20", "all.yaml:2"]
    assert ".data.a: expected string" in blocked[0]
    assert ".spec.paused: expected boolean" in blocked[1]


async def test_a_folder_that_is_not_there(shop: Shop) -> None:
    shop.folder.rename(shop.folder.with_name("elsewhere"))
    assert await shop.refused(f"deploy test {GOOD}") == [f"The folder {shop.folder} does not exist."]


async def test_a_right_that_is_missing_is_named_with_its_rule(shop: Shop) -> None:
    lists = ("pods", "events", "resourcequotas"), ("poddisruptionbudgets",), ("horizontalpodautoscalers",)
    rules = [(group, one, ["list"]) for group, names in zip(("", "policy", "autoscaling"), lists, strict=True) for one in names]
    token = await shop.place.token(*rules, ("apps", "deployments", ["get", "patch"]), ("", "configmaps", ["get"]))
    account = await connect(str(with_token(shop.place.kubeconfig, token)), None, shop.place.namespace, "test")
    shop.bot.ports.clusters["test"] = account  # type: ignore[index]
    shop.has(workload(), config())
    try:
        assert await shop.refused(f"deploy test {GOOD}") == [f"We may not patch configmaps in namespace {shop.place.namespace} (all.yaml:19)."]
        shop.has(workload())
        assert await shop.refused(f"deploy test {GOOD}") == [f"We may not create, delete deployments.apps in namespace {shop.place.namespace} (all.yaml:2)."]
        (hint,) = {check["hint"] for check in (await shop.answer())["checks"] if check["verdict"] == "blocked"}
        assert hint == 'Add this rule to aiec\'s role: {apiGroups: ["apps"], resources: ["deployments"], verbs: ["create", "delete"]}'
    finally:
        await account.close()


async def test_the_flags_of_folders_are_no_flags_of_images(sandboxed: InSandbox, tmp_path: Path) -> None:
    async with bot_on(sandboxed, tmp_path) as bot:
        origin = Origin(kind="terminal")
        for flag in ("--prune", "--take-ownership"):
            request = bot.door.understand(f"deploy test {GOOD} {flag}", key=uuid.uuid4().hex, actor=Actor(name="ana"), origin=origin)
            number = await bot.door.submit(request)
            await bot.engine.settle()
            row = await bot.store.read(lambda tx, number=number: tx.get(RequestRow, number))
            assert row is not None
            assert (row.state, (row.result or {})["error"]["code"]) == ("usage", UsageError.code)
            assert row.result["error"]["text"] == f"`{flag}` is for services that are deployed from manifests, and web is not."


async def test_a_cluster_without_server_side_apply_says_so(sandboxed: InSandbox, tmp_path: Path) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    async with bot_on(sandboxed, tmp_path, strategy="manifests", manifests=str(folder)) as bot:
        shop = Shop(sandboxed, bot, folder)
        shop.has(workload())
        (said,) = await shop.refused(f"deploy test {GOOD}")
        assert said.startswith("all.yaml:2: The cluster of test")
        assert "415" in said


async def test_an_operation_is_undone_with_everything_that_it_applied(shop: Shop) -> None:
    shop.has(workload(), config(level="info"))
    first = await shop.deploys(f"deploy test {GOOD}")
    shop.has(workload(), config(level="debug"))
    await shop.deploys(f"deploy test {OTHER}")
    undone = await shop.deploys("rollback test --operation op-2")
    assert (undone.phase, undone.failure) == (Phase.DONE, None)
    found, configured = await shop.get("Deployment"), await shop.get("ConfigMap", "web-config")
    assert found is not None
    assert configured is not None
    assert (image_of(found), configured["data"]) == (GOOD, {"level": "info"})
    assert (found["metadata"]["annotations"][OPERATION], configured["metadata"]["annotations"][OPERATION]) == (first.name, first.name)
    release = (await shop.bot.store.read(lambda tx: tx.all(select(ReleaseRow).order_by(col(ReleaseRow.id)))))[-1]
    assert (release.version, release.operation) == (GOOD, undone.number)

    gone = await shop.deploys("rollback test --operation op-1")
    assert (gone.phase, gone.failure) == (Phase.DONE, None)
    assert (await shop.get("Deployment"), await shop.get("ConfigMap", "web-config")) == (None, None)
