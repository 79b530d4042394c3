"""What becomes of pods, as data: which stage follows which state of the containers, after how long, with which events.

The suffix of the tag of a pod's first container, or the annotation `fate`, chooses. Reasons, messages and times of the statuses are those of the
control plane that the sandbox is compared with; the events are worded as a kubelet words them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.kubernetes.objects import Object

FATES = ("ready", "slow", "flaky", "missing", "private", "crash", "oom", "unready", "noconfig", "failedmount")
_SUFFIX = re.compile(rf"-({'|'.join(FATES[1:])})(@|$)")

LONGEST_BACKOFF = 300.0  # a kubelet's MaxContainerBackOff


@dataclass(frozen=True, slots=True)
class Event:
    """`{image}`, `{container}`, `{pod}` and `{message}` (of the waiting state) are filled in."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What comes next. `to` is the state it leads to; a waiting state has a `message`; `doubles` makes the delay grow with every repetition."""

    delay: float
    to: str
    message: str = ""
    events: tuple[Event, ...] = ()
    doubles: bool = False


PULLING = Event("Normal", "Pulling", 'Pulling image "{image}"')
PULLED = Event("Normal", "Pulled", 'Successfully pulled image "{image}" in 180ms (180ms including waiting). Image size: 48210433 bytes.')
PRESENT = Event("Normal", "Pulled", 'Container image "{image}" already present on machine and can be accessed by the pod')
CREATED = Event("Normal", "Created", "Container created")
STARTED = Event("Normal", "Started", "Container started")
PULL_FAILED = Event("Warning", "Failed", 'Failed to pull image "{image}": {message}')
PULL_ERROR = Event("Warning", "Failed", "Error: ErrImagePull")
PULL_BACKOFF = Event("Normal", "BackOff", 'Back-off pulling image "{image}"')
PULL_BACKOFF_ERROR = Event("Warning", "Failed", "Error: ImagePullBackOff")
CRASH_BACKOFF = Event("Warning", "BackOff", "Back-off restarting failed container {container} in pod {pod}")
CONFIG_ERROR = Event("Warning", "Failed", "Error: {message}")
UNHEALTHY = Event("Warning", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
MOUNT_FAILED = Event("Warning", "FailedMount", 'MountVolume.SetUp failed for volume "config" : configmap "app-config" not found')

_START = (PULLED, CREATED, STARTED)
_RESTART = (PRESENT, CREATED, STARTED)

_NOT_FOUND = 'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
_UNAUTHORIZED = (
    'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
    "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"
)
_TIMED_OUT = 'failed to pull and unpack image "{image}": dial tcp: i/o timeout'

# States: a waiting reason; Ready or Running (started, not ready); Terminated. None is a pod that its node has not seen yet.
_SICK = ("ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CrashLoopBackOff", "Terminated")
_BACK_OFF = Stage(0.5, "ImagePullBackOff", 'Back-off pulling image "{image}"', (PULL_BACKOFF, PULL_BACKOFF_ERROR))
_PULL_AGAIN = Stage(10, "ErrImagePull", 'failed to pull image "{image}"', (PULLING, PULL_FAILED, PULL_ERROR), doubles=True)
_DIE = Stage(0.3, "Terminated")
_GIVE_UP = Stage(0.2, "CrashLoopBackOff", "back-off 10s restarting failed container={container} pod={pod}", (CRASH_BACKOFF,))
_TRY_AGAIN = Stage(5, "Running", events=_RESTART, doubles=True)


def _pull_failure(message: str) -> Stage:
    return Stage(0.2, "ErrImagePull", message, (PULL_FAILED, PULL_ERROR))


def _failing_pull(message: str) -> dict[str, Stage]:
    return {"ContainerCreating": _pull_failure(message), "ErrImagePull": _BACK_OFF, "ImagePullBackOff": _PULL_AGAIN}


_RECOVERY = {state: Stage(0.2, "Ready", events=_RESTART) for state in (*_SICK, "Running")}
_CRASHING = {
    "ContainerCreating": Stage(0.2, "Running", events=_START),
    "Ready": _DIE,
    "Running": _DIE,
    "Terminated": _GIVE_UP,
    "CrashLoopBackOff": _TRY_AGAIN,
}

STAGES: dict[str, dict[str, Stage]] = {
    "ready": {"ContainerCreating": Stage(0.2, "Ready", events=_START), **_RECOVERY},
    "slow": {"ContainerCreating": Stage(8, "Ready", events=_START), **_RECOVERY},
    "flaky": {**_RECOVERY, "ContainerCreating": _pull_failure(_TIMED_OUT), "ErrImagePull": Stage(1.5, "Ready", events=(PULLING, *_START))},
    "missing": _failing_pull(_NOT_FOUND),
    "private": _failing_pull(_UNAUTHORIZED),
    "crash": _CRASHING,
    "oom": _CRASHING,
    "unready": {
        "ContainerCreating": Stage(0.2, "Running", events=(*_START, UNHEALTHY)),
        "Running": Stage(10, "Running", events=(UNHEALTHY,), doubles=True),
        "Ready": Stage(0.2, "Running", events=(UNHEALTHY,)),
        **{state: Stage(0.2, "Running", events=(*_RESTART, UNHEALTHY)) for state in _SICK},
    },
    "noconfig": {
        "ContainerCreating": Stage(0.2, "CreateContainerConfigError", 'configmap "app-config" not found', (PULLED, CONFIG_ERROR)),
    },
    "failedmount": {"ContainerCreating": Stage(0.5, "ContainerCreating", events=(MOUNT_FAILED,), doubles=True)},
}

EXITS = {"crash": (1, "Error"), "oom": (137, "OOMKilled")}
"""Exit code and reason of a container that dies; any other that is killed exits with 137, Error."""


def fate_of(pod: Object) -> str:
    """The annotation, else the suffix of the first container's tag, else `ready`; an unknown annotation counts for nothing."""
    annotated = pod["metadata"].get("annotations", {}).get("fate")
    if annotated in STAGES:
        return str(annotated)
    found = _SUFFIX.search(pod["spec"]["containers"][0]["image"])
    return found[1] if found else "ready"
