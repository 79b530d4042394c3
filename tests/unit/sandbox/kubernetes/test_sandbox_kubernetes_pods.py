"""What becomes of pods: fates, scheduling, quota, killing."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes.fates import fate_of
from tests.unit.sandbox.kubernetes.cluster_driver import NAMESPACE, Driver

DIGEST = "sha256:" + "1" * 64


def pod_of(image: str, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [{"image": image}]}}


@pytest.mark.parametrize(
    ("image", "annotations", "fate"),
    [
        ("shop/web:v1", {}, "ready"),
        ("shop/web:v1-crash", {}, "crash"),
        (f"shop/web:v1-crash@{DIGEST}", {}, "crash"),
        ("shop/web-crash:v1", {}, "ready"),
        ("shop/web:v1-crash", {"fate": "oom"}, "oom"),
        ("shop/web:v1-failedmount", {}, "failedmount"),
        ("shop/web:v1", {"fate": "nonsense"}, "ready"),
    ],
)
def test_the_tag_or_an_annotation_decides(image: str, annotations: dict[str, str], fate: str) -> None:
    assert fate_of(pod_of(image, **annotations)) == fate


def test_the_image_id_is_the_repository_with_the_digest(driver: Driver) -> None:
    driver.deploy(image=f"registry:5000/shop/web:v1@{DIGEST}")
    driver.until(driver.complete)
    assert driver.pods()[0]["status"]["containerStatuses"][0]["imageID"] == f"registry:5000/shop/web@{DIGEST}"


def test_how_long_ordinary_pods_take_can_be_set(driver: Driver) -> None:
    driver.cluster.ready_after = 30
    driver.deploy()
    driver.passes(29)
    assert not driver.complete()
    driver.passes(2)
    assert driver.complete()


def test_a_volume_that_cannot_be_mounted_is_told_by_events(driver: Driver) -> None:
    driver.deploy(image="shop/web:v1-failedmount")
    driver.passes(10)
    (pod,) = driver.pods()
    assert pod["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    (event,) = driver.events("Pod", "FailedMount")
    assert event["message"] == 'MountVolume.SetUp failed for volume "config" : configmap "app-config" not found'
    assert event["count"] > 1


def test_a_crash_loop_slows_down(driver: Driver) -> None:
    driver.deploy(image="shop/web:v1-crash")
    driver.passes(60)
    after_a_minute = driver.pods()[0]["status"]["containerStatuses"][0]["restartCount"]
    driver.passes(24 * 3600)
    after_a_day = driver.pods()[0]["status"]["containerStatuses"][0]["restartCount"]
    assert after_a_minute > 3
    assert 200 < after_a_day < 400


def test_a_pods_fate_can_change_while_it_runs(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    name = driver.pods()[0]["metadata"]["name"]

    def state() -> dict[str, Any]:
        found: dict[str, Any] = driver.get("Pod", name)["status"]["containerStatuses"][0]
        return found

    driver.cluster.set_fate(NAMESPACE, name, "oom")
    driver.until(lambda: state()["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert state()["lastState"]["terminated"]["reason"] == "OOMKilled"
    driver.until(lambda: "availableReplicas" not in driver.status())
    driver.cluster.set_fate(NAMESPACE, name, "ready")
    driver.until(driver.complete)
    driver.cluster.set_fate(NAMESPACE, name, "unready")
    driver.until(lambda: not state()["ready"])
    assert "running" in state()["state"]


def test_a_killed_pod_is_restarted(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    name = driver.pods()[0]["metadata"]["name"]
    driver.cluster.kill(NAMESPACE, name)
    assert not driver.get("Pod", name)["status"]["containerStatuses"][0]["ready"]
    driver.until(driver.complete)
    status = driver.get("Pod", name)["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 137)


def test_a_deleted_pod_is_given_time_and_replaced(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    name = driver.pods()[0]["metadata"]["name"]
    status, answer = driver.ask("DELETE", f"v1 pods/{name}")
    assert (status, answer["metadata"]["deletionGracePeriodSeconds"]) == (200, 30)
    driver.until(lambda: driver.cluster.get("Pod", NAMESPACE, name) is None)
    driver.until(driver.complete)
    assert driver.events("Pod", "Killing")[0]["message"] == "Stopping container web"
    (other,) = driver.pods()
    status, _ = driver.ask("DELETE", f"v1 pods/{other['metadata']['name']}", gracePeriodSeconds="0")
    assert driver.cluster.get("Pod", NAMESPACE, other["metadata"]["name"]) is None


def test_an_unschedulable_pod_runs_when_room_is_made(driver: Driver) -> None:
    driver.deploy("full", replicas=3, resources={"requests": {"cpu": "6"}})
    driver.until(lambda: driver.complete("full"))
    driver.deploy("late", resources={"requests": {"cpu": "6"}})
    driver.passes(5)
    assert driver.events("Pod", "FailedScheduling")[0]["type"] == "Warning"
    assert not driver.complete("late")
    driver.cluster.delete("Deployment", NAMESPACE, "full")
    driver.until(lambda: driver.complete("late"))


def test_pods_are_spread_over_the_nodes(driver: Driver) -> None:
    driver.deploy(replicas=6)
    driver.until(driver.complete)
    nodes = [pod["spec"]["nodeName"] for pod in driver.pods()]
    assert sorted(nodes) == ["node-1", "node-1", "node-2", "node-2", "node-3", "node-3"]


def test_a_cordoned_node_gets_no_pods(driver: Driver) -> None:
    driver.patch("/api/v1/nodes/node-1", {"spec": {"unschedulable": True}}, "application/merge-patch+json")
    driver.deploy(replicas=4)
    driver.until(driver.complete)
    assert {pod["spec"]["nodeName"] for pod in driver.pods()} == {"node-2", "node-3"}


def test_a_quota_refuses_what_is_too_much_and_lets_it_in_later(driver: Driver) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": NAMESPACE}, "spec": {"hard": {"pods": "2"}}}
    driver.cluster.apply(quota)
    driver.deploy(replicas=3)
    driver.passes(5)
    assert (driver.reason(kind="ReplicaFailure"), driver.status()["readyReplicas"]) == ("FailedCreate", 2)
    assert driver.get("ResourceQuota", "team")["status"]["used"] == {"pods": "2"}
    assert "exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2" in driver.events("ReplicaSet", "FailedCreate")[0]["message"]
    driver.cluster.apply({**quota, "spec": {"hard": {"pods": "3"}}})
    driver.until(driver.complete, 600)
    assert driver.reason(kind="ReplicaFailure") == ""


def test_an_unfit_pod_is_refused_with_the_quotas_name(driver: Driver) -> None:
    hard = {"requests.cpu": "1", "count/configmaps": "1"}
    driver.cluster.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": NAMESPACE}, "spec": {"hard": hard}})
    status, answer = driver.ask("POST", "v1 pods", {"metadata": {"name": "bare"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    assert (status, answer["message"]) == (403, 'pods "bare" is forbidden: failed quota: team: must specify requests.cpu for: c')
    status, answer = driver.ask("POST", "v1 configmaps", {"metadata": {"name": "second"}})
    assert (status, answer["reason"]) == (403, "Forbidden")
