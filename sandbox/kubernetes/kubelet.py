"""The nodes: they take the pods that are assigned to them through the stages of their fates, and report their statuses."""

from __future__ import annotations

from sandbox.kubernetes.core import Core
from sandbox.kubernetes.fates import EXITS, LONGEST_BACKOFF, PULLING, STAGES, Event, Stage, fate_of
from sandbox.kubernetes.objects import Key, Object, condition, is_terminating, key_of, timestamp
from sandbox.kubernetes.resources import PODS
from sandbox.kubernetes.store import Change

STOPPING = 0.3
"""Seconds from a pod's deletion to its end."""
JITTER = 0.05
"""Seconds by which pods that begin together may drift apart at every stage."""


class Kubelet:
    """All nodes' agents in one. `ready_after` is how many seconds an ordinary pod takes from its assignment to readiness."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.ready_after = 0.2
        self._planned: dict[Key, tuple[str, str, str, bool]] = {}
        self._repeated: dict[tuple[str, str], int] = {}
        self._addresses = 0
        core.store.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        if change.resource is not PODS or "nodeName" not in change.object["spec"]:
            return
        if change.verb == "DELETED":
            self._planned.pop(key_of(change.object), None)
        else:
            self.plan(change.object)

    def plan(self, pod: Object) -> None:
        """Puts the pod's next stage on the timeline, unless that is there already."""
        state, fate = state_of(pod), fate_of(pod)
        key, plan = key_of(pod), (pod["metadata"]["uid"], state, fate, is_terminating(pod))
        if self._planned.get(key) == plan:
            return
        self._planned[key] = plan
        if is_terminating(pod):
            self._event(pod, pod["spec"]["containers"], Event("Normal", "Killing", "Stopping container {container}"))
            self._core.later(STOPPING, lambda: self._stop(key, plan))
        elif state == "":
            self._core.later(0.0, lambda: self._admit(key, plan))
        elif state in STAGES[fate]:
            stage = STAGES[fate][state]
            jitter = self._core.rng.uniform(0, JITTER)
            self._core.later(self._delay(pod, fate, state, stage) + jitter, lambda: self._enter(key, plan, stage))

    def _delay(self, pod: Object, fate: str, state: str, stage: Stage) -> float:
        if fate == "ready" and state == "ContainerCreating":
            return self.ready_after
        if not stage.doubles:
            return stage.delay
        # Three at the same distance, then ever longer ones: a crash loop of days stays cheap, as a kubelet keeps it.
        uid = pod["metadata"]["uid"]
        times = self._repeated[uid, state] = self._repeated.get((uid, state), 0) + 1
        return float(min(stage.delay * 2 ** max(times - 3, 0), max(LONGEST_BACKOFF, stage.delay)))

    def _planned_pod(self, key: Key, plan: tuple[str, str, str, bool]) -> Object | None:
        """The pod, if what was planned for it still holds."""
        if self._planned.get(key) != plan:
            return None
        del self._planned[key]
        return self._core.store.get(PODS, *key)

    def _stop(self, key: Key, plan: tuple[str, str, str, bool]) -> None:
        pod = self._planned_pod(key, plan)
        if pod is None:
            return
        for repeated in [entry for entry in self._repeated if entry[0] == pod["metadata"]["uid"]]:
            del self._repeated[repeated]
        if not pod["metadata"].get("finalizers"):
            self._core.store.remove(PODS, *key)

    def _admit(self, key: Key, plan: tuple[str, str, str, bool]) -> None:
        pod = self._planned_pod(key, plan)
        if pod is None:
            return
        mounted = fate_of(pod) != "failedmount"
        status = {**pod["status"], "phase": "Pending", "startTime": timestamp(self._core.now), "hostIP": "127.0.0.1"}
        if mounted:
            self._addresses += 1
            node = pod["spec"]["nodeName"].rpartition("-")[2]
            status["podIP"] = f"10.{node}.{self._addresses >> 8 & 255}.{self._addresses & 255}"
            status["podIPs"] = [{"ip": status["podIP"]}]
        statuses = [_container(container, {}, waiting("ContainerCreating"), ready=False, started=False) for container in pod["spec"]["containers"]]
        self._report(pod, {**status, "containerStatuses": statuses}, ready=False, sandbox=mounted)
        if mounted:
            self._event(pod, pod["spec"]["containers"], PULLING)

    def _enter(self, key: Key, plan: tuple[str, str, str, bool], stage: Stage) -> None:
        pod = self._planned_pod(key, plan)
        if pod is None:
            return
        status, when = pod["status"], timestamp(self._core.now)
        old = {entry["name"]: entry for entry in status.get("containerStatuses", ())}
        containers = pod["spec"]["containers"]
        entries = [self._advance(pod, container, old[container["name"]], stage, when) for container in containers]
        running = stage.to in ("Ready", "Running")
        if running:
            status = {**status, "phase": "Running"}
            if "initContainers" in pod["spec"]:
                status["initContainerStatuses"] = [_finished(container, when) for container in pod["spec"]["initContainers"]]
        mounted = stage.to != "ContainerCreating"
        self._report(pod, {**status, "containerStatuses": entries}, ready=stage.to == "Ready", sandbox=mounted)
        for event in stage.events:
            self._event(pod, containers, event)
        if state_of(pod) == stage.to:
            self.plan(pod)  # nothing but events has changed, so no change has planned what comes next

    def _advance(self, pod: Object, container: Object, old: Object, stage: Stage, when: str) -> Object:
        if stage.to in ("Ready", "Running"):
            restarted = "running" in old["state"]
            state = old["state"] if restarted else {"running": {"startedAt": when}}
            return _container(container, old, state, ready=stage.to == "Ready", started=True)
        if stage.to == "Terminated":
            return _container(container, old, {"terminated": _exit(fate_of(pod), old, when)}, ready=False, started=False)
        message = _fill(stage.message, pod, container)
        entry = _container(container, old, waiting(stage.to, message), ready=False, started=False)
        if stage.to == "CrashLoopBackOff":
            entry |= {"restartCount": old["restartCount"] + 1, "lastState": old["state"]}
        return entry

    def kill(self, pod: Object) -> None:
        """The containers die as by SIGKILL, and are started again at once unless their fate says otherwise."""
        when = timestamp(self._core.now)
        old = {entry["name"]: entry for entry in pod["status"].get("containerStatuses", ())}
        entries = []
        for container in pod["spec"]["containers"]:
            dead = {"terminated": _exit("", old[container["name"]], when)}
            entry = _container(container, old[container["name"]], dead, ready=False, started=False)
            entries.append(entry | {"restartCount": entry["restartCount"] + 1, "lastState": dead})
        self._report(pod, {**pod["status"], "containerStatuses": entries}, ready=False, sandbox=True)

    def _report(self, pod: Object, status: Object, *, ready: bool, sandbox: bool) -> None:
        names = " ".join(entry["name"] for entry in status["containerStatuses"] if not entry["ready"])
        unready = {} if ready else {"reason": "ContainersNotReady", "message": f"containers with unready status: [{names}]"}
        wanted: list[Object] = [
            {"type": "PodReadyToStartContainers", "status": "True" if sandbox else "False"},
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": "True" if ready else "False", **unready},
            {"type": "ContainersReady", "status": "True" if ready else "False", **unready},
        ]
        self._core.registry.write_status(PODS, pod, {**status, "conditions": self._conditions(pod, wanted)})

    def _conditions(self, pod: Object, wanted: list[Object]) -> list[Object]:
        """A condition keeps the time of its last transition."""
        current, now = pod["status"].get("conditions", []), timestamp(self._core.now)
        merged = []
        for entry in wanted:
            before = condition(current, entry["type"])
            since = before["lastTransitionTime"] if before and before["status"] == entry["status"] else now
            merged.append({"type": entry["type"], "status": entry["status"], "lastProbeTime": None, "lastTransitionTime": since} | entry)
        scheduled = condition(current, "PodScheduled")
        return [*merged, scheduled] if scheduled else merged

    def _event(self, pod: Object, containers: list[Object], event: Event) -> None:
        spec = pod["spec"]
        if event.reason == "FailedMount":
            self._core.recorder.record(pod, "kubelet", event.kind, event.reason, event.message, host=spec["nodeName"])
            return
        for container in containers:
            message = _fill(event.message, self._core.store.get(PODS, *key_of(pod)) or pod, container)
            field = f"spec.containers{{{container['name']}}}"
            self._core.recorder.record(pod, "kubelet", event.kind, event.reason, message, host=spec["nodeName"], field=field)


