"""What a rollout is made of from the statuses and events of its pods, and when a stumble becomes a failure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.failures.finding import LogRequest
from bot.core.outcome import Done, Failed, Waiting
from bot.core.rollout import Assessment, assess
from tests.unit.kubernetes_objects import IMAGE, START, deployment, event, owner, pod, replicaset, stamp, template, terminated, waiting

Json = dict[str, Any]
DEADLINE = timedelta(minutes=10)
UPDATING = {"updatedReplicas": 1, "availableReplicas": 2, "replicas": 3}
WANTED = f"{IMAGE}:v1.2.0"
NOT_FOUND = f'failed to pull and unpack image "{WANTED}": failed to resolve reference "{WANTED}": {WANTED}: not found'
REFUSED = f'failed to pull and unpack image "{WANTED}": failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized'
TIMED_OUT = f'failed to pull and unpack image "{WANTED}": dial tcp: i/o timeout'
CRASHED = {"container_restartCount": 2, "container_lastState": terminated()}


class Rollout:
    """A Deployment on its way to a new template, looked at again and again."""

    def __init__(self, workload: Json | None = None, *, deadline: timedelta = DEADLINE) -> None:
        self.workload = workload or deployment(status=UPDATING)
        self.revision = replicaset(self.workload)
        self.revisions = [replicaset(self.workload, template(f"{IMAGE}:v1.1.0"), number=1), self.revision]
        self.pods: list[Json] = []
        self.events: list[Json] = []
        self.seen: dict[str, datetime] = {}
        self.deadline = deadline

    def looks(self, seconds: float = 0) -> Assessment:
        now = START + timedelta(seconds=seconds)
        found = assess(self.workload, self.revisions, self.pods, self.events, since=START, now=now, seen=self.seen, deadline=self.deadline)
        self.seen = found.seen
        return found

    def fails(self, seconds: float = 0) -> Failed:
        outcome = self.looks(seconds).outcome
        assert isinstance(outcome, Failed), outcome
        return outcome

    def waits(self, seconds: float = 0) -> Waiting:
        outcome = self.looks(seconds).outcome
        assert isinstance(outcome, Waiting), outcome
        return outcome


def rollout(state: Json, **container: Any) -> Rollout:
    """One with a single new pod whose container is in that state."""
    made = Rollout()
    made.pods = [pod(made.revision, state=state, **container)]
    return made


def test_says_how_many_new_pods_are_ready() -> None:
    made = rollout({"running": {}}, ready=True)
    assert made.waits().progress == (1, 2)
    assert made.waits().text == "1 of 2 pods are updated"


def test_is_done_when_kubectl_says_so_and_forgets_what_it_saw() -> None:
    made = Rollout(deployment())
    made.seen = {"old": START}
    found = made.looks()
    assert isinstance(found.outcome, Done)
    assert found.seen == {}


@pytest.mark.parametrize(
    ("message", "code", "said", "hint"),
    [
        (NOT_FOUND, "ImageNotFound", "registry.example has no such image", "Push"),
        (REFUSED, "ImageUnauthorized", "refused the credentials", "imagePullSecrets"),
        ("pull access denied, repository does not exist or may require authorization", "ImageUnauthorized", "refused", "service account default"),
        (f'no match for platform in manifest: "{WANTED}"', "ImageNotFound", "no build for the platform", "architecture"),
    ],
)
def test_a_pull_that_the_registry_refused_fails_once_the_kubelet_backs_off(message: str, code: str, said: str, hint: str) -> None:
    made = rollout(waiting("ErrImagePull", message))
    assert "could not pull" in made.waits().text
    made.pods = [pod(made.revision, state=waiting("ImagePullBackOff", f'Back-off pulling image "{WANTED}": ErrImagePull: {message}'))]
    failed = made.fails(1)
    assert (failed.code, failed.new) == (code, "image v1.1.0 → v1.2.0")
    assert failed.why.startswith("the new pod could not pull")
    assert said in failed.why
    assert hint in failed.hint


def test_the_back_off_of_an_older_kubelet_is_explained_by_the_event_of_the_pull() -> None:
    made = rollout(waiting("ImagePullBackOff", f'Back-off pulling image "{WANTED}"'))
    made.events = [event(made.pods[0], "Failed", "Failed to pull image: failed to authorize: unexpected status: 401 Unauthorized")]
    assert made.fails().code == "ImageUnauthorized"
    assert "401" in made.fails().evidence[0].text


def test_the_name_of_an_image_is_no_reason() -> None:
    odd = f"{IMAGE}:v1.403-not-found"
    made = Rollout(deployment(template(odd), status=UPDATING))
    made.pods = [pod(made.revision, state=waiting("ImagePullBackOff", f'Back-off pulling image "{odd}": ErrImagePull: "{odd}": dial tcp: i/o timeout'))]
    assert "i/o timeout" in made.waits().text


def test_a_pull_that_failed_once_is_no_failure() -> None:
    made = rollout(waiting("ErrImagePull", TIMED_OUT))
    assert "i/o timeout" in made.waits(0).text
    assert "i/o timeout" in made.waits(15).text
    made.pods = [pod(made.revision, ready=True)]
    assert made.waits(20).text == "1 of 2 pods are updated"
    assert made.seen == {}


def test_a_registry_that_stays_silent_is_a_failure_and_each_pod_has_its_own_patience() -> None:
    made = rollout(waiting("ImagePullBackOff", TIMED_OUT))
    made.waits(0)
    second = pod(made.revision, "gateway-h2-b", state=waiting("ImagePullBackOff", TIMED_OUT))
    made.pods = [second]
    made.waits(89)
    made.waits(100)
    assert made.fails(180).code == "ImagePullFailed"


def test_an_invalid_image_name_fails_at_once() -> None:
    assert rollout(waiting("InvalidImageName")).fails().code == "InvalidImageName"


def test_a_crash_gets_two_restarts() -> None:
    made = rollout(waiting("CrashLoopBackOff"), container_restartCount=1, container_lastState=terminated())
    assert "crashed at start" in made.waits().text
    made.pods = [pod(made.revision, state={"running": {}}, **CRASHED)]
    made.waits(5)
    made.pods = [pod(made.revision, state=waiting("CrashLoopBackOff"), **CRASHED)]
    found = made.looks(6)
    assert isinstance(found.outcome, Failed)
    assert found.outcome.why == "the new pod crashed at start (CrashLoopBackOff, exit 1, 2 restarts)"
    assert found.wants_logs == (LogRequest("gateway-h2-a", "gateway", previous=True),)


def test_what_a_container_says_of_its_end_or_to_a_probe_is_redacted() -> None:
    made = rollout(waiting("CrashLoopBackOff"), container_restartCount=2, container_lastState=terminated(message="starting\nno login: password=hunter2"))
    made.events = [event(made.pods[0], "BackOff", "Startup probe errored: token=hunter2")]
    failed = made.fails()
    assert failed.why == "the new pod crashed at start (CrashLoopBackOff, exit 1, 2 restarts): no login: password=[secret]"
    assert [one.text.partition(" ")[2] for one in failed.evidence] == ["BackOff: Startup probe errored: token=[secret]"]
    made = rollout({"running": {}})
    made.events = [event(made.pods[0], "Unhealthy", "Readiness probe failed: refused by postgres://app:hunter2@db")]
    made.waits()
    assert made.fails(300).why.endswith("readiness probe failed: refused by postgres://app:[secret]@db")


def test_the_log_of_a_container_that_has_just_ended_is_its_present_one() -> None:
    made = rollout(terminated(139), container_restartCount=2)
    found = made.looks()
    assert isinstance(found.outcome, Failed)
    assert "segmentation fault" in found.outcome.hint
    assert found.wants_logs == (LogRequest("gateway-h2-a", "gateway", previous=False),)


def test_out_of_memory_names_the_limit() -> None:
    limited = template(resources={"limits": {"memory": "256Mi"}})
    made = Rollout(deployment(limited, status=UPDATING))
    made.pods = [pod(made.revision, state=waiting("CrashLoopBackOff"), container_restartCount=2, container_lastState=terminated(137, "OOMKilled"))]
    failed = made.fails()
    assert failed.code == "OOMKilled"
    assert "256Mi" in failed.why
    assert "limits.memory" in failed.hint


@pytest.mark.parametrize("reason", ["Killing", "Unhealthy"])
def test_a_pod_that_its_liveness_probe_ends_is_a_failed_probe(reason: str) -> None:
    made = Rollout(deployment(template(livenessProbe={"httpGet": {"port": 8080, "path": "/health/live"}}), status=UPDATING))
    made.pods = [pod(made.revision, state=waiting("CrashLoopBackOff"), container_restartCount=2, container_lastState=terminated(143))]
    made.events = [event(made.pods[0], "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")]
    if reason == "Killing":
        made.events.append(event(made.pods[0], "Killing", "Container gateway failed liveness probe, will be restarted", kind="Normal"))
    failed = made.fails()
    assert failed.code == "ProbeFailed"
    assert "liveness probe GET :8080/health/live answered 500" in failed.why


@pytest.mark.parametrize(
    ("message", "why", "hint"),
    [
        ('configmap "app-config" not found', "ConfigMap app-config does not exist", "Create ConfigMap app-config in prod"),
        ("couldn't find key dsn in Secret prod/db", "the key dsn of Secret db does not exist", "Add dsn to Secret db in prod"),
        ("container has runAsNonRoot and image will run as root", "runs as root", "numeric USER"),
    ],
)
def test_a_container_that_cannot_be_configured_has_ten_seconds(message: str, why: str, hint: str) -> None:
    made = rollout(waiting("CreateContainerConfigError", message))
    assert why in made.waits(0).text
    made.waits(9)
    failed = made.fails(10)
    assert failed.code == "CreateContainerConfigError"
    assert why in failed.why
    assert hint in failed.hint


def test_says_which_part_of_the_pod_asks_for_what_is_not_there() -> None:
    asking = template(env=[{"name": "DSN", "valueFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}], envFrom=[{"configMapRef": {"name": "app-config"}}])
    made = Rollout(deployment(asking, status=UPDATING))
    made.pods = [pod(made.revision, state=waiting("CreateContainerConfigError", "couldn't find key dsn in Secret prod/db"))]
    made.waits(0)
    assert "variable DSN" in made.fails(10).hint
    made.pods = [pod(made.revision, "gateway-h2-b", state=waiting("CreateContainerConfigError", 'configmap "app-config" not found'))]
    made.waits(20)
    assert "envFrom of gateway" in made.fails(30).hint


def unschedulable(made: Rollout) -> Json:
    message = "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available."
    found = pod(made.revision, phase="Pending", containerStatuses=[])
    return {**found, "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}}


def test_a_pod_that_finds_no_node_has_half_a_minute_and_says_what_it_asks_for() -> None:
    made = Rollout(deployment(template(resources={"requests": {"cpu": "100"}}), status=UPDATING))
    made.pods = [unschedulable(made)]
    made.waits(0)
    failed = made.fails(30)
    assert failed.code == "Unschedulable"
    assert failed.why == "the new pod could not be scheduled: 0/3 nodes are available: 3 Insufficient cpu"
    assert "cpu 100" in failed.hint


def test_a_node_that_is_coming_and_old_pods_that_are_going_are_waited_for() -> None:
    made = Rollout()
    made.pods = [unschedulable(made)]
    made.events = [event(made.pods[0], "TriggeredScaleUp", "pod triggered scale-up: [{pool 3->4 (max: 9)}]", kind="Normal")]
    made.waits(0)
    made.waits(120)
    made.events = []
    assert made.fails(121).code == "Unschedulable"


def test_a_volume_that_names_what_is_not_there() -> None:
    made = rollout(waiting("ContainerCreating"))
    made.events = [event(made.pods[0], "FailedMount", 'MountVolume.SetUp failed for volume "tls" : secret "gateway-tls" not found')]
    made.waits(0)
    failed = made.fails(20)
    assert failed.code == "FailedMount"
    assert "Secret gateway-tls does not exist" in failed.why
    made = rollout(waiting("ContainerCreating"))
    made.events = [event(made.pods[0], "FailedAttachVolume", "Multi-Attach error for volume")]
    made.waits(0)
    made.waits(60)
    assert made.fails(121).code == "FailedMount"


def test_a_pod_that_never_gets_ready_fails_after_half_of_the_deadline() -> None:
    made = Rollout(deployment(template(readinessProbe={"httpGet": {"port": "http", "path": "/health/ready"}}), status=UPDATING))
    made.pods = [pod(made.revision, state={"running": {}})]
    made.events = [event(made.pods[0], "Unhealthy", 'Readiness probe failed: Get "http://10.0.0.1:8080/health/ready": dial tcp: connect: connection refused')]
    made.waits(0)
    made.waits(299)
    failed = made.fails(300)
    assert failed.code == "ProbeFailed"
    assert failed.why == "the new pod did not become ready: readiness probe GET :http/health/ready met a refused connection"


def test_an_init_container_that_ended_well_is_no_crash_and_one_that_did_not_is() -> None:
    made = Rollout()
    made.workload["spec"]["template"]["spec"]["initContainers"] = [{"name": "migrate", "image": WANTED}]
    made.revisions = [replicaset(made.workload)]
    ended = {"name": "migrate", "ready": True, "restartCount": 0, "state": terminated(0, "Completed")}
    made.pods = [pod(made.revisions[0], ready=True, initContainerStatuses=[ended])]
    assert made.waits().text == "1 of 2 pods are updated"
    crashing = {**ended, "ready": False, "restartCount": 2, "state": waiting("CrashLoopBackOff"), "lastState": terminated(3)}
    made.pods = [pod(made.revisions[0], state=waiting("PodInitializing"), initContainerStatuses=[crashing])]
    found = made.looks()
    assert isinstance(found.outcome, Failed)
    assert "exit 3" in found.outcome.why
    assert found.wants_logs[0].container == "migrate"


EXCEEDED = "exceeded quota: team, requested: pods=1,requests.cpu=200m, used: pods=2,requests.cpu=400m, limited: pods=2,requests.cpu=500m"
QUOTA = f'pods "gateway-h2-x" is forbidden: {EXCEEDED}'


def refusing(message: str) -> Rollout:
    made = Rollout(deployment(status={"updatedReplicas": 0}))
    made.revision["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}
    return made


def test_a_quota_that_is_used_up_says_which_and_how_much() -> None:
    made = refusing(QUOTA)
    made.waits(0)
    failed = made.fails(20)
    assert failed.code == "QuotaExceeded"
    assert "quota team is used up (pods: 2 of 2 used, 1 more needed; requests.cpu: 400m of 500m used, 200m more needed)" in failed.why
    assert failed.why.startswith("both new pods could not be created")


def test_a_quota_that_old_pods_still_hold_is_waited_for_and_progress_begins_the_patience_anew() -> None:
    made = refusing(QUOTA)
    old = pod(made.revisions[0], "gateway-h1-a", ready=True)
    old["metadata"]["deletionTimestamp"] = stamp(START)
    made.pods = [old]
    made.waits(0)
    made.waits(60)
    made.pods = [pod(made.revision, ready=True)]
    made.waits(61)
    assert made.fails(81).why.startswith("1 of 2 new pods could not be created")


def test_other_refusals_of_admission_are_passed_on() -> None:
    made = refusing('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true')
    made.waits(0)
    assert "Pod Security" in made.fails(20).hint
    made = refusing('pods "x" is forbidden: failed quota: team: must specify limits.cpu for: gateway')
    made.waits(0)
    assert made.fails(20).hint == "Set resources (limits.cpu) of container gateway."


def test_a_stateful_set_says_by_events_that_pods_are_refused_and_how_to_get_rid_of_a_broken_one() -> None:
    made = Rollout()
    made.workload = {**deployment(status={"updatedReplicas": 0, "readyReplicas": 1, "updateRevision": "gateway-new"}), "kind": "StatefulSet"}
    revision = {"kind": "ControllerRevision", "revision": 2, "metadata": {"name": "gateway-new", "uid": "r", "ownerReferences": owner(made.workload)}}
    made.revisions = [{**revision, "data": {"spec": {"template": {"$patch": "replace", **template()}}}}]
    message = f"create Pod gateway-1 in StatefulSet gateway failed error: {QUOTA.replace('gateway-h2-x', 'gateway-1')}"
    made.events = [event(made.workload, "FailedCreate", message)]
    made.waits(0)
    assert made.fails(20).code == "QuotaExceeded"
    made.events = []
    made.pods = [pod(made.workload, "gateway-1", labels={"controller-revision-hash": "gateway-new"}, state=waiting("CrashLoopBackOff"), **CRASHED)]
    assert "delete gateway-1" in made.fails(30).hint


def test_a_stateful_set_that_was_put_back_stands_still_until_its_broken_pod_is_deleted() -> None:
    made = Rollout()
    made.workload = {**deployment(status={"updatedReplicas": 1, "readyReplicas": 1, "updateRevision": "gateway-old"}), "kind": "StatefulSet"}
    metadata = {"name": "gateway-old", "uid": "r", "ownerReferences": owner(made.workload)}
    made.revisions = [{"kind": "ControllerRevision", "revision": 3, "metadata": metadata, "data": {"spec": {"template": template()}}}]
    good = pod(made.workload, "gateway-0", ready=True, labels={"controller-revision-hash": "gateway-old"})
    broken = pod(made.workload, "gateway-1", labels={"controller-revision-hash": "gateway-bad"}, state=waiting("CrashLoopBackOff"), **CRASHED)
    made.pods = [good, broken]
    made.waits(0)
    failed = made.fails(20)
    assert failed.code == "StandStill"
    assert "gateway-1 of another revision crashed at start" in failed.why
    assert failed.hint == "kubectl delete pod gateway-1 -n prod"
    made.workload["spec"]["podManagementPolicy"] = "Parallel"
    made.waits(40)


def test_a_paused_rollout_says_how_to_go_on() -> None:
    made = Rollout(deployment(status=UPDATING, paused=True))
    assert "somebody has paused the rollout" in made.waits(0).text
    failed = made.fails(30)
    assert (failed.code, failed.hint) == ("Paused", "kubectl rollout resume deployment/gateway -n prod")


def test_the_deadline_fails_what_nothing_explains_and_names_what_is_known() -> None:
    made = Rollout()
    assert made.fails(600).why == "not finished after 10m: 1 of 2 pods are updated"
    assert made.fails(600).code == "DeadlineExceeded"
    made.pods = [pod(made.revision, phase="Failed", reason="Evicted", message="The node was low on resource: memory.")]
    made.waits(1)
    failed = made.fails(600)
    assert failed.code == "Evicted"
    assert failed.why == "not finished after 10m: the new pod ended on the node (Evicted): The node was low on resource: memory."


def test_kubectls_progress_deadline_is_explained_by_what_pods_say() -> None:
    made = Rollout(deployment(status={**UPDATING, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}))
    made.pods = [pod(made.revision, state=waiting("ErrImagePull", TIMED_OUT))]
    failed = made.fails()
    assert failed.code == "ImagePullFailed"
    assert failed.why.startswith("Deployment gateway made no progress for 600 s: the new pod could not pull")


def test_most_pods_decide_and_are_counted() -> None:
    made = Rollout(deployment(replicas=5, status={"updatedReplicas": 3}))
    crashing = [pod(made.revision, f"gateway-h2-{letter}", state=waiting("CrashLoopBackOff"), **CRASHED) for letter in "abc"]
    made.pods = [*crashing, pod(made.revision, "gateway-h2-d", state=waiting("InvalidImageName")), pod(made.revision, "gateway-h2-e", ready=True)]
    found = made.looks()
    assert isinstance(found.outcome, Failed)
    assert found.outcome.why.startswith("3 of 5 new pods crashed")
    assert len(found.wants_logs) == 2


def test_a_change_that_the_controller_has_not_seen_yet_blames_nobody() -> None:
    made = Rollout(deployment(status={"observedGeneration": 1}))
    made.pods = [pod(made.revision, state=waiting("InvalidImageName"))]
    made.waits()


states = st.sampled_from(
    [
        *(waiting(reason, NOT_FOUND) for reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CrashLoopBackOff", "ContainerCreating")),
        waiting("CreateContainerConfigError", 'secret "x" not found'),
        terminated(),
        terminated(137, "OOMKilled"),
        {"running": {}},
    ]
)


@given(states, st.integers(0, 9), st.booleans(), st.integers(0, 599))
def test_old_pods_and_other_peoples_never_fail_a_rollout(state: Json, restarts: int, foreign: bool, seconds: int) -> None:
    made = Rollout()
    elsewhere = replicaset(deployment(), number=7)
    elsewhere["metadata"]["uid"] = "other"
    made.pods = [pod(elsewhere if foreign else made.revisions[0], state=state, container_restartCount=restarts, container_lastState=terminated())]
    made.waits(0)
    assert isinstance(made.looks(seconds).outcome, Waiting)


@given(st.lists(st.tuples(states, st.integers(0, 9), st.booleans()), max_size=4), st.integers(0, 900))
def test_every_look_has_an_outcome_and_a_failure_always_says_why_and_what_to_do(pods: list[tuple[Json, int, bool]], seconds: int) -> None:
    made = Rollout()
    made.pods = [
        pod(made.revision, f"gateway-h2-{index}", state=state, ready=ready, container_restartCount=restarts, container_lastState=terminated())
        for index, (state, restarts, ready) in enumerate(pods)
    ]
    for moment in (0, seconds):
        found = made.looks(moment)
        assert set(found.seen.values()) <= {START, START + timedelta(seconds=seconds)}
        if isinstance(found.outcome, Failed):
            assert found.outcome.code
            assert found.outcome.why
            assert found.outcome.hint or found.outcome.code == "DeadlineExceeded"
