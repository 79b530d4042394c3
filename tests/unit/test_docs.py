"""The documentation fits the code: its links lead somewhere, its commands can be typed, its tables are complete."""

import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel
from starlette.routing import BaseRoute, Mount, Route

from bot import bot, exec, settings
from bot.cli import parser
from bot.config_file import read
from bot.core.errors import UsageError
from bot.core.parse import Choices, bind, find_command, words
from bot.engine import Manager
from bot.entry import metrics
from bot.pipeline import choices, spoken
from commands.registry import COMMANDS
from escalation import managers as incidents
from runbooks import managers as runbooks
from sandbox import control, faults
from sandbox.kubernetes.fates import FATES
from sandbox.world import World

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
FENCE = re.compile(r"^ *```.*?^ *```", re.M | re.S)
ITS_WORDS = "/aiec failed with the error"  # what Slack shows when a command fails


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def cells(text: str, column: int = 0) -> list[str]:
    """Returns a column of all tables of a text, without their headings."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in text.splitlines() if line.strip().startswith("|")]
    return [row[column] for place, row in enumerate(rows) if column < len(row) and not row[0].startswith("---") and not _heads(rows, place)]


def _heads(rows: list[list[str]], place: int) -> bool:
    return place + 1 < len(rows) and rows[place + 1][0].startswith("---")


def section(text: str, heading: str) -> str:
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    assert found is not None, f"there is no section {heading}"
    return found[1]


def quoted(texts: list[str]) -> list[str]:
    """Returns what stands in backticks."""
    return [found for text in texts for found in re.findall(r"`([^`]+)`", text)]


def anchors(path: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text())):
            if not target.startswith(("http://", "https://")):
                yield path, target


def test_every_link_leads_somewhere() -> None:
    broken = []
    for path, target in links():
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.is_file() or (anchor and anchor not in anchors(there)):
            broken.append(f"{path.name}: {target}")
    assert broken == []
    assert len([*links()]) > 50


def said() -> Iterator[tuple[str, str]]:
    """Yields everything in code that begins with `/aiec` or `aiec`, up to the end of its line, with the page's name."""
    for path in PAGES:
        text = path.read_text()
        lines = [line.partition("#  ")[0] for block in FENCE.findall(text) for line in block.splitlines()[1:-1]]
        spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
        for code in [*lines, *spans]:
            found = re.search(r"(?:^|-- |  )(/?aiec(?: .*)?)$", code.strip().partition("    #")[0])
            if found and not found[1].startswith(ITS_WORDS) and "…" not in found[1]:
                yield path.name, found[1].strip()


def understand(text: str) -> BaseModel | None:
    """Parses a request as the door does, with the names of the shipped configuration."""
    given = words(text)
    if not given:
        return None
    name = find_command(given, [*COMMANDS])
    spoken_of = len(name.split())
    if len(given) == spoken_of:  # the command is spoken of; `/aiec deploy` alone is not typed so
        return None
    return bind(COMMANDS[name].arguments, given[spoken_of:], shipped(), command=name)


@cache
def shipped() -> Choices:
    return choices(read(settings.SHIPPED), COMMANDS)


def test_every_command_that_is_shown_can_be_typed() -> None:
    commands, typed = [*said()], parser()
    assert len(commands) > 40
    for name, code in commands:
        try:
            if code.startswith("/aiec"):
                understand(code.removeprefix("/aiec").strip())
            elif code != "aiec":
                request = ["overview"] if code.startswith("aiec exec") and '"' not in code else []  # left out where the subcommand is spoken of
                options = typed.parse_args([*shlex.split(code, comments=True)[1:], *request])
                understand(getattr(options, "text", ""))
        except (UsageError, SystemExit) as error:
            pytest.fail(f"{name}: {code}: {error}")


def test_every_example_of_a_mistakes_answer_can_be_typed() -> None:
    """Also where the first example names what only some platforms have."""
    names = shipped()
    for name, command in COMMANDS.items():
        if command.internal or name in ("exec", "port-forward"):  # nobody types them, or whatever stands behind them is refused
            continue
        with pytest.raises(UsageError) as caught:
            bind(command.arguments, words("--no-such-option-at-all=1"), names, command=name, examples=command.examples)
        assert caught.value.hint is not None
        example = quoted([caught.value.hint])[-1].removeprefix("/aiec ")
        assert example in command.examples, example
        bind(command.arguments, words(example)[len(name.split()) :], names, command=name)


def test_readme_has_every_command_and_its_permission() -> None:
    table = section(README.read_text(), "Commands")
    shown = {find_command(text.split()[1:], spoken(COMMANDS)): needs for text, needs in zip(quoted(cells(table)), cells(table, 2), strict=True)}
    assert [*shown] == spoken(COMMANDS)
    assert {name: needs for name, needs in shown.items() if needs.startswith("`")} == {
        name: f"`{command.permission}`" for name, command in COMMANDS.items() if command.permission
    }


