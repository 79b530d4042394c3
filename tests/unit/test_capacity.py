"""Room for a rollout."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import resources
from bot.core.capacity import fits, free_room, quota_room, room, selects, takes
from bot.core.workload import surge, unavailable
from tests.unit.kubernetes_objects import deployment, pod, replicaset, template

Json = dict[str, Any]
NO_ROOM_OF_ITS_OWN = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
OLD_FIRST = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}


def asking(cpu: str = "500m", memory: str = "1Gi", **limits: str) -> Json:
    return template(resources={"requests": {"cpu": cpu, "memory": memory}, "limits": limits})


def quota(used: Json, **hard: str) -> Json:
    limits = {key.replace("_", "."): value for key, value in hard.items()}
    return {"kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": limits}, "status": {"hard": limits, "used": used}}


def node(name: str = "node-1", *, cpu: str = "8", memory: str = "32Gi", ready: bool = True, labels: Json | None = None, **spec: Any) -> Json:
    status = {"allocatable": {"cpu": cpu, "memory": memory, "pods": "110"}, "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"kind": "Node", "metadata": {"name": name, "labels": labels or {}}, "spec": spec, "status": status}


def budget(desired: int) -> Json:
    return {"metadata": {"name": "gateway"}, "spec": {"selector": {"matchLabels": {"app": "gateway"}}}, "status": {"desiredHealthy": desired}}


def running(workload: Json, name: str, where: str = "node-1") -> Json:
    made = pod(replicaset(workload), name, ready=True, labels={"app": "gateway"})
    made["spec"]["nodeName"] = where
    return made


def test_a_rollout_with_room_has_no_problem() -> None:
    workload = deployment(asking(), **NO_ROOM_OF_ITS_OWN)
    assert room(workload, [quota({"pods": "2"}, pods="3")], [budget(2)], [node()], [running(workload, "a"), running(workload, "b")]) == []


def test_names_the_quota_that_leaves_no_room_for_the_surge() -> None:
    workload = deployment(asking(), **NO_ROOM_OF_ITS_OWN)
    tight = quota({"pods": "2", "requests.cpu": "900m"}, pods="2", requests_cpu="1")
    stuck = "and the rollout may not end an old pod first (maxUnavailable 0)."
    assert room(workload, [tight], [], [], None) == [
        f"Quota team has 0 pods left, one more pod of Deployment gateway needs 1, {stuck}",
        f"Quota team has 100m requests.cpu left, one more pod of Deployment gateway needs 500m, {stuck}",
    ]
    assert room(deployment(asking(), **OLD_FIRST), [tight], [], [], None) == []


def test_leaves_out_quotas_of_other_scopes() -> None:
    scoped = quota({"pods": "2"}, pods="2")
    scoped["spec"]["scopes"] = ["Terminating"]
    assert room(deployment(asking(), **NO_ROOM_OF_ITS_OWN), [scoped], [], [], None) == []


def test_a_quota_refuses_pods_that_do_not_say_what_they_need_unless_a_limit_range_says_it_for_them() -> None:
    workload = deployment(asking())
    limited = quota({"limits.memory": "0"}, limits_memory="64Gi")
    bare = running(workload, "a")
    assert room(workload, [limited], [], [], [bare]) == ["Quota team refuses pods without limits.memory, which container gateway does not set."]
    bare["spec"]["containers"][0]["resources"]["limits"] = {"memory": "1Gi"}
    assert room(workload, [limited], [], [], [bare]) == []
    assert room(workload, [limited], [], [], None) == []


def test_names_the_budget_that_a_rollout_would_break() -> None:
    workload = deployment(asking(), replicas=4)
    assert room(workload, [], [budget(4)], [], None) == [
        "PodDisruptionBudget gateway wants 4 healthy pods, and the rollout of Deployment gateway may take 1 of 4 down (maxUnavailable)."
    ]
    assert room(workload, [], [budget(3)], [], None) == []
    assert room(deployment(asking(), replicas=4, strategy={"type": "Recreate"}), [], [budget(4)], [], None) == []


def test_a_pod_that_no_node_could_hold_even_empty() -> None:
    problems = room(deployment(asking(cpu="100")), [], [], [node(), node("node-2", cpu="4")], None)
    assert problems == ["A pod of Deployment gateway asks for cpu 100, memory 1Gi; the largest of the 2 nodes that would take it has cpu 8, memory 32Gi."]


def test_nodes_that_are_full_stop_a_rollout_that_may_not_end_an_old_pod_first() -> None:
    full = [running(deployment(asking(cpu="3")), "a"), running(deployment(asking(cpu="3")), "b")]
    finished = {**running(deployment(asking(cpu="3")), "c"), "status": {"phase": "Succeeded"}}
    workload = deployment(asking(cpu="2500m"), **NO_ROOM_OF_ITS_OWN)
    assert "No node has room for one more pod" in room(workload, [], [], [node()], full)[0]
    assert room(workload, [], [], [node()], [full[0], finished]) == []
    assert room(workload, [], [], [node()], None) == []
    assert room(deployment(asking(cpu="2500m"), **OLD_FIRST), [], [], [node()], full) == []


TAINT = {"key": "team", "value": "data", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("there", "pod_spec", "taken"),
    [
        (node(), {}, True),
        (node(ready=False), {}, False),
        (node(unschedulable=True), {}, False),
        (node(taints=[TAINT]), {}, False),
        (node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), {}, True),
        (node(taints=[TAINT]), {"tolerations": [{"key": "team", "operator": "Equal", "value": "data"}]}, True),
        (node(taints=[TAINT]), {"tolerations": [{"operator": "Exists"}]}, True),
        (node(taints=[TAINT]), {"tolerations": [{"key": "team", "operator": "Exists", "effect": "NoExecute"}]}, False),
        (node(), {"nodeSelector": {"disk": "ssd"}}, False),
        (node(labels={"disk": "ssd"}), {"nodeSelector": {"disk": "ssd"}}, True),
    ],
)
def test_which_nodes_the_scheduler_would_look_at(there: Json, pod_spec: Json, taken: bool) -> None:
    made = template()
    made["spec"] |= pod_spec
    assert takes(there, made) is taken


def test_none_of_the_nodes_takes_it() -> None:
    assert room(deployment(), [], [], [node(unschedulable=True)], []) == [
        "No node (of 1) takes a pod of Deployment gateway: not ready, cordoned, tainted, or without the labels that nodeSelector asks for."
    ]


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "gateway"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["gateway", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["gateway"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}, {"key": "tier", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_label_selectors(selector: Json | None, selected: bool) -> None:
    assert selects(selector, {"app": "gateway"}) is selected


def test_what_a_pod_asks_for_counts_init_containers_sidecars_and_overhead_as_the_scheduler_does() -> None:
    made = template(resources={"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}})
    made["spec"]["initContainers"] = [
        {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
        {"name": "migrate", "resources": {"requests": {"cpu": "2", "memory": "512Mi"}}},
    ]
    made["spec"]["overhead"] = {"cpu": "50m"}
    assert resources.total(made) == {"cpu": Fraction(215, 100), "memory": 2**30}
    made["spec"]["resources"] = {"requests": {"cpu": "3"}}
    assert resources.total(made)["cpu"] == Fraction(305, 100)


amounts = st.fractions(min_value=0, max_value=100, max_denominator=1000)


@given(st.dictionaries(st.sampled_from(["cpu", "memory"]), amounts), st.dictionaries(st.sampled_from(["cpu", "memory", "pods"]), amounts))
def test_so_many_fit_and_not_one_more(asked: dict[str, Fraction], there: dict[str, Fraction]) -> None:
    count = fits(asked, there)
    needs = {**asked, "pods": Fraction(1)}
    assert all(amount * count <= there.get(name, 0) for name, amount in needs.items()) or count == 0
    assert any(amount * (count + 1) > there.get(name, 0) for name, amount in needs.items())


@given(st.integers(0, 40), st.integers(0, 100), st.integers(0, 100))
def test_surge_rounds_up_unavailable_down_and_a_rollout_can_always_move(replicas: int, over: int, under: int) -> None:
    workload = deployment(replicas=replicas, strategy={"rollingUpdate": {"maxSurge": f"{over}%", "maxUnavailable": f"{under}%"}})
    assert surge(workload) == -(-replicas * over // 100)
    assert unavailable(workload) == (replicas * under // 100 or (0 if surge(workload) else 1))
    assert surge(workload) + unavailable(workload) >= 1


def test_what_is_left_is_exact() -> None:
    assert quota_room(quota({"requests.cpu": "900m"}, requests_cpu="1")) == {"requests.cpu": Fraction(1, 10)}
    workload = deployment(asking(cpu="1500m"))
    assert free_room([node()], template(), [running(workload, "a")])["node-1"]["cpu"] == Fraction(13, 2)
