"""The line of a log that says why: the last exception, panic or fatal message."""

import re
from collections.abc import Mapping, Sequence

from bot.core.card import Evidence
from bot.core.failures.finding import LogRequest
from bot.core.outcome import Failed
from bot.core.ports import Json
from bot.core.redact import redacted
from bot.core.revisions import previous_template
from bot.core.template import short_image, variables
from bot.core.workload import containers

_LONGEST = 200

# From the most to the least telling; of one kind the last line wins, because it is the nearest to the end.
_TELLING = (
    re.compile(
        r"""^(?:
            panic: .+ | fatal\ error: .+                                    # Go
            | thread\ '.*'\ panicked\ at .*                                 # Rust
            | Unhandled\ exception\.? .+                                    # .NET
            | (?:Exception\ in\ thread\ "[^"]*"\ |Caused\ by:\ |Uncaught\ )? # Java, Node
              (?:[\w$]+[.:]+)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Failure|Warning)(?:\ \[\w+\])?(?::.*)?  # Python, Java, Node, Ruby
            | .*\((?:[A-Z]\w*::)*[A-Z]\w*Error\)                            # Ruby
        )$""",
        re.X,
    ),
    re.compile(r'\b(?:FATAL|CRITICAL|PANIC|EMERG)\b|\blevel"?[=:]\s?"?(?:fatal|panic|critical)\b|^fatal:|exec format error', re.I),
    re.compile(r'\bERROR\b|\blevel"?[=:]\s?"?err(?:or)?\b|^error:', re.I),
)
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_ASKS_FOR_VARIABLE = re.compile(r"\bKeyError\b|environment|not set|is missing|missing value|required|undefined|not defined|placeholder|must be set|unset", re.I)


def telling_line(log: str) -> str:
    """Returns the line of a log's end that tells most about why the process ended, at most 200 characters; empty when the log is."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in _TELLING:
        for index in range(len(lines) - 1, -1, -1):
            if pattern.search(lines[index]):
                return _whole(lines, index)[:_LONGEST]
    return lines[-1][:_LONGEST] if lines else ""


def missing_variable(line: str) -> str | None:
    """Returns the environment variable that a line complains about, or None. It is recognised by its form: `PAYMENTS_URL`."""
    found = _VARIABLE.search(line)
    return found[0] if found and _ASKS_FOR_VARIABLE.search(line) else None


def with_logs(failed: Failed, logs: Mapping[LogRequest, str], workload: Json, revisions: Sequence[Json] = ()) -> Failed:
    """Returns the failure with what the logs say, redacted: the telling line in `why`, the logs as evidence, and in `new` an environment variable that is not
    there.

    `workload` and `revisions` are those that were assessed.
    """
    told = [(request, log, telling_line(log)) for request, log in logs.items() if log.strip()]
    if not told:
        return failed
    request, _, line = told[0]
    shown = redacted(line)
    changes: dict[str, object] = {"evidence": (*(_evidence(which, log) for which, log, _ in told), *failed.evidence)}
    if failed.code == "OOMKilled":  # the kernel asks nobody for last words: what stands there is chance
        return failed.model_copy(update=changes)
    if shown not in failed.why and (failed.code == "CrashLoopBackOff" or any(pattern.search(line) for pattern in _TELLING)):
        changes["why"] = f"{failed.why}: {shown}"
    if "exec format error" in line:
        changes["hint"] = "The image is built for another processor architecture than the node's: build it for that one too."
    elif variable := missing_variable(line):
        changes |= _variable(failed, variable, request.container, workload, revisions)
    return failed.model_copy(update=changes)


def _variable(failed: Failed, variable: str, container: str, workload: Json, revisions: Sequence[Json]) -> dict[str, object]:
    template = workload["spec"]["template"]
    here = next((one for one in containers(template) if one["name"] == container), None)
    if here is None or variable in variables(here):
        return {}
    text = f"variable {variable} is not in the {workload['kind']}"
    if here.get("envFrom"):
        text += ", unless envFrom brings it"
    before = previous_template(workload, revisions)
    old = next((one for one in containers(before) if one["name"] == container), None) if before else None
    if old is not None and variable not in variables(old) and old["image"] != here["image"]:
        text += f"; {short_image(old['image'], here['image'])} ran without it"
    hint = f"Add {variable} to the manifest of {workload['metadata']['name']}, then deploy again."
    return {"new": f"{text}; {failed.new}" if failed.new else text, "hint": hint}


def _evidence(request: LogRequest, log: str) -> Evidence:
    return Evidence(title=f"log of {request.pod}/{request.container}{' before its restart' * request.previous}", text=redacted(log.rstrip()))


def _whole(lines: Sequence[str], index: int) -> str:
    """A Rust panic says its message on the next line."""
    return f"{lines[index]} {lines[index + 1]}" if lines[index].endswith(":") and index + 1 < len(lines) else lines[index]
