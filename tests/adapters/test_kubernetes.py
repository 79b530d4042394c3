"""The contract of the Kubernetes adapter, the same on the sandbox and on a real cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.kubernetes import KubernetesCluster, connect
from bot.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from tests.adapters.conftest import InSandbox, Kubernetes, Rule, with_token, with_user

Json = dict[str, Any]
IMAGE = "/spec/template/spec/containers/0/image"
CAUSE = "/metadata/annotations/kubernetes.io~1change-cause"


def deployment(name: str = "web", tag: str = "v1.0.0", *, replicas: int = 1, **container: Any) -> Json:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": f"registry.example/{name}:{tag}", **container}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return {"kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}


@contextlib.asynccontextmanager
async def somebody(kubernetes: Kubernetes, kubeconfig: Path) -> AsyncIterator[KubernetesCluster]:
    cluster = await connect(str(kubeconfig), None, kubernetes.namespace, "test")
    try:
        yield cluster
    finally:
        await cluster.close()


async def pods(kubernetes: Kubernetes, app: str, until: Callable[[list[Json]], bool]) -> list[Json]:
    """The pods of an app, once they are as wished for."""
    for _ in range(200):
        found = await kubernetes.cluster.list("Pod", labels=f"app={app}")
        if until(found):
            return found
        await kubernetes.passes(0.1)
    raise AssertionError(f"never so: {found}")


def restarted(found: list[Json]) -> bool:
    return any(status["restartCount"] for pod in found for status in pod["status"].get("containerStatuses", []))


async def test_reads_one_object_and_says_when_there_is_none(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    found = await kubernetes.cluster.get("Deployment", "web")
    assert found is not None
    assert (found["kind"], found["apiVersion"], found["metadata"]["name"]) == ("Deployment", "apps/v1", "web")
    assert await kubernetes.cluster.get("Deployment", "nothing") is None


async def test_lists_by_selectors_and_says_what_the_items_are(kubernetes: Kubernetes) -> None:
    for name in ("web", "worker"):
        await kubernetes.create(deployment(name))
    assert {one["metadata"]["name"] for one in await kubernetes.cluster.list("Deployment")} == {"web", "worker"}
    (found,) = await kubernetes.cluster.list("Deployment", labels="app in (web)")
    assert (found["kind"], found["apiVersion"]) == ("Deployment", "apps/v1")
    assert [one["metadata"]["name"] for one in await kubernetes.cluster.list("Deployment", fields="metadata.name=worker")] == ["worker"]
    assert await kubernetes.cluster.list("StatefulSet") == []
    assert len(await kubernetes.cluster.list("Node")) >= 1


async def test_lists_more_than_a_page(kubernetes: Kubernetes) -> None:
    names = {f"config-{number}" for number in range(520)}
    await asyncio.gather(*(kubernetes.create({"kind": "ConfigMap", "metadata": {"name": name}, "data": {}}) for name in names))
    found = [one["metadata"]["name"] for one in await kubernetes.cluster.list("ConfigMap")]
    assert names <= set(found)
    assert len(found) == len(set(found))


async def test_a_patch_is_applied_when_its_tests_hold(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    changed = await kubernetes.cluster.patch(
        "Deployment",
        "web",
        [
            {"op": "test", "path": IMAGE, "value": "registry.example/web:v1.0.0"},
            {"op": "replace", "path": IMAGE, "value": "registry.example/web:v1.1.0"},
        ],
    )
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v1.1.0"
    assert changed["metadata"]["generation"] == 2


async def test_a_refused_test_is_a_conflict_and_changes_nothing(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    for drifted in (
        [{"op": "test", "path": IMAGE, "value": "registry.example/web:v0"}],
        [{"op": "test", "path": "/spec/template/spec/containers/1/image", "value": "registry.example/web:v1.0.0"}],
        [{"op": "test", "path": CAUSE, "value": "somebody else"}],
        [{"op": "remove", "path": CAUSE}],
    ):
        with pytest.raises(Conflict) as refused:
            await kubernetes.cluster.patch("Deployment", "web", [*drifted, {"op": "replace", "path": IMAGE, "value": "registry.example/web:v2"}])
        assert "deployments/web" in refused.value.text
    unchanged = await kubernetes.cluster.get("Deployment", "web")
    assert unchanged is not None
    assert unchanged["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:v1.0.0"


@pytest.mark.parametrize("value", ["v1 → v2", "a=1&b=<2>", "Ünïcödé 😀", "line\u2028end", "tab\tand\x7f"])
async def test_a_test_finds_whatever_text_is_there(kubernetes: Kubernetes, value: str) -> None:
    await kubernetes.create(deployment())
    path = "/metadata/annotations"
    await kubernetes.cluster.patch("Deployment", "web", [{"op": "add", "path": path, "value": {"said": value}}])
    found = await kubernetes.cluster.get("Deployment", "web")
    assert found is not None
    assert found["metadata"]["annotations"]["said"] == value
    await kubernetes.cluster.patch("Deployment", "web", [{"op": "test", "path": f"{path}/said", "value": value}, {"op": "remove", "path": f"{path}/said"}])


async def test_a_test_for_null_says_that_a_member_is_absent(kubernetes: Kubernetes) -> None:
    described = deployment()
    described["metadata"]["annotations"] = {"team": "shop"}
    await kubernetes.create(described)
    absent = {"op": "test", "path": CAUSE, "value": None}
    changed = await kubernetes.cluster.patch("Deployment", "web", [absent, {"op": "add", "path": CAUSE, "value": "deploy v1.0.0"}])
    assert changed["metadata"]["annotations"]["kubernetes.io/change-cause"] == "deploy v1.0.0"
    with pytest.raises(Conflict):
        await kubernetes.cluster.patch("Deployment", "web", [absent])


async def test_a_member_of_something_absent_cannot_be_tested_but_that_itself_can(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    annotations = "/spec/template/metadata/annotations"
    for impossible in ({"op": "test", "path": f"{annotations}/team", "value": None}, {"op": "add", "path": f"{annotations}/team", "value": "shop"}):
        with pytest.raises(Conflict):
            await kubernetes.cluster.patch("Deployment", "web", [impossible])
    first = [{"op": "test", "path": annotations, "value": None}, {"op": "add", "path": annotations, "value": {"team": "shop"}}]
    changed = await kubernetes.cluster.patch("Deployment", "web", first)
    assert changed["spec"]["template"]["metadata"]["annotations"] == {"team": "shop"}


async def test_a_dry_run_shows_the_result_and_keeps_nothing(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    shown = await kubernetes.cluster.patch("Deployment", "web", [{"op": "replace", "path": "/spec/replicas", "value": 4}], dry_run=True)
    assert shown["spec"]["replicas"] == 4
    kept = await kubernetes.cluster.get("Deployment", "web")
    assert kept is not None
    assert kept["spec"]["replicas"] == 1


async def test_what_the_server_cannot_accept_is_invalid_and_names_the_field(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    with pytest.raises(Invalid) as refused:
        await kubernetes.cluster.patch("Deployment", "web", [{"op": "replace", "path": "/spec/replicas", "value": -1}])
    assert "spec.replicas" in refused.value.text
    with pytest.raises(NotFound):
        await kubernetes.cluster.patch("Deployment", "nothing", [{"op": "replace", "path": "/spec/replicas", "value": 1}])


async def test_logs_of_the_container_before_its_restart(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment(tag="v1.0.0-crash"))
    (pod,) = await pods(kubernetes, "web", restarted)
    name = pod["metadata"]["name"]
    assert (await kubernetes.cluster.logs(name, container="app", previous=True, tail=1)).strip() == "KeyError: 'PAYMENTS_URL'"
    assert len((await kubernetes.cluster.logs(name, container="app", previous=True, tail=2)).splitlines()) == 2


async def test_a_log_that_is_not_there_is_empty(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    (pod,) = await pods(kubernetes, "web", lambda found: any("running" in one["state"] for pod in found for one in pod["status"].get("containerStatuses", [])))
    assert await kubernetes.cluster.logs("nothing", container="app") == ""
    assert await kubernetes.cluster.logs(pod["metadata"]["name"], container="app") != ""
    with pytest.raises(Invalid, match="container other is not valid"):
        await kubernetes.cluster.logs(pod["metadata"]["name"], container="other")


class News:
    """Counts how often a cluster's changes woke somebody up."""

    def __init__(self) -> None:
        self.count = 0
        self._woken = asyncio.Condition()

    async def follow(self, cluster: KubernetesCluster) -> None:
        async for _ in cluster.changes():
            async with self._woken:
                self.count += 1
                self._woken.notify_all()

    async def more_than(self, count: int) -> int:
        async with asyncio.timeout(20), self._woken:
            await self._woken.wait_for(lambda: self.count > count)
            return self.count


