"""Requests that write, and who may."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from sandbox.kubernetes.access import ADMINISTRATOR, Rule, User
from tests.unit.sandbox.kubernetes.cluster_driver import MERGE_PATCH, NAMESPACE, START, Driver, workload

WEB = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/web"


def as_user(driver: Driver, token: str, method: str, path: str) -> tuple[int, str]:
    answer = driver.cluster.handle(method, path, {}, {"Authorization": f"Bearer {token}"})
    body = json.loads(answer.body)
    return answer.status, body.get("message", "")


def test_an_update_of_an_older_version_is_a_conflict(driver: Driver) -> None:
    driver.deploy()
    found = driver.get("Deployment", "web")
    driver.until(driver.complete)
    found["spec"]["replicas"] = 2
    status, answer = driver.ask("PUT", WEB, found)
    assert (status, answer["reason"]) == (409, "Conflict")
    del found["metadata"]["resourceVersion"]
    assert driver.ask("PUT", WEB, found)[0] == 200
    assert driver.get("Deployment", "web")["spec"]["replicas"] == 2


def test_a_status_is_written_only_through_its_subresource(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    driver.patch(WEB, {"status": {"readyReplicas": 7}}, MERGE_PATCH)
    assert driver.status()["readyReplicas"] == 1
    driver.patch(f"{WEB}/status", {"status": {"readyReplicas": 7}, "spec": {"replicas": 9}}, MERGE_PATCH)
    found = driver.get("Deployment", "web")
    assert (found["status"]["readyReplicas"], found["spec"]["replicas"]) == (7, 1)
    driver.until(lambda: driver.status()["readyReplicas"] == 1)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_dry_run_answers_and_changes_nothing(driver: Driver, method: str) -> None:
    driver.deploy()
    driver.until(driver.complete)
    version = driver.cluster.core.store.version
    name = "other" if method == "POST" else "web"
    body = {"POST": workload("Deployment", "other"), "PUT": workload("Deployment", replicas=3), "PATCH": {"spec": {"replicas": 3}}}.get(method)
    path, kind = (WEB.removesuffix("/web"), "application/json") if method == "POST" else (WEB, MERGE_PATCH if method == "PATCH" else "application/json")
    status, answer = driver.ask(method, path, body, kind, dryRun="All")
    assert status in (200, 201)
    assert answer.get("metadata", {}).get("name", "web") == name or answer["status"] == "Success"
    driver.passes(5)
    assert driver.cluster.core.store.version == version


def test_a_dry_run_of_a_pod_asks_the_quota_but_is_not_counted(driver: Driver) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": NAMESPACE}, "spec": {"hard": {"pods": "1"}}}
    driver.cluster.apply(quota)
    pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    for _ in range(2):
        assert driver.ask("POST", "v1 pods", pod, dryRun="All")[0] == 201
    assert driver.ask("POST", "v1 pods", pod)[0] == 201
    assert driver.ask("POST", "v1 pods", {**pod, "metadata": {"name": "b"}}, dryRun="All")[0] == 403


def test_yaml_is_understood(driver: Driver) -> None:
    body = b"metadata: {name: a}\ndata: {x: 'y'}\n"
    answer = driver.cluster.handle("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", {}, {"content-type": "application/yaml"}, body)
    assert (answer.status, json.loads(answer.body)["data"]) == (201, {"x": "y"})


def test_server_side_apply_is_not_offered(driver: Driver) -> None:
    driver.deploy()
    status, answer = driver.ask("PATCH", WEB, {}, "application/apply-patch+yaml", fieldManager="me")
    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")


def test_a_collection_is_deleted_by_selector(driver: Driver) -> None:
    for name, kept in (("a", "yes"), ("b", "no"), ("c", "no")):
        assert driver.ask("POST", "v1 configmaps", {"metadata": {"name": name, "labels": {"keep": kept}}})[0] == 201
    _, answer = driver.ask("DELETE", "v1 configmaps", labelSelector="keep=no")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["b", "c"]
    assert [obj["metadata"]["name"] for obj in driver.cluster.objects("ConfigMap", NAMESPACE, "keep")] == ["a"]


def test_generated_names_are_completed(driver: Driver) -> None:
    _, answer = driver.ask("POST", "v1 configmaps", {"metadata": {"generateName": "x-"}})
    assert answer["metadata"]["name"].startswith("x-")
    assert len(answer["metadata"]["name"]) == 7


def test_any_token_is_good_until_one_is_declared(driver: Driver) -> None:
    driver.deploy()
    assert as_user(driver, "whatever", "GET", WEB)[0] == 200
    driver.cluster.access.declare("root", ADMINISTRATOR)
    assert as_user(driver, "whatever", "GET", WEB) == (401, "Unauthorized")
    assert as_user(driver, "root", "GET", WEB)[0] == 200


def test_a_limited_user_is_told_what_is_forbidden(driver: Driver) -> None:
    driver.deploy()
    rules = (Rule(("get", "list"), ("deployments", "pods/log"), NAMESPACE),)
    driver.cluster.access.declare("reader", User("system:serviceaccount:shop:reader", rules))
    assert as_user(driver, "reader", "GET", WEB)[0] == 200
    assert as_user(driver, "reader", "PATCH", WEB) == (
        403,
        'deployments.apps "web" is forbidden: User "system:serviceaccount:shop:reader" cannot patch resource "deployments" in API group "apps" '
        'in the namespace "shop"',
    )
    assert as_user(driver, "reader", "GET", "/api/v1/nodes") == (
        403,
        'nodes is forbidden: User "system:serviceaccount:shop:reader" cannot list resource "nodes" in API group "" at the cluster scope',
    )
    assert as_user(driver, "reader", "GET", f"{WEB}/scale")[0] == 403
    assert as_user(driver, "reader", "GET", "/version")[0] == 200
    assert as_user(driver, "reader", "GET", "/nope")[1] == 'forbidden: User "system:serviceaccount:shop:reader" cannot get path "/nope"'


def test_access_can_be_asked_for(driver: Driver) -> None:
    driver.cluster.access.declare("reader", User("reader", (Rule(("get",), ("deployments/scale",)),)))
    for resource, subresource, allowed in (("deployments", "scale", True), ("deployments", "", False), ("pods", "", False)):
        attributes = {"verb": "get", "resource": resource, "subresource": subresource, "namespace": NAMESPACE}
        body = json.dumps({"spec": {"resourceAttributes": attributes}}).encode()
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = driver.cluster.handle("POST", path, {}, {"Authorization": "Bearer reader"}, body)
        assert (answer.status, json.loads(answer.body)["status"]["allowed"]) == (201, allowed)


def test_a_token_expires_at_its_time_and_others_do_not(driver: Driver) -> None:
    driver.cluster.access.expire("mine", START + timedelta(seconds=30))
    assert as_user(driver, "mine", "GET", "/api/v1/nodes")[0] == 200
    driver.passes(30)
    assert as_user(driver, "mine", "GET", "/api/v1/nodes") == (401, "Unauthorized")
    assert as_user(driver, "other", "GET", "/api/v1/nodes")[0] == 200
