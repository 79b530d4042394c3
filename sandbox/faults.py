"""Faults at the far end, as rules: which requests go wrong, how, and how often. Decisions only; `sandbox.middleware` carries them out over HTTP."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Kind = Literal["latency", "status", "hang", "drop", "drop_after", "garbage", "kill"]
KINDS_TEXT = """
latency     waits `seconds`, then answers as usual
status      answers `status` (with `Retry-After: retry_after` if given); the request is not executed
hang        never answers; ends when the client gives up; the request is not executed
drop        closes the connection; the request is not executed
drop_after  executes the request, then closes the connection without an answer
garbage     executes the request, then answers with bytes that are not what was promised
kill        sends SIGKILL to `pid` (or runs `call`) `at` a moment: request (not executed yet), answer (executed, not answered), done (answered)
""".strip()


class Fault(BaseModel):
    """A rule: which requests it meets, and what happens to them.

    `system` is slack, kubernetes, registry, prometheus, alertmanager, platform, pagerduty, github or `*`; `method` an HTTP method or `*`; `path` a regular
    expression searched in the path below the system's prefix, with its query string (`/api/v1/pods?watch=true`). The first `skip` requests that match pass;
    then each is met with `probability`, at most `times` times (None: always).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    system: str = "*"
    method: str = "*"
    path: str = ""
    skip: int = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0.0, le=1.0)
    seconds: float = Field(default=0.0, ge=0.0)
    status: int = Field(default=503, ge=400, le=599)
    retry_after: float | None = Field(default=None, ge=0.0)
    at: Literal["request", "answer", "done"] = "answer"
    pid: int | None = Field(default=None, gt=1)
    call: Callable[[], object] | None = Field(default=None, exclude=True)

    @field_validator("path")
    @classmethod
    def _is_a_regular_expression(cls, path: str) -> str:
        try:
            re.compile(path)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return path

    @model_validator(mode="after")
    def _says_what_to_kill(self) -> Fault:
        if self.kind == "kill" and (self.pid is None) == (self.call is None):
            raise ValueError("kill needs exactly one of pid and call")
        return self

    def matches(self, system: str, method: str, path: str) -> bool:
        """Whether a request is of the kind that this rule meets, whatever its counters say."""
        return self.system in ("*", system) and self.method.upper() in ("*", method.upper()) and re.search(self.path, path) is not None


@dataclass
class _Count:
    seen: int = 0
    met: int = 0


@dataclass
class Faults:
    """The rules in force, in the order in which they were added. The same seed and the same requests meet the same faults."""

    seed: int = 0
    _rules: dict[str, Fault] = field(default_factory=dict)
    _counts: dict[str, _Count] = field(default_factory=dict)
    _added: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, fault: Fault, name: str | None = None) -> str:
        """Puts a rule in force and returns its name (`fault-1`, … unless given; a rule of that name is replaced)."""
        self._added += 1
        name = name or f"fault-{self._added}"
        self._rules[name] = fault
        self._counts[name] = _Count()
        return name

    def clear(self, name: str | None = None) -> None:
        """Withdraws the rule called `name` (KeyError if there is none), or all of them."""
        if name is None:
            self._rules.clear()
            self._counts.clear()
        else:
            del self._rules[name], self._counts[name]

    def list(self) -> dict[str, Fault]:
        """The rules in force by name."""
        return dict(self._rules)

    def met(self, name: str) -> int:
        """How many requests the rule called `name` has met. KeyError if there is none."""
        return self._counts[name].met

    def decide(self, system: str, method: str, path: str) -> Fault | None:
        """What happens to this request: the first rule that matches and is due, or None. Counts the request."""
        for name, fault in self._rules.items():
            if fault.matches(system, method, path) and self._due(fault, self._counts[name]):
                return fault
        return None

    def _due(self, fault: Fault, count: _Count) -> bool:
        count.seen += 1
        if count.seen <= fault.skip or (fault.times is not None and count.met >= fault.times):
            return False
        # A certain fault draws nothing, so that adding one leaves the other rules' luck as it was.
        if fault.probability < 1.0 and self._random.random() >= fault.probability:
            return False
        count.met += 1
        return True
