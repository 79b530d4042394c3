"""Commands run in containers: what each answers is arranged beforehand, and what was asked is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sandbox.kubernetes.errors import ApiError, bad_request, not_found
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.resources import PODS
from sandbox.kubernetes.store import Store

_AND_AT_LAST = '"$@"; code=$?; printf %s "$0"; exit $code'


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command does when its pod's name and its words, joined by spaces, match these regular expressions.

    `stdout` is written `times` times over; `reads_stdin` waits for the end of the input first; `cut_after` breaks the connection after so many
    bytes of output, without a status; `seconds` pass, by the machine's time, when `after` bytes are written; `missing`: there is no such program.
    `end` is what a shell writes behind its output, which does not arrive when it `loses_end`; `whole`: only where there is no shell around it.
    """

    command: str
    pod: str = ""
    namespace: str = ""
    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0
    times: int = 1
    reads_stdin: bool = False
    cut_after: int | None = None
    seconds: float = 0.0
    after: int = 0
    loses_end: bool = False
    whole: bool = False
    end: bytes = b""
    missing: bool = False

    def matches(self, namespace: str, pod: str, command: Sequence[str]) -> bool:
        here = self.namespace in ("", namespace)
        return here and re.search(self.pod, pod) is not None and re.search(self.command, " ".join(command)) is not None


@dataclass(slots=True)
class Call:
    """A command that was run, and what it was given to read."""

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]
    stdin: bytes = b""
    image: str = ""
    mark: bytes = b""

    def after(self, answer: Answer | None) -> Answer | None:
        """Returns what the shell makes of the command's answer, where there is one around it."""
        if not self.mark:
            return answer
        if answer is None or answer.missing:
            said = f"sh: 1: {self.command[0]}: not found\n".encode()
            return Answer("", stderr=said, exit_code=127, end=self.mark)
        return answer if answer.loses_end else replace(answer, end=self.mark)


Program = Callable[[Call], Answer | None]
"""What a command does by itself, where no answer is arranged; None for one that is not there. It has read its input."""


class Execs:
    """The last answer arranged that matches is given, else what the image's own `programs` do, by a word of its name; a command without either is not found,
    as in an image that lacks it."""

    def __init__(self, programs: dict[str, Program] | None = None) -> None:
        self._programs = programs or {}
        self.calls: list[Call] = []
        self._answers: list[Answer] = []

    def arrange(self, answer: Answer) -> None:
        self._answers.insert(0, answer)

    def forget(self) -> None:
        self._answers.clear()

    def call(self, store: Store, namespace: str, pod: str, container: str, command: Sequence[str]) -> tuple[Call, Answer | None]:
        """Raises ApiError: 404 for no such pod, 400 for no such container or no command, 500 when it does not run."""
        found = store.get(PODS, namespace, pod)
        if found is None:
            raise not_found(PODS, pod)
        if not command:
            raise bad_request("you must specify at least 1 command for the container")
        if "nodeName" not in found["spec"]:
            raise bad_request(f"pod {pod} does not have a host assigned")
        names = [entry["name"] for entry in found["spec"]["containers"]]
        if container and container not in names:
            raise bad_request(f"container {container} is not valid for pod {pod}")
        container = container or names[0]
        if not _running(found, container):
            why = f'unable to upgrade connection: container not found ("{container}")'
            raise ApiError(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})
        image = next(entry["image"] for entry in found["spec"]["containers"] if entry["name"] == container)
        inner, mark = _within(command)
        arranged = next((answer for answer in self._answers if answer.matches(namespace, pod, inner) and not (mark and answer.whole)), None)
        if arranged is None and mark:
            arranged = next((answer for answer in self._answers if answer.matches(namespace, pod, command)), None)
            inner, mark = (command, b"") if arranged is not None else (inner, mark)
        made = Call(namespace, pod, container, tuple(inner), image=image, mark=mark)
        self.calls.append(made)
        return made, made.after(arranged) if arranged is not None else None

    def program(self, call: Call) -> Answer | None:
        """Returns what the command of a call does by itself, once its input is there."""
        found = next((program for word, program in self._programs.items() if word in call.image), None)
        return call.after(found(call) if found is not None else None)


def _within(command: Sequence[str]) -> tuple[Sequence[str], bytes]:
    """Returns the command that the one shell script runs which is understood, and the mark that it writes behind what that writes."""
    if tuple(command[:3]) == ("sh", "-c", _AND_AT_LAST):
        return command[4:], command[3].encode()
    return command, b""


def _running(pod: Object, container: str) -> bool:
    return any(entry["name"] == container and "running" in entry["state"] for entry in pod["status"].get("containerStatuses", ()))


def final_status(command: Sequence[str], answer: Answer | None, *, translated: bool = True) -> Object:
    """The Status on the error channel: a kubelet's own (protocol v4) or, `translated`, what the API server makes of it (v5)."""
    if answer is None or answer.missing:
        return _internal_error(
            "error executing command in container: failed to exec in container: OCI runtime exec failed: exec failed: "
            f'unable to start container process: exec: "{command[0]}": executable file not found in $PATH: unknown',
            translated=translated,
        )
    meta: Object = {"metadata": {}} if translated else {}
    if answer.exit_code == 0:
        return {**meta, "status": "Success"}
    code = answer.exit_code
    why = f"command terminated with exit code {code}" if translated else f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        **meta,
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {why}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _internal_error(why: str, *, translated: bool) -> Object:
    message = f"Internal error occurred: {why}"
    failure: Object = {"status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    if not translated:
        return failure
    return {"metadata": {}, **failure, "message": f"Internal error occurred: {message}", "details": {"causes": [{"message": message}]}}
