"""Whom a waiting operation asks for its approval."""

from typing import Any

import pytest

from bot.core.approvers import addressed
from bot.core.config import Config
from bot.core.errors import Refused
from bot.core.operation_card import operation_card, rehearsal_card
from bot.core.plan import Plan
from bot.core.text import words
from tests.unit.operations import ENGINEER, LEAD, START, operation, plan

TOO_FEW = "Too few people may approve it: let more have `deploy` in prod, in `permissions` of aiec.yaml."


def granted(*who: str, approvals: int = 1) -> Plan:
    """A plan of the engineer's where these may deploy to prod."""
    document = {
        "platform": "shop",
        "environments": {"prod": {"namespace": "shop", "channel": "#ops", "approvals": 1}, "staging": {"namespace": "s", "channel": "#ops", "approvals": 0}},
        "services": {},
        "people": {name: {} for name in ("engineer", "senior", "lead", "manager", "cto")},
        "channels": {"incidents": "#i", "alerts": "#a", "digest": "#a"},
        "permissions": [{"who": [*who], "may": ["deploy"], "in": ["prod"]}, {"who": ["cto"], "may": ["*"], "in": ["staging"]}],
    }
    return addressed(plan(0, approvals=approvals), Config.model_validate(document), "deploy", "engineer")


def said(plan: Plan, *approved: Any) -> list[str]:
    asked = operation().model_copy(update={"plan": plan})
    for person in approved:
        asked = asked.approve(person, "", START)
    return [words(text) for text in operation_card(asked).lines]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (["lead"], "@lead"),
        (["engineer", "senior", "lead"], "@senior or @lead"),
        (["engineer", "senior", "lead", "@devops"], "@senior, @lead or @devops"),
        (["senior", "lead", "@devops", "manager", "cto"], "@senior, @lead, @devops and 2 more"),
        (["lead", "@everyone"], "anybody else"),
    ],
)
def test_a_card_that_waits_says_who_may_approve(who: list[str], expected: str) -> None:
    asked = granted(*who)
    assert said(asked) == [f"op-7 · asked by @engineer · waits for one approval of {expected} (until 09:30 UTC)"]
    assert words(rehearsal_card(asked).lines[0]) == f"It would need one approval of {expected}"
    with pytest.raises(Refused, match="your own request: somebody else has to approve it") as refused:
        operation().model_copy(update={"plan": asked}).approve(ENGINEER, "", START)
    assert refused.value.hint == f"Ask {expected}, or cancel it: `/aiec cancel op-7`."


def test_where_nobody_else_may_approve_it_says_so_and_what_to_do() -> None:
    asked = granted("engineer")
    assert said(asked) == ["op-7 · asked by @engineer · waits for one approval, which nobody else may give (until 09:30 UTC)", TOO_FEW]
    with pytest.raises(Refused, match="your own request: nobody else may approve it") as refused:
        operation().model_copy(update={"plan": asked}).approve(ENGINEER, "", START)
    assert refused.value.hint.startswith("Let somebody else have `deploy` in prod, in `permissions` of aiec.yaml, or cancel it")


def test_who_has_approved_is_not_asked_again() -> None:
    asked = granted("senior", "lead", approvals=2)
    assert said(asked)[0].endswith("waits for 2 approvals of @senior or @lead (until 09:30 UTC)")
    assert said(asked, LEAD) == ["op-7 · asked by @engineer, approved by @lead · waits for one approval of @senior (until 09:30 UTC)"]
    assert said(granted("lead", approvals=2))[1:] == [TOO_FEW]
    assert said(granted("lead", "@devops", approvals=2))[1:] == []  # how many they are is not known here


def test_a_plan_is_the_same_whoever_may_approve_it() -> None:
    assert granted("lead").hash == granted("cto").hash == plan(0).hash
    assert said(plan(0)) == ["op-7 · asked by @engineer · waits for one approval of others (until 09:30 UTC)"]  # made before that was written down
