"""The real kubectl against the sandbox, where there is one."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.unit.sandbox.kubernetes.cluster_driver import NAMESPACE, Driver, workload

Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
async def kubectl(port: int, tmp_path: Path) -> Kubectl:
    """Runs kubectl in the tests' namespace and returns what it wrote; `fails` lets it exit with an error."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl on this machine")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "sandbox",
                "clusters": [{"name": "sandbox", "cluster": {"server": f"http://127.0.0.1:{port}/kubernetes"}}],
                "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "", "namespace": NAMESPACE}}],
            }
        )
    )

    async def run(*words: str, sent: str = "", fails: bool = False) -> str:
        command = (found, f"--kubeconfig={kubeconfig}", f"--cache-dir={tmp_path}", *words)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(sent.encode()), 30)
        assert (process.returncode != 0) == fails, output.decode()
        return output.decode()

    return run


async def test_looking(kubectl: Kubectl, driver: Driver) -> None:
    assert "web    1/1     1            1" in await kubectl("get", "deployments")
    pod = driver.pods()[0]["metadata"]["name"]
    described = await kubectl("describe", "pod", pod)
    assert "Successfully assigned" in described
    assert "Container started" in described
    assert "MinimumReplicasAvailable" in await kubectl("describe", "deployment", "web")
    assert 'msg="listening"' in await kubectl("logs", pod, "--tail=1")
    assert "50m" in await kubectl("top", "pods")
    assert "node-1" in await kubectl("top", "nodes")
    assert "SuccessfulCreate" in await kubectl("get", "events")
    assert "deployments" in await kubectl("api-resources")


async def test_a_rollout_and_its_undoing(kubectl: Kubectl, driver: Driver) -> None:
    await kubectl("set", "image", "deployment/web", "web=shop/web:v2")
    await kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=second")
    driver.passes(5)
    assert "successfully rolled out" in await kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    assert "second" in await kubectl("rollout", "history", "deployment/web")
    await kubectl("rollout", "undo", "deployment/web")
    driver.passes(5)
    assert driver.pods()[-1]["spec"]["containers"][0]["image"] == "shop/web:v1"
    await kubectl("rollout", "restart", "deployment/web")
    await kubectl("scale", "deployment/web", "--replicas=3")
    driver.until(lambda: driver.complete() and driver.status()["replicas"] == 3)


async def test_a_failed_rollout_is_called_failed(kubectl: Kubectl, driver: Driver) -> None:
    await kubectl("patch", "deployment", "web", "-p", '{"spec":{"progressDeadlineSeconds":10}}')
    await kubectl("set", "image", "deployment/web", "web=shop/web:v2-crash")
    driver.passes(20)
    assert "exceeded its progress deadline" in await kubectl("rollout", "status", "deployment/web", "--timeout=10s", fails=True)


async def test_objects_are_applied_and_typing_mistakes_are_found(kubectl: Kubectl, driver: Driver) -> None:
    described = workload("StatefulSet", "db", serviceName="db")
    assert "statefulset.apps/db created" in await kubectl("apply", "-f", "-", sent=json.dumps(described))
    driver.until(lambda: driver.complete("db", "StatefulSet"))
    described["spec"] |= {"replicas": 2}
    assert "statefulset.apps/db configured" in await kubectl("apply", "-f", "-", sent=json.dumps(described))
    described["spec"] |= {"replicaz": 3}
    assert 'unknown field "spec.replicaz"' in await kubectl("apply", "-f", "-", sent=json.dumps(described), fails=True)
    assert "rejected our request" in await kubectl(
        "patch", "deployment", "web", "--type=json", '-p=[{"op":"test","path":"/spec/replicas","value":9}]', fails=True
    )
