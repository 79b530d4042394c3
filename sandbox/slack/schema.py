"""Small checkers that say what is wrong with a JSON value, in the words and with the JSON pointers of Slack's `response_metadata.messages`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Check = Callable[[Any, str], Iterator[str]]
"""Takes the value and its JSON pointer; yields one sentence for each fault."""


def fault(text: str, pointer: str) -> str:
    return f"[ERROR] {text} [json-pointer:{pointer}]"


def string(limit: int, least: int = 1) -> Check:
    """Text of `least` to `limit` characters."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield fault("must be a string", at)
        elif len(value) > limit:
            yield fault(f"must be less than {limit + 1} characters", at)
        elif len(value) < least:
            yield fault(f"must be more than {least - 1} characters", at)

    return check


def pattern(expression: str, meaning: str) -> Check:
    compiled = re.compile(expression)

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            yield fault(meaning, at)

    return check


def number(least: int, most: int) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int):
            yield fault("must be an integer", at)
        elif not least <= value <= most:
            yield fault(f"must be between {least} and {most}", at)

    return check


def boolean(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield fault("must be a boolean", at)


def anything(_value: Any, _at: str) -> Iterator[str]:
    return iter(())


def one_of(*values: str) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        if value not in values:
            yield fault(f"must be one of: {', '.join(values)}", at)

    return check


def items(each: Check, most: int, least: int = 1) -> Check:
    """A list of `least` to `most` things, each checked."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield fault("must be an array", at)
            return
        if len(value) < least:
            yield fault(f"no fewer than {least} items allowed", at)
        if len(value) > most:
            yield fault(f"no more than {most} items allowed", at)
        for index, item in enumerate(value):
            yield from each(item, f"{at}/{index}")

    return check


def shape(**fields: Check) -> Check:
    """An object with these fields and no others. A field is mandatory when its name ends in `_` (`text_=…`)."""
    checks = {name.removesuffix("_"): check for name, check in fields.items()}
    mandatory = [name.removesuffix("_") for name in fields if name.endswith("_")]

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield fault("must be an object", at)
            return
        for name in mandatory:
            if name not in value:
                yield fault(f"missing required field: {name}", at)
        for name, inner in value.items():
            if name in checks:
                yield from checks[name](inner, f"{at}/{name}")
            elif name != "type":
                yield fault(f"invalid additional property: {name}", at)

    return check


def tagged(kinds: dict[str, Check]) -> Check:
    """An object whose `type` chooses the check."""

    def check(value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield fault("must be an object", at)
        elif not isinstance(value.get("type"), str) or value["type"] not in kinds:
            yield fault(f"unsupported type: {value.get('type')}", f"{at}/type")
        else:
            yield from kinds[value["type"]](value, at)

    return check


def both(*checks: Check) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:
        for inner in checks:
            yield from inner(value, at)

    return check


def needs_one(*names: str) -> Check:
    """At least one of these fields."""

    def check(value: Any, at: str) -> Iterator[str]:
        if isinstance(value, dict) and not any(name in value for name in names):
            yield fault(f"missing required field: {' or '.join(names)}", at)

    return check


def duplicates(values: list[str]) -> set[str]:
    return {value for value in values if values.count(value) > 1}
