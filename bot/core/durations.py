"""Durations as people write them: `90s`, `15m`, `2h`, `3d`, and sums such as `1h30m`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"
FORM = "a duration such as 90s, 15m, 2h, 3d or 1h30m"
# Longer ones would lead a date that they are added to out of the calendar.
_CENTURY = 36_500 * 86_400
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def parse(text: str) -> timedelta:
    """Returns the duration of its notation: whole numbers, units from large to small, each at most once, a century in all. Raises ValueError."""
    match = re.fullmatch(PATTERN, text, re.ASCII)
    if not text or match is None or any(len(part) > 12 for part in match.groups() if part):
        raise ValueError(FORM)
    seconds = sum(int(part[:-1]) * size for part, (_, size) in zip(match.groups(), _UNITS, strict=True) if part)
    if seconds > _CENTURY:
        raise ValueError(f"{FORM}, at most {_CENTURY // 86_400}d")
    return timedelta(seconds=seconds)


def notation(duration: timedelta) -> str:
    """Returns what `parse` reads (`1h30m`), in whole seconds; a negative duration as `0s`."""
    rest = max(0, int(duration.total_seconds()))
    text = ""
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _read(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse(value)
    raise ValueError(FORM)


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(notation, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "15m", "2h", "3d", "1h30m"]}),
]
"""A field that is written in the notation, and is a timedelta."""
