"""Who may do what."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.access import Decision, allowed, who_may
from bot.core.config import Config
from bot.core.request import Actor

ENVIRONMENTS = {name: {"namespace": name, "channel": "#ops", "approvals": 0} for name in ("staging", "prod")}
ANA, RUI, STRANGER = Actor(name="ana", slack="U0ANA"), Actor(name="rui"), Actor(name="U0STRANGER", slack="U0STRANGER", known=False)
NO_GROUPS: frozenset[str] = frozenset()


def config(*permissions: dict[str, Any]) -> Config:
    return Config.model_validate(
        {
            "platform": "shop",
            "environments": ENVIRONMENTS,
            "services": {},
            "people": {"ana": {"slack": "U0ANA"}, "rui": {}},
            "channels": {"incidents": "#i", "alerts": "#a", "digest": "#a"},
            "permissions": list(permissions),
        }
    )


USUAL = config(
    {"who": ["@everyone"], "may": ["help", "incident.declare"]},
    {"who": ["ana", "@devops"], "may": ["*"], "in": ["staging"]},
    {"who": ["ana"], "may": ["deploy", "incident.*"], "in": ["prod"]},
    {"who": ["@devops"], "may": ["freeze"]},
)


@pytest.mark.parametrize(
    ("actor", "groups", "permission", "environment", "expected"),
    [
        (STRANGER, NO_GROUPS, "help", None, True),
        (STRANGER, NO_GROUPS, "help", "prod", True),
        (STRANGER, NO_GROUPS, "deploy", "staging", False),
        (STRANGER, frozenset({"@devops"}), "deploy", "staging", True),
        (ANA, NO_GROUPS, "deploy", "prod", True),
        (ANA, NO_GROUPS, "deploy", None, False),
        (ANA, NO_GROUPS, "deploy", "elsewhere", False),
        (ANA, NO_GROUPS, "incident.assign", "prod", True),
        (ANA, NO_GROUPS, "incidents", "prod", False),
        (ANA, NO_GROUPS, "incident", "prod", False),
        (ANA, NO_GROUPS, "freeze", "prod", False),
        (RUI, frozenset({"@devops"}), "anything.at-all", "staging", True),
        (RUI, frozenset({"@devops"}), "deploy", "prod", False),
        (RUI, frozenset({"@devops"}), "freeze", None, True),
        (RUI, None, "freeze", "prod", False),
        (ANA, None, "deploy", "prod", True),
    ],
)
def test_decisions(actor: Actor, groups: frozenset[str] | None, permission: str, environment: str | None, expected: bool) -> None:
    assert allowed(USUAL, actor, groups, permission, environment).allowed is expected


def test_a_name_that_is_not_known_borrows_nothing() -> None:
    assert not allowed(USUAL, Actor(name="ana", known=False), NO_GROUPS, "deploy", "prod").allowed


def test_a_denial_says_whom_to_ask() -> None:
    assert allowed(USUAL, RUI, NO_GROUPS, "deploy", "prod") == Decision(False, "`deploy` in prod is not granted to you; ask @ana")
    assert allowed(USUAL, RUI, NO_GROUPS, "deploy", "staging").reason == "`deploy` in staging is not granted to you; ask @ana or @devops"
    assert allowed(USUAL, RUI, NO_GROUPS, "restore", "prod").reason == "`restore` in prod is not granted to you; nobody may, by `permissions` of aiec.yaml"


def test_a_silent_slack_is_a_denial_that_says_so() -> None:
    reason = allowed(USUAL, RUI, None, "freeze", None).reason
    assert reason == "`freeze` is granted to @devops, and Slack does not say now whether you belong to it; ask @devops"
    assert "Slack" not in allowed(USUAL, RUI, None, "deploy", "prod").reason


def test_a_stranger_is_told_that_aiec_does_not_know_him() -> None:
    assert "people that aiec.yaml knows" in allowed(USUAL, STRANGER, NO_GROUPS, "deploy", "prod").reason


def test_who_may_keeps_the_order_and_names_nobody_twice() -> None:
    twice = config({"who": ["rui", "ana"], "may": ["deploy"]}, {"who": ["ana", "@devops"], "may": ["*"]})
    assert who_may(twice, "deploy", "prod") == ["rui", "ana", "@devops"]


@given(st.text(max_size=20), st.sampled_from([None, "staging", "prod"]), st.none() | st.frozensets(st.sampled_from(["@devops", "@sre"])))
def test_without_permissions_everything_is_denied(permission: str, environment: str | None, groups: frozenset[str] | None) -> None:
    assert not allowed(config(), ANA, groups, permission, environment).allowed
