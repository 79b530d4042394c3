"""Whatever an app sends, it gets one of Slack's answers."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.slack import Workspace
from tests.unit.sandbox.slack.conftest import SCOPES
from tests.unit.sandbox.slack.test_blocks import GOOD, MODAL

NOW = "1777809600.000000"
AT = {"channel": "C0D", "timestamp": NOW}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("chat.postMessage", {"channel": "C0D", "text": "x", "blocks": GOOD, "thread_ts": NOW, "metadata": {"event_type": "t", "event_payload": {"a": 1}}}),
    ("chat.update", {"channel": "C0D", "ts": NOW, "text": "x", "blocks": GOOD, "attachments": [{"text": "x"}]}),
    ("chat.postEphemeral", {"channel": "C0D", "user": "U0A", "text": "x", "blocks": GOOD}),
    ("chat.getPermalink", {"channel": "C0D", "message_ts": NOW}),
    ("chat.delete", {"channel": "C0D", "ts": NOW}),
    ("conversations.list", {"types": "public_channel,im", "exclude_archived": True, "limit": 10, "cursor": "bmV4dDow"}),
    ("conversations.history", {"channel": "C0D", "limit": 5, "oldest": "1.0", "latest": "2.0", "inclusive": True, "cursor": "bmV4dDow"}),
    ("conversations.replies", {"channel": "C0D", "ts": NOW}),
    ("conversations.create", {"name": "new", "is_private": False}),
    ("conversations.invite", {"channel": "C0D", "users": "U0A", "force": True}),
    ("conversations.open", {"users": "U0A", "return_im": True}),
    ("conversations.setTopic", {"channel": "C0D", "topic": "x"}),
    ("conversations.rename", {"channel": "C0D", "name": "x"}),
    ("users.lookupByEmail", {"email": "a@example.com"}),
    ("usergroups.users.list", {"usergroup": "S0"}),
    ("reactions.add", {**AT, "name": "eyes"}),
    ("reactions.get", dict(AT)),
    ("pins.add", dict(AT)),
    ("bookmarks.add", {"channel_id": "C0D", "title": "x", "type": "link", "link": "https://example.com"}),
    ("files.getUploadURLExternal", {"filename": "x", "length": 5}),
    ("files.completeUploadExternal", {"files": [{"id": "F0", "title": "x"}], "channel_id": "C0D"}),
    ("views.publish", {"user_id": "U0A", "view": {"type": "home", "blocks": GOOD}, "hash": "x"}),
    ("views.open", {"trigger_id": "1.2.3", "view": MODAL}),
]
JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x",
    "é",
    "#d",
    "U0BOT",
    "[]",
    "9" * 400,
    [],
    [[]],
    [5],
    {},
    {"type": []},
    {"id": []},
]


def _paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside, that to `node` itself left out."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [way for key, inner in items for way in ((*path, key), *_paths(inner, (*path, key)))]


def spoiled(good: dict[str, Any], place: int, junk: Any) -> dict[str, Any]:
    """A copy of good arguments in which one value, anywhere, is replaced by junk."""
    arguments = copy.deepcopy(good)
    ways = _paths(arguments)
    *way, last = ways[place % len(ways)]
    node: Any = arguments
    for key in way:
        node = node[key]
    node[last] = junk
    return arguments


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CALLS) - 1), st.integers(0, 300), st.integers(0, len(JUNK) - 1)), min_size=1, max_size=4))
def test_any_call_is_answered(made: list[tuple[int, int, int]]) -> None:
    workspace = Workspace(Clock.manual(datetime(2026, 5, 3, 12, tzinfo=UTC)))
    app = {"user": "U0BOT", "name": "bot", "scopes": SCOPES}
    workspace.setup(users=[{"id": "U0A", "name": "a"}], channels=[{"id": "C0D", "name": "d", "members": ["a", "bot"]}], app=app)
    workspace.call("chat.postMessage", {"channel": "C0D", "text": "x"}, workspace.app.token)
    for number, place, junk in made:
        method, good = CALLS[number]
        arguments = spoiled(good, place, JUNK[junk])
        answer = workspace.call(method, arguments, workspace.app.token)
        assert answer.status in (200, 429)
        assert answer.ok or isinstance(answer.body["error"], str)
