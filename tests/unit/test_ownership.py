"""Whose fields are whose, read from managedFields and given back to it."""

from typing import Any

from bot.core.ownership import applied, given_back, others, owns, said

Json = dict[str, Any]
STATUS = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}}
KUBECTL = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
REPLICAS = {"f:spec": {"f:replicas": {}}}


def thing(*entries: Json) -> Json:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "managedFields": [*entries]}}


def ours(operation: str, fields: Json) -> Json:
    return {"manager": "aiec", "operation": operation, "fieldsV1": fields}


def test_only_what_we_applied_is_ours() -> None:
    assert applied(thing(KUBECTL, STATUS, ours("Update", REPLICAS))) is None
    assert applied(thing(KUBECTL, ours("Apply", REPLICAS))) == REPLICAS
    assert owns(thing(ours("Apply", REPLICAS)), "spec", "replicas")
    assert not owns(thing(KUBECTL, ours("Apply", {"f:spec": {}})), "spec", "replicas")
    assert not owns({"metadata": {"name": "web"}}, "spec", "replicas")


def test_our_share_is_given_back_and_others_keep_theirs() -> None:
    before = {"f:spec": {"f:template": {}}}
    after = given_back(thing(KUBECTL, STATUS, ours("Apply", {}), ours("Update", REPLICAS)), before)
    mine = {"manager": "aiec", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": before}
    assert after == [KUBECTL, STATUS, mine]
    assert given_back(thing(KUBECTL, ours("Apply", {})), None) == [KUBECTL]
    assert given_back(thing(ours("Apply", {})), None) == [{}]
    assert given_back(thing(KUBECTL, ours("Apply", before), ours("Update", REPLICAS)), before) is None


def test_conflicts_with_ourselves_and_about_our_marks_are_none() -> None:
    found = [(".spec.replicas", "kubectl"), (".spec.paused", "aiec"), (".metadata.annotations.aiec.dev/operation", "helm")]
    assert others(found, ["aiec.dev/operation"]) == [(".spec.replicas", "kubectl")]


def test_a_conflict_names_owner_and_fields() -> None:
    found = [(".spec.replicas", "kubectl"), (".data.a", "helm"), (".spec.paused", "kubectl")]
    assert said("deployment/web", found) == "deployment/web: spec.replicas and spec.paused belong to kubectl, data.a belongs to helm"
