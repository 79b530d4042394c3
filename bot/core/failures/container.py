"""What is wrong with one container of a pod: it cannot be made, it crashes, its probes fail."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.core.failures import image, reference
from bot.core.failures.finding import AT_ONCE, Finding, warnings
from bot.core.ports import Json
from bot.core.redact import redacted
from bot.core.template import probe_target

RESTARTS = 2
"""So many times a crashed container was started again before it counts as a crash loop: what only waits for a neighbour gets its second chance."""

_CONFIG = timedelta(seconds=10)
_CREATE = timedelta(seconds=30)
_SIGNALS = frozenset({137, 143})
_START = timedelta(minutes=1)
_CANNOT_CREATE = frozenset({"CreateContainerError", "RunContainerError", "PreStartHookError", "PostStartHookError"})

_EXITS = {
    0: "The process ended by itself: a service has to stay in the foreground.",
    126: "The command is not executable in the image: check command and args.",
    127: "The command is not in the image: check command and args.",
    128: "The runtime could not start the command: check command and args.",
    137: "It was killed (SIGKILL): look for memory pressure on the node, or a shutdown that takes too long.",
    139: "It broke off with a segmentation fault: look at native libraries and the image's platform.",
}
_PROBE = re.compile(r"(Readiness|Liveness|Startup) probe (?:failed|errored)[^:]*: (.*)", re.S)
_KILLED_BY = re.compile(r"failed (liveness|startup) probe")


def container_finding(pod: Json, container: Json, status: Json, events: Sequence[Json], *, deadline: timedelta, init: bool = False) -> Finding | None:
    """Returns what is wrong with a container, or None. `events` are the pod's, oldest first; `deadline` is how long the rollout may take."""
    waiting = status["state"].get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in image.REASONS:
        return image.pull_failure(pod, container, waiting, events)
    if reason == "CreateContainerConfigError" or reason in _CANNOT_CREATE:
        return _cannot_create(pod, container, waiting, events)
    ended = status["state"].get("terminated") or (status.get("lastState") or {}).get("terminated")
    completed = init and ended is not None and ended["exitCode"] == 0
    if ended and not completed and not status.get("ready"):
        return _crash(pod, container, status, ended, events)
    if "running" in status["state"] and not status.get("ready") and not init:
        return _unready(pod, container, events, deadline)
    return None


def _cannot_create(pod: Json, container: Json, waiting: Json, events: Sequence[Json]) -> Finding:
    name, reason, message = pod["metadata"]["name"], waiting["reason"], waiting.get("message") or "the kubelet does not say why"
    what = reference.missing(message)
    if what:
        said, hint = f"could not start: {what} does not exist ({reason})", what.advice(pod, container["name"])
    elif "runAsNonRoot" in message:
        said = f"could not start: the image of {container['name']} runs as root and the pod forbids that ({reason})"
        hint = "Give the image a numeric USER other than 0, or set securityContext.runAsUser."
    else:
        said, hint = f"could not start: {message} ({reason})", f"Correct container {container['name']} in the manifest."
    patience = _CONFIG if reason == "CreateContainerConfigError" else _CREATE
    return Finding(code=reason, said=said, hint=hint, patience=patience, pod=name, container=container["name"], evidence=warnings(f"events of {name}", events))


