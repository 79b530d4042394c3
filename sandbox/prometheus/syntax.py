"""Finds the commonest mistakes in a PromQL expression, in Prometheus' words (2.42). It is no parser: types, functions and matchers are not checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""\s+|\#.*|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)|(?P<quote>["'`])
    |(?P<duration>(?:\d+(?:ms|[smhdwy]))+(?!\w))|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_:][\w:]*)|(?P<operator>==|!=|<=|>=|=~|!~|[-+*/%^<>=@])|(?P<open>[({\[])|(?P<close>[)}\]])|(?P<comma>,)|(?P<other>.)""",
    re.VERBOSE | re.ASCII,
)
_NAMES = {"(": "left parenthesis", "[": "left bracket", ")": "right parenthesis", "]": "right bracket"}
_PAIRS = {")": "(", "]": "[", "}": "{"}
_BEFORE_OPERAND = {"and", "or", "unless", "atan2", "bool"}
_BEFORE_LABELS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_KEYWORDS = _BEFORE_OPERAND | _BEFORE_LABELS | {"offset"}


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class _Mistake(Exception):
    def __init__(self, offset: int, text: str) -> None:
        super().__init__(f"1:{offset + 1}: parse error: {text}")


def mistake(expression: str) -> str | None:
    """What Prometheus says is wrong with `expression` ("1:4: parse error: …", where the column counts from 1), or None."""
    try:
        _read(expression)
    except _Mistake as found:
        return str(found)
    return None


def _read(expression: str) -> None:
    opened: list[tuple[str, bool]] = []  # brackets, and whether they hold label names, as in `by (pod)`
    last, operand = "nothing", False  # what the last token was, and whether an operand ended with it
    for token in _tokens(expression):
        _check(token, opened[-1][0] if opened else "", operand)
        word = token.text.lower() if token.kind == "word" else ""
        labels = False
        if token.kind == "open":
            opened.append((token.text, last == "before labels"))
        elif token.kind == "close":
            _, labels = opened.pop()
        operand = token.kind in ("string", "number", "duration", "close", "word") and not labels and word not in _KEYWORDS
        last = "before labels" if word in _BEFORE_LABELS else "operator" if word in _BEFORE_OPERAND else token.kind
    end, brackets = len(expression), [bracket for bracket, _ in opened]
    if last == "nothing":
        raise _Mistake(0, "no expression found in input")
    if brackets[-1:] == ["{"]:
        raise _Mistake(end, "unexpected end of input inside braces")
    if brackets:
        raise _Mistake(end, f"unclosed {_NAMES['(' if '(' in brackets else '[']}")
    if last == "operator":
        raise _Mistake(end, "unexpected end of input")


def _tokens(expression: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(expression):
        if match.lastgroup is not None:
            yield _Token(match.lastgroup, match.group(), *match.span())


def _check(token: _Token, bracket: str, operand: bool) -> None:
    """Whether `token` may stand in an open `bracket` (or none), after an `operand` or not."""
    kind, text, start, end = token
    if kind == "quote":
        raise _Mistake(start, "unterminated quoted string")
    if kind == "other" or (text == "}" and bracket != "{"):
        raise _Mistake(start, f"unexpected character{' inside braces' if bracket == '{' else ''}: '{text}'")
    if kind == "close" and bracket != _PAIRS[text]:
        raise _Mistake(end if text == ")" else start, f"unexpected {_NAMES[text]} '{text}'")
    if kind == "comma" and not bracket:
        raise _Mistake(start, 'unexpected ","')
    if operand and (kind == "number" or (kind == "word" and text.lower() not in _KEYWORDS)):
        raise _Mistake(start, f'unexpected {"identifier" if kind == "word" else "number"} "{text}"')
