"""Alertmanager's API v2 (github.com/prometheus/alertmanager, api/v2/openapi.yaml): alerts that fire, and silences."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

import httpx

from bot.adapters.http import FAILURES, open_client, read, why
from bot.core.alerting import Matcher, Silence
from bot.core.alerts import Alert, alert
from bot.core.errors import AiecError, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from bot.core.foreign import items, mapping, moment, text
from bot.core.suggest import quoted
from bot.core.text import cut

TIME_LIMIT = timedelta(seconds=10)
ANSWER_LIMIT = 32 * 1024 * 1024
"""Some ten thousand alerts."""
_HINT = "Look at Alertmanager, or correct ALERTMANAGER_URL."

Params = list[tuple[str, str | int | float | bool | None]]


@asynccontextmanager
async def open_alertmanager(
    url: str, transport: httpx.AsyncBaseTransport | None = None, time_limit: timedelta = TIME_LIMIT
) -> AsyncIterator["AlertmanagerAlerting"]:
    """Yields the Alertmanager at `url`, which may carry `user:password@`."""
    async with open_client(url, transport) as client:
        yield AlertmanagerAlerting(client, time_limit)


class AlertmanagerAlerting:
    """Implements `bot.core.alerting.Alerting`. `time_limit` is for a whole answer."""

    def __init__(self, client: httpx.AsyncClient, time_limit: timedelta = TIME_LIMIT) -> None:
        self._client = client
        self._host = client.base_url.netloc.decode()
        self._time_limit = time_limit.total_seconds()

    async def alerts(self, receiver: str | None = None, labels: Mapping[str, str] | None = None, *, suppressed: bool = False) -> list[Alert]:
        also = "true" if suppressed else "false"
        wanted: Params = [("active", "true"), ("unprocessed", "true"), ("silenced", also), ("inhibited", also)]
        wanted += [("filter", str(Matcher(name, value))) for name, value in (labels or {}).items()]
        if receiver is not None:
            wanted.append(("receiver", re.escape(receiver)))
        # They are told with the state that they have for the notifier, which is none of ours: what is listed has not ended.
        return [alert({name: value for name, value in one.items() if name != "status"}) for one in items(await self._ask("GET", "alerts", params=wanted))]

    async def silences(self) -> list[Silence]:
        found = items(await self._ask("GET", "silences"))
        try:
            return [_silence(one) for one in found if one["status"]["state"] != "expired"]
        except (LookupError, TypeError, ValueError) as error:
            raise self._unreadable() from error

    async def silence(self, matchers: Sequence[Matcher], start: datetime, end: datetime, author: str, comment: str) -> str:
        """Equal is what has the same matchers, end, author and comment: the start moves to the present when it lies in the past."""
        for one in await self.silences():
            if {*one.matchers} == {*matchers} and _close(one.end, end) and (one.author, one.comment) == (author, comment):
                return one.id
        body = {
            "matchers": [{"name": one.name, "value": one.value, "isRegex": one.regex, "isEqual": one.equal} for one in matchers],
            "startsAt": start.isoformat(),
            "endsAt": end.isoformat(),
            "createdBy": author,
            "comment": comment,
        }
        id = text(mapping(await self._ask("POST", "silences", body=body)).get("silenceID"))
        if not id:
            raise self._unreadable()
        return id

    async def expire(self, id: str) -> None:
        found = await self._ask("GET", f"silence/{quote(id, safe='')}", missing=f"Alertmanager has no silence {quoted(id)}.")
        if mapping(mapping(found).get("status")).get("state") == "expired":
            return
        await self._ask("DELETE", f"silence/{quote(id, safe='')}", missing=f"Alertmanager has no silence {quoted(id)}.")

    async def ready(self) -> str:
        return text(mapping(mapping(await self._ask("GET", "status")).get("versionInfo")).get("version"))

    async def _ask(self, method: str, path: str, *, params: Params | None = None, body: Any = None, missing: str = "") -> Any:
        """Returns the answer's JSON; None when it has no body. `missing` is what 404 means."""
        try:
            async with asyncio.timeout(self._time_limit), self._client.stream(method, f"api/v2/{path}", params=params, json=body) as response:
                content = await read(response, ANSWER_LIMIT)
        except FAILURES as error:
            raise Unavailable(f"Alertmanager ({self._host}) cannot be asked: {why(error)}.", _HINT) from error
        if response.is_success:
            try:
                return json.loads(content) if content.strip() else None
            except ValueError as error:
                raise self._unreadable() from error
        raise self._refused(response.status_code, _said(content) or f"HTTP {response.status_code}", missing)

    def _refused(self, status: int, said: str, missing: str) -> AiecError:
        match status:
            case 401:
                return Unauthenticated(f"Alertmanager ({self._host}) does not accept our credentials.", "ALERTMANAGER_URL may carry user:password@.")
            case 403:
                return Forbidden(f"Alertmanager ({self._host}) does not let us do that: {said}.", "ALERTMANAGER_URL may carry user:password@.")
            case 404 if missing:
                return NotFound(missing, "Look at the silences that are in force.")
            case 400 | 422:
                return Invalid(f"Alertmanager refuses that: {said}.")
            case _:
                return Unavailable(f"Alertmanager ({self._host}) could not do that: {said}.", _HINT)

    def _unreadable(self) -> AiecError:
        return Unavailable(f"Alertmanager ({self._host}) answers with something that cannot be read.", _HINT)


def _silence(given: Mapping[str, Any]) -> Silence:
    matchers = tuple(
        Matcher(text(one["name"]), text(one["value"]), bool(one.get("isRegex")), bool(one.get("isEqual", True))) for one in items(given["matchers"])
    )
    start, end = moment(given["startsAt"]), moment(given["endsAt"])
    if start is None or end is None:
        raise ValueError(given)
    state: Literal["pending", "active"] = "pending" if given["status"]["state"] == "pending" else "active"
    return Silence(text(given["id"]), matchers, start, end, text(given.get("createdBy")), text(given.get("comment")), state)


def _said(content: bytes) -> str:
    """Why something was refused: Alertmanager says it as a JSON string, or as an object with a message."""
    try:
        given = json.loads(content)
    except ValueError:
        return ""
    said = text(mapping(given).get("message") if isinstance(given, dict) else given)
    return cut(" ".join(said.split()).rstrip("."), 200)


def _close(one: datetime, other: datetime) -> bool:
    """Alertmanager keeps milliseconds."""
    return abs(one - other) < timedelta(seconds=1)
