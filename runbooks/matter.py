"""The front matter of a runbook: by which alerts it is suggested, what it asks for, and whether it is for private incidents alone. Pure."""

import re
from collections.abc import Callable
from typing import Any

from bot.core.config_types import found
from bot.core.data import Frozen
from bot.core.suggest import did_you_mean, quoted
from bot.yaml_text import Document
from runbooks.model import OF_THE_INCIDENT, Problem, Variable

KEYS = ("alerts", "variables", "private")
_VARIABLE = '{ask: "Which version?", example: v1.2.0}'
_NAME = re.compile(r"[a-z][a-z_]*")


class Matter(Frozen):
    alerts: tuple[dict[str, str], ...] = ()
    variables: tuple[Variable, ...] = ()
    private: bool = False

    def fields(self) -> dict[str, Any]:
        """Returns the fields of a Runbook that it gives."""
        return {"alerts": self.alerts, "variables": self.variables, "private": self.private}


def matter(document: Document, wrong: Callable[[Problem], None]) -> Matter:
    """Returns what the front matter says; what is wrong in it is told, with its line."""

    def say(text: str, *path: str | int) -> None:
        wrong(Problem(line=document.line(path), text=text))

    data = document.data if document.data is not None else {}
    if not isinstance(data, dict):
        say(f"the front matter is a mapping of keys to values, and this is {found(data)}")
        return Matter()
    for key in data:
        if key not in KEYS:
            say(f"there is no `{quoted(str(key))}`{did_you_mean(str(key), [*KEYS])}", key)
    private = data.get("private", False)
    if not isinstance(private, bool):
        say(f"private: expected true or false, found {found(private)}", "private")
    alerts = _alerts(data.get("alerts", []), say)
    variables = _variables(data.get("variables", {}), say, document)
    return Matter(alerts=tuple(alerts), variables=tuple(variables), private=private is True)


def _alerts(given: Any, say: Callable[..., None]) -> list[dict[str, str]]:
    if not isinstance(given, list):
        say(f"alerts: expected a list of labels such as `- {{alertname: PostgresDown}}`, found {found(given)}", "alerts")
        return []
    kept = []
    for place, one in enumerate(given):
        if isinstance(one, dict) and one and all(isinstance(value, str) for value in one.values()):
            kept.append({str(name): value for name, value in one.items()})
        else:
            say(f"alerts: expected labels and their values, such as `{{alertname: PostgresDown}}`, found {found(one)}", "alerts", place)
    return kept


def _variables(given: Any, say: Callable[..., None], document: Document) -> list[Variable]:
    if not isinstance(given, dict):
        say(f"variables: expected a mapping, such as `version: {_VARIABLE}`, found {found(given)}", "variables")
        return []
    kept = []
    for name, one in given.items():
        ask, example = (one.get("ask"), one.get("example")) if isinstance(one, dict) else (None, None)
        if name in OF_THE_INCIDENT:
            say(f"`{name}` is filled in from the incident", "variables", name)
        elif not isinstance(name, str) or not _NAME.fullmatch(name):
            say(f"*{quoted(str(name))}* is no name of a variable: small letters and `_`", "variables", str(name))
        elif not (isinstance(ask, str) and ask and isinstance(example, str) and example and isinstance(one, dict) and len(one) == 2):
            say(f"{name}: expected how to ask for it and an example, such as `{_VARIABLE}`", "variables", name)
        else:
            kept.append(Variable(name=name, ask=ask, example=example, line=document.line(("variables", name))))
    return kept
