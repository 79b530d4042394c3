"""What the page is given, and that it needs nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sandbox
from sandbox.slack.page import page_state
from tests.unit.sandbox.slack.conftest import Slack

PAGE = Path(sandbox.__file__).parent / "workspace"
SOURCES = sorted(PAGE.iterdir())


def test_a_person_sees_their_conversations_and_what_is_said_to_them(slack: Slack) -> None:
    slack.api("chat.postMessage", channel="#devops", text="to all")
    slack.api("chat.postEphemeral", channel=slack.channel("devops").id, user="U0LEAD", text="to you")
    state = page_state(slack, "lead", "devops")
    assert [channel["name"] for channel in state["channels"]] == ["devops", "secret", ""]
    assert [(message["text"], message["ephemeral"]) for message in state["messages"]] == [("to all", False), ("to you", True)]
    assert [message["text"] for message in page_state(slack, "engineer", "devops")["messages"]] == ["to all"]


def test_an_unknown_conversation_shows_the_first_one(slack: Slack) -> None:
    assert page_state(slack, "lead", "nowhere")["channel"] == slack.channel("devops").id


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_page_loads_only_its_own_files(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    loaded = re.findall(r'(?:src|href)="([^"#]+)"|from "([^"]+)"|url\(([^)]+)\)', text)
    names = [name for names in loaded for name in names if name and not name.startswith("data:")]
    assert all((PAGE / name).is_file() for name in names), names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_nothing_said_can_become_markup(source: Path) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source.read_text(encoding="utf-8"))
