"""The runbooks that there are: those of the shelf that can be run, those that were refused, and which are suggested for what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.command import Command
from bot.core.config import Config
from bot.core.errors import NotFound
from bot.core.shelf import Page, Shelf
from bot.core.suggest import did_you_mean, ended, quoted
from runbooks.model import Problem, Runbook, where
from runbooks.reading import known
from runbooks.vetting import Vet

SHIPPED = Path(__file__).parent / "library"
"""The folder of those that come with aiec."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


@dataclass(frozen=True)
class Shelved:
    """A runbook that can be run, with the page that it was read from."""

    runbook: Runbook
    page: Page


@dataclass(frozen=True)
class Refused:
    """A page that is no runbook that can be run."""

    page: Page
    problems: tuple[Problem, ...]

    @property
    def lines(self) -> list[str]:
        """What is wrong in it, as linters say it."""
        return [where(self.page.where, problem) for problem in self.problems]


class Library:
    def __init__(self, pages: Sequence[Page], config: Config, commands: Mapping[str, Command[Any]]) -> None:
        self.vet = Vet(config, commands)
        self.good: dict[str, Shelved] = {}
        self.refused: list[Refused] = []
        self._config = config
        for page in pages:
            self._take(page)

    def _take(self, page: Page) -> None:
        """Of several of a name the last good one counts: a broken one does not take away the one before it."""
        runbook, problems = judged(page, self.vet)
        if runbook is None:
            self.refused.append(Refused(page, problems))
        else:
            self.good[page.name] = Shelved(runbook, page)

    def find(self, name: str) -> Shelved:
        """Returns a runbook. Raises NotFound with the nearest name, or with what is wrong in the one that is meant."""
        if (found := self.good.get(name)) is not None:
            return found
        broken = next((one for one in self.refused if one.page.name == name), None)
        if broken is not None:
            raise NotFound(f"The runbook {name} is refused: {broken.lines[0]}", "`aiec runbook lint` says all that is wrong with it.")
        hint = "`/aiec runbook list` lists them."
        raise NotFound(f"*{quoted(name)}* is not a runbook{ended(did_you_mean(name, [*self.good]))}", hint)

    def suggested(self, labels: Sequence[Mapping[str, str]], urls: Sequence[str] = ()) -> list[str]:
        """Returns the runbooks for what has these labels: first those that aiec.yaml names for them, then those that name them themselves, and those that an
        alert's `runbook_url` ends with."""
        named = [one.runbook for one in self._config.runbooks if any(_matches(one.match, each) for each in labels)]
        own = [name for name, one in self.good.items() if any(_matches(match, each) for match in one.runbook.alerts for each in labels)]
        linked = [url.rstrip("/").rpartition("/")[2].removesuffix(".md") for url in urls]
        return [name for name in dict.fromkeys([*named, *own, *linked]) if name in self.good]


def judged(page: Page, vet: Vet) -> tuple[Runbook | None, tuple[Problem, ...]]:
    """Returns the runbook of a page if it can be run, or what is wrong in it."""
    if page.trouble:
        return None, (Problem(line=1, text=page.trouble),)
    if not _NAME.fullmatch(page.name):
        return None, (Problem(line=1, text="a runbook's file is called by small letters, digits and hyphens, and ends in `.md`"),)
    runbook, problems = known(page.text, page.name)
    if runbook is None:
        return None, problems
    vetted, problems = vet.judge(runbook)
    return (None, problems) if problems else (vetted, ())


class Shelves:
    """Keeps the library of a shelf for as long as its pages are the same."""

    def __init__(self) -> None:
        self._of: tuple[tuple[Page, ...], Config] | None = None
        self._library: Library | None = None

    def library(self, shelf: Shelf | None, config: Config, commands: Mapping[str, Command[Any]]) -> Library:
        """Returns the library as its pages are now."""
        pages = shelf.pages() if shelf is not None else ()
        if self._library is None or self._of is None or self._of[0] is not pages or self._of[1] is not config:
            self._of, self._library = (pages, config), Library(pages, config, commands)
        return self._library


def _matches(match: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in match.items())