@contextlib.asynccontextmanager
async def news_of(cluster: KubernetesCluster) -> AsyncIterator[News]:
    news = News()
    following = asyncio.create_task(news.follow(cluster))
    try:
        yield news
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def scale(kubernetes: Kubernetes, replicas: int) -> None:
    await kubernetes.cluster.patch("Deployment", "web", [{"op": "replace", "path": "/spec/replicas", "value": replicas}])


async def test_news_of_the_namespace_wake_up(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment(replicas=0))
    async with news_of(kubernetes.cluster) as news:
        heard = await news.more_than(0)
        for replicas in (1, 2):
            await scale(kubernetes, replicas)
            heard = await news.more_than(heard)


async def test_news_go_on_after_lost_connections_and_forgotten_history(sandboxed: InSandbox) -> None:
    await sandboxed.create(deployment(replicas=0))
    async with news_of(sandboxed.cluster) as news:
        heard = await news.more_than(0)
        sandboxed.sandbox.disconnect()
        await scale(sandboxed, 1)
        heard = await news.more_than(heard)
        sandboxed.sandbox.disconnect()
        await scale(sandboxed, 2)
        sandboxed.world.kubernetes.compact()
        heard = await news.more_than(heard)
        await scale(sandboxed, 3)
        await news.more_than(heard)


