"""From a folder's manifests to what is applied, and what is made of two plans for the same folder."""

from datetime import timedelta
from typing import Any

import pytest

from bot.core.fields import FieldChange
from bot.core.outcome import Done, Failed, Waiting
from bot.core.steps import ManifestsStep, ObjectChange, Stamp, manifest_for, marked
from bot.core.steps.manifests import together
from commands.manifests.render import containers_of, in_order, rendered, scaled

Json = dict[str, Any]
PINNED = "shop/web:v2@sha256:12"


def thing(kind: str = "Deployment", name: str = "web", **spec: Any) -> Json:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def template(*containers: Json, **more: Any) -> Json:
    return {"template": {"spec": {"containers": [*containers], **more}}}


# ---- rendering


def test_the_image_goes_into_every_container_of_that_name_and_nowhere_else() -> None:
    pod = template({"name": "web"}, {"name": "proxy", "image": "envoy:v1"}, initContainers=[{"name": "web", "image": "shop/web:dev"}])
    before = thing(**pod)
    found = rendered(before, "web", PINNED)
    assert [one.get("image") for one in containers_of(found)] == [PINNED, PINNED, "envoy:v1"]
    assert before == thing(**pod), "the folder's own object is left as it is"


@pytest.mark.parametrize(
    ("one", "count"),
    [
        (thing("CronJob", jobTemplate={"spec": template({"name": "web"})}), 1),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "web"}]}}, 1),
        (thing("Job", **template({"name": "web"})), 1),
        (thing("ConfigMap", template="just a text"), 0),
        (thing(template={"spec": {"containers": {"name": "web"}}}), 0),
        (thing(template={"spec": {"containers": ["web"]}}), 0),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}, 0),
    ],
)
def test_a_template_is_found_where_it_is_and_no_shape_is_taken_for_granted(one: Json, count: int) -> None:
    assert sum(container.get("image") == PINNED for container in containers_of(rendered(one, "web", PINNED))) == count


def test_what_pods_refer_to_comes_first_and_what_makes_pods_last() -> None:
    kinds = ["Deployment", "Service", "ConfigMap", "Ingress", "CronJob", "ServiceAccount"]
    assert [one["kind"] for one in in_order([thing(kind) for kind in kinds])] == ["ConfigMap", "ServiceAccount", "Service", "Ingress", "Deployment", "CronJob"]


def test_autoscalers_say_what_they_are_for() -> None:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert scaled([thing("HorizontalPodAutoscaler", scaleTargetRef=reference), thing()]) == {("Deployment", "web")}
    assert scaled([thing("HorizontalPodAutoscaler")]) == {("None", "None")}


def live(replicas: int, *, ours: bool) -> Json:
    entry = {"manager": "aiec", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}} if ours else {}}}
    return {**thing(replicas=replicas), "metadata": {"name": "web", "managedFields": [entry]}}


def test_an_autoscalers_replicas_are_left_out_unless_leaving_them_out_would_remove_them() -> None:
    wanted = thing(replicas=2, paused=False)
    assert manifest_for(wanted, live(5, ours=True), scaled=False) == wanted
    assert manifest_for(wanted, live(5, ours=False), scaled=True) == thing(paused=False)
    assert manifest_for(wanted, None, scaled=True) == thing(paused=False)
    assert manifest_for(wanted, live(5, ours=True), scaled=True) == thing(paused=False, replicas=5)


def test_marks_stand_beside_the_manifests_own_annotations() -> None:
    one = thing("ConfigMap") | {"metadata": {"name": "web", "annotations": {"team": "shop"}}}
    stamp = Stamp(operation="op-7", cause="Deploy v2 (op-7)")
    assert marked(one, stamp, "web")["metadata"]["annotations"] == {"team": "shop", "aiec.dev/operation": "op-7", "aiec.dev/service": "web"}
    assert marked(thing(), stamp, "web")["metadata"]["annotations"]["kubernetes.io/change-cause"] == "Deploy v2 (op-7)"


# ---- two plans of the same folder


def change(name: str = "web", created: bool = False, before: Any = 2, after: Any = 3, **more: Any) -> ObjectChange:
    fields = {"manifest": thing(name=name, replicas=after), "created": created, "changes": [FieldChange(path="/spec/replicas", before=before, after=after)]}
    return ObjectChange.model_validate(fields | more)


def step(*objects: ObjectChange, **more: Any) -> ManifestsStep:
    own = {"environment": "prod", "service": "web", "workload": "Deployment", "name": "web", "container": "web", "before": "shop/web:v1", "after": PINNED}
    rest = {"wave": 0, "objects": objects, "inventory": (), "take": False, "deadline": timedelta(minutes=1)}
    return ManifestsStep.model_validate(own | rest | more)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (step(change()), []),
        (step(change(before=5)), ["deployment/web was changed meanwhile: its spec.replicas is 5 now, not 2"]),
        (step(change(after=4)), ["deployment/web stands otherwise in the folder now"]),
        (step(change(changes=())), ["deployment/web was changed meanwhile: its spec.replicas is 3 now, not 2"]),
        (step(change(created=True)), ["deployment/web does not exist any more"]),
        (step(change(marks={"aiec.dev/operation": "op-9"})), ["deployment/web was changed meanwhile by another operation"]),
        (step(change(), change("worker")), ["deployment/worker would be changed as well"]),
        (step(), ["deployment/web would no longer be changed"]),
        (step(change(), after="shop/web:v2@sha256:99"), ["the image v2 is another one now (sha256:99)"]),
        (step(change(), take=True), ["deployment/web would be changed with other settings"]),
    ],
)
def test_a_drift_is_said_in_words(now: ManifestsStep, said: list[str]) -> None:
    assert step(change()).difference(now) == said


def test_what_a_dry_run_of_a_new_object_makes_anew_is_no_drift() -> None:
    made = [step(change(created=True, before=None, changes=[FieldChange(path="", after={"spec": {"nodePort": port}})])) for port in (31000, 31001)]
    assert made[0].difference(made[1]) == []
    assert made[0].difference(step(change(before=None))) == ["deployment/web exists by now"]


# ---- several rollouts


def test_of_several_rollouts_one_failure_fails_and_all_have_to_be_done() -> None:
    done, waiting, failed = Done(text="2 new pods available"), Waiting(text="1 of 2 pods are updated", progress=(1, 2)), Failed(code="OOMKilled", why="it was")
    assert together({"a": done}) == done
    assert together({"a": done, "b": waiting}) == Waiting(text="b: 1 of 2 pods are updated", progress=(1, 2))
    assert together({"a": waiting, "b": waiting}).progress == (2, 4)  # type: ignore[union-attr]
    assert together({"a": done, "b": waiting, "c": failed}) == failed
    assert together({}) == Done(text="")
