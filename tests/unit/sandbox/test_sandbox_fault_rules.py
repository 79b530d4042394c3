"""Fault rules as decisions: which request meets which fault."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sandbox.faults import Fault, Faults


def kinds(faults: Faults, count: int, method: str = "GET", path: str = "/api/v1/pods") -> list[str | None]:
    decided = [faults.decide("kubernetes", method, path) for _ in range(count)]
    return [fault.kind if fault else None for fault in decided]


def test_nothing_happens_without_rules() -> None:
    assert Faults().decide("slack", "POST", "/api/chat.postMessage") is None


@pytest.mark.parametrize(
    ("rule", "meets"),
    [
        ({"system": "kubernetes"}, True),
        ({"system": "slack"}, False),
        ({"method": "get"}, True),
        ({"method": "PATCH"}, False),
        ({"path": "/pods$"}, True),
        ({"path": "watch="}, False),
    ],
)
def test_a_rule_meets_only_what_it_names(rule: dict[str, str], meets: bool) -> None:
    faults = Faults()
    faults.add(Fault.model_validate({"kind": "drop", **rule}))
    assert kinds(faults, 1) == (["drop"] if meets else [None])


def test_skip_and_times_count_matching_requests_only() -> None:
    faults = Faults()
    name = faults.add(Fault(kind="hang", method="GET", skip=1, times=2))
    assert kinds(faults, 2, method="PATCH") == [None, None]
    assert kinds(faults, 4) == [None, "hang", "hang", None]
    assert faults.met(name) == 2


def test_the_first_rule_that_is_due_wins_and_an_exhausted_one_gives_way() -> None:
    faults = Faults()
    faults.add(Fault(kind="drop", times=1))
    faults.add(Fault(kind="status", times=1))
    assert kinds(faults, 3) == ["drop", "status", None]


def test_a_probability_depends_on_the_seed_alone() -> None:
    def run(seed: int) -> list[str | None]:
        faults = Faults(seed)
        faults.add(Fault(kind="drop", probability=0.5))
        return kinds(faults, 200)

    assert run(1) == run(1) != run(2)
    assert 60 < run(1).count("drop") < 140


def test_a_certain_rule_leaves_the_luck_of_the_others_as_it_was() -> None:
    alone, beside = Faults(3), Faults(3)
    for faults in (alone, beside):
        faults.add(Fault(kind="drop", probability=0.5, method="GET"))
    beside.add(Fault(kind="hang", method="PATCH"))
    expected = kinds(alone, 50)
    seen = []
    for _ in range(50):
        beside.decide("kubernetes", "PATCH", "/")
        seen += kinds(beside, 1)
    assert seen == expected


def test_rules_are_replaced_and_withdrawn_by_name() -> None:
    faults = Faults()
    faults.add(Fault(kind="drop"), "down")
    faults.add(Fault(kind="hang"), "down")
    assert kinds(faults, 1) == ["hang"]
    faults.clear("down")
    assert kinds(faults, 1) == [None]
    with pytest.raises(KeyError):
        faults.clear("down")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"kind": "explode"}, "latency"),
        ({"kind": "drop", "path": "("}, "not a regular expression"),
        ({"kind": "drop", "probability": 1.5}, "less than or equal to 1"),
        ({"kind": "drop", "times": 0}, "greater than or equal to 1"),
        ({"kind": "kill"}, "exactly one of pid and call"),
        ({"kind": "drop", "tiems": 1}, "tiems"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_reason(rule: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Fault.model_validate(rule)
