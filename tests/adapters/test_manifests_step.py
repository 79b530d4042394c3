"""A folder's objects on a real API server: applied, put back, and each write the last one of a process that is killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from copy import deepcopy
from typing import Any

import pytest
from kubernetes.aio.client.rest import RESTClientObject

from bot.adapters.kubernetes import KubernetesCluster
from bot.core.errors import Conflict
from bot.core.fields import settled
from bot.core.ownership import applied
from bot.core.ports import World
from bot.core.steps import MARKS, OPERATION, ManifestsStep, PruneStep, Removal, Stamp, annotations
from bot.core.steps.object import TRIES, put
from commands.manifests.trial import attempt
from tests.adapters.conftest import OnCluster

Json = dict[str, Any]
FIRST, SECOND, OTHERS = (Stamp(operation=name, cause=f"Deploy by engineer ({name})") for name in ("op-1", "op-2", "op-9"))
KINDS = ("v1/ConfigMap", "apps/v1/Deployment")


def config(**data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "labels": {"team": "shop"}}, "data": data}


def web(image: str = "shop/web:v1", replicas: int | None = 1, **container: Any) -> Json:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image, **container}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template, **({"replicas": replicas} if replicas is not None else {})}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the code under test runs any more."""


class Dying:
    """The client's HTTP layer, which ends the process at the write with that number: before it is sent, or when its answer would come."""

    def __init__(self, rest: RESTClientObject, write: int, *, sent: bool) -> None:
        self._rest, self._left, self._sent = rest, write, sent

    async def request(self, method: str, url: str, **how: Any) -> Any:
        if method == "GET" or method == "POST" or "dryRun" in url:
            return await self._rest.request(method, url, **how)
        self._left -= 1
        if self._left == 0 and not self._sent:
            raise Killed
        answer = await self._rest.request(method, url, **how)
        if self._left == 0:
            await answer.read()
            raise Killed
        return answer

    async def close(self) -> None:
        await self._rest.close()


class Overtaken:
    """The client's HTTP layer, before whose apply with that number somebody else is faster."""

    def __init__(self, rest: RESTClientObject, number: int, somebody: Callable[[], Awaitable[object]]) -> None:
        self._rest, self._left, self._somebody = rest, number, somebody

    async def request(self, method: str, url: str, **how: Any) -> Any:
        self._left -= method == "PATCH"
        if method == "PATCH" and self._left == 0:
            await self._somebody()
        return await self._rest.request(method, url, **how)

    async def close(self) -> None:
        await self._rest.close()


def world(cluster: Any, place: OnCluster) -> World:
    return World({"test": cluster}, registry=None, prober=None, now=place.now())  # type: ignore[arg-type]


async def step(place: OnCluster, *things: Json, take: bool = False, scaled: bool = False) -> ManifestsStep:
    """Plans a step for the objects, as they are now."""
    names = [(f"{thing['apiVersion']}/{thing['kind']}", thing["metadata"]["name"]) for thing in things]
    live = await asyncio.gather(*(place.cluster.get(*one) for one in names))
    tried = [
        await attempt(place.cluster, thing, now, scaled=scaled and thing["kind"] == "Deployment", take=take) for thing, now in zip(things, live, strict=True)
    ]
    objects = tuple(one.change for one in tried if one.change)
    assert len(objects) == len(things), tried
    fields = {
        "wave": 0,
        "environment": "test",
        "service": "web",
        "workload": "Deployment",
        "name": "web",
        "container": "web",
        "before": "",
        "after": "shop/web:v2",
    }
    return ManifestsStep.model_validate({**fields, "objects": objects, "inventory": (), "take": take, "deadline": 60})


async def state(place: OnCluster, names: tuple[str, ...] = KINDS) -> list[Json | None]:
    """The objects with who owns what, without what moves by itself."""
    return [stable(await place.cluster.get(kind, "web")) for kind in names]


