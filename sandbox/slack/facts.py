"""Facts of Slack's Web API, read from `methods.json`: arguments and their types, scopes, rate limit tiers, error codes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from sandbox.slack.answer import Json, Refusal

COMMON_ERRORS = frozenset({"not_authed", "invalid_auth", "token_revoked", "not_allowed_token_type", "missing_scope", "invalid_arguments", "ratelimited"})

# Slack names the scopes of public channels differently from those of other conversations.
_SCOPES = {
    "read": {"public": "channels:read", "private": "groups:read", "im": "im:read", "mpim": "mpim:read"},
    "history": {"public": "channels:history", "private": "groups:history", "im": "im:history", "mpim": "mpim:history"},
    "manage": {"public": "channels:manage", "private": "groups:write", "im": "im:write", "mpim": "mpim:write"},
}


@dataclass(frozen=True)
class Method:
    """One method. `arguments` maps a name to `string`, `boolean`, `number`, `array` or `object`; `required` are those that must be given."""

    name: str
    token: str
    """`bot`, or `app` for the one method of app-level tokens."""
    scope: str | None
    tier: str
    arguments: dict[str, str]
    required: frozenset[str]
    errors: frozenset[str]

    def scope_for(self, kind: str) -> str | None:
        """The scope needed for a conversation of this kind (`public`, `private`, `im`, `mpim`); None when the method needs none."""
        if self.scope is None or not self.scope.startswith("*:"):
            return self.scope
        return _SCOPES[self.scope[2:]][kind]

    def parse(self, given: Json) -> Json:
        """The arguments with the types that the method wants; form values (text) are converted as Slack does. Unknown arguments are ignored.

        Raises Refusal `invalid_arguments`, naming each fault, when one is missing or has the wrong type.
        """
        faults: list[str] = []
        parsed: Json = {}
        for name in sorted(self.required):
            if given.get(name) in (None, ""):
                faults.append(f"[ERROR] missing required field: {name}")
        for name, value in given.items():
            wanted = self.arguments.get(name)
            if wanted is None or value is None:
                continue
            try:
                parsed[name] = _convert(value, wanted)
            except (ValueError, OverflowError):
                faults.append(f"[ERROR] must be {'an' if wanted[0] in 'ao' else 'a'} {wanted} [json-pointer:/{name}]")
        if faults:
            raise Refusal("invalid_arguments", faults)
        return parsed


def _convert(value: Any, wanted: str) -> Any:
    if wanted == "string" and isinstance(value, str):
        return value
    if wanted == "boolean" and (isinstance(value, bool) or value in ("true", "false", "1", "0")):
        return value in (True, "true", "1")
    if wanted == "number" and not isinstance(value, bool) and isinstance(value, int | float | str):
        return int(value)
    if isinstance(value, str) and wanted in ("array", "object"):
        value = json.loads(value)
    if (wanted == "array" and isinstance(value, list)) or (wanted == "object" and isinstance(value, dict)):
        return value
    raise ValueError(wanted)


def _load() -> dict[str, Method]:
    table = json.loads(files(__package__).joinpath("methods.json").read_text(encoding="utf-8"))
    return {
        name: Method(
            name=name,
            token=fact.get("token", "bot"),
            scope=fact.get("scope"),
            tier=str(fact["tier"]),
            arguments={argument: kind.rstrip("!") for argument, kind in fact["arguments"].items()},
            required=frozenset(argument for argument, kind in fact["arguments"].items() if kind.endswith("!")),
            errors=frozenset(fact["errors"]),
        )
        for name, fact in table.items()
    }


METHODS: dict[str, Method] = _load()
