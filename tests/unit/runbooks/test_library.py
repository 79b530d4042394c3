"""Folders of runbooks: which of them count, what becomes of a broken one, and what `aiec runbook lint` says."""

import os
from pathlib import Path

import pytest

from bot.adapters.shelf import Folders
from bot.cli import main
from bot.config_file import read as read_config
from bot.core.errors import NotFound
from bot.settings import SHIPPED as CONFIG
from commands.registry import COMMANDS
from runbooks.library import SHIPPED, Library, Shelves

GOOD = "# {}\n\n## Look\n\n```aiec\nstatus prod\n```\n"
BROKEN = "# Broken\n\n## Look\n\n```aiec\nstatsu prod\n```\n"
SETTINGS = read_config(CONFIG)


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(text)
    return folder


def library(*folders: Path) -> Library:
    return Library(Folders(folders).pages(), SETTINGS, COMMANDS)


def test_all_that_come_with_aiec_can_be_run() -> None:
    found = library(SHIPPED)
    assert found.refused == []
    assert "service-outage" in found.good


def test_a_broken_one_is_refused_with_its_line_and_the_others_go_on(tmp_path: Path) -> None:
    write(write(tmp_path, "broken", BROKEN), "good", GOOD.format("Good"))
    found = library(tmp_path)
    assert [*found.good] == ["good"]
    (refused,) = found.refused
    assert refused.lines == [f"{tmp_path}/broken.md:6: *statsu* is not a command; did you mean `status`? (`/aiec help` lists what you may do.)"]
    with pytest.raises(NotFound, match=r"The runbook broken is refused: .*broken.md:6: "):
        found.find("broken")
    with pytest.raises(NotFound, match=r"\*god\* is not a runbook; did you mean `good`\?"):
        found.find("god")


def test_the_later_folder_counts_unless_its_runbook_is_broken(tmp_path: Path) -> None:
    first = write(write(tmp_path / "a", "one", GOOD.format("First")), "two", GOOD.format("First"))
    second = write(write(tmp_path / "b", "one", GOOD.format("Second")), "two", BROKEN)
    found = library(first, second)
    assert {name: one.runbook.title for name, one in found.good.items()} == {"one": "Second", "two": "First"}
    assert [one.page.where for one in found.refused] == [str(second / "two.md")]


def test_what_is_no_runbook_is_left_alone_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    write(write(tmp_path, "README", "# About"), ".hidden", "# H")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe")
    write(tmp_path, "Capitals", GOOD.format("x"))
    found = library(tmp_path, tmp_path / "nowhere")
    assert found.good == {}
    assert [line for one in found.refused for line in one.lines] == [
        f"{tmp_path}/Capitals.md:1: a runbook's file is called by small letters, digits and hyphens, and ends in `.md`",
        f"{tmp_path}/binary.md:1: it is not UTF-8 text",
        f"{tmp_path}/nowhere:1: the folder cannot be read: No such file or directory",
    ]


def test_a_mounted_config_map_is_followed_when_it_changes(tmp_path: Path) -> None:
    """Kubernetes writes the new files into a new folder, and then turns the link to it."""
    write(tmp_path / "..1", "one", GOOD.format("Before"))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "one.md").symlink_to("..data/one.md")
    folders, shelves = Folders([tmp_path]), Shelves()
    before = shelves.library(folders, SETTINGS, COMMANDS)
    assert shelves.library(folders, SETTINGS, COMMANDS) is before
    write(tmp_path / "..2", "one", GOOD.format("After"))
    (tmp_path / "..new").symlink_to("..2")
    os.replace(tmp_path / "..new", tmp_path / "..data")
    assert shelves.library(folders, SETTINGS, COMMANDS).good["one"].runbook.title == "After"


def test_suggestions_come_from_the_configuration_the_runbooks_and_the_alerts(tmp_path: Path) -> None:
    write(tmp_path, "queues", GOOD.format("Queues"))
    write(tmp_path, "linked", GOOD.format("Linked"))
    write(tmp_path, "own", "---\nalerts:\n  - {alertname: Slow, service: gateway}\n---\n" + GOOD.format("Own"))
    rules = ({"match": {"alertname": "Slow"}, "runbook": "queues"}, {"match": {"alertname": "Other"}, "runbook": "linked"})
    config = type(SETTINGS).model_validate(SETTINGS.model_dump(by_alias=True) | {"runbooks": rules})
    found = Library(Folders([tmp_path]).pages(), config, COMMANDS)
    slow = {"alertname": "Slow", "service": "gateway"}
    assert found.suggested([slow], ["https://wiki.example.com/runbooks/linked.md"]) == ["queues", "own", "linked"]
    assert found.suggested([slow | {"service": "redis"}]) == ["queues"]
    assert found.suggested([], ["https://wiki.example.com/absent"]) == []


def test_lint_says_file_and_line_and_its_exit_code_says_whether_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AIEC_")]:
        monkeypatch.delenv(name)
    assert main(["runbook", "lint"]) == 0
    assert "can be run, 0 cannot" in capsys.readouterr().out
    write(write(tmp_path / "ours", "broken", BROKEN), "good", GOOD.format("Good"))
    assert main(["runbook", "lint", "ours"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "ours/broken.md:6: *statsu* is not a command; did you mean `status`? (`/aiec help` lists what you may do.)",
        "1 runbook can be run, 1 cannot",
    ]
    assert main(["runbook", "lint", "ours/good.md"]) == 0
    monkeypatch.setenv("AIEC_RUNBOOK_DIR", "ours")
    assert main(["runbook", "lint"]) == 1
    assert main(["runbook", "lint", "nowhere.md"]) == 2
    assert "There is no runbook nowhere.md." in capsys.readouterr().err


def test_a_runbook_that_only_aiec_yaml_knows_is_found_by_lint(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = CONFIG.read_text().replace("runbooks: []", "runbooks: [{match: {alertname: X}, runbook: absent}]")
    (tmp_path / "aiec.yaml").write_text(named)
    monkeypatch.delenv("AIEC_CONFIG", raising=False)
    assert main(["runbook", "lint"]) == 1
    assert "aiec.yaml: runbooks[0].runbook: there is no runbook absent" in capsys.readouterr().out
