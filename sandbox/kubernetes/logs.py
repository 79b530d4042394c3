"""What containers have written: a default that fits the pod's fate until something else is set, and the options of the log subresource."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.kubernetes.errors import Cause, bad_request, forbidden_field, invalid, wrong
from sandbox.kubernetes.fates import fate_of
from sandbox.kubernetes.objects import Object, parse_time
from sandbox.kubernetes.requests import Request

BEAT = 5.0
"""Seconds between two lines of a running container's default log."""
KEPT_LINES = 2_000

_STARTING = ('level=info msg="starting" version={version}', 'level=info msg="listening" addr=":8080"')
_BEATS = (
    'level=info msg="GET /health/ready" status=200 duration=3ms',
    'level=info msg="GET /api/orders" status=200 duration=41ms',
    'level=info msg="POST /api/carts" status=201 duration=87ms',
    'level=warn msg="slow query" duration=1.9s statement="SELECT * FROM orders WHERE customer_email = \'maria@example.com\'"',
)
_UNREADY_BEAT = 'level=error msg="GET /health/ready" status=503 error="database: connection refused"'
_LAST_WORDS = {
    "crash": (
        "Traceback (most recent call last):",
        '  File "/app/main.py", line 12, in <module>',
        '    PAYMENTS = os.environ["PAYMENTS_URL"]',
        "KeyError: 'PAYMENTS_URL'",
    ),
    "oom": ('level=warn msg="memory is running low" used=97%',),
}

Line = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Options:
    """PodLogOptions."""

    container: str = ""
    previous: bool = False
    timestamps: bool = False
    follow: bool = False
    tail: int | None = None
    since: datetime | timedelta | None = None
    limit: int | None = None

    @classmethod
    def of(cls, request: Request, pod: str) -> Options:
        """Raises ApiError 400 for a number that is none, 422 for one that is out of range."""
        tail, seconds, limit = (request.integer(name) for name in ("tailLines", "sinceSeconds", "limitBytes"))
        causes: list[Cause] = []
        if tail is not None and tail < 0:
            causes.append(wrong("tailLines", str(tail), "must be greater than or equal to 0"))
        if limit is not None and limit < 1:
            causes.append(wrong("limitBytes", str(limit), "must be greater than 0"))
        if seconds is not None and seconds < 1:
            causes.append(wrong("sinceSeconds", str(seconds), "must be greater than 0"))
        when = request.query.get("sinceTime")
        if when and seconds is not None:
            causes.append(forbidden_field("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
        if causes:
            raise invalid("", "PodLogOptions", pod, causes)
        since = parse_time(when) if when else timedelta(seconds=seconds) if seconds is not None else None
        flags = {name: request.flag(name) for name in ("previous", "timestamps", "follow")}
        return cls(request.query.get("container", ""), tail=tail, since=since, limit=limit, **flags)


class Logs:
    """Logs that have been set are kept by pod uid and container, so a pod that comes after one has a log of its own."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str, bool], list[Line]] = {}

    def set(self, pod: Object, lines: list[Line], *, container: str = "", previous: bool = False) -> None:
        self._written[self._key(pod, container, previous)] = lines

    def append(self, pod: Object, line: Line, *, container: str = "") -> None:
        """Adds to what has been set; to the default log it adds by making that the set one."""
        key = self._key(pod, container, False)
        if key not in self._written:
            self._written[key] = _default(pod, line[0], previous=False)
        self._written[key].append(line)

    def _key(self, pod: Object, container: str, previous: bool) -> tuple[str, str, bool]:
        return pod["metadata"]["uid"], container or pod["spec"]["containers"][0]["name"], previous

    def read(self, pod: Object, options: Options, now: datetime) -> list[Line]:
        """The lines asked for. Raises ApiError 400, as a kubelet does, when there is no such container or it has not started."""
        container = _container(pod, options.container)
        if "nodeName" not in pod["spec"]:
            return []
        _check_started(pod, container, previous=options.previous)
        lines = self._written.get(self._key(pod, container, options.previous))
        if lines is None:
            lines = _default(pod, now, previous=options.previous)
        since = now - options.since if isinstance(options.since, timedelta) else options.since
        chosen = [line for line in lines if since is None or line[0] >= since]
        return chosen if options.tail is None else chosen[-options.tail :] if options.tail else []


def render(lines: list[Line], options: Options) -> bytes:
    shown = (f"{when:%Y-%m-%dT%H:%M:%S.%f}000Z {text}\n" if options.timestamps else f"{text}\n" for when, text in lines)
    return "".join(shown).encode()[: options.limit]


def _container(pod: Object, asked: str) -> str:
    names = [container["name"] for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])]
    name = pod["metadata"]["name"]
    if not asked:
        regular = [container["name"] for container in pod["spec"]["containers"]]
        if len(regular) > 1:
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]")
        return str(regular[0])
    if asked not in names:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def _check_started(pod: Object, container: str, *, previous: bool) -> None:
    """kubelet's validateContainerLogStatus."""
    name = pod["metadata"]["name"]
    statuses = [*pod["status"].get("containerStatuses", ()), *pod["status"].get("initContainerStatuses", ())]
    status = next((entry for entry in statuses if entry["name"] == container), None)
    if status is None:
        raise bad_request(f'container "{container}" in pod "{name}" is not available')
    if previous and "terminated" not in status["lastState"]:
        raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    waiting = status["state"].get("waiting")
    if waiting and not previous and "terminated" not in status["lastState"]:
        reasons = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
        why = reasons.get(waiting["reason"], waiting["reason"])
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')


def _default(pod: Object, now: datetime, *, previous: bool) -> list[Line]:
    """Starting, then a line every few seconds; for one that dies, its last words instead."""
    status = pod["status"]["containerStatuses"][0]
    fate, running = fate_of(pod), status["state"].get("running")
    ended = status["state"].get("terminated") or status["lastState"].get("terminated")
    life = ended if previous or not running else running
    began = parse_time((life or {}).get("startedAt", pod["metadata"]["creationTimestamp"]))
    version = pod["spec"]["containers"][0]["image"].partition("@")[0].rpartition(":")[2]
    lines = [(began + timedelta(milliseconds=number), text.format(version=version)) for number, text in enumerate(_STARTING)]
    if fate in _LAST_WORDS:
        return lines[:1] + [(began + timedelta(milliseconds=10 + number), text) for number, text in enumerate(_LAST_WORDS[fate])]
    if previous or not running:
        return lines
    count = int((now - began).total_seconds() / BEAT)
    first = max(count - KEPT_LINES, 0)
    beats = [(began + timedelta(seconds=BEAT * number), _beat(fate, number)) for number in range(first + 1, count + 1)]
    return beats if first else lines + beats


def _beat(fate: str, number: int) -> str:
    return _UNREADY_BEAT if fate == "unready" else _BEATS[number % 3 if number % 17 else 3]