async def test_a_role_of_the_namespace_allows_nothing_of_the_cluster(kubernetes: Kubernetes) -> None:
    """A Role that names nodes can be written and bound, and is of no use."""
    listing: Rule = ("", "nodes", ["list"])
    for token, may in ((await kubernetes.token(listing), False), (await kubernetes.token(clusterwide=[listing]), True)):
        async with somebody(kubernetes, with_token(kubernetes.kubeconfig, token)) as reader:
            assert await reader.allowed("list", "", "nodes") is may
            if may:
                assert isinstance(await reader.list("Node"), list)
            else:
                with pytest.raises(Forbidden, match="We may not list nodes on the whole cluster of ") as refused:
                    await reader.list("Node")
                assert refused.value.hint == 'Add this rule to aiec\'s ClusterRole: {apiGroups: [""], resources: ["nodes"], verbs: ["list"]}'


async def test_what_rbac_forbids_names_the_rule_that_would_allow_it(kubernetes: Kubernetes) -> None:
    await kubernetes.create(deployment())
    token = await kubernetes.token(("apps", "deployments", ["get", "list"]))
    async with somebody(kubernetes, with_token(kubernetes.kubeconfig, token)) as reader:
        assert await reader.get("Deployment", "web") is not None
        assert await reader.allowed("list", "apps", "deployments")
        assert not await reader.allowed("patch", "apps", "deployments")
        with pytest.raises(Forbidden) as refused:
            await reader.patch("Deployment", "web", [{"op": "replace", "path": "/spec/replicas", "value": 2}])
        assert "may not patch deployments/web" in refused.value.text
        assert '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}' in refused.value.hint
        with pytest.raises(Forbidden, match="list pods in namespace"):
            await reader.list("Pod")
        async with asyncio.timeout(20):
            with pytest.raises(Forbidden, match=r"may not (list|watch)"):
                await News().follow(reader)


