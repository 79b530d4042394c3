"""What CI says of a version: is everything green that was said of its commit, and did a workflow succeed on it? Pure decisions; `look` alone asks.

GitHub Actions shows a run twice: as a workflow's run, and as check runs of the same suite, one for each job. The runs count here, the latest of each workflow,
so that a run that was repeated successfully stands in nobody's way. A workflow that is a gate of its own is no part of CI.
"""

import asyncio
import re
from collections.abc import Awaitable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from bot.core.codehost import Check, CodeHost, Run, Workflow
from bot.core.errors import AiecError
from bot.core.suggest import did_you_mean, quoted
from bot.core.text import duration

T = TypeVar("T")

GREEN = frozenset({"success", "neutral", "skipped"})
"""Conclusions with which GitHub lets a required check pass (docs.github.com, "About status checks")."""
NAMED = 4
"""How many checks are named in a sentence."""
_LINK = re.compile(r"https?://[!-~]{1,300}")

Scope = bool | Literal["workflows"]
"""What belongs to CI: everything, nothing, or only commit statuses and workflows, where the token may not read check runs."""


@dataclass(frozen=True)
class Seen:
    """What was read of a tag of a repository; each part, or the error that kept it from being seen. `commit` None: there is no such tag."""

    repository: str
    tag: str
    commit: str | None
    checks: tuple[Check, ...] | AiecError = ()
    workflows: tuple[Workflow, ...] | AiecError = ()
    runs: tuple[Run, ...] | AiecError = ()

    @property
    def what(self) -> str:
        return f"{self.tag} ({(self.commit or '')[:7]})"


@dataclass(frozen=True)
class Answer:
    """`passes` None: it was not seen, and `said` says why. `hint`: what to do."""

    passes: bool | None
    said: str
    hint: str = ""


async def look(code: CodeHost, repository: str, tag: str, scope: Scope) -> Seen | AiecError:
    """Returns what the repository says of a tag, all asked at once. Never raises for what the far end does."""
    try:
        commit = await code.commit(repository, tag)
    except AiecError as error:
        return error
    if commit is None:
        return Seen(repository, tag, None)
    checks, workflows, runs = await asyncio.gather(
        _part(_checks(code, repository, commit, scope)), _part(code.workflows(repository)), _part(code.runs(repository, commit))
    )
    return Seen(repository, tag, commit, checks, workflows, runs)


def green(seen: Seen | AiecError, gates: Collection[str]) -> Answer:
    """Returns whether CI is green for the commit. `gates`: the workflows that are asked for by themselves."""
    if isinstance(seen, AiecError):
        return _unseen("CI", seen)
    if seen.commit is None:
        return _untagged(seen)
    checks, workflows, runs = seen.checks, seen.workflows, seen.runs
    if isinstance(checks, AiecError) or isinstance(workflows, AiecError) or isinstance(runs, AiecError):
        return _unseen(f"CI of {seen.tag}", next(part for part in (checks, workflows, runs) if isinstance(part, AiecError)))
    suites = {run.suite for run in runs}
    apart = {one.id for wanted in gates for one in called(workflows, wanted)}
    names = {one.id: one.name for one in workflows}
    latest = [Check(names.get(run.workflow, run.name), run.conclusion, run.url) for run in _latest(runs) if run.workflow not in apart]
    return _judged(seen, [*(one for one in checks if one.suite is None or one.suite not in suites), *latest])


def succeeded(seen: Seen | AiecError, wanted: str, now: datetime) -> Answer:
    """Returns whether the latest run of the workflow `wanted` (by its file or its name) on the commit succeeded."""
    if isinstance(seen, AiecError):
        return _unseen(quoted(wanted), seen)
    if seen.commit is None:
        return _untagged(seen)
    workflows, runs = seen.workflows, seen.runs
    if isinstance(workflows, AiecError) or isinstance(runs, AiecError):
        return _unseen(f"{quoted(wanted)} of {seen.tag}", next(part for part in (workflows, runs) if isinstance(part, AiecError)))
    if (wrong := unknown(seen.repository, wanted, workflows)) is not None:
        return wrong
    [workflow] = called(workflows, wanted)
    latest = _latest([run for run in runs if run.workflow == workflow.id])
    return _ended(seen, workflow, latest[0], now) if latest else _never(seen, workflow)


