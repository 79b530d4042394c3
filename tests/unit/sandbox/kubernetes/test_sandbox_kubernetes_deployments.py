"""Rollouts, rollbacks and scaling of Deployments."""

from __future__ import annotations

import pytest

from tests.unit.sandbox.kubernetes.cluster_driver import MERGE_PATCH, NAMESPACE, Driver

REVISION, HISTORY = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"


def replica_sets(driver: Driver) -> dict[str, dict[str, object]]:
    """By the version that they run: replicas and annotations."""
    found = driver.cluster.objects("ReplicaSet", NAMESPACE)
    return {
        rs["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]: {**rs["metadata"]["annotations"], "replicas": rs["spec"]["replicas"]}
        for rs in found
    }


def test_the_answer_to_a_change_comes_before_the_controller_has_seen_it(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    driver.set_image("shop/web:v2")
    found = driver.get("Deployment", "web")
    assert (found["metadata"]["generation"], found["status"]["observedGeneration"]) == (2, 1)
    driver.until(driver.complete)
    assert driver.status()["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("surge", "unavailable", "most", "least"),
    [(1, 0, 5, 4), ("25%", "25%", 5, 3), (0, 1, 4, 3), ("50%", 0, 6, 4), ("1%", "1%", 5, 4), (0, "1%", 4, 3)],
)
def test_a_rollout_stays_within_its_bounds(driver: Driver, surge: int | str, unavailable: int | str, most: int, least: int) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    driver.deploy(replicas=4, strategy=rolling)
    driver.until(driver.complete)
    driver.set_image("shop/web:v2")
    wanted, available = [], []

    def done() -> bool:
        wanted.append(sum(int(str(rs["replicas"])) for rs in replica_sets(driver).values()))
        available.append(driver.status()["availableReplicas"])
        return driver.complete()

    driver.until(done)
    assert (max(wanted), min(available)) == (most, least)


def test_a_rollback_makes_the_old_replica_set_the_newest_revision(driver: Driver) -> None:
    driver.deploy()
    for version in ("v2", "v1"):
        driver.until(driver.complete)
        driver.set_image(f"shop/web:{version}")
    driver.until(driver.complete)
    assert driver.get("Deployment", "web")["metadata"]["annotations"][REVISION] == "3"
    assert (replica_sets(driver)["v1"][REVISION], replica_sets(driver)["v1"][HISTORY]) == ("3", "1")
    assert replica_sets(driver)["v2"][REVISION] == "2"


def test_old_replica_sets_are_kept_up_to_the_limit(driver: Driver) -> None:
    driver.deploy(revisionHistoryLimit=1)
    for version in ("v2", "v3", "v4"):
        driver.until(driver.complete)
        driver.set_image(f"shop/web:{version}")
    driver.until(lambda: driver.complete() and len(replica_sets(driver)) == 2)
    assert set(replica_sets(driver)) == {"v3", "v4"}


def test_annotations_are_copied_to_the_replica_set_and_count_as_a_generation(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    driver.patch("apps/v1 deployments/web", {"metadata": {"annotations": {"kubernetes.io/change-cause": "because"}}}, MERGE_PATCH)
    driver.until(driver.complete)
    assert driver.get("Deployment", "web")["metadata"]["generation"] == 2
    assert replica_sets(driver)["v1"]["kubernetes.io/change-cause"] == "because"


def test_a_rollout_that_does_not_get_on_times_out_at_its_deadline(driver: Driver) -> None:
    driver.deploy(progressDeadlineSeconds=30)
    driver.until(driver.complete)
    driver.set_image("shop/web:v2-missing")
    driver.passes(29)
    assert driver.reason() == "ReplicaSetUpdated"
    driver.passes(4)
    assert driver.reason() == "ProgressDeadlineExceeded"
    driver.set_image("shop/web:v1")
    driver.until(driver.complete)
    assert driver.reason() == "NewReplicaSetAvailable"


def test_minimum_ready_time_delays_availability(driver: Driver) -> None:
    driver.deploy(minReadySeconds=20)
    driver.until(lambda: driver.status().get("readyReplicas") == 1)
    assert "availableReplicas" not in driver.status()
    driver.passes(21)
    assert driver.status()["availableReplicas"] == 1


def test_recreate_waits_until_the_old_pods_are_gone(driver: Driver) -> None:
    driver.deploy(replicas=2, strategy={"type": "Recreate"})
    driver.until(driver.complete)
    driver.set_image("shop/web:v2")
    versions = []

    def done() -> bool:
        versions.append({pod["spec"]["containers"][0]["image"] for pod in driver.pods()})
        return driver.complete() and versions[-1] == {"shop/web:v2"}

    driver.until(done)
    assert all(len(at_once) < 2 for at_once in versions)


def test_nothing_is_rolled_out_while_paused(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    driver.patch("apps/v1 deployments/web", {"spec": {"paused": True}}, MERGE_PATCH)
    driver.set_image("shop/web:v2")
    driver.passes(5)
    assert (set(replica_sets(driver)), driver.reason()) == ({"v1"}, "DeploymentPaused")
    driver.patch("apps/v1 deployments/web", {"spec": {"paused": None}}, MERGE_PATCH)
    driver.until(lambda: driver.complete() and "v2" in replica_sets(driver))


def test_scaling_in_the_middle_of_a_rollout_is_spread_in_proportion(driver: Driver) -> None:
    driver.deploy(replicas=10, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}})
    driver.until(driver.complete)
    driver.set_image("shop/web:v2-missing")
    driver.passes(5)
    before = {version: rs["replicas"] for version, rs in replica_sets(driver).items()}
    driver.patch("apps/v1 deployments/web/scale", {"spec": {"replicas": 15}}, MERGE_PATCH)
    driver.passes(5)
    # The example of the Kubernetes documentation, "Proportional scaling".
    assert (before, {version: rs["replicas"] for version, rs in replica_sets(driver).items()}) == ({"v1": 8, "v2-missing": 5}, {"v1": 11, "v2-missing": 7})


def test_a_rollout_over_a_failing_one_takes_the_failing_pods_first(driver: Driver) -> None:
    driver.deploy(replicas=4)
    driver.until(driver.complete)
    driver.set_image("shop/web:v2-crash")
    driver.passes(5)
    driver.set_image("shop/web:v3")
    seen = []

    def done() -> bool:
        seen.append(driver.status()["availableReplicas"])
        return driver.complete()

    driver.until(done)
    assert min(seen) == 3
    assert replica_sets(driver)["v2-crash"]["replicas"] == 0


def test_what_a_deleted_deployment_owned_goes_with_it(driver: Driver) -> None:
    driver.deploy(replicas=2)
    driver.until(driver.complete)
    driver.cluster.delete("Deployment", NAMESPACE, "web")
    driver.until(lambda: not driver.pods() and not driver.cluster.objects("ReplicaSet", NAMESPACE))


def test_orphans_are_left_alone(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    assert driver.ask("DELETE", "apps/v1 deployments/web", propagationPolicy="Orphan")[0] == 200
    driver.until(lambda: driver.cluster.get("Deployment", NAMESPACE, "web") is None)
    driver.passes(5)
    (left,) = driver.cluster.objects("ReplicaSet", NAMESPACE)
    assert "ownerReferences" not in left["metadata"]
    assert len(driver.pods()) == 1


def test_foreground_deletion_waits_for_what_is_owned(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    status, answer = driver.ask("DELETE", "apps/v1 deployments/web", propagationPolicy="Foreground")
    assert (status, answer["metadata"]["finalizers"]) == (200, ["foregroundDeletion"])
    driver.passes(0.2)
    assert driver.pods()
    assert driver.cluster.get("Deployment", NAMESPACE, "web") is not None
    driver.until(lambda: driver.cluster.get("Deployment", NAMESPACE, "web") is None)
    assert not driver.cluster.objects("ReplicaSet", NAMESPACE)


def test_the_same_seed_and_requests_give_the_same_cluster() -> None:
    def names(seed: int) -> list[str]:
        driver = Driver(seed)
        driver.deploy(replicas=3)
        driver.until(driver.complete)
        return [f"{pod['metadata']['name']} {pod['metadata']['uid']}" for pod in driver.pods()]

    assert names(1) == names(1) != names(2)


def test_time_that_passes_in_one_leap_is_played_in_order(driver: Driver) -> None:
    driver.deploy(image="shop/web:v1-crash", progressDeadlineSeconds=60)
    driver.clock.advance(3600)
    conditions = {entry["type"]: entry for entry in driver.status()["conditions"]}
    assert conditions["Progressing"]["reason"] == "ProgressDeadlineExceeded"
    assert conditions["Progressing"]["lastTransitionTime"].startswith("2026-05-03T03:01:")
