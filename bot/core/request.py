"""A request: what somebody wants, with typed arguments, whoever he is and wherever he said it."""

from typing import Any, Literal

from bot.core.data import Frozen


class Actor(Frozen):
    """Who asks. `name` is the key in `people:` when he is known there, else his own id; `slack` his Slack id, when he has one."""

    name: str
    slack: str | None = None
    known: bool = True


class Origin(Frozen):
    """Where it was asked, and thus where private answers go. `message` is the key of the message whose button was clicked."""

    kind: Literal["slack", "terminal", "runbook", "webhook", "schedule"]
    channel: str | None = None
    thread: str | None = None
    response_url: str | None = None
    message: str | None = None


class Request(Frozen):
    """`key` makes it one: the same key twice is the same request (Slack's `trigger_id`; of a button `action_ts` and user).

    `approvals`: how many other people must agree at least, where whoever asks wants more than the plan does (a runbook's step).
    """

    key: str
    command: str
    arguments: dict[str, Any]
    actor: Actor
    origin: Origin
    text: str = ""
    approvals: int = 0
