"""A small workspace on a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandbox.clock import Clock
from sandbox.slack import Answer, Workspace

SCOPES = [
    "chat:write", "commands", "channels:read", "channels:history", "channels:join", "channels:manage", "groups:read", "groups:write", "groups:history",
    "im:read", "im:write", "im:history", "mpim:write", "users:read", "users:read.email", "usergroups:read", "reactions:read", "reactions:write",
    "pins:write", "bookmarks:write", "files:write", "team:read",
]  # fmt: skip


class Slack(Workspace):
    """A workspace whose Web API is asked with the app's own token."""

    def api(self, method: str, **arguments: object) -> Answer:
        return self.call(method, arguments, self.app.app_token if method.startswith("apps.") else self.app.token)

    def error(self, method: str, **arguments: object) -> str:
        """The error code with which a call is refused."""
        body = self.api(method, **arguments).body
        assert body["ok"] is False
        return str(body["error"])


@pytest.fixture
def clock() -> Clock:
    return Clock.manual(datetime(2026, 5, 3, 12, tzinfo=UTC))


@pytest.fixture
def slack(clock: Clock) -> Slack:
    workspace = Slack(clock, seed=1)
    workspace.setup(
        users=[
            {"id": "U0ENGINEER", "name": "engineer", "real_name": "Eva", "email": "eva@example.com"},
            {"id": "U0LEAD", "name": "lead", "real_name": "Leo", "email": "leo@example.com"},
        ],
        usergroups=[{"id": "S0DEVOPS", "handle": "devops-team", "users": ["engineer", "lead"]}],
        channels=[
            {"name": "devops", "members": ["engineer", "lead", "bot"]},
            {"name": "random", "members": ["engineer"]},
            {"name": "secret", "members": ["lead"], "kind": "private"},
        ],
        app={
            "user": "U0BOT",
            "name": "bot",
            "scopes": list(SCOPES),
            "events": ["message.channels", "message.im", "app_mention", "reaction_added", "member_joined_channel", "app_home_opened"],
            "commands": [{"command": "/do", "should_escape": True}],
            "shortcuts": [{"name": "Note", "type": "message", "callback_id": "note"}, {"name": "New", "type": "global", "callback_id": "new"}],
        },
    )
    return workspace
