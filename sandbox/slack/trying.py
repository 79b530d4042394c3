"""Things to try, and how far somebody has come with each: observed in what was said, never in what was clicked.

A thing is `{"title", "hint", "steps": [step]}`. A step is what to do (`text`, and for the page's buttons `as`, `channel`, `say`, `advance`, `trouble`)
and by what one sees that it was done: `seen`, `{"text": regular expression, "before"?: name, "across"?: name}`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sandbox.slack.answer import Json
from sandbox.slack.state import Message

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

_MARKS = re.compile(r"[*`]")  # bold and code, as Slack's text has them


def things(workspace: Workspace) -> list[Json]:
    """Returns the workspace's things to try; each step and each thing says whether it is `done`. A later step proves the earlier ones."""
    said = [(message, _MARKS.sub("", html.unescape(message.plain))) for message in _messages(workspace)]
    return [_thing(thing, said, workspace) for thing in workspace.things_to_try]


def _messages(workspace: Workspace) -> Iterator[Message]:
    for channel in workspace.channels.values():
        yield from channel.messages.values()


def _thing(thing: Json, said: list[tuple[Message, str]], workspace: Workspace) -> Json:
    seen = [any(_shows(message, plain, step["seen"], workspace) for message, plain in said) for step in thing["steps"]]
    steps = [step | {"done": any(seen[place:])} for place, step in enumerate(thing["steps"])]
    return thing | {"steps": steps, "done": seen[-1]}


def _shows(message: Message, plain: str, seen: Json, workspace: Workspace) -> bool:
    """Whether a message shows what is looked for. With `before` it was there before the moment of that name; with `across` it came to show it after, too."""
    if not re.search(seen["text"], plain, re.S):
        return False
    if "before" in seen:
        return any(message.ts < moment for moment in workspace.moments.get(seen["before"], []))
    if "across" not in seen:
        return True
    return any(message.ts < moment < (message.edited or message.ts) for moment in workspace.moments.get(seen["across"], []))