def called(workflows: Iterable[Workflow], wanted: str) -> list[Workflow]:
    """Returns the workflows that are meant: by their file, with or without its ending, else by their name."""
    workflows = [*workflows]
    return [one for one in workflows if wanted in (one.file, one.file.rpartition(".")[0])] or [one for one in workflows if one.name == wanted]


def unknown(repository: str, wanted: str, workflows: Sequence[Workflow]) -> Answer | None:
    """Returns what is wrong with the name of a workflow, or None where it means exactly one."""
    found = called(workflows, wanted)
    if not found:
        text = f"{repository} has no workflow '{quoted(wanted)}'{did_you_mean(wanted, [one.file for one in workflows])}"
        return Answer(False, text, "Correct `workflow` in aiec.yaml: the name of its file, or its own name.")
    if len(found) > 1:
        return Answer(False, f"{len(found)} workflows of {repository} are called '{quoted(wanted)}': {_named(one.file for one in found)}", "Name the file.")
    return None


async def _part(question: Awaitable[list[T]]) -> tuple[T, ...] | AiecError:
    try:
        return tuple(await question)
    except AiecError as error:
        return error


async def _checks(code: CodeHost, repository: str, commit: str, scope: Scope) -> list[Check]:
    if scope is False:
        return []
    asked = [code.statuses(repository, commit), *([code.check_runs(repository, commit)] if scope is True else [])]
    return [one for found in await asyncio.gather(*asked) for one in found]


def _latest(runs: Iterable[Run]) -> list[Run]:
    """The latest run of each workflow."""
    return [*{run.workflow: run for run in sorted(runs, key=lambda run: run.id)}.values()]


def _judged(seen: Seen, checks: Sequence[Check]) -> Answer:
    bad = [one for one in checks if one.conclusion is not None and one.conclusion not in GREEN]
    open_ = [one for one in checks if one.conclusion is None]
    if bad:
        text = f"CI of {seen.what} is not green: {_named(f'{one.name} ({_word(one.conclusion)})' for one in bad)}"
        return Answer(False, text, f"{_see(bad)}Mend it and deploy another version, or run it again.")
    if open_:
        return Answer(False, f"CI of {seen.what} has not finished: {_named(one.name for one in open_)}", f"{_see(open_)}Ask again when it has.")
    if all(one.conclusion != "success" for one in checks):
        text = f"nothing has checked {seen.what} in {seen.repository}" if not checks else f"everything that checks {seen.what} was skipped"
        return Answer(False, text, "Let CI run for this tag; `github.ci: false` in aiec.yaml asks for none.")
    return Answer(True, f"CI green ({len(checks)} check{'' if len(checks) == 1 else 's'})")


def _ended(seen: Seen, workflow: Workflow, run: Run, now: datetime) -> Answer:
    ago, see, name = duration(now - run.at), _see([run]), quoted(workflow.name)
    if run.conclusion == "success":
        return Answer(True, f"{name} succeeded {ago} ago")
    if run.conclusion is None:
        return Answer(False, f"{name} has been running for {seen.what} for {ago}", f"{see}Ask again when it has ended.")
    text = f"{name} did not succeed for {seen.what}: {_word(run.conclusion)}, {ago} ago"
    return Answer(False, text, f"{see}Mend what it found and deploy another version, or run it again.")


def _never(seen: Seen, workflow: Workflow) -> Answer:
    command = f"gh workflow run {quoted(workflow.file)} --repo {seen.repository} --ref {seen.tag}"
    hint = f"Start it for this tag, if it has a `workflow_dispatch`: `{command}`."
    return Answer(False, f"{quoted(workflow.name)} has never run for {seen.what}", hint)


def _untagged(seen: Seen) -> Answer:
    return Answer(False, f"{seen.repository} has no tag {seen.tag}", "Push the tag, or correct `github` in aiec.yaml.")


def _unseen(what: str, error: AiecError) -> Answer:
    return Answer(None, f"{what} was not seen: {error.text.rstrip('.')}", error.hint)


def _word(conclusion: str | None) -> str:
    return quoted((conclusion or "").replace("_", " "))


def _named(names: Iterable[str]) -> str:
    names = [*dict.fromkeys(quoted(name) for name in names)]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _see(shown: Sequence[Check | Run]) -> str:
    """A link to the first of them that has one. Whoever sets a status also chooses where it leads: what is no web page, or endless, is left out."""
    url = next((one.url for one in shown if _LINK.fullmatch(one.url)), "")
    return f"See {url}. " if url else ""
