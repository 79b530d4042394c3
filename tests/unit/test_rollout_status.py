"""Whether a rollout is over: kubectl's order of questions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.rolloutstatus import rollout_status
from tests.unit.kubernetes_objects import deployment


def stateful_set(*, replicas: int = 3, partition: int = 0, **status: Any) -> dict[str, Any]:
    made = deployment(replicas=replicas, status=status, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": partition}})
    return {**made, "kind": "StatefulSet"}


def daemon_set(*, kind: str = "RollingUpdate", **status: Any) -> dict[str, Any]:
    full = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3, "numberReady": 3}
    return {
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "generation": 2},
        "spec": {"updateStrategy": {"type": kind}},
        "status": {**full, **status},
    }


def text(outcome: Outcome) -> str:
    assert isinstance(outcome, (Waiting, Done))
    return outcome.text


def test_a_change_that_the_controller_has_not_seen_is_waited_for_whatever_the_status_says() -> None:
    stale = {"observedGeneration": 1, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "status": "False"}]}
    assert isinstance(rollout_status(deployment(status=stale)), Waiting)
    assert isinstance(rollout_status({**deployment(), "status": {}}), Waiting)


def test_the_progress_deadline_fails_a_deployment_before_its_counts_are_looked_at() -> None:
    late = deployment(status={"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "status": "False"}]}, progressDeadlineSeconds=60)
    outcome = rollout_status(late)
    assert isinstance(outcome, Failed)
    assert outcome.code == "ProgressDeadlineExceeded"
    assert "60 s" in outcome.why


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"updatedReplicas": 1, "availableReplicas": 1}, "1 of 2 pods are updated"),
        ({"replicas": 3}, "1 old pod still to end"),
        ({"availableReplicas": 1}, "1 of 2 new pods are available"),
    ],
)
def test_a_deployment_waits_for_updated_then_for_old_pods_then_for_available(status: dict[str, int], said: str) -> None:
    assert text(rollout_status(deployment(status=status))) == said


def test_a_deployment_with_all_new_pods_available_is_done() -> None:
    assert isinstance(rollout_status(deployment()), Done)
    assert isinstance(rollout_status(deployment(replicas=0)), Done)


def test_a_stateful_set_updates_down_to_its_partition() -> None:
    assert text(rollout_status(stateful_set(readyReplicas=2))) == "2 of 3 pods are ready"
    assert text(rollout_status(stateful_set(updatedReplicas=2))) == "2 of 3 pods are updated"
    held = rollout_status(stateful_set(partition=2, updatedReplicas=1))
    assert isinstance(held, Done)
    assert "below ordinal 2 keep the old template" in held.text


def test_a_daemon_set_counts_its_nodes() -> None:
    assert text(rollout_status(daemon_set(updatedNumberScheduled=1))) == "1 of 3 pods are updated"
    assert text(rollout_status(daemon_set(numberAvailable=2))) == "2 of 3 pods are available"
    assert isinstance(rollout_status(daemon_set()), Done)


def test_on_delete_never_finishes_by_itself() -> None:
    outcome = rollout_status(daemon_set(kind="OnDelete", updatedNumberScheduled=0))
    assert isinstance(outcome, Failed)
    assert outcome.code == "OnDelete"
    assert isinstance(rollout_status(daemon_set(kind="OnDelete")), Done)


counts = st.integers(min_value=0, max_value=6)


@given(wanted=counts, replicas=counts, updated=counts, available=counts)
def test_done_means_that_all_wanted_pods_are_new_and_available_and_no_other_is_left(wanted: int, replicas: int, updated: int, available: int) -> None:
    status = {"replicas": replicas, "updatedReplicas": updated, "availableReplicas": available}
    done = isinstance(rollout_status(deployment(replicas=wanted, status=status)), Done)
    assert done == (updated >= wanted and replicas <= updated and available >= updated)
