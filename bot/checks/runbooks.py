"""The runbooks that are in force: those that are refused, and those that aiec.yaml names and that are not there."""

from bot.checks.finding import Finding, ok, wrong
from bot.core.config import Config
from bot.core.shelf import Shelf
from commands.registry import COMMANDS
from runbooks.library import Library


async def runbooks(config: Config, shelf: Shelf | None) -> list[Finding]:
    """Returns what is to be said of the runbooks; a broken one breaks nothing else."""
    library = Library(shelf.pages() if shelf is not None else (), config, COMMANDS)
    found = [wrong("runbooks", text, "it cannot be started", "correct it: docs/runbooks.md") for one in library.refused for text in one.lines]
    found += [
        wrong("runbooks", f"aiec.yaml suggests {one.runbook}, and there is none", "nothing is suggested", "correct `runbooks` of aiec.yaml")
        for one in config.runbooks
        if one.runbook not in library.good
    ]
    return found or [ok("runbooks", f"{len(library.good)} can be run: {', '.join(sorted(library.good))}")]