def stable(thing: Json | None) -> Json | None:
    if thing is None:
        return None
    found = {name: value for name, value in deepcopy(thing).items() if name != "status"}
    for name in ("resourceVersion", "generation"):
        found["metadata"].pop(name, None)
    found["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    entries = [{name: value for name, value in entry.items() if name != "time"} for entry in found["metadata"]["managedFields"] if not entry.get("subresource")]
    found["metadata"]["managedFields"] = sorted(json.dumps(entry, sort_keys=True) for entry in entries)
    return found


async def test_a_second_version_is_put_back_with_marks_and_ownership(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, config(a="1", b="2"), web())).apply(here, FIRST)
    before = await state(real)
    second = await step(real, config(a="3"), web("shop/web:v2", env=[{"name": "A", "value": "b"}]))
    assert await second.apply(here, SECOND)
    (changed, workload) = await state(real)
    assert changed is not None
    assert workload is not None
    assert (changed["data"], annotations(changed)[OPERATION]) == ({"a": "3"}, "op-2")
    assert workload["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/web:v2"
    for _ in range(2):
        assert await second.undo(here, SECOND) == ""
        assert await state(real) == before
    third = await step(real, config(a="3"), web())
    assert await third.apply(here, OTHERS)
    (changed, _) = await state(real)
    assert changed is not None
    assert changed["data"] == {"a": "3"}, "what an undone operation put back is still ours to remove"


async def test_what_was_created_is_deleted_again_and_nothing_is_left(real: OnCluster) -> None:
    here = world(real.cluster, real)
    first = await step(real, config(a="1"), web())
    assert await first.apply(here, FIRST)
    assert await first.apply(here, FIRST), "a second time does nothing"
    assert await first.undo(here, FIRST) == ""
    assert await first.undo(here, FIRST) == ""
    for _ in range(100):
        if await state(real) == [None, None]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(await state(real))


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("write", [1, 2])
async def test_whoever_dies_while_applying_is_followed_by_one_that_finishes(real: OnCluster, write: int, sent: bool) -> None:
    await (await step(real, config(a="1"), web())).apply(world(real.cluster, real), FIRST)
    before = await state(real)
    second = await step(real, config(a="2"), web("shop/web:v2"))
    dying = KubernetesCluster(real.configuration, Dying(RESTClientObject(real.configuration), write, sent=sent), real.namespace, "test")
    with pytest.raises(Killed):
        await second.apply(world(dying, real), SECOND)
    await dying.close()
    assert await second.apply(world(real.cluster, real), SECOND)
    assert {annotations(one or {"metadata": {}})[OPERATION] for one in await state(real)} == {"op-2"}
    assert await second.undo(world(real.cluster, real), SECOND) == ""
    assert await state(real) == before


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
async def test_whoever_dies_while_putting_back_is_followed_by_one_that_finishes(real: OnCluster, write: int, sent: bool) -> None:
    await (await step(real, config(a="1"), web())).apply(world(real.cluster, real), FIRST)
    before = await state(real)
    second = await step(real, config(a="2"), web("shop/web:v2"))
    await second.apply(world(real.cluster, real), SECOND)
    dying = KubernetesCluster(real.configuration, Dying(RESTClientObject(real.configuration), write, sent=sent), real.namespace, "test")
    with pytest.raises(Killed):
        await second.undo(world(dying, real), SECOND)
    await dying.close()
    assert await second.undo(world(real.cluster, real), SECOND) == ""
    assert await state(real) == before


async def test_a_drift_is_named_and_nothing_changed(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, config(a="1"), web())).apply(here, FIRST)
    planned = await step(real, config(a="2"), web("shop/web:v2"))
    await real.cluster.patch("Deployment", "web", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "shop/web:v7"}])
    with pytest.raises(
        Conflict, match=r"deployment/web was changed meanwhile: its spec.template.spec.containers\[web\].image is shop/web:v7 now, not shop/web:v1"
    ):
        await planned.apply(here, SECOND)
    (changed, _) = await state(real)
    assert changed is not None
    assert changed["data"] == {"a": "2"}, "what came before it was applied"
    assert await planned.undo(here, SECOND) == ""
    (changed, workload) = await state(real)
    assert changed is not None
    assert workload is not None
    assert changed["data"] == {"a": "1"}
    assert workload["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/web:v7"


async def test_what_went_or_came_meanwhile_is_named(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, config(a="1"))).apply(here, FIRST)
    planned, created = await step(real, config(a="2")), await step(real, web())
    found = await real.cluster.get("ConfigMap", "web")
    assert found is not None
    await real.cluster.delete("ConfigMap", "web", as_seen=found)
    await real.create(web())
    with pytest.raises(Conflict, match="configmap/web does not exist any more"):
        await planned.apply(here, SECOND)
    with pytest.raises(Conflict, match="deployment/web exists by now: somebody else created it"):
        await created.apply(here, SECOND)
    assert await created.undo(here, SECOND) == ""
    assert await real.cluster.get("Deployment", "web") is not None, "it is not ours to delete"


