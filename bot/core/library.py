"""Where texts are kept for good outside of the chat: a folder, a repository. Whoever keeps them is elsewhere."""

from typing import Protocol

from bot.core.data import Frozen


class Text(Frozen):
    """A Markdown file: its `name` (`2026-11-23-inc-42-error-rate.md`), its title, and `about`, by which what is done for it is known (`postmortem-42`)."""

    name: str
    title: str
    text: str
    about: str


class Library(Protocol):
    """`name` is what people call it. Raises what all ports raise."""

    name: str

    async def ready(self) -> str:
        """Returns a few words on what is there, where texts can be kept there; leaves no text behind."""
        ...

    async def put(self, text: Text) -> str:
        """Keeps a text, and returns where it stands: a path or a URL. What is there already as it should be is left alone, so that it can be tried again."""
        ...