async def test_a_token_that_is_no_good_any_more(kubernetes: Kubernetes) -> None:
    token = await kubernetes.token(("apps", "deployments", ["get", "list"]))
    await kubernetes.expire(token)
    async with somebody(kubernetes, with_token(kubernetes.kubeconfig, token)) as stranger:
        with pytest.raises(Unauthenticated) as refused:
            await stranger.list("Deployment")
    assert "of test" in refused.value.text
    assert "renew the credentials" in refused.value.hint


async def unreachable(server: str, folder: Path) -> KubernetesCluster:
    written = {"current-context": "x", "clusters": [{"name": "x", "cluster": {"server": server}}], "contexts": [{"name": "x", "context": {"cluster": "x"}}]}
    path = folder / "unreachable"
    path.write_text(yaml.safe_dump({**written, "users": []}))
    return await connect(str(path), None, "shop", "prod")


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    cluster = await unreachable(f"http://127.0.0.1:{port}", tmp_path)
    with pytest.raises(Unavailable, match=f"cluster of prod .http://127.0.0.1:{port}. cannot be reached"):
        await cluster.get("Deployment", "web")
    await cluster.close()


async def test_a_server_that_says_nothing_is_given_up_after_ten_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cluster = await unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
        async with asyncio.timeout(15):
            with pytest.raises(Unavailable, match="did not answer within 10 s"):
                await cluster.get("Deployment", "web")
        await cluster.close()


async def test_the_version_is_the_servers(kubernetes: Kubernetes) -> None:
    assert (await kubernetes.cluster.version()).startswith("v1.")


async def test_a_plugin_is_asked_again_when_its_token_expires(sandboxed: InSandbox) -> None:
    token = await sandboxed.token(("apps", "deployments", ["list"]))
    asked = sandboxed.kubeconfig.with_name("asked")
    status = {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    script = sandboxed.kubeconfig.with_name("plugin.py")
    script.write_text(f"open({str(asked)!r}, 'a').write('x')\nprint({json.dumps(json.dumps(credential))})\n")
    plugin = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(script)], "interactiveMode": "Never"}}
    async with somebody(sandboxed, with_user(sandboxed.kubeconfig, plugin)) as user:
        assert await user.list("Deployment") == []
        assert await user.list("Deployment") == []
    assert asked.read_text() == "xxx"


@pytest.mark.parametrize(
    ("content", "context", "said"),
    [(None, None, "no kubeconfig"), ("{}", None, "current-context"), ("contexts: []", "prod", "name prod"), ("{", None, "line 1"), ("", None, "kubeconfig")],
)
async def test_a_kubeconfig_that_makes_no_sense_says_so(tmp_path: Path, content: str | None, context: str | None, said: str) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    cluster = await connect(str(path), context, "shop", "prod")
    for asks in (cluster.ready, cluster.version, cluster.exec("web", container="web", command=["true"]).__anext__):  # type: ignore[attr-defined]
        with pytest.raises(Unavailable) as refused:
            await asks()
        assert said in refused.value.text
        assert "prod" in refused.value.text
    await cluster.close()


async def test_a_kubeconfig_that_comes_later_is_read_then(sandboxed: InSandbox, tmp_path: Path) -> None:
    cluster = await connect(str(tmp_path / "later"), None, sandboxed.namespace, "prod")
    with pytest.raises(Unavailable, match=r"There is no kubeconfig at .*/later \(environment prod\)"):
        await cluster.list("Deployment")
    (tmp_path / "later").write_text(sandboxed.kubeconfig.read_text())
    assert await asyncio.gather(cluster.list("Deployment"), cluster.list("Deployment")) == [[], []]
    await cluster.ready()
    await cluster.close()


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"[1, 2]", b"{}", b'{"kind": "Deployment", "metad'])
async def test_something_else_at_the_address_is_no_cluster(tmp_path: Path, body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        cluster = await unreachable(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", tmp_path)
        for ask in (cluster.get("Deployment", "web"), cluster.list("Pod"), cluster.version(), cluster.allowed("get", "", "pods")):
            with pytest.raises(Unavailable, match="answered nonsense"):
                await ask
        await cluster.close()
