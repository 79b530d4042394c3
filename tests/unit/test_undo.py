"""Which revision a rollback returns to, and whether there is room for more pods."""

import pytest

from bot.core.capacity import room_to_grow
from bot.core.errors import Refused
from bot.core.revisions import REVISION, number
from bot.core.undo import find_revision

Json = dict[str, object]


def template(image: str) -> Json:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image, "resources": {"requests": {"cpu": "500m"}}}]}}


def deployment(image: str) -> Json:
    return {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "u1"}, "spec": {"replicas": 2, "template": template(image)}}


def replica_set(image: str, revision: int, owner: str = "u1") -> Json:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{revision}",
            "annotations": {REVISION: str(revision)},
            "creationTimestamp": f"2026-01-0{revision}T00:00:00Z",
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"template": template(image)},
    }


HISTORY = [replica_set("web:1", 1), replica_set("web:3", 3), replica_set("web:2", 2), replica_set("other:9", 9, owner="u2")]


@pytest.mark.parametrize(("now", "wanted", "expected"), [("web:3", None, (3, 2)), ("web:3", 1, (3, 1)), ("web:1", None, (1, 3)), ("web:2", 3, (2, 3))])
def test_without_a_number_it_is_the_latest_of_the_others(now: str, wanted: int | None, expected: tuple[int, int]) -> None:
    found = find_revision(deployment(now), HISTORY, wanted, "Look there.")
    assert (found.present, number(found.to)) == expected


@pytest.mark.parametrize(
    ("history", "wanted", "said"),
    [
        (HISTORY, 7, "Deployment web has no revision 7: there are 1, 2, 3 (now)."),
        (HISTORY, 9, "Deployment web has no revision 9: there are 1, 2, 3 (now)."),
        (HISTORY, 3, "Deployment web is at revision 3 already."),
        ([replica_set("web:3", 3)], None, "Deployment web has no earlier revision to return to: it has no other."),
        ([], None, "Deployment web has no earlier revision to return to: its history is empty."),
        ([], 1, "Deployment web has no revision 1: its history is empty."),
    ],
)
def test_what_cannot_be_returned_to_is_said_with_what_can(history: list[Json], wanted: int | None, said: str) -> None:
    with pytest.raises(Refused) as refused:
        find_revision(deployment("web:3"), history, wanted, "Look there.")
    assert refused.value.text == said


def quota(hard: str, used: str) -> Json:
    return {"metadata": {"name": "team"}, "spec": {}, "status": {"hard": {"requests.cpu": hard}, "used": {"requests.cpu": used}}}


def node(cpu: str) -> Json:
    ready = [{"type": "Ready", "status": "True"}]
    return {"metadata": {"name": f"n{cpu}"}, "spec": {}, "status": {"conditions": ready, "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}}


def test_more_pods_need_room_in_quotas_and_on_nodes() -> None:
    workload = deployment("web:1")
    assert room_to_grow(workload, 2, [quota("2", "1")], [], []) == []
    assert room_to_grow(workload, 3, [quota("2", "1")], [], []) == ["Quota team has 1 requests.cpu left, 3 more pods of Deployment web need 1500m."]
    assert room_to_grow(workload, 4, [], [node("1"), node("1100m")], []) == []
    assert room_to_grow(workload, 5, [], [node("1"), node("1100m")], []) == [
        "The nodes have room for 4 more pods of Deployment web (cpu 500m each), not for 5."
    ]
