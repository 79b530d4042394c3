"""A card in the terminal: redrawn in place where there is one, a plain line for each change where there is not."""

import json
import os
import shutil
from datetime import UTC, datetime, tzinfo
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bot.core.card import Card
from bot.core.text import plain


class Screen:
    """Shows a card that changes: redrawn in place on a terminal, one plain line a change without one, nothing but the end for JSON (`quiet`).

    `ended`: the end has been shown.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.ended = False
        self._console = Console(highlight=False, soft_wrap=True, no_color="NO_COLOR" in os.environ or None)
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if not quiet and self._console.is_terminal else None
        self._shown: list[str] = []

    def say(self, text: str) -> None:
        """Prints a line that stays, above the card."""
        if not self.quiet:
            self._console.print(Text(text))

    def show(self, card: Card) -> None:
        """Shows the card as it is now."""
        lines = self._lines(card)
        if self.quiet or lines == self._shown:
            return
        if self._live is not None:
            self._live.start()  # only now: before, somebody may be asked something, and would not see the question
            self._live.update(Text.from_ansi("\n".join(lines)), refresh=True)
        else:
            for text in lines:
                if text not in self._shown:
                    print(text, flush=True)
        self._shown = lines

    def end(self, card: Card | None, result: dict[str, Any]) -> None:
        """Shows how it ended: the whole card, or the one JSON object."""
        self.stop()
        self.ended = True
        if self.quiet:
            print(json.dumps(result, ensure_ascii=False, indent=2))
        elif card is not None and self._live is not None:
            self._console.print(Text.from_ansi("\n".join(self._lines(card))))
        elif card is not None:
            self.show(card)

    def stop(self) -> None:
        """Gives the terminal back as it was."""
        if self._live is not None:
            self._live.stop()

    def _lines(self, card: Card) -> list[str]:
        width = self._console.width if self._console.is_terminal else max(shutil.get_terminal_size().columns, 100)
        colour = self._console.is_terminal and not self._console.no_color
        return plain(card, width, _zone(), colour, datetime.now(UTC))


def _zone() -> tzinfo:
    return datetime.now().astimezone().tzinfo or UTC
