"""Where runbooks come from: pages of text, read by an adapter, and made sense of elsewhere."""

from typing import Protocol

from bot.core.data import Frozen


class Page(Frozen):
    """A file: `name` without its ending, `where` as it is to be named, and its text, or why there is none."""

    name: str
    where: str
    text: str = ""
    trouble: str = ""


class Shelf(Protocol):
    def pages(self) -> tuple[Page, ...]:
        """Returns the pages as they are now, those of later folders last; the same object again for as long as nothing has changed."""
        ...
