"""The REST API v2 as a function: one request in, one answer out. Which path does what stands in ROUTES."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.pagerduty.errors import Refused, invalid
from sandbox.pagerduty.state import Agent, Json

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty

MOST = 100
DEEPEST = 10_000
"""How far classic pagination goes: offset and limit together."""
RATE = 960


@dataclass(frozen=True)
class Answer:
    """An answer; `body` is None for 204."""

    status: int
    body: Json | None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request that was let in: the ids in its path, its query, its body, and who asks (None: the account itself)."""

    account: PagerDuty
    ids: tuple[str, ...]
    query: Mapping[str, list[str]]
    body: Json
    user: str | None
    sender: str | None
    """The From header."""

    @property
    def agent(self) -> Agent:
        """Who a change is made by: the user of the token or of the From header. Refused without one."""
        return Agent("user", self.requester)

    @property
    def requester(self) -> str:
        by_mail = next((one.id for one in self.account.users.values() if one.email == self.sender), None)
        found = by_mail if self.sender is not None else self.user
        if found is None:
            raise Refused(400, 1008)
        return found

    def one(self, name: str) -> str | None:
        return self.query[name][-1] if self.query.get(name) else None

    def many(self, name: str) -> list[str]:
        """The values of `name[]`."""
        return self.query.get(f"{name}[]", [])

    def time(self, name: str) -> datetime | None:
        """A time in the query, UTC unless it says otherwise. Refused if it is none."""
        return None if self.one(name) is None else read_time(self.one(name), name)

    def entity(self, name: str) -> Json:
        """The object below `name` in the body. Refused if there is none."""
        found = self.body.get(name)
        if not isinstance(found, dict):
            raise invalid(f"{name} is missing")
        return found

    def listed(self, name: str, items: Iterable[Any]) -> Answer:
        """A page of a list, by `limit` and `offset`."""
        every = list(items)
        limit, offset = self._number("limit", 25), self._number("offset", 0)
        if limit + offset > DEEPEST:
            raise invalid("Offset plus limit must not exceed 10000")
        limit = min(limit, MOST)
        total = len(every) if self.one("total") == "true" else None
        return Answer(200, {name: every[offset : offset + limit], "limit": limit, "offset": offset, "total": total, "more": offset + limit < len(every)})

    def _number(self, name: str, default: int) -> int:
        text = self.one(name) or str(default)
        if not text.isdecimal():
            raise invalid(f"{name} must be a number")
        return int(text)


def read_time(text: Any, name: str) -> datetime:
    """An ISO 8601 time, UTC unless it says otherwise. Refused if it is none."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise Refused(400, 2001, f"Invalid date format of {name}") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


Handler = Callable[[Asked], Answer]


def handle(account: PagerDuty, method: str, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str], body: bytes) -> Answer:
    """Answers one request. `path` is below the API's root, header names are in lower case, query values as lists."""
    account.play()
    try:
        user = _authenticate(account, headers)
        limits = _limit(account)
        handler, ids = _find(method, path)
        answer = handler(Asked(account, ids, query, _read(body), user, headers.get("from")))
        account.play()  # phones ring at once
    except Refused as refused:
        left = {"ratelimit-limit": str(RATE), "ratelimit-remaining": "0", "ratelimit-reset": "30"} if refused.status == 429 else {}
        return Answer(refused.status, refused.body, left)
    return Answer(answer.status, answer.body, {**limits, **answer.headers})


def _authenticate(account: PagerDuty, headers: Mapping[str, str]) -> str | None:
    match = re.fullmatch(r"(?:Token token=|Bearer )(.+)", headers.get("authorization", ""))
    if match is None or match[1].strip('"') not in account.tokens:
        raise Refused(401, 2006)
    if (version := re.search(r"version=(\d+)", headers.get("accept", ""))) and version[1] != "2":
        raise Refused(400, 2001, f"Unsupported version {version[1]}")
    return account.tokens[match[1].strip('"')]


def _limit(account: PagerDuty) -> dict[str, str]:
    if account.limited > 0:
        account.limited -= 1
        raise Refused(429, 2020)
    return {"ratelimit-limit": str(RATE), "ratelimit-remaining": str(RATE - 1), "ratelimit-reset": "60"}


def _find(method: str, path: str) -> tuple[Handler, tuple[str, ...]]:
    from sandbox.pagerduty.routes import ROUTES  # the routes are made of handlers, which need what stands above

    allowed = False
    for verb, pattern, handler in ROUTES:
        if match := re.fullmatch(pattern, path.rstrip("/")):
            if verb == method:
                return handler, match.groups()
            allowed = True
    raise Refused(405 if allowed else 404, 2100)


def _read(body: bytes) -> Json:
    if not body.strip():
        return {}
    try:
        parsed = json.loads(body)
    except ValueError:
        raise invalid("The body is not JSON") from None
    if not isinstance(parsed, dict):
        raise invalid("The body must be an object")
    return parsed
