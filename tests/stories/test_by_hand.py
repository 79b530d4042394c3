"""Rollback, restart and scale on the sandbox and, by the same code, on a real cluster: each kind of workload, and rights that are missing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlmodel import col, select

from bot.bot import Bot
from bot.core.operation import Operation, Phase
from bot.core.steps import CHANGE_CAUSE, OPERATION, SCALED
from bot.core.workload import container_image, wanted
from bot.store.tables import OperationRow, RequestRow
from tests.adapters.conftest import Kubernetes, kubernetes, with_token
from tests.stories.test_fates import IMAGE, asks, bot_on
from tests.stories.test_other_kinds import is_up, tags, workload

__all__ = ["kubernetes"]

Json = dict[str, Any]
ROLE = Path(__file__).parents[2] / "deploy" / "managed-namespace" / "role.yaml"
RAILS = {"replicas": {"min": 1, "max": 4}}


async def as_shipped(place: Kubernetes, *, without: tuple[str, str] = ("", "")) -> Path:
    """A kubeconfig of an account that has the Role of deploy/ and nothing else; `without` that verb on that resource."""
    given = yaml.safe_load(ROLE.read_text())["rules"]
    resource, verb = without
    rules = [
        (group, one_of, [one for one in rule["verbs"] if (one_of, one) != (resource, verb)])
        for rule in given
        for group in rule["apiGroups"]
        for one_of in rule["resources"]
    ]
    return with_token(place.kubeconfig, await place.token(*(rule for rule in rules if rule[2])))


async def over(bot: Bot, place: Kubernetes, number: int, within: float = 90) -> Operation:
    """Lets time pass until that operation is over."""
    begun = place.now()
    found: Operation | None = None
    while (place.now() - begun).total_seconds() < within:
        await bot.engine.settle()
        row = await bot.store.read(lambda tx: tx.get(OperationRow, number))
        found = Operation.model_validate(row.document) if row else None
        if found is not None and found.phase.over:
            return found
        await place.passes(0.5)
    raise AssertionError(f"not over after {within} s: {found}, {await refusal(bot)}")


async def refusal(bot: Bot) -> str:
    """What the latest request was refused with."""
    query = select(RequestRow).order_by(col(RequestRow.id).desc())
    row = await bot.store.read(lambda tx: tx.first(query))
    error = (row.result or {}).get("error") if row else None
    return f"{error['text']} {error['try']}" if error else ""


async def does(bot: Bot, place: Kubernetes, text: str, number: int) -> Operation:
    """Asks for something, has it approved, and waits for its end."""
    await asks(bot, "ana", text)
    await asks(bot, "rui", f"approve op-{number}")
    found = await over(bot, place, number)
    assert found.phase is Phase.DONE, (found.failure, found.because)
    return found


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_a_workload_goes_back_forth_and_is_restarted(kind: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload(kind))
    await is_up(kubernetes, kind)
    async with bot_on(kubernetes, tmp_path, kind=kind, kubeconfig=await as_shipped(kubernetes)) as bot:
        await asks(bot, "ana", "rollback test web")
        assert f"{kind} web has no earlier revision to return to" in await refusal(bot)
        await does(bot, kubernetes, "deploy test v2.0.0-good", 1)
        back = await does(bot, kubernetes, "rollback test web", 2)
        assert back.plan.title == "Roll back web v2.0.0-good → v1.0.0 in test"
        after = await is_up(kubernetes, kind)
        assert (container_image(after, "web"), await tags(kubernetes)) == (f"{IMAGE}:v1.0.0", {"v1.0.0"})
        assert after["metadata"]["annotations"][CHANGE_CAUSE] == "Roll back web v2.0.0-good → v1.0.0 in test by ana (op-2)"
        assert after["metadata"]["annotations"][OPERATION] == "op-2"
        await does(bot, kubernetes, "rollback test --operation op-2", 3)
        assert await tags(kubernetes) == {"v2.0.0-good"}
        before = {one["metadata"]["uid"] for one in await kubernetes.cluster.list("Pod", labels="app=web")}
        await does(bot, kubernetes, "restart test web", 4)
        assert not before & {one["metadata"]["uid"] for one in await kubernetes.cluster.list("Pod", labels="app=web")}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_a_workload_is_scaled_up_to_none_and_back(kind: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload(kind))
    await is_up(kubernetes, kind)
    async with bot_on(kubernetes, tmp_path, kind=kind, kubeconfig=await as_shipped(kubernetes), **RAILS) as bot:
        for number, (text, pods) in enumerate([("3", 3), ("0 --contain", 0), ("2", 2)], 1):
            await does(bot, kubernetes, f"scale test web {text}", number)
            found = await kubernetes.cluster.get(kind, "web")
            assert found is not None
            assert (wanted(found), found["status"].get("replicas", 0), found["metadata"]["annotations"][SCALED]) == (pods, pods, f"op-{number}")
            assert found["metadata"]["annotations"][CHANGE_CAUSE] == "installed"
        await does(bot, kubernetes, "rollback test --operation op-3", 4)
        found = await kubernetes.cluster.get(kind, "web")
        assert found is not None
        assert wanted(found) == 0
        assert found["metadata"]["annotations"][SCALED] == "op-4"


async def test_a_daemonset_cannot_be_scaled(kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("DaemonSet"))
    async with bot_on(kubernetes, tmp_path, kind="DaemonSet") as bot:
        await asks(bot, "ana", "scale test web 3")
        assert "daemonset/web cannot be scaled: a DaemonSet runs one pod on each node" in await refusal(bot)


async def test_the_bounds_of_an_autoscaler_are_changed_and_followed(kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("Deployment", replicas=2))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": [metric]}
    await kubernetes.create({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec})
    await is_up(kubernetes, "Deployment")
    async with bot_on(kubernetes, tmp_path, kubeconfig=await as_shipped(kubernetes), **RAILS) as bot:
        await asks(bot, "ana", "scale test web 3")
        assert "HPA web decides how many pods there are, between 2 and 3" in await refusal(bot)
        await does(bot, kubernetes, "scale test web --bounds 3-4", 1)
        found = await kubernetes.cluster.get("Deployment", "web")
        assert found is not None
        assert found["status"]["readyReplicas"] == 3
        await does(bot, kubernetes, "rollback test --operation op-1", 2)
        scaler = await kubernetes.cluster.get("HorizontalPodAutoscaler", "web")
        assert scaler is not None
        assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 3)


async def test_a_paused_deployment_is_not_rolled_back(kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("Deployment"))
    await is_up(kubernetes, "Deployment")
    async with bot_on(kubernetes, tmp_path) as bot:
        await does(bot, kubernetes, "deploy test v2.0.0-good", 1)
        await kubernetes.cluster.patch("Deployment", "web", [{"op": "add", "path": "/spec/paused", "value": True}])
        await asks(bot, "ana", "rollback test web")
        assert "deployment/web is paused: nothing would roll out. `/aiec resume test web`" in await refusal(bot)


async def test_a_service_is_isolated_and_let_back(kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("Deployment"))
    await is_up(kubernetes, "Deployment")
    async with bot_on(kubernetes, tmp_path, kubeconfig=await as_shipped(kubernetes)) as bot:
        await does(bot, kubernetes, "isolate test web", 1)
        made = await kubernetes.cluster.get("NetworkPolicy", "aiec-isolates-web")
        assert made is not None
        assert made["spec"] == {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress", "Egress"]}
        await does(bot, kubernetes, "unisolate test web", 2)
        assert await kubernetes.cluster.get("NetworkPolicy", "aiec-isolates-web") is None
        await does(bot, kubernetes, "rollback test --operation op-2", 3)
        assert await kubernetes.cluster.get("NetworkPolicy", "aiec-isolates-web") is not None


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["get", "list", "create", "delete"])
async def test_each_right_on_policies_is_needed_and_named(verb: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("Deployment"))
    await is_up(kubernetes, "Deployment")
    async with bot_on(kubernetes, tmp_path, kubeconfig=await as_shipped(kubernetes, without=("networkpolicies", verb))) as bot:
        said = ""
        for number, text in enumerate(("isolate test web", "unisolate test web"), 1):
            await asks(bot, "ana", text)
            if await bot.store.read(lambda tx, number=number: tx.get(OperationRow, number)) is None:
                said += await refusal(bot)
                continue
            await asks(bot, "rui", f"approve op-{number}")
            said += (await over(bot, kubernetes, number, 5)).model_dump_json()
    assert f'resources: ["networkpolicies"], verbs: ["{verb}"]' in said.replace('\\"', '"')


async def test_rollouts_are_paused_and_resumed(kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("Deployment"))
    await is_up(kubernetes, "Deployment")
    async with bot_on(kubernetes, tmp_path, kubeconfig=await as_shipped(kubernetes)) as bot:
        await does(bot, kubernetes, "pause test web", 1)
        await asks(bot, "ana", "set-image test web v2.0.0-good")
        assert "deployment/web is paused: nothing would roll out. `/aiec resume test web`" in await refusal(bot)
        image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": f"{IMAGE}:v3.0.0"}
        await kubernetes.cluster.patch("Deployment", "web", [image])
        assert await tags(kubernetes) == {"v1.0.0"}
        await does(bot, kubernetes, "resume test web", 2)
        assert await tags(kubernetes) == {"v3.0.0"}
        await does(bot, kubernetes, "set-image test web v2.0.0-good", 3)
        assert await tags(kubernetes) == {"v2.0.0-good"}
        after = await is_up(kubernetes, "Deployment")
        assert ("paused" in after["spec"], after["metadata"]["annotations"]["aiec.dev/paused-by"]) == (False, "op-2")


async def test_a_right_that_is_missing_is_named_with_the_rule_that_grants_it(kubernetes: Kubernetes, tmp_path: Path) -> None:
    await kubernetes.create(workload("Deployment"))
    await is_up(kubernetes, "Deployment")
    kubeconfig = await as_shipped(kubernetes, without=("deployments/scale", "patch"))
    async with bot_on(kubernetes, tmp_path, kubeconfig=kubeconfig, **RAILS) as bot:
        await asks(bot, "ana", "scale test web 3")
        await asks(bot, "rui", "approve op-1")
        found = await over(bot, kubernetes, 1)
    assert (found.phase, found.failure.code if found.failure else "") == (Phase.FAILED, "forbidden")
    assert found.failure is not None
    assert f"We may not patch deployments/web/scale in namespace {kubernetes.namespace}" in found.failure.why
    assert 'Add this rule to aiec\'s role: {apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["patch"]}' in found.failure.hint
