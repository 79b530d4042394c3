"""Action items and their issues: what is to be done there, and what here. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import AiecError, Forbidden, Throttled, Unavailable
from bot.core.issues import Issue
from bot.store.action_tables import ActionRow
from escalation.actions.issues import LONGEST, Change, Move, move, seen, text_of, wait

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
STATES = st.sampled_from(("open", "done", "dropped"))


@pytest.mark.parametrize(
    ("state", "issue", "there", "attempts", "expected"),
    [
        ("open", None, "", 0, Move.CREATE),
        ("open", None, "", 1, Move.FIND),
        ("done", None, "", 0, Move.NOTHING),
        ("done", None, "", 1, Move.FIND),
        ("open", 1, "open", 0, Move.NOTHING),
        ("done", 1, "open", 0, Move.CLOSE),
        ("dropped", 1, "open", 3, Move.CLOSE),
        ("open", 1, "closed", 0, Move.OPEN),
        ("done", 1, "closed", 0, Move.NOTHING),
        ("done", 1, "gone", 0, Move.NOTHING),
        ("open", 1, "gone", 0, Move.NOTHING),
    ],
)
def test_what_is_done_there(state: str, issue: int | None, there: str, attempts: int, expected: Move) -> None:
    assert move(state, issue, there, attempts) is expected


@pytest.mark.parametrize(
    ("state", "there", "open", "planned", "expected"),
    [
        ("open", "open", False, True, Change.DONE),
        ("open", "open", False, False, Change.DROPPED),
        ("done", "closed", True, True, Change.REOPENED),
        ("done", "open", True, True, Change.NOTHING),
        ("done", "open", False, True, Change.NOTHING),
        ("open", "closed", False, True, Change.NOTHING),
        ("open", "closed", True, True, Change.NOTHING),
    ],
)
def test_what_is_done_here(state: str, there: str, open: bool, planned: bool, expected: Change) -> None:
    assert seen(state, there, Issue(1, open, "", planned=planned)) is expected


@given(STATES, st.sampled_from(("open", "closed")), st.booleans(), st.booleans())
def test_both_come_into_step_and_then_nothing_moves_any_more(state: str, there: str, open: bool, planned: bool) -> None:
    """Somebody has moved the issue, or nobody has; the item has changed, or not: after one look and one move both say the same."""
    change = seen(state, there, Issue(1, open, "", planned=planned))
    now = {Change.NOTHING: state, Change.REOPENED: "open", Change.DONE: "done", Change.DROPPED: "dropped"}[change]
    step = move(now, 1, "open" if open else "closed", 0)
    is_open = {Move.CLOSE: False, Move.OPEN: True}.get(step, open)
    assert is_open == (now == "open")
    assert seen(now, "open" if is_open else "closed", Issue(1, is_open, "")) is Change.NOTHING


@pytest.mark.parametrize(
    ("error", "attempts", "expected"),
    [
        (Throttled("wait", timedelta(seconds=45)), 9, timedelta(seconds=45)),
        (Unavailable("away"), 1, timedelta(minutes=1)),
        (Unavailable("away"), 3, timedelta(minutes=4)),
        (Unavailable("away"), 50, LONGEST),
        (Forbidden("no"), 1, LONGEST),
    ],
)
def test_how_long_it_waits(error: AiecError, attempts: int, expected: timedelta) -> None:
    assert wait(error, attempts) == expected


@pytest.mark.parametrize(("said", "fence"), [("ask @octocat about #7", "```"), ("no ``` ends it", "````"), ("nor ````` does", "``````")])
def test_nothing_in_an_item_mentions_anybody(said: str, fence: str) -> None:
    row = ActionRow(id=7, incident=42, text=said, owner="senior", due_at=NOW, created_at=NOW, created_by="engineer", reminded_at=NOW)
    assert text_of(row).startswith(f"{fence}\n{said}\n{fence}\n\n")
    assert "#42" not in text_of(row)