async def overtaken(place: OnCluster, stack: AsyncExitStack, number: int, somebody: Callable[[], Awaitable[object]]) -> KubernetesCluster:
    cluster = KubernetesCluster(place.configuration, Overtaken(RESTClientObject(place.configuration), number, somebody), place.namespace, "test")
    stack.push_async_callback(cluster.close)
    return cluster


@pytest.mark.parametrize("number", [1, 2])
async def test_who_is_faster_by_a_hair_is_not_written_over(real: OnCluster, number: int) -> None:
    """Not by the first apply, which asks whose the fields are, nor by the second one, which takes them over."""
    await real.create(config(a="1"))
    planned = await step(real, config(a="2"), take=True)
    async with AsyncExitStack() as stack:
        by_hand = [{"op": "replace", "path": "/data/a", "value": "by hand"}]
        late = await overtaken(real, stack, number, lambda: real.cluster.patch("ConfigMap", "web", by_hand))
        with pytest.raises(Conflict, match=r"its data\.a is by hand now, not 1"):
            await planned.apply(world(late, real), SECOND)
    (found, _) = await state(real)
    assert found is not None
    assert found["data"] == {"a": "by hand"}


async def test_what_is_deleted_at_that_moment_does_not_come_back(real: OnCluster) -> None:
    await (await step(real, config(a="1"))).apply(world(real.cluster, real), FIRST)
    planned = await step(real, config(a="2"))
    seen = await real.cluster.get("ConfigMap", "web")
    assert seen is not None
    async with AsyncExitStack() as stack:
        late = await overtaken(real, stack, 1, lambda: real.cluster.delete("ConfigMap", "web", as_seen=seen))
        with pytest.raises(Conflict, match="configmap/web does not exist any more"):
            await planned.apply(world(late, real), SECOND)
    assert await real.cluster.get("ConfigMap", "web") is None


async def test_what_somebody_else_changes_after_us_is_left_alone(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, config(a="1"), web())).apply(here, FIRST)
    second = await step(real, config(a="2"), web("shop/web:v2"))
    await second.apply(here, SECOND)
    await real.cluster.patch("ConfigMap", "web", [{"op": "replace", "path": "/data/a", "value": "by hand"}])
    await (await step(real, web("shop/web:v3"), take=True)).apply(here, OTHERS)
    kept = await second.undo(here, SECOND)
    assert kept == "deployment/web was changed by op-9 meanwhile; configmap/web was changed by somebody else since: its data.a is by hand now, not 2"


async def test_an_edit_of_another_field_stays_when_ours_is_put_back(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, config(a="1"))).apply(here, FIRST)
    second = await step(real, config(a="2"))
    await second.apply(here, SECOND)
    await real.cluster.patch("ConfigMap", "web", [{"op": "add", "path": "/data/z", "value": "by hand"}])
    assert await second.undo(here, SECOND) == ""
    (changed, _) = await state(real)
    assert changed is not None
    assert changed["data"] == {"a": "1", "z": "by hand"}


