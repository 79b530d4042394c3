"""What an API server's refusals mean. The answers are those of Kubernetes 1.36."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.kubernetes.errors import Call, Gone, error_of, status_of
from bot.adapters.kubernetes.kinds import KINDS
from bot.core.errors import AiecError, Conflict, Contested, Forbidden, Invalid, NotFound, Throttled, Unauthenticated, Unavailable

NAME = "the cluster of prod (https://10.0.0.1)"
PATCH = Call("patch", KINDS["Deployment"], "shop", "gateway")


def answered(code: int, message: str = "", headers: dict[str, str] | None = None, call: Call = PATCH, **details: Any) -> AiecError:
    status = {"kind": "Status", "message": message, "reason": "x", "details": details}
    return error_of(code, status_of(json.dumps(status).encode()), headers or {}, call, NAME)


REJECTED = "the server rejected our request due to an error in our request"
NOT_VALID = 'Deployment.apps "gateway" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
OVER_QUOTA = 'pods "gateway-0" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2'
CONTESTED = 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'
CAUSES = [{"reason": "FieldManagerConflict", "message": 'conflict with "kubectl-client-side-apply" using apps/v1', "field": ".spec.replicas"}]
DENIED = 'admission webhook "policy.example" denied the request: no latest tags'


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered(401, "Unauthorized"), Unauthenticated),
        (answered(404, 'deployments.apps "gateway" not found', name="gateway"), NotFound),
        (answered(409, "the object has been modified", name="gateway"), Conflict),
        (answered(409, CONTESTED, causes=CAUSES), Contested),
        (answered(500, "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spek: field not declared in schema"), Invalid),
        (answered(422, REJECTED), Conflict),
        (answered(422, NOT_VALID, name="gateway", causes=[{"field": "spec.replicas"}]), Invalid),
        (answered(403, OVER_QUOTA, name="gateway-0"), Invalid),
        (answered(403, DENIED), Invalid),
        (answered(400, "error decoding patch"), Invalid),
        (answered(410, "too old resource version: 1 (99)"), Gone),
        (answered(500, "etcdserver: request timed out"), Unavailable),
        (answered(503, "apiserver is shutting down"), Unavailable),
        (answered(302), Unavailable),
    ],
)
def test_tells_refusals_apart(error: AiecError, kind: type[AiecError]) -> None:
    assert type(error) is kind


@pytest.mark.parametrize(
    ("call", "role", "rule"),
    [
        (PATCH, "role", '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}'),
        (Call("get", KINDS["Pod"], "shop", "gateway-0", "log"), "role", '{apiGroups: [""], resources: ["pods/log"], verbs: ["get"]}'),
        (Call("list", KINDS["Node"], "shop"), "ClusterRole", '{apiGroups: [""], resources: ["nodes"], verbs: ["list"]}'),
    ],
)
def test_a_missing_right_is_named_with_the_rule_that_gives_it(call: Call, role: str, rule: str) -> None:
    error = answered(403, f'x is forbidden: User "aiec" cannot {call.verb} resource "x" in API group "" in the namespace "shop"', call=call)
    assert isinstance(error, Forbidden)
    assert f"may not {call.verb} {call.target}" in error.text
    assert error.hint == f"Add this rule to aiec's {role}: {rule}"


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "7"}, 7), ({}, 1), ({"Retry-After": "soon"}, 1)])
def test_too_many_requests_say_how_long_to_wait(header: dict[str, str], seconds: int) -> None:
    error = answered(429, "too many requests", header)
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(seconds=seconds)


@given(st.integers(300, 599), st.binary(max_size=600))
def test_any_answer_has_a_short_meaning_that_names_the_cluster(code: int, body: bytes) -> None:
    error = error_of(code, status_of(body), {}, PATCH, NAME)
    assert "cluster of prod" in error.text
    assert len(error.text) < 700


def test_fields_of_others_come_with_their_owners() -> None:
    error = answered(409, CONTESTED, causes=CAUSES)
    assert isinstance(error, Contested)
    assert error.fields == ((".spec.replicas", "kubectl-client-side-apply"),)
