"""Markdown → Runbook. A `##` heading begins a step; a fenced `aiec` block is its command; list items that begin with a bold word are its settings, and those
that begin with a link to a heading are its choices; everything else is prose. Pure.

The blocks are found by a Markdown parser, which also says the lines; front matter between two lines of `---` is YAML, as in other tools.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot import yaml_text
from bot.core.suggest import did_you_mean, quoted
from runbooks.matter import Matter, matter
from runbooks.model import Choice, Problem, Runbook, Step
from runbooks.setting import SETTINGS, Part, choice_of, parts, setting_of

LONGEST_FILE = 256 * 1024
MOST_STEPS, MOST_CHOICES = 50, 10
LONGEST_TITLE = 100

_BLOCKS = MarkdownIt("commonmark").disable(["inline", "text_join", "reference"])


@dataclass
class _Draft:
    """A step while it is read: `cut` are the ranges of lines (from, to) that are no prose."""

    title: str
    line: int
    end: int = 0
    cut: list[tuple[int, int]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)


def read(text: str, name: str) -> tuple[Runbook | None, tuple[Problem, ...]]:
    """Returns the runbook of a file, or None with what is wrong in it. Whether its commands can be run is judged elsewhere (`vetting`)."""
    if len(text) > LONGEST_FILE:
        return None, (Problem(line=1, text=f"it is longer than {LONGEST_FILE // 1024} KiB"),)
    return _Reading(text, name).read()


class _Reading:
    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._problems: list[Problem] = []
        self._lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")

    def read(self) -> tuple[Runbook | None, tuple[Problem, ...]]:
        about = self._front()
        title, first, drafts = "", 0, list[_Draft]()
        tokens = _BLOCKS.parse("\n".join(self._lines))
        for place, token in enumerate(tokens):
            at = token.map or [0, 0]
            if token.type == "heading_open" and token.level == 0 and token.tag in ("h1", "h2"):
                said = tokens[place + 1].content.strip()
                if drafts:
                    drafts[-1].end = at[0]
                if token.tag == "h2":
                    drafts.append(_Draft(said, at[0] + 1, cut=[(at[0], at[1])]))
                elif title or drafts:
                    self._wrong(at[0] + 1, "a second title; a step has a heading of two signs, `##`")
                else:
                    title, first = said, at[1]
            elif token.type == "fence" and token.info.split()[:1] == ["aiec"]:
                self._command(drafts, token, at)
            elif token.type == "list_item_open" and token.level == 1:
                self._item(drafts, tokens[place + 2], at)
        return self._whole(about, title, first, drafts)

    def _front(self) -> Matter:
        """Reads the front matter, and leaves empty lines in its place so that all others keep their numbers."""
        if self._lines[0].rstrip() != "---":
            return Matter()
        end = next((place for place, line in enumerate(self._lines) if place and line.rstrip() == "---"), None)
        if end is None:
            self._wrong(1, "the front matter is never closed by a line of `---`")
            return Matter()
        block = "\n".join(["", *self._lines[1:end]])
        self._lines[: end + 1] = [""] * (end + 1)
        try:
            return matter(yaml_text.parse(block), self._problems.append)
        except yaml_text.NotYaml as error:
            self._wrong(error.line, error.text)
            return Matter()

    def _command(self, drafts: list[_Draft], token: Token, at: Sequence[int]) -> None:
        commands = [(at[0] + 2 + place, line.strip()) for place, line in enumerate(token.content.split("\n")) if line.strip()]
        if not drafts:
            self._wrong(at[0] + 1, "a command belongs to a step: it stands below a `##` heading")
        elif len(commands) != 1:
            self._wrong(at[0] + 1, f"an `aiec` block holds one command, and this one holds {len(commands) or 'none'}")
        elif "command" in drafts[-1].fields:
            self._wrong(at[0] + 1, f"*{quoted(drafts[-1].title)}* has a command already, in line {drafts[-1].fields['command_line']}: a step runs one")
        else:
            line, said = commands[0]
            drafts[-1].fields |= {"command": said.removeprefix("/aiec").strip(), "command_line": line}
            drafts[-1].cut.append((at[0], at[1]))

    def _item(self, drafts: list[_Draft], content: Token, at: Sequence[int]) -> None:
        if content.type != "inline" or not content.content.startswith(("**", "[")):
            return
        line, found = (content.map or at)[0] + 1, parts(content.content)
        if (chosen := choice_of(found, line)) is not None:
            if drafts:
                drafts[-1].choices.append(chosen)
                drafts[-1].cut.append((at[0], at[1]))
        elif (named := setting_of(found)) is not None and drafts:
            self._set(drafts[-1], *named, line)
            drafts[-1].cut.append((at[0], at[1]))

    def _set(self, draft: _Draft, name: str, given: tuple[Part, ...], line: int) -> None:
        reader = SETTINGS.get(name.casefold())
        if reader is None:
            known = [one.capitalize() for one in SETTINGS]
            self._wrong(line, f"*{quoted(name)}* is no setting of a step{did_you_mean(name, known)} (prose does not begin with a bold word and a colon)")
            return
        try:
            fields = reader(given, line)
        except ValueError as error:
            self._wrong(line, f"{name}: {error}")
            return
        if fields.keys() & draft.fields.keys():
            self._wrong(line, f"*{quoted(name)}* is set twice for *{quoted(draft.title)}*")
        draft.fields |= fields

    def _whole(self, about: Matter, title: str, first: int, drafts: list[_Draft]) -> tuple[Runbook | None, tuple[Problem, ...]]:
        if not title:
            self._wrong(1, "it has no title: a line such as `# Service outage`")
        if not drafts:
            self._wrong(1, "it has no steps: a step begins with a heading such as `## Look at it`")
        if len(drafts) > MOST_STEPS:
            self._wrong(drafts[MOST_STEPS].line, f"it has more than {MOST_STEPS} steps: make two runbooks of it")
        self._headings(drafts)
        self._targets(drafts)
        if self._problems:
            return None, tuple(sorted(self._problems, key=lambda one: one.line))
        if drafts:
            drafts[-1].end = len(self._lines)
        intro = "\n".join(self._lines[first : drafts[0].line - 1]).strip()
        steps = tuple(Step(title=one.title, line=one.line, prose=self._prose(one), choices=tuple(one.choices), **one.fields) for one in drafts)
        return Runbook(name=self._name, title=title, intro=intro, steps=steps, **about.fields()), ()

    def _headings(self, drafts: list[_Draft]) -> None:
        seen: dict[str, int] = {}
        for draft in drafts:
            step = Step(title=draft.title, line=draft.line)
            if not step.anchor.strip("-"):
                self._wrong(draft.line, "a step's heading has words in it")
            elif len(draft.title) > LONGEST_TITLE:
                self._wrong(draft.line, f"a heading has at most {LONGEST_TITLE} characters")
            elif seen.setdefault(step.anchor, draft.line) != draft.line:
                self._wrong(draft.line, f"*{quoted(draft.title)}* is the heading of another step too, in line {seen[step.anchor]}")
            if len(draft.choices) > MOST_CHOICES:
                self._wrong(draft.line, f"a step has at most {MOST_CHOICES} choices")

    def _targets(self, drafts: list[_Draft]) -> None:
        """Every link leads to a step."""
        there = {Step(title=one.title, line=one.line).anchor for one in drafts}
        titles = [one.title for one in drafts]
        for draft in drafts:
            links = [(one.to, one.line) for one in draft.choices]
            links += [(draft.fields[name], draft.fields[f"{name}_line"]) for name in ("then", "on_failure") if name in draft.fields]
            for to, line in links:
                if not to.startswith(":") and to not in there:
                    self._wrong(line, f"there is no step *{quoted(to.replace('-', ' '))}*{did_you_mean(to.replace('-', ' '), titles)}")
            if draft.choices and "then" in draft.fields:
                self._wrong(draft.fields["then_line"], f"*{quoted(draft.title)}* has choices, which say already where it goes on")

    def _prose(self, draft: _Draft) -> str:
        gone = {line for start, end in draft.cut for line in range(start, end)}
        return "\n".join(self._lines[place] for place in range(draft.line - 1, draft.end) if place not in gone).strip()

    def _wrong(self, line: int, text: str) -> None:
        self._problems.append(Problem(line=line, text=text))


@lru_cache(maxsize=512)
def known(text: str, name: str) -> tuple[Runbook | None, tuple[Problem, ...]]:
    """The same as `read`, remembered: a run keeps the text that it began with, and looks at it again and again."""
    return read(text, name)
