"""The Web API's methods, each a function from the workspace and parsed arguments to the body of its answer; a Refusal ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.slack.answer import Json
from sandbox.slack.methods import chat, conversations, directory, files, items, views

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

Handler = Callable[["Workspace", Json], Json]

HANDLERS: dict[str, Handler] = {
    **chat.HANDLERS,
    **conversations.HANDLERS,
    **directory.HANDLERS,
    **files.HANDLERS,
    **items.HANDLERS,
    **views.HANDLERS,
}