def test_each_section_from_kubectl_says_what_to_type_and_what_that_adds() -> None:
    text = page("kubectl.md")
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert len(headings) > 8
    for heading in headings:
        typed, adds = cells(section(text, heading), 1), cells(section(text, heading), 2)
        assert typed, heading
        assert all("/aiec " in one for one in typed), heading
        assert len(adds) == len(typed), heading
        assert all(adds), heading


def test_readme_has_every_dependency() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[<>=,]", one)[0] for one in required}
    assert set(quoted(cells(section(README.read_text(), "Dependencies")))) == names


def test_configuration_has_every_variable() -> None:
    known = {"AIEC_CONFIG", *(variable.name for variable in settings.variables().values())}
    assert set(quoted(cells(section(page("configuration.md"), "Environment variables")))) == known


def test_operations_has_every_exit_code() -> None:
    assert [int(cell) for cell in cells(section(page("operations.md"), "The process"))] == sorted(set(exec.EXIT.values()))


def test_operations_has_every_metric() -> None:
    exported = re.findall(r'"(aiec_\w+)"', inspect.getsource(metrics))
    assert sorted(quoted(cells(section(page("operations.md"), "Health, readiness, metrics")))) == sorted(exported)


def managers() -> dict[str, float]:
    """Returns the name and the time limit in seconds of every manager in the modules that the bot is wired from."""
    modules = [value for value in [*vars(bot).values(), *vars(incidents).values(), *vars(runbooks).values()] if inspect.isclass(value) and value is not Manager]
    return {one.name: one.patience.total_seconds() for one in modules if hasattr(one, "patience") and hasattr(one, "update")}


def test_architecture_has_every_manager() -> None:
    table = section(page("architecture.md"), "Managers")
    shown = dict(zip(quoted(cells(table)), (float(cell.removesuffix(" s")) for cell in cells(table, 3)), strict=True))
    assert shown == managers()
    assert len(shown) > 3


def test_architecture_lists_every_decision() -> None:
    listed = re.findall(r"^\| \[\d+\]\((adr/[^)]+)\) \| (.+) \|$", page("architecture.md"), re.M)
    titles = [(f"adr/{path.name}", path.read_text().splitlines()[0].partition(". ")[2]) for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert listed == titles


def sources(*folders: str) -> str:
    return "\n".join(path.read_text() for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


def test_deploying_has_every_check() -> None:
    made = set(re.findall(r'check="(\w+)"', sources("commands")))
    shown = quoted(cells(section(page("deploying.md"), "What is checked before")) + cells(section(page("changing.md"), "What is checked")))
    assert set(shown) == made - {"window"}
    assert len(shown) == len(set(shown))


def test_deploying_has_every_waiver() -> None:
    table = section(page("deploying.md"), "What is checked before")
    waived = [check for check, column in zip(quoted(cells(table)), cells(table, 3), strict=True) if column == "waives"]
    named = set(re.findall(r'check="(\w+)"[^)]*waivable=True', sources("commands"))) - {"window"}
    assert named
    assert named <= set(waived)


def test_deploying_has_every_cause_of_failure() -> None:
    code = sources("bot/core")
    shown = set(quoted(cells(section(page("deploying.md"), "Why rollouts fail"))))
    assert {one for one in shown if f'"{one}"' not in code} == set()
    named = set(re.findall(r'(?:code=|code, \(?said.*? = |return )"([A-Z][A-Za-z]+)"', code))
    assert named <= shown | {"RollingUpdate"}
    assert len(named) > 15


class Host:
    async def reset(self, keep: object) -> None: ...

    def disconnect(self, keep: object) -> None: ...


def paths(routes: list[BaseRoute], prefix: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield from paths([*route.routes], prefix + route.path)
        elif isinstance(route, Route):
            yield prefix + route.path


def test_sandbox_has_every_path_of_the_control_api() -> None:
    served = set(paths([*control.asgi(World.build({}), Host()).routes])) - {"/"}
    shown = [path for path in quoted(cells(section(page("sandbox.md"), "Arranging things"))) if path.startswith("/")]
    assert sorted(shown) == sorted(served)


def test_sandbox_has_every_fate_and_every_fault() -> None:
    assert quoted(cells(section(page("sandbox.md"), "What becomes of a pod"))) == [f"-{fate}" for fate in FATES if fate != "ready"]
    kinds = [line.split()[0] for line in faults.KINDS_TEXT.splitlines()]
    assert [kind for kind in quoted(cells(section(page("sandbox.md"), "Arranging things"))) if not kind.startswith("/")] == kinds


def test_testing_has_every_variable_that_tests_read() -> None:
    asked = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', sources("tests")))
    shown = set(re.findall(r"`((?:TEST|AIEC)_[A-Z_]+)", page("testing.md")))
    assert {name for name in asked if name.startswith("TEST_")} == {name for name in shown if name.startswith("TEST_")}
    assert shown <= asked | set(re.findall(r"\b(AIEC_\w+)=", (ROOT / ".ci" / "run").read_text()))
