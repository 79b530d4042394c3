"""Block Kit is refused where Slack refuses it, and the fault is pointed at."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sandbox.slack.answer import Refusal
from sandbox.slack.blocks import block_faults, check_view, completed


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def button(**fields: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain("Go"), "action_id": "go"} | fields


def option(value: str) -> dict[str, Any]:
    return {"text": plain(value), "value": value}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


GOOD = [
    {"type": "header", "text": plain("x" * 150)},
    {"type": "section", "text": mrkdwn("x" * 3000)},
    {"type": "section", "fields": [mrkdwn("x" * 2000)] * 10},
    {"type": "section", "text": mrkdwn("x"), "accessory": {"type": "overflow", "action_id": "o", "options": [option("a")]}},
    {"type": "context", "elements": [mrkdwn("x"), {"type": "image", "image_url": "https://e.com/i.png", "alt_text": "i"}]},
    {"type": "divider", "block_id": "d"},
    {"type": "image", "image_url": "https://e.com/i.png", "alt_text": "i"},
    actions(*[button(action_id=str(number)) for number in range(25)]),
    actions(button(text=plain("x" * 75), value="x" * 2000, style="danger", confirm={"title": plain("Sure?"), "text": mrkdwn("Really?")})),
    actions({"type": "static_select", "action_id": "s", "options": [option("a")], "placeholder": plain("Pick")}),
    {"type": "input", "label": plain("Name"), "element": {"type": "plain_text_input", "action_id": "n", "multiline": True, "max_length": 100}},
    {"type": "input", "label": plain("Who"), "element": {"type": "multi_users_select", "action_id": "n"}},
    {"type": "input", "label": plain("When"), "element": {"type": "datepicker", "action_id": "n", "initial_date": "2026-05-03"}},
    {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]},
]


@pytest.mark.parametrize("block", GOOD, ids=lambda block: block["type"])
def test_accepted(block: dict[str, Any]) -> None:
    assert block_faults([block], 50) == []


BAD = [
    ({"type": "header", "text": plain("x" * 151)}, "must be less than 151 characters [json-pointer:/blocks/0/text/text]"),
    ({"type": "header", "text": mrkdwn("x")}, "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]"),
    ({"type": "header"}, "missing required field: text [json-pointer:/blocks/0]"),
    ({"type": "section", "text": mrkdwn("x" * 3001)}, "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    ({"type": "section", "text": mrkdwn("")}, "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    ({"type": "section"}, "missing required field: text or fields [json-pointer:/blocks/0]"),
    ({"type": "section", "fields": [mrkdwn("x")] * 11}, "no more than 10 items allowed [json-pointer:/blocks/0/fields]"),
    ({"type": "section", "fields": [mrkdwn("x" * 2001)]}, "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"),
    ({"type": "section", "text": mrkdwn("x"), "color": "red"}, "invalid additional property: color [json-pointer:/blocks/0]"),
    ({"type": "context", "elements": []}, "no fewer than 1 items allowed [json-pointer:/blocks/0/elements]"),
    ({"type": "divider", "block_id": "x" * 256}, "must be less than 256 characters [json-pointer:/blocks/0/block_id]"),
    ({"type": "marquee"}, "unsupported type: marquee [json-pointer:/blocks/0/type]"),
    (actions(*[button(action_id=str(number)) for number in range(26)]), "no more than 25 items allowed [json-pointer:/blocks/0/elements]"),
    (actions(button(), button()), "`action_id` `go` already exists [json-pointer:/blocks/0/elements]"),
    (actions(button(text=plain("x" * 76))), "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]"),
    (actions(button(text=mrkdwn("x"))), "unsupported type: mrkdwn [json-pointer:/blocks/0/elements/0/text/type]"),
    (actions(button(value="x" * 2001)), "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]"),
    (actions(button(style="default")), "must be one of: primary, danger [json-pointer:/blocks/0/elements/0/style]"),
    (actions(button(confirm={"title": plain("x")})), "missing required field: text [json-pointer:/blocks/0/elements/0/confirm]"),
    (actions({"type": "static_select", "action_id": "s"}), "missing required field: options or option_groups [json-pointer:/blocks/0/elements/0]"),
    ({"type": "input", "label": plain("x")}, "missing required field: element [json-pointer:/blocks/0]"),
    ("text", "must be an object [json-pointer:/blocks/0]"),
]


@pytest.mark.parametrize(("block", "sentence"), BAD)
def test_refused(block: Any, sentence: str) -> None:
    assert block_faults([block], 50) == [f"[ERROR] {sentence}"]


def test_fifty_blocks_and_unique_block_ids() -> None:
    assert block_faults([{"type": "divider"}] * 50, 50) == []
    assert block_faults([{"type": "divider"}] * 51, 50) == ["[ERROR] no more than 50 items allowed [json-pointer:/blocks]"]
    assert block_faults([{"type": "divider", "block_id": "a"}] * 2, 50) == ["[ERROR] `block_id` `a` already exists [json-pointer:/blocks]"]


def test_what_slack_fills_in() -> None:
    given = [actions(button(), {"type": "overflow", "options": [option("a")]})]
    (block,) = completed(given, random.Random(1))
    assert len(block["block_id"]) == 5
    assert block["elements"][0]["text"] == {"type": "plain_text", "text": "Go", "emoji": True}
    assert len(block["elements"][1]["action_id"]) == 5
    assert "block_id" not in given[0]


MODAL = {"type": "modal", "title": plain("Deploy"), "submit": plain("Go"), "blocks": [GOOD[10]]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"title": plain("x" * 25)}, "must be less than 25 characters [json-pointer:/view/title/text]"),
        ({"type": "home"}, "invalid additional property: title"),
        ({"private_metadata": "x" * 3001}, "must be less than 3001 characters [json-pointer:/view/private_metadata]"),
        ({"blocks": [{"type": "divider"}] * 101}, "no more than 100 items allowed [json-pointer:/view/blocks]"),
        ({"colour": "red"}, "invalid additional property: colour [json-pointer:/view]"),
    ],
)
def test_views_are_checked(change: dict[str, Any], sentence: str) -> None:
    check_view(MODAL, "modal")
    with pytest.raises(Refusal, match="invalid_arguments") as refused:
        check_view(MODAL | change, "modal")
    assert sentence in refused.value.details["response_metadata"]["messages"][0]


def test_a_modal_with_inputs_needs_a_submit_button_and_at_most_250_kb() -> None:
    with pytest.raises(Refusal, match="invalid_arguments"):
        check_view({name: value for name, value in MODAL.items() if name != "submit"}, "modal")
    with pytest.raises(Refusal, match="view_too_large"):
        check_view(MODAL | {"blocks": [{"type": "section", "text": mrkdwn("x" * 3000)}] * 90}, "modal")
