"""Alertmanager as the bot asks it: alerts that are firing, and silences. Source: Alertmanager's API v2."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from bot.core.alerts import Alert
from bot.core.errors import UsageError
from bot.core.suggest import quoted

_FORM = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"].*|))\s*', re.S)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Matcher:
    """A condition on a label. `regex`: `value` is a regular expression for the whole value; without `equal` the condition is that it does not match."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Returns whether an alert with these labels is meant; a label that is missing counts as empty, as it does in Alertmanager."""
        value = labels.get(self.name, "")
        same = re.fullmatch(self.value, value) is not None if self.regex else value == self.value
        return same is self.equal

    def __str__(self) -> str:
        """Returns what `matcher` reads: `severity!="info"`."""
        operator = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}[self.regex, self.equal]
        value = self.value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        return f'{self.name}{operator}"{value}"'


def matcher(text: str) -> Matcher:
    """Returns the matcher of its notation: `service=gateway`, `service!="gateway"`, `service=~"gate.*"`, `service!~"gate.*"`. Raises UsageError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"{quoted(text)} does not say which alerts are meant.", 'Write a label and its value, such as service=gateway or alertname=~"High.*".')
    name, operator, inside, bare = found.groups()
    value = bare.strip() if inside is None else re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), inside, flags=re.S)
    if operator in ("=~", "!~"):
        try:
            re.compile(value)
        except re.error as error:
            raise UsageError(f"{quoted(value)} is not a regular expression: {error}.", f'Try {name}="{value}" for exactly this text.') from error
    return Matcher(name, value, regex=operator in ("=~", "!~"), equal=operator in ("=", "=~"))


@dataclass(frozen=True)
class Silence:
    """Alerts that meet all matchers are not notified of from `start` until `end`."""

    id: str
    matchers: tuple[Matcher, ...]
    start: datetime
    end: datetime
    author: str
    comment: str
    state: Literal["pending", "active", "expired"]


class Alerting(Protocol):
    """One Alertmanager. What is said of errors in `bot.core.ports` holds here too."""

    async def alerts(self, receiver: str | None = None, labels: Mapping[str, str] | None = None, *, suppressed: bool = False) -> list[Alert]:
        """Returns the alerts that fire now, those that go to that receiver and have these labels. `suppressed`: also those that are silenced or inhibited,
        of which no notification comes, neither when they begin nor when they end."""
        ...

    async def silences(self) -> list[Silence]:
        """Returns the silences that are active or will be."""
        ...

    async def silence(self, matchers: Sequence[Matcher], start: datetime, end: datetime, author: str, comment: str) -> str:
        """Makes a silence and returns its id. An equal one that is in force is adopted."""
        ...

    async def expire(self, id: str) -> None:
        """Ends a silence now. Does nothing when it has ended. Raises NotFound when there never was one."""
        ...

    async def ready(self) -> str:
        """Returns Alertmanager's version, when it answers and is ready."""
        ...
