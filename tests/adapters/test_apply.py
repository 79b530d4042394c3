"""Server-side apply by the adapter, on a real API server: the sandbox refuses it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.errors import Conflict, Contested, Invalid, NotFound
from bot.core.ports import Served
from tests.adapters.conftest import InSandbox, OnCluster

Json = dict[str, Any]


def config(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": data}


async def test_it_creates_what_is_not_there_and_removes_what_is_said_no_more(real: OnCluster) -> None:
    assert (await real.cluster.apply(config(a="1"), dry_run=True))["data"] == {"a": "1"}
    assert await real.cluster.get("ConfigMap", "web") is None
    await real.cluster.apply(config(a="1", b="2"))
    await real.cluster.apply(config(a="3"))
    found = await real.cluster.get("v1/ConfigMap", "web")
    assert found is not None
    assert found["data"] == {"a": "3"}


async def test_fields_of_others_are_a_conflict_that_names_them_until_it_is_forced(real: OnCluster) -> None:
    await real.create(config(a="1", b="2"))
    found = await real.cluster.get("ConfigMap", "web")
    assert found is not None
    (owner,) = found["metadata"]["managedFields"]
    for dry_run in (True, False):
        with pytest.raises(Contested) as refused:
            await real.cluster.apply(config(a="3", b="2"), dry_run=dry_run)
        assert refused.value.fields == ((".data.a", owner["manager"]),)
    assert (await real.cluster.apply(config(a="3"), force=True))["data"] == {"a": "3", "b": "2"}


async def test_an_object_that_changed_or_went_since_the_look_is_a_conflict(real: OnCluster) -> None:
    seen = await real.cluster.apply(config(a="1"))
    looked = {**config(a="2"), "metadata": {"name": "web", **{name: seen["metadata"][name] for name in ("uid", "resourceVersion")}}}
    now = await real.cluster.apply(config(a="5"))
    with pytest.raises(Conflict):
        await real.cluster.apply(looked)
    await real.cluster.delete("v1/ConfigMap", "web", as_seen=now)
    with pytest.raises(Conflict):
        await real.cluster.apply(looked)
    assert await real.cluster.get("ConfigMap", "web") is None


async def test_a_field_that_the_kind_does_not_have_is_invalid(real: OnCluster) -> None:
    with pytest.raises(Invalid, match="dat: field not declared in schema"):
        await real.cluster.apply({**config(), "dat": {}}, dry_run=True)
    with pytest.raises(Invalid, match="expected string, got"):
        await real.cluster.apply({**config(), "data": {"a": True}}, dry_run=True)


async def test_how_a_kind_is_served_is_asked_of_the_server(real: OnCluster) -> None:
    assert await real.cluster.served("apps/v1/Deployment") == Served("apps", "deployments", True)
    assert await real.cluster.served("networking.k8s.io/v1/NetworkPolicy") == Served("networking.k8s.io", "networkpolicies", True)
    assert await real.cluster.served("rbac.authorization.k8s.io/v1/ClusterRole") == Served("rbac.authorization.k8s.io", "clusterroles", False)
    for unknown in ("apps/v1beta9/Deployment", "example.com/v1/Widget", "v1/Widget", "v1/Deployment"):
        assert await real.cluster.served(unknown) is None
    with pytest.raises(NotFound, match="knows no Widget of v1"):
        await real.cluster.get("v1/Widget", "web")
    await real.cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web"}, "spec": {"podSelector": {}}})
    found = await real.cluster.get("networking.k8s.io/v1/NetworkPolicy", "web")
    assert found is not None
    await real.cluster.delete("networking.k8s.io/v1/NetworkPolicy", "web", as_seen=found)
    assert await real.cluster.get("networking.k8s.io/v1/NetworkPolicy", "web") is None


async def test_where_there_is_no_server_side_apply_that_is_said(sandboxed: InSandbox) -> None:
    with pytest.raises(Invalid, match="Unsupported Media Type"):
        await sandboxed.cluster.apply(config(a="1"), dry_run=True)
