"""`aiec runbook lint`: what is wrong in runbooks, with the file and the line; of those that are in force, or of files and folders that are named."""

import os
from collections.abc import Sequence
from pathlib import Path

from bot.app import shelf
from bot.core.errors import UsageError
from bot.core.shelf import Page
from bot.settings import Settings, load
from commands.registry import COMMANDS
from runbooks.library import Library


async def lint(paths: Sequence[str]) -> int:
    """Prints what is wrong, and returns 1 when something is. Commands are held against this version, names against aiec.yaml."""
    settings = load(os.environ)
    library = Library(_named(paths) if paths else shelf(settings.runbook_folders()).pages(), settings.config, COMMANDS)
    lines = [line for refused in library.refused for line in refused.lines] + ([] if paths else unknown(settings, library))
    count = len(library.good)
    print(*lines, f"{count} runbook{'s' * (count != 1)} can be run, {len(library.refused)} cannot", sep="\n")
    return 1 if lines else 0


def unknown(settings: Settings, library: Library) -> list[str]:
    """Returns a line for each runbook that aiec.yaml names and that is not there."""
    names = [(place, one.runbook) for place, one in enumerate(settings.config.runbooks) if one.runbook not in library.good]
    return [f"{settings.config_path.name}: runbooks[{place}].runbook: there is no runbook {name}" for place, name in names]


def _named(paths: Sequence[str]) -> list[Page]:
    found: list[Page] = []
    for path in map(Path, paths):
        pages = shelf([path if path.is_dir() else path.parent]).pages()
        mine = [page for page in pages if page.where == str(path) or (path.is_dir() and Path(page.where).parent == path)]
        if not mine and not path.is_dir():
            raise UsageError(f"There is no runbook {path}.", "Name files that end in `.md`, or folders of them; without a name those in force are looked at.")
        found += mine
    return found