async def test_fields_of_others_are_taken_only_when_asked_and_given_up_again(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await real.create(web("shop/web:v0", replicas=2))
    tried = await attempt(real.cluster, web("shop/web:v2"), await real.cluster.get("Deployment", "web"), scaled=False, take=False)
    assert {field for field, _ in tried.contested} == {".spec.replicas", '.spec.template.spec.containers[name="web"].image'}
    taking = await step(real, web("shop/web:v2"), take=True)
    with pytest.raises(Conflict, match=r"belong to .*, by now"):
        await taking.model_copy(update={"take": False}).apply(here, SECOND)
    assert await taking.apply(here, SECOND)
    assert await taking.undo(here, SECOND) == ""
    found = await real.cluster.get("Deployment", "web")
    assert found is not None
    assert (found["spec"]["replicas"], found["spec"]["template"]["spec"]["containers"][0]["image"]) == (2, "shop/web:v0")
    assert "aiec" not in {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert not set(annotations(found)) & set(MARKS)


async def test_an_autoscalers_replicas_stay_what_they_are(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, web(replicas=3))).apply(here, FIRST)
    handed_over = await step(real, web("shop/web:v2", replicas=1), scaled=True)
    assert not any(one.path == "/spec/replicas" for one in handed_over.objects[0].changes)
    await handed_over.apply(here, SECOND)
    assert await replicas(real) == 3
    await real.cluster.patch("Deployment", "web", [{"op": "replace", "path": "/spec/replicas", "value": 5}])
    await (await step(real, web("shop/web:v3", replicas=1), scaled=True)).apply(here, OTHERS)
    assert await replicas(real) == 5


async def replicas(place: OnCluster) -> int:
    found = await place.cluster.get("Deployment", "web")
    assert found is not None
    return int(found["spec"]["replicas"])


async def test_what_is_removed_comes_back_as_it_was(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, config(a="1"))).apply(here, FIRST)
    (before, _) = await state(real)
    found = await real.cluster.get("v1/ConfigMap", "web")
    assert found is not None
    prune = removing(found)
    assert await prune.apply(here, SECOND)
    assert await prune.apply(here, SECOND), "a second time does nothing"
    assert await real.cluster.get("ConfigMap", "web") is None
    for _ in range(2):
        assert await prune.undo(here, SECOND) == ""
    (after, _) = await state(real)
    assert before is not None
    assert after is not None
    for one in (before, after):
        for name in ("uid", "creationTimestamp"):
            del one["metadata"][name]
    assert after == before


async def test_what_carries_another_mark_by_now_is_not_removed(real: OnCluster) -> None:
    here = world(real.cluster, real)
    await (await step(real, config(a="1"))).apply(here, FIRST)
    found = await real.cluster.get("v1/ConfigMap", "web")
    assert found is not None
    prune = removing(found)
    await (await step(real, config(a="2"))).apply(here, OTHERS)
    with pytest.raises(Conflict, match="configmap/web was changed meanwhile"):
        await prune.apply(here, SECOND)
    assert await real.cluster.get("ConfigMap", "web") is not None


def removing(found: Json) -> PruneStep:
    return PruneStep(wave=2, environment="test", service="web", removals=(Removal(thing=settled(found), owned=applied(found)),))


async def test_two_writers_at_once_are_no_trouble(real: OnCluster) -> None:
    """The object is read anew until nobody comes in between: its status, or an autoscaler."""
    here = world(real.cluster, real)
    await (await step(real, web())).apply(here, FIRST)
    planned = await step(real, web("shop/web:v2"))

    async def others() -> None:
        for number in range(TRIES - 1):
            await real.cluster.patch("Deployment", "web", [{"op": "add", "path": "/metadata/annotations/note", "value": str(number)}])

    writing = asyncio.create_task(others())
    assert await put(here, real.cluster, planned.objects[0], SECOND, "web", take=False)
    await writing
