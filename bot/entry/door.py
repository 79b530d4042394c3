"""What the listeners need of the door: it stores a request, and says what the person who asked is told at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.core.card import Card
from bot.core.form import Form
from bot.core.ports import MessageRef
from bot.core.request import Origin


@dataclass(frozen=True)
class Reply:
    """What is answered privately: a form, else a card (also where the form cannot be shown), else a sentence, else nothing. `errors`: what is wrong
    with which field of a submitted form."""

    card: Card | None = None
    text: str = ""
    form: Form | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Quote:
    """A message that somebody points at: where it is, who wrote it (his Slack id), and its text with Slack's own marks in it."""

    ref: MessageRef
    user: str
    text: str


class Door(Protocol):
    """What takes a request returns when it is stored, or after 1 s with a reply which says that nothing was done; the same key again is the same request."""

    async def submit_text(self, text: str, *, key: str, slack_user: str, origin: Origin) -> Reply:
        """A request as somebody typed it, with what Slack makes of it (`&amp;`, `<@U…|name>`)."""
        ...

    async def submit(self, command: str, arguments: dict[str, Any], *, key: str, slack_user: str, origin: Origin) -> Reply:
        """A request of a button: the command's name and its arguments as the card gave them; where some are missing, a form asks for them."""
        ...

    async def form(self, command: str, *, slack_user: str, about: Quote | None = None) -> Reply:
        """The form of a command, filled with a message that it is about, if there is one; or why this person gets none."""
        ...

    async def pin(self, ref: MessageRef, *, slack_user: str) -> None:
        """A message is wanted in a timeline: where its channel is an incident's, it is stored as a note of that, once. Raises Unavailable when it could not be
        stored."""
        ...

    async def submit_form(self, command: str, filled: Mapping[str, Any], *, key: str, slack_user: str, origin: Origin) -> Reply:
        """A request of a form: what was filled in, by field."""
        ...

    async def home(self, *, slack_user: str) -> tuple[Card, ...]:
        """What this person's App Home shows now."""
        ...