def _crash(pod: Json, container: Json, status: Json, ended: Json, events: Sequence[Json]) -> Finding:
    name, restarts, exit_code = pod["metadata"]["name"], int(status.get("restartCount", 0)), int(ended["exitCode"])
    killer = _killer(container, exit_code, events)
    times = f"{restarts} restart{'s' * (restarts != 1)}"
    if ended.get("reason") == "OOMKilled":
        code, (said, hint) = "OOMKilled", _memory(container, times)
    elif killer:
        which = f"{killer} probe{_asks(container, killer)}"
        code, said = "ProbeFailed", f"did not live: {which}{_answer(events, killer, container)} ({times})"
        hint = f"Make the service answer its {killer} probe in time, or give it longer (initialDelaySeconds, failureThreshold)."
    else:
        backing_off = f"CrashLoopBackOff, exit {exit_code}, {times}" if restarts else f"exit {exit_code}"
        code, said = "CrashLoopBackOff", f"crashed {_lifetime(ended)} ({backing_off})"
        hint = _EXITS.get(exit_code, f"Read the log of {name}; correct the cause and deploy again.")
    message = redacted((ended.get("message") or "").strip())  # the container's own words
    return Finding(
        code=code, said=f"{said}: {message.splitlines()[-1]}" if message and code == "CrashLoopBackOff" else said, hint=hint, patience=AT_ONCE, pod=name,
        container=container["name"], ripe=restarts >= RESTARTS and "running" not in status["state"],
        logs="current" if status["state"].get("terminated") else "previous", evidence=warnings(f"events of {name}", events),
    )  # fmt: skip


def _killer(container: Json, exit_code: int, events: Sequence[Json]) -> str | None:
    """The probe that made the kubelet end the container: it says so, or the process died of a signal while that probe failed."""
    said = next((found[1] for event in reversed(events) if event["reason"] == "Killing" and (found := _KILLED_BY.search(event["message"]))), None)
    if said or exit_code not in _SIGNALS:
        return said
    return next((which for which in ("liveness", "startup") if _last_answer(events, which, container) is not None), None)


def _lifetime(ended: Json) -> str:
    if not ended.get("startedAt") or not ended.get("finishedAt"):
        return "at start"
    lived = datetime.fromisoformat(ended["finishedAt"]) - datetime.fromisoformat(ended["startedAt"])
    return "at start" if lived < _START else f"after {lived // timedelta(minutes=1)} min"


def _memory(container: Json, times: str) -> tuple[str, str]:
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    if limit is None:
        hint = "The node itself had no memory left: give the container a request that is true."
        return f"ran out of memory (OOMKilled, {times}): container {container['name']} has no limit", hint
    hint = f"Raise resources.limits.memory of container {container['name']} (now {limit}), or find what needs more than before."
    return f"ran out of memory (OOMKilled, {times}): container {container['name']} may use {limit}", hint


def _unready(pod: Json, container: Json, events: Sequence[Json], deadline: timedelta) -> Finding | None:
    """A service may take its time to get ready: it is a failure when half of the deadline went by."""
    which = "startup" if _last_answer(events, "startup", container) and not _last_answer(events, "readiness", container) else "readiness"
    if not container.get(f"{which}Probe") and not _last_answer(events, which, container):
        return None
    name = pod["metadata"]["name"]
    return Finding(
        code="ProbeFailed", said=f"did not become ready: {which} probe{_asks(container, which)}{_answer(events, which, container)}", patience=deadline / 2,
        hint=f"See in the log of {name} why it does not answer; if it only needs longer, raise failureThreshold or the deadline.",
        pod=name, container=container["name"], logs="current", evidence=warnings(f"events of {name}", events),
    )  # fmt: skip


def _asks(container: Json, which: str) -> str:
    probe = container.get(f"{which}Probe")
    return f" {probe_target(probe)}" if probe else ""


def _last_answer(events: Sequence[Json], which: str, container: Json) -> str | None:
    for event in reversed(events):
        path = event["involvedObject"].get("fieldPath", "")
        about = not path or path.endswith(f"{{{container['name']}}}")
        if event["reason"] == "Unhealthy" and about and (found := _PROBE.match(event["message"])) and found[1].lower() == which:
            return found[2].strip()
    return None


def _answer(events: Sequence[Json], which: str, container: Json) -> str:
    """The last thing a probe met, in few words."""
    text = _last_answer(events, which, container)
    if text is None:
        return " has not succeeded"
    if code := re.search(r"statuscode: (\d+)", text):
        return f" answered {code[1]}"
    if "connection refused" in text:
        return " met a refused connection"
    if "deadline exceeded" in text or "timeout" in text:
        return " got no answer in time"
    return f" failed: {redacted(text.splitlines()[-1])[:160]}" if text else " failed"
