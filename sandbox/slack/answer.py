"""What Slack answers: `Answer` is an HTTP response as data, `Refusal` ends a method with Slack's error code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TIME_TO_ANSWER = 3.0
"""Seconds that the app has to acknowledge a delivery."""


@dataclass(frozen=True)
class Answer:
    """A response: HTTP status, headers beside Content-Type, and the JSON body (Slack refuses with status 200 and `"ok": false`)."""

    status: int
    headers: dict[str, str]
    body: Json

    @property
    def ok(self) -> bool:
        return self.body.get("ok") is True


class Refusal(Exception):
    """A method refuses: `error` is the documented code, `details` further fields of the body, `messages` the sentences of `response_metadata`."""

    def __init__(self, error: str, messages: list[str] | None = None, **details: Any) -> None:
        super().__init__(error)
        self.error = error
        self.details = details | ({"response_metadata": {"messages": messages}} if messages else {})


@dataclass(frozen=True)
class Delivery:
    """What Slack sends to the app: a slash command's form, or the JSON payload of an interaction or an event."""

    kind: str
    """`command`, `interactive` or `event`."""
    payload: Json
    attempt: int = 0
    """0, then 1 to 3 for an event that is sent again."""
    reason: str | None = None
    """Why it is sent again, as X-Slack-Retry-Reason says it."""


@dataclass(frozen=True)
class Reply:
    """What the app answered to a delivery. `failure` is None, or why there is no usable answer: `timeout`, `connection_failed` or `http_error`."""

    body: Json = field(default_factory=dict)
    failure: str | None = None
    status: int = 200
    """HTTP status; 0 when none came."""
    retry: bool = True
    """False when the app said X-Slack-No-Retry."""
