"""Forms from the declaration of arguments, and as Slack's modals within its limits."""

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.slack.modal import card_view, form_view
from bot.core import form as forms
from bot.core.card import Action, Card, Evidence
from bot.core.data import Frozen
from bot.core.form import Field, Form, form_of
from bot.core.parse import Param, Version, check
from sandbox.slack.blocks import check_view

CHOICES = {"environments": ["staging", "prod"], "services": ["gateway", "redis"], "people": ["ana"]}


class Arguments(Frozen):
    environment: Annotated[str, Param(choices="environments", help="where")]
    version: Version
    service: Annotated[tuple[str, ...], Param(option=True, choices="services")] = ()
    owner: Annotated[str, Param(option=True, kind="person", choices="people")] = "ana"
    force_now: Annotated[bool, Param(option=True, help="at once")] = False
    reason: Annotated[str, Param(rest=True)]


def test_every_argument_is_a_field_of_its_kind() -> None:
    form = form_of("deploy", "bring services to a version", Arguments, {"version": "v1", "service": ("redis",), "force_now": True}, CHOICES)
    shown = [(field.label, field.kind, field.optional, field.options, field.value) for field in form.fields]
    assert shown == [
        ("Environment", "one", False, ("staging", "prod"), None),
        ("Version", "text", False, (), "v1"),
        ("Service", "several", True, ("gateway", "redis"), ("redis",)),
        ("Owner", "one", True, ("ana",), None),
        ("Force now", "flag", True, (), True),
        ("Reason", "lines", False, (), None),
    ]
    assert (form.fields[1].example, form.fields[4].hint) == ("v1.2.0", "at once")


@pytest.mark.parametrize(
    ("filled", "values"),
    [
        ({"environment": "prod", "version": " v1.2.0 ", "service": (), "force_now": False, "reason": None}, {"environment": "prod", "version": "v1.2.0"}),
        ({"service": ("redis",), "force_now": True, "reason": "a\nb"}, {"service": ("redis",), "force_now": True, "reason": "a\nb"}),
        ({"service": "redis, gateway,", "owner": "@ana"}, {"service": ("redis", "gateway"), "owner": "ana"}),
        ({"unknown": "x"}, {}),
    ],
)
def test_what_is_filled_in_becomes_values(filled: dict[str, Any], values: dict[str, Any]) -> None:
    assert forms.given(Arguments, filled) == values


def test_what_is_left_empty_is_missing() -> None:
    problems = check(Arguments, forms.given(Arguments, {"environment": "prod", "version": "", "reason": "  "}), CHOICES)
    assert [*problems] == ["version", "reason"]


FIELDS = st.builds(
    Field,
    name=st.just("x"),
    label=st.text(min_size=1),
    kind=st.sampled_from(["text", "lines", "flag", "one", "several"]),
    optional=st.booleans(),
    options=st.lists(st.text(min_size=1, max_size=100), max_size=120, unique=True).map(tuple),
    value=st.one_of(st.none(), st.text(max_size=4000), st.booleans(), st.lists(st.text(min_size=1), max_size=3).map(tuple)),
    example=st.text(max_size=100),
    hint=st.text(max_size=3000),
)


@given(st.text(min_size=1), st.text(max_size=4000), st.lists(FIELDS, max_size=12))
def test_any_form_is_a_view_that_slack_takes(command: str, summary: str, fields: list[Field]) -> None:
    named = tuple(field.model_copy(update={"name": f"field-{place}"}) for place, field in enumerate(fields))
    check_view(form_view(Form(command=command, summary=summary, fields=named), "{}"), "modal")


def test_a_card_is_a_view_without_buttons() -> None:
    card = Card(headline=("Denied",), evidence=(Evidence(title="Why", text="x" * 5000),), actions=(Action(label="Go", command="status"),))
    view = card_view(card, lambda _: None)
    check_view(view, "modal")
    assert not [block for block in view["blocks"] if block["type"] == "actions"]
