"""Patches, as functions of objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.patch import json_patch, merge_patch
from sandbox.kubernetes.strategic import strategic_merge

WEB = {"name": "web", "image": "web:v1", "env": [{"name": "A", "value": "1"}]}
POD: dict[str, Any] = {"spec": {"containers": [WEB, {"name": "proxy", "image": "proxy:v1"}]}}


def test_an_escaped_path_is_unescaped() -> None:
    patched = json_patch({"metadata": {"annotations": {}}}, [{"op": "add", "path": "/metadata/annotations/a.b~1c~0d", "value": "x"}])
    assert patched == {"metadata": {"annotations": {"a.b/c~d": "x"}}}


def test_operations_apply_in_order_and_move_and_copy() -> None:
    operations = [
        {"op": "add", "path": "/list/-", "value": 3},
        {"op": "add", "path": "/list/0", "value": 0},
        {"op": "copy", "from": "/list/0", "path": "/first"},
        {"op": "move", "from": "/old", "path": "/new"},
        {"op": "remove", "path": "/list/1"},
    ]
    assert json_patch({"list": [1, 2], "old": "x"}, operations) == {"list": [0, 2, 3], "first": 0, "new": "x"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/a/b/c", "value": None},
        {"op": "test", "path": "/list/5", "value": None},
        {"op": "remove", "path": "/missing"},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "replace", "path": "/list/2", "value": 1},
        {"op": "add", "path": "/missing/a", "value": 1},
        {"op": "add", "path": "no-slash", "value": 1},
        {"op": "copy", "from": "/missing", "path": "/b"},
        {"op": "nonsense", "path": "/a"},
    ],
)
def test_what_cannot_be_applied_is_refused_and_changes_nothing(operation: dict[str, object]) -> None:
    document = {"a": 1, "list": [1, 2]}
    with pytest.raises(ApiError) as refusal:
        json_patch(document, [{"op": "add", "path": "/b", "value": 1}, operation])
    assert (refusal.value.code, refusal.value.reason) == (422, "Invalid")
    assert document == {"a": 1, "list": [1, 2]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=3), st.dictionaries(st.text(max_size=3), JSON, max_size=3))
def test_a_merge_patch_is_idempotent_and_removes_what_is_null(target: dict[str, object], patch: dict[str, object]) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert not any(key in once for key, value in patch.items() if value is None)


def test_containers_are_merged_by_name_and_keep_what_is_not_named() -> None:
    patch = {"spec": {"containers": [{"name": "web", "image": "web:v2", "env": [{"name": "B", "value": "2"}]}]}}
    containers = strategic_merge(POD, patch)["spec"]["containers"]
    assert [container["name"] for container in containers] == ["web", "proxy"]
    assert containers[0]["image"] == "web:v2"
    assert {entry["name"]: entry["value"] for entry in containers[0]["env"]} == {"A": "1", "B": "2"}
    assert POD["spec"]["containers"][0]["image"] == "web:v1"


def test_new_list_items_come_before_those_of_the_object() -> None:
    containers = strategic_merge(POD, {"spec": {"containers": [{"name": "sidecar", "image": "s"}]}})["spec"]["containers"]
    assert [container["name"] for container in containers] == ["sidecar", "web", "proxy"]


def test_an_order_that_is_set_is_kept() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "proxy"}, {"name": "web"}], "containers": [{"name": "web", "image": "web:v2"}]}}
    assert [container["name"] for container in strategic_merge(POD, patch)["spec"]["containers"]] == ["proxy", "web"]


def test_directives_delete_and_replace() -> None:
    assert strategic_merge(POD, {"spec": {"containers": [{"name": "proxy", "$patch": "delete"}]}})["spec"]["containers"] == POD["spec"]["containers"][:1]
    replaced = strategic_merge(POD, {"spec": {"$patch": "replace", "containers": [{"name": "only", "image": "o"}]}})
    assert replaced == {"spec": {"containers": [{"name": "only", "image": "o"}]}}
    kept = strategic_merge({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]})
    assert kept == {"finalizers": ["b", "c"]}


def test_ports_are_merged_by_the_key_that_they_have() -> None:
    container = {"ports": [{"containerPort": 80, "name": "http"}]}
    assert strategic_merge(container, {"ports": [{"containerPort": 80, "protocol": "TCP"}]}) == {
        "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}]
    }
    service = {"ports": [{"port": 80, "targetPort": 8080}]}
    assert [port["port"] for port in strategic_merge(service, {"ports": [{"port": 443}]})["ports"]] == [443, 80]
