"""The facts table is what Slack publishes, and the handlers agree with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sandbox.slack import blocks
from sandbox.slack.answer import Refusal
from sandbox.slack.facts import METHODS
from sandbox.slack.methods import HANDLERS

FOLDER = os.environ.get("TEST_SLACK_SCHEMA")
published = pytest.mark.skipif(not FOLDER, reason="TEST_SLACK_SCHEMA names the folder of Slack's published schemas")

# Codes that Slack added to its pages after 2021, from which the published list comes.
SINCE_2021 = {
    "invalid_blocks", "invalid_metadata_format", "metadata_too_large", "invalid_cursor", "invalid_types", "not_in_channel",
    "is_archived", "msg_too_long", "no_such_subteam", "channel_not_found", "invalid_ts_latest", "invalid_ts_oldest",
}  # fmt: skip

# Methods whose arguments are not among the published schemas.
UNPUBLISHED = {
    "apps.connections.open", "auth.test", "conversations.join", "conversations.setPurpose", "reactions.get", "reactions.remove", "team.info",
    "usergroups.list", "users.list",
}  # fmt: skip


# Arguments by their name on the method's page, where the types of the JavaScript SDK have another.
ON_THE_PAGE = {"files.getUploadURLExternal": {"alt_txt"}}


def test_every_method_has_a_handler_and_every_handler_its_facts() -> None:
    assert HANDLERS.keys() == METHODS.keys()


def test_required_arguments_are_known_arguments() -> None:
    assert all(method.required <= method.arguments.keys() for method in METHODS.values())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"text": "hi"}, "missing required field: channel"),
        ({"channel": 5}, "must be a string [json-pointer:/channel]"),
        ({"channel": "C1", "blocks": "{}"}, "must be an array [json-pointer:/blocks]"),
        ({"channel": "C1", "blocks": "[{"}, "must be an array [json-pointer:/blocks]"),
        ({"channel": "C1", "unfurl_links": "perhaps"}, "must be a boolean [json-pointer:/unfurl_links]"),
    ],
)
def test_arguments_of_the_wrong_type_are_named(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match="invalid_arguments") as refused:
        METHODS["chat.postMessage"].parse(given)
    assert refused.value.details["response_metadata"]["messages"] == [f"[ERROR] {sentence}"]


def test_form_values_become_what_the_method_wants_and_strangers_are_ignored() -> None:
    given = {"channel": "C1", "limit": "20", "inclusive": "true", "colour": "blue", "cursor": None}
    assert METHODS["conversations.history"].parse(given) == {"channel": "C1", "limit": 20, "inclusive": True}


def _schema() -> dict[str, Any]:
    definitions: dict[str, Any] = json.loads((Path(FOLDER or "") / "slack-web-api-args.schema.json").read_text())["definitions"]
    return definitions


def _variants(definitions: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """The object schemas that a definition allows, references and alternatives resolved."""
    if "$ref" in node:
        return _variants(definitions, definitions[unquote(node["$ref"].rpartition("/")[2])])
    if "anyOf" in node:
        return [variant for inner in node["anyOf"] for variant in _variants(definitions, inner)]
    return [node] if node.get("type") == "object" else []


def _kinds(definitions: dict[str, Any], node: dict[str, Any]) -> set[str]:
    if "$ref" in node:
        return _kinds(definitions, definitions[unquote(node["$ref"].rpartition("/")[2])])
    if "anyOf" in node:
        return {kind for inner in node["anyOf"] for kind in _kinds(definitions, inner)}
    return {node["type"]} if "type" in node else set()


def _definition(definitions: dict[str, Any], method: str) -> list[dict[str, Any]]:
    name = "".join(part[0].upper() + part[1:] for part in method.split("."))
    return _variants(definitions, definitions[name])


@published
@pytest.mark.parametrize("method", sorted(METHODS.keys() - UNPUBLISHED))
def test_arguments_are_those_that_slack_publishes(method: str) -> None:
    definitions, fact = _schema(), METHODS[method]
    variants = _definition(definitions, method)
    arguments: dict[str, set[str]] = {}
    for variant in variants:
        for name, node in variant.get("properties", {}).items():
            arguments.setdefault(name, set()).update(_kinds(definitions, node))
    arguments.pop("token", None)
    assert fact.arguments.keys() - ON_THE_PAGE.get(method, set()) == arguments.keys()
    for name, kinds in arguments.items():
        assert fact.arguments[name] in kinds, name
    assert fact.required == set.intersection(*(set(variant.get("required", [])) for variant in variants))


@published
@pytest.mark.parametrize("method", sorted(METHODS))
def test_errors_are_those_that_slack_documents(method: str) -> None:
    documented = json.loads((Path(FOLDER or "") / "documented_error_codes_by_method_2021.json").read_text()).get(method)
    if documented is not None:
        assert METHODS[method].errors - set(documented) <= SINCE_2021


@published
@pytest.mark.parametrize(
    ("kind", "definition"),
    [
        ("header", "HeaderBlock"), ("section", "SectionBlock"), ("context", "ContextBlock"), ("divider", "DividerBlock"), ("actions", "ActionsBlock"),
        ("input", "InputBlock"), ("image", "ImageBlock"), ("rich_text", "RichTextBlock"), ("markdown", "MarkdownBlock"), ("button", "Button"),
        ("static_select", "StaticSelect"), ("overflow", "Overflow"), ("plain_text_input", "PlainTextInput"), ("datepicker", "Datepicker"),
        ("timepicker", "Timepicker"), ("datetimepicker", "DateTimepicker"), ("radio_buttons", "RadioButtons"), ("checkboxes", "Checkboxes"),
        ("multi_users_select", "MultiUsersSelect"), ("users_select", "UsersSelect"), ("multi_static_select", "MultiStaticSelect"),
        ("conversations_select", "ConversationsSelect"), ("channels_select", "ChannelsSelect"), ("number_input", "NumberInput"),
        ("email_text_input", "EmailInput"), ("url_text_input", "URLInput"),
    ],
)  # fmt: skip
def test_blocks_and_elements_have_the_fields_that_slack_publishes(kind: str, definition: str) -> None:
    check = blocks.BLOCKS.get(kind) or blocks.ACTIONS.get(kind) or blocks.INPUTS[kind]
    definitions = _schema()
    variants = _variants(definitions, definitions[definition])
    known = {name for variant in variants for name in variant["properties"]}
    invented = {name for name in [*known, "colour"] if any("additional property" in line for line in check({"type": kind, name: None}, ""))}
    assert invented == {"colour"}
    required = set.intersection(*(set(variant.get("required", [])) for variant in variants)) - {"type"}
    demanded = {line.split("field: ")[1].split(" ")[0] for line in check({"type": kind}, "") if "missing required field" in line and " or " not in line}
    assert demanded == required
