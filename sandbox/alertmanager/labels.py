"""Labels as Alertmanager treats them: their fingerprint, their order, how they are written, and what matches them (0.25)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Labels = Mapping[str, str]

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!=|!~|=)\s*(.*?)\s*", re.DOTALL)
_OFFSET, _PRIME, _SEPARATOR = 0xCBF29CE484222325, 0x100000001B3, b"\xff"
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def fingerprint(labels: Labels) -> str:
    """The 16 hexadecimal digits by which an alert is known: FNV-1a over names and values in the order of the names (prometheus/common, model)."""
    return _hashed(b"".join(part.encode() + _SEPARATOR for name in sorted(labels) for part in (name, labels[name])))


@lru_cache(maxsize=1024)  # a group looks at the same alerts again and again
def _hashed(content: bytes) -> str:
    value = _OFFSET
    for byte in content:
        value = (value ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def order(one: Labels, other: Labels) -> int:
    """-1, 0 or 1, as alerts are sorted: by `job`, by `instance`, then by fewer labels, then by the first label that differs."""
    for name in ("job", "instance"):
        if one.get(name) != other.get(name):
            return -1 if name not in other or (name in one and one[name] < other[name]) else 1
    return label_order(one, other)


def label_order(one: Labels, other: Labels) -> int:
    """-1, 0 or 1: fewer labels first, then by the first label that differs."""
    if len(one) != len(other):
        return -1 if len(one) < len(other) else 1
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            return -1 if name not in one or (name in other and one[name] < other[name]) else 1
    return 0


def quoted(text: str) -> str:
    """A string in double quotes, as Go writes it."""
    return '"' + "".join(_ESCAPES.get(char) or (char if char.isprintable() else _escaped(ord(char))) for char in text) + '"'


def _escaped(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def written(labels: Labels) -> str:
    """`{alertname="A", service="b"}`, in the order of the names."""
    return "{" + ", ".join(f"{name}={quoted(labels[name])}" for name in sorted(labels)) + "}"


def common(all_labels: Iterable[Labels]) -> dict[str, str]:
    """What all have, with the same value, in the order of the names."""
    first, *others = all_labels
    return {name: first[name] for name in sorted(first) if all(other.get(name) == first[name] for other in others)}


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression that is anchored at both ends. ValueError in the words of Go's regexp."""
    return _compiled(text, f"^(?:{text})$")


def _compiled(text: str, shown: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        if "unterminated subpattern" in error.msg:
            raise ValueError(f"error parsing regexp: missing closing ): `{shown}`") from None
        at = error.pos or 0
        if "nothing to repeat" in error.msg:
            raise ValueError(f"error parsing regexp: missing argument to repetition operator: `{text[at]}`") from None
        if "unterminated character set" in error.msg:
            raise ValueError(f"error parsing regexp: missing closing ]: `{shown[shown.index(text) + at :]}`") from None
        if "unbalanced parenthesis" in error.msg:
            raise ValueError(f"error parsing regexp: unexpected ): `{shown}`") from None
        raise ValueError(f"error parsing regexp: {error.msg}: `{shown}`") from None


@dataclass(frozen=True)
class Matcher:
    """One condition on a label; one that is missing has the value "". ValueError if `value` is meant as a regular expression and is none."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True

    def __post_init__(self) -> None:
        if self.regex:
            pattern(self.value)

    @classmethod
    def parse(cls, text: str) -> Matcher:
        """A matcher as `filter` and `amtool` take it: `name="value"`, with `=`, `!=`, `=~` or `!~`. ValueError in Alertmanager's words."""
        found = _MATCHER.fullmatch(text)
        if found is None:
            raise ValueError(f"bad matcher format: {text}")
        name, operator, raw = found.groups()
        return cls(name, _unquoted(raw), operator in ("=~", "!~"), operator in ("=", "=~"))

    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.name, "")
        found = pattern(self.value).fullmatch(value) is not None if self.regex else value == self.value
        return found is self.equal


def _unquoted(raw: str) -> str:
    """The value of a matcher: quotes around it are taken off, backslashes worked out."""
    text, ended = raw, True
    if raw.startswith('"'):
        text, ended = raw[1:], False
    value, position = "", 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            following = text[position + 1]
            value += {"n": "\n", '"': '"', "\\": "\\"}.get(following, "\\" + following)
            position += 2
            continue
        if char == '"':
            if ended or position < len(text) - 1:
                raise ValueError(f"matcher value contains unescaped double quote: {raw}")
            ended = True
        else:
            value += char
        position += 1
    if not ended:
        raise ValueError(f"matcher value contains unescaped double quote: {raw}")
    return value
