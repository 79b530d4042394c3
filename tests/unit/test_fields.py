"""The difference between two states of an object: it leads from one to the other and back, and says nothing that may be secret."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.core.fields import FieldChange, at, changes, drift, lines, new, settled
from sandbox.kubernetes.patch import json_patch

Json = dict[str, Any]

values = st.recursive(
    st.integers(0, 3) | st.text("ab/~", max_size=2), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
)
objects = st.dictionaries(st.text("abc/~", max_size=2), values, max_size=4)


@given(objects, objects)
def test_changes_lead_from_one_state_to_the_other_and_back(before: Json, after: Json) -> None:
    found = changes(before, after)
    assert [at(before, one.path) for one in found] == [one.before for one in found]
    assert [at(after, one.path) for one in found] == [one.after for one in found]
    assert applied(before, [(one.path, one.after) for one in found]) == after
    assert applied(after, [(one.path, one.before) for one in found]) == before
    assert changes(before, before) == ()


def applied(thing: Json, wanted: list[tuple[str, Any]]) -> Json:
    patch = [{"op": "remove", "path": path} if value is None else {"op": "add", "path": path, "value": value} for path, value in wanted]
    return json_patch(deepcopy(thing), patch)


def test_what_the_server_and_controllers_keep_is_no_difference() -> None:
    annotations = {"deployment.kubernetes.io/revision": "3", "ours": "x", "team": "shop"}
    metadata = {"name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "7", "generation": 2, "managedFields": [{}], "annotations": annotations}
    thing = {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}, "status": {"replicas": 2}}
    assert settled(thing, ("ours",)) == {"kind": "Deployment", "metadata": {"name": "web", "annotations": {"team": "shop"}}, "spec": {"replicas": 2}}
    assert "annotations" not in settled({**thing, "metadata": {"name": "web", "annotations": {"ours": "x"}}}, ("ours",))["metadata"]


def test_what_every_dry_run_makes_anew_is_left_out_of_a_new_object() -> None:
    port = {"port": 80, "nodePort": 31000}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "uid": "1"}, "spec": {"clusterIP": "10.0.0.1", "ports": [port]}}
    assert new(service) == {"spec": {"ports": [{"port": 80}]}}
    labels = {"controller-uid": "1", "app": "web"}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web", "uid": "1", "labels": labels}, "spec": {"selector": {"matchLabels": labels}}}
    assert new(job) == {"metadata": {"labels": {"app": "web"}}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}


def container(**fields: Any) -> Json:
    return {"name": "web", "image": "shop/web:v1", **fields}


def shown(before: Any, after: Any, path: str = "/spec/template/spec/containers") -> list[str]:
    return lines(FieldChange(path=path, before=before, after=after))


def test_a_difference_is_told_by_names_and_only_where_it_is() -> None:
    before = [container(resources={"limits": {"memory": "64Mi"}}, ports=[{"containerPort": 80}]), {"name": "proxy", "image": "envoy:v1"}]
    after = [container(resources={"limits": {"memory": "128Mi"}}, ports=[{"containerPort": 80}, {"containerPort": 81}])]
    assert shown(before, after) == [
        "- spec.template.spec.containers[web].resources.limits.memory: 64Mi",
        "+ spec.template.spec.containers[web].resources.limits.memory: 128Mi",
        "+ spec.template.spec.containers[web].ports[81].containerPort: 81",
        "- spec.template.spec.containers[proxy].name: proxy",
        "- spec.template.spec.containers[proxy].image: envoy:v1",
    ]
    assert shown({"a": "x\ny\nz"}, {"a": "x\nq\nz"}, "/data") == ["  data.a:", "    x", "-   y", "+   q", "    z"]
    assert shown(["a"], ["b"], "/spec/list") == ["- spec.list: ['a']", "+ spec.list: ['b']"]


def test_another_order_is_a_difference_too() -> None:
    one, other = [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}], [{"name": "b", "image": "y"}, {"name": "a", "image": "x"}]
    path = "spec.template.spec.containers"
    assert shown(one, other) == [f"- {path}: in the order a, b", f"+ {path}: in the order b, a"]
    assert drift(FieldChange(path="/spec/template/spec/containers"), one, other) == f"its {path} is another one now"


@given(values, values)
def test_every_difference_is_told(before: Any, after: Any) -> None:
    assert bool(shown(before, after, "/spec")) == (before != after)
    if before != after:
        assert drift(FieldChange(path="/spec"), before, after).startswith("its spec")


def test_values_of_variables_are_not_shown() -> None:
    def env(value: str) -> list[Json]:
        return [container(env=[{"name": "TOKEN", "value": value}, {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}])]

    path = "spec.template.spec.containers[web].env[TOKEN].value"
    assert shown(env("old-secret"), env("new-secret")) == [f"- {path}: •••", f"+ {path}: •••"]
    whole = shown(None, {"spec": {"template": {"spec": {"containers": env("new-secret")}}}}, "")
    assert f"+ {path}: •••" in whole
    assert "+ spec.template.spec.containers[web].env[HOST].valueFrom.fieldRef.fieldPath: status.hostIP" in whole
    assert "secret" not in "".join(whole)
    assert "secret" not in "".join(shown(env("a-secret")[0]["env"], [], "/spec/template/spec/containers/env"))


def test_what_looks_like_a_secret_elsewhere_is_redacted() -> None:
    before = {"data": {"DB_PASSWORD": "old", "conf": "a: 1\ntoken: abc\n", "url": "https://db"}, "spec": {"args": ["-v"], "automountServiceAccountToken": True}}
    data = {"DB_PASSWORD": "hunter2", "conf": "a: 2\ntoken: xyz\n", "url": "https://me:hunter2@db"}
    after = {"data": data, "spec": {"args": ["--password=hunter2"], "automountServiceAccountToken": False}}
    told = [text for change in changes(before, after) for text in lines(change)]
    assert [text for text in told if "hunter2" in text or "xyz" in text or "abc" in text] == []
    assert {"+ data.DB_PASSWORD: [secret]", "+   a: 2", "+   token: [secret]", "+ data.url: https://me:[secret]@db"} <= {*told}
    assert {"- spec.automountServiceAccountToken: True", "+ spec.automountServiceAccountToken: False", "+ spec.args: ['--password=[secret]']"} <= {*told}
    (first, *_) = changes(before, after)
    assert drift(first, "hunter2", "old") == "its data.DB_PASSWORD is another one now"


def test_a_drift_is_told_at_its_place() -> None:
    change = FieldChange(path="/spec/template/spec/containers", before=None, after=None)
    assert drift(FieldChange(path="/spec/replicas"), 4, 3) == "its spec.replicas is 4 now, not 3"
    assert drift(FieldChange(path="/spec/paused"), True, None) == "its spec.paused is True now, not absent"
    assert drift(change, [container(image="v2")], [container(image="v1")]) == "its spec.template.spec.containers[web].image is v2 now, not v1"
    secret, other = ([container(env=[{"name": "TOKEN", "value": value}])] for value in ("secret", "other"))
    assert drift(change, secret, other) == "its spec.template.spec.containers[web].env[TOKEN].value is another one now"