def state_of(pod: Object) -> str:
    """The state of the first container by the names that the stages use; empty before the node has seen the pod."""
    statuses = pod["status"].get("containerStatuses")
    if not statuses:
        return ""
    state = statuses[0]["state"]
    if "waiting" in state:
        return str(state["waiting"]["reason"])
    if "running" in state:
        return "Ready" if statuses[0]["ready"] else "Running"
    return "Terminated"


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def _fill(text: str, pod: Object, container: Object) -> str:
    if "{" not in text:
        return text
    message = ""
    for entry in pod["status"].get("containerStatuses", ()):
        if entry["name"] == container["name"]:
            message = entry["state"].get("waiting", {}).get("message", "")
    return text.format(image=container["image"], container=container["name"], pod=pod["metadata"]["name"], message=message)


def _container(container: Object, old: Object, state: Object, *, ready: bool, started: bool) -> Object:
    return {
        "name": container["name"],
        "state": state,
        "lastState": old.get("lastState", {}),
        "ready": ready,
        "restartCount": old.get("restartCount", 0),
        "image": container["image"],
        "imageID": _image_id(container["image"]),
        "containerID": f"containerd://{container['name']}",
        "started": started,
    }


def _image_id(image: str) -> str:
    """`repository@digest` where the reference has a digest, and the reference itself where none is known."""
    reference, _, digest = image.partition("@")
    if not digest:
        return image
    path, _, name = reference.rpartition("/")
    return f"{path}/{name.partition(':')[0]}@{digest}" if path else f"{name.partition(':')[0]}@{digest}"


def _exit(fate: str, old: Object, when: str) -> Object:
    code, reason = EXITS.get(fate, (137, "Error"))
    return {"exitCode": code, "reason": reason, "startedAt": old["state"].get("running", {}).get("startedAt", when), "finishedAt": when}


def _finished(container: Object, when: str) -> Object:
    """An init container's status once the pod runs; one with restartPolicy Always is a sidecar and goes on."""
    status = {"name": container["name"], "image": container["image"], "imageID": container["image"], "ready": True, "restartCount": 0, "lastState": {}}
    if container.get("restartPolicy") == "Always":
        return {**status, "started": True, "state": {"running": {"startedAt": when}}}
    return {**status, "started": False, "state": {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": when, "finishedAt": when}}}
