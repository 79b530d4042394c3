"""Lists, watches, selectors, tables, events, discovery, metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.quantity import parse, text
from sandbox.kubernetes.selectors import matches_selector, parse_labels
from sandbox.kubernetes.tables import human_duration
from sandbox.kubernetes.watch import Watch
from tests.unit.sandbox.kubernetes.cluster_driver import MERGE_PATCH, NAMESPACE, Driver

CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
MINE = "labelSelector"


def add(driver: Driver, name: str, **labels: str) -> str:
    status, answer = driver.ask("POST", CONFIG, {"metadata": {"name": name, "labels": labels}})
    assert status == 201, answer
    version: str = answer["metadata"]["resourceVersion"]
    return version


def told(watch: Watch) -> list[tuple[str, Any]]:
    events = [json.loads(line) for line in watch.poll()]
    return [(event["type"], event["object"].get("metadata", {}).get("name", event["object"].get("code"))) for event in events]


def test_a_list_is_ordered_and_its_items_have_no_kind(driver: Driver) -> None:
    for name in ("c", "a", "b"):
        add(driver, name, mine="yes")
    _, answer = driver.ask("GET", CONFIG, **{MINE: "mine=yes"})
    assert (answer["kind"], [item["metadata"]["name"] for item in answer["items"]]) == ("ConfigMapList", ["a", "b", "c"])
    assert not any("kind" in item or "apiVersion" in item for item in answer["items"])
    assert driver.ask("GET", CONFIG, **{MINE: "mine=no"})[1]["items"] == []


def test_pages_are_of_the_same_moment(driver: Driver) -> None:
    for name in ("a", "b", "c", "d"):
        add(driver, name, mine="yes")
    _, first = driver.ask("GET", CONFIG, limit="2", **{MINE: "mine=yes"})
    add(driver, "bb", mine="yes")
    driver.cluster.delete("ConfigMap", NAMESPACE, "c")
    _, second = driver.ask("GET", CONFIG, limit="2", **{MINE: "mine=yes", "continue": first["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in first["items"] + second["items"]] == ["a", "b", "c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]
    assert driver.ask("GET", CONFIG, limit="2")[1]["metadata"]["remainingItemCount"] == 3
    driver.cluster.compact()
    status, answer = driver.ask("GET", CONFIG, limit="2", **{"continue": first["metadata"]["continue"]})
    assert (status, answer["reason"]) == (410, "Expired")


def test_a_watch_tells_what_came_changed_and_went(driver: Driver) -> None:
    version = add(driver, "a", mine="yes")
    watch = driver.cluster.watch(CONFIG, {"resourceVersion": version})
    add(driver, "b", mine="yes")
    driver.patch(f"{CONFIG}/a", {"data": {"x": "y"}}, MERGE_PATCH)
    driver.patch(f"{CONFIG}/a", {"data": {"x": "y"}}, MERGE_PATCH)
    driver.cluster.delete("ConfigMap", NAMESPACE, "b")
    assert told(watch) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert told(watch) == []


def test_what_begins_or_ceases_to_match_is_added_or_deleted(driver: Driver) -> None:
    add(driver, "a", mine="yes")
    watch = driver.cluster.watch(CONFIG, {MINE: "mine=yes"})
    assert told(watch) == [("ADDED", "a")]
    driver.patch(f"{CONFIG}/a", {"metadata": {"labels": {"mine": "no"}}}, MERGE_PATCH)
    driver.patch(f"{CONFIG}/a", {"data": {"x": "y"}}, MERGE_PATCH)
    driver.patch(f"{CONFIG}/a", {"metadata": {"labels": {"mine": "yes"}}}, MERGE_PATCH)
    assert told(watch) == [("DELETED", "a"), ("ADDED", "a")]


def test_a_watch_of_lost_history_ends_with_410(driver: Driver) -> None:
    version = add(driver, "a")
    watch = driver.cluster.watch(CONFIG, {"resourceVersion": version})
    driver.cluster.compact()
    assert told(watch) == [("ERROR", 410)]
    assert watch.closed


def test_bookmarks_move_a_quiet_watch_past_a_compaction(driver: Driver) -> None:
    watch = driver.cluster.watch(CONFIG, {"resourceVersion": add(driver, "a"), "allowWatchBookmarks": "true"})
    driver.deploy()
    driver.passes(61)
    (bookmark,) = (json.loads(line) for line in watch.poll())
    assert bookmark["type"] == "BOOKMARK"
    version = int(bookmark["object"]["metadata"]["resourceVersion"])
    assert version == driver.cluster.core.store.version


def test_initial_events_end_with_a_marked_bookmark(driver: Driver) -> None:
    add(driver, "a")
    query = {"sendInitialEvents": "true", "allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan", "fieldSelector": "metadata.name=a"}
    lines = [json.loads(line) for line in driver.cluster.watch(CONFIG, query).poll()]
    assert [line["type"] for line in lines] == ["ADDED", "BOOKMARK"]
    assert lines[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_ends_at_its_timeout(driver: Driver) -> None:
    watch = driver.cluster.watch(CONFIG, {"timeoutSeconds": "30"})
    driver.passes(29)
    watch.poll()
    assert not watch.closed
    driver.passes(2)
    watch.poll()
    assert watch.closed


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("app=web", True), ("app==web", True), ("app!=web", False), ("app", True), ("!app", False), ("!other", True), ("other", False),
        ("app in (web, api)", True), ("app notin (web)", False), ("other notin (x)", True), ("app=web,tier=front", True), ("app=web,tier=back", False),
        ("other!=x", True), ("", True), ("example.com/role=main", True),
    ],
)  # fmt: skip
def test_label_selectors(selector: str, matches: bool) -> None:
    assert parse_labels(selector)({"app": "web", "tier": "front", "example.com/role": "main"}) is matches


def test_a_selector_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ApiError) as refusal:
        parse_labels("app in web")
    assert refusal.value.code == 400


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [("In", ["web"], True), ("NotIn", ["web"], False), ("Exists", None, True), ("DoesNotExist", None, False)],
)
def test_selectors_of_objects(operator: str, values: list[str] | None, matches: bool) -> None:
    expression = {"key": "app", "operator": operator} | ({"values": values} if values else {})
    assert matches_selector({"matchExpressions": [expression]}, {"app": "web"}) is matches
    assert matches_selector({}, {}) is True
    assert matches_selector(None, {}) is False


def test_field_selectors(driver: Driver) -> None:
    driver.deploy(replicas=3)
    driver.until(driver.complete)
    node = driver.pods()[0]["spec"]["nodeName"]
    _, answer = driver.ask("GET", "v1 pods", fieldSelector=f"spec.nodeName={node},status.phase=Running")
    assert {item["spec"]["nodeName"] for item in answer["items"]} == {node}
    name = driver.pods()[0]["metadata"]["name"]
    _, answer = driver.ask("GET", "v1 events", fieldSelector=f"involvedObject.name={name},involvedObject.kind=Pod,reason!=Pulled")
    assert {item["reason"] for item in answer["items"]} == {"Scheduled", "Pulling", "Created", "Started"}


def test_the_same_event_again_raises_its_count_and_is_forgotten_after_an_hour(driver: Driver) -> None:
    driver.deploy(image="shop/web:v1-unready")
    driver.passes(25)
    (event,) = driver.events("Pod", "Unhealthy")
    assert event["message"] == "Readiness probe failed: HTTP probe failed with statuscode: 503"
    assert event["count"] == 3
    driver.passes(3700)
    assert not driver.events("Pod", "Scheduled")
    assert driver.events("Pod", "Unhealthy")


def test_many_similar_events_are_combined(driver: Driver) -> None:
    driver.deploy(replicas=15)
    driver.until(driver.complete)
    messages = [event["message"] for event in driver.events("ReplicaSet")]
    assert len(messages) == 10
    assert sum(message.startswith("(combined from similar events): Created pod: web-") for message in messages) == 1


def test_a_table_has_the_columns_of_kubectl(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    answer = json.loads(driver.cluster.handle("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", {}, accept).body)
    assert [column["name"] for column in answer["columnDefinitions"]][:5] == ["Name", "Ready", "Up-to-date", "Available", "Age"]
    assert answer["rows"][0]["cells"][:4] == ["web", "1/1", 1, 1]
    watch = driver.cluster.watch(f"/api/v1/namespaces/{NAMESPACE}/pods", {}, accept)
    (event,) = (json.loads(line) for line in watch.poll())
    assert event["object"]["rows"][0]["cells"][1:4] == ["1/1", "Running", "0"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(5, "5s"), (119, "119s"), (125, "2m5s"), (660, "11m"), (3600 * 4 + 60, "4h1m"), (3600 * 10, "10h"), (86400 * 3, "3d")]
)
def test_ages_are_shown_as_kubectl_shows_them(seconds: float, shown: str) -> None:
    assert human_duration(seconds) == shown


def test_discovery_names_what_is_served(driver: Driver) -> None:
    _, groups = driver.ask("GET", "/apis")
    for group in groups["groups"]:
        for version in group["versions"]:
            status, resources = driver.ask("GET", f"/apis/{version['groupVersion']}")
            assert (status, resources["groupVersion"]) == (200, version["groupVersion"])
    names = {resource["name"] for resource in driver.ask("GET", "/apis/apps/v1")[1]["resources"]}
    assert {"deployments", "deployments/scale", "deployments/status"} <= names
    assert driver.ask("GET", "/version")[1]["gitVersion"] == "v1.36.3"
    assert driver.ask("GET", "/readyz") == (200, "ok")


def test_metrics_add_up(driver: Driver) -> None:
    driver.deploy(replicas=2)
    driver.until(driver.complete)
    for pod in driver.pods():
        driver.cluster.set_usage(NAMESPACE, pod["metadata"]["name"], "250m", "128Mi")
    _, answer = driver.ask("GET", f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods", **{MINE: "app=web"})
    assert [item["containers"][0]["usage"] for item in answer["items"]] == [{"cpu": "250000000n", "memory": "131072Ki"}] * 2
    _, answer = driver.ask("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
    assert sum(parse(item["usage"]["cpu"]) for item in answer["items"]) == parse("500m")


@given(st.integers(0, 10**15), st.sampled_from(["m", "", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_quantity_means_the_same_in_its_canonical_form(number: int, suffix: str) -> None:
    written = f"{number}{suffix}"
    assert parse(text(parse(written), written)) == parse(written)


@pytest.mark.parametrize(
    ("written", "canonical"), [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("0.5Gi", "512Mi"), ("1e3", "1k"), ("1500m", "1500m"), ("0", "0")]
)
def test_quantities_are_written_as_kubernetes_writes_them(written: str, canonical: str) -> None:
    assert text(parse(written), written) == canonical
