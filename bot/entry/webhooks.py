"""What Alertmanager and PagerDuty tell us: authenticated, read, stored, and only then answered.

An answer decides what the sender does next. Alertmanager tries again after 5xx and drops a notification after any other refusal, 429 included; PagerDuty
tries again for 48 h after 5xx and 429, and three deliveries in a row that were refused otherwise switch the subscription off for a day. So 4xx is for what
can never be good: what is not signed, and what is not what it should be. Whatever goes wrong on our side is 503.
Source: Alertmanager, "webhook_config" and notify/webhook; PagerDuty, "Webhooks V3 overview" and "Verifying signatures".
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from bot.core import alerts, pager_events
from bot.core.alerts import Notification
from bot.core.clock import Clock
from bot.core.errors import AiecError, Invalid
from bot.core.pager_events import PagerEvent
from bot.entry.http import Endpoint

STORED_WITHIN = 1.0
"""Seconds that storing may take; after that the sender is asked to come again."""
AT_ONCE = 32
"""Deliveries of one sender that are worked on at the same time: each holds its body, and waits for the one writer of the store."""
RETRY_AFTER = "5"
OLDEST_EVENT = timedelta(hours=50)
"""PagerDuty delivers an event for 48 h. What is older is played back by somebody else; what is younger and was there before is known by its id."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Hooks(Protocol):
    async def failed(self, sender: str, error: Exception) -> None:
        """Learns that a delivery could not be stored because of a mistake of ours. Raises nothing but for another one."""
        ...


class AlertHooks(Hooks, Protocol):
    async def alerts(self, notification: Notification) -> None:
        """Stores a notification and returns then; what comes of it happens later. Alerts are known by fingerprint and start: the same again is nothing new.
        Raises Unavailable when it cannot be stored."""
        ...


class PagerHooks(Hooks, Protocol):
    async def pager(self, event: PagerEvent) -> None:
        """Stores an event as `alerts` does a notification. Events are known by their id, which has to be remembered for longer than `OLDEST_EVENT`."""
        ...


def alertmanager_endpoint(hooks: AlertHooks, token: str) -> Endpoint:
    """Returns the handler of `POST /webhooks/alertmanager`, which wants `Authorization: Bearer TOKEN`."""
    expected, gate = f"bearer {token}".encode(), _Gate("Alertmanager", hooks)

    async def notification(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Judged before the body is read: a large one of somebody else costs nothing.
        if not hmac.compare_digest(f"{scheme.lower()} {given.strip()}".encode("latin-1", "replace"), expected):
            return _answer(HTTPStatus.UNAUTHORIZED, "the bearer token is not that of ALERTMANAGER_TOKEN", {"WWW-Authenticate": "Bearer"})
        return await gate.take(request, lambda body: alerts.parse(_json(body)), hooks.alerts)

    return notification


def pagerduty_endpoint(hooks: PagerHooks, secrets: Sequence[str], clock: Clock) -> Endpoint:
    """Returns the handler of `POST /webhooks/pagerduty`, whose body is signed with one of the secrets: there are several while they are rotated."""
    gate = _Gate("PagerDuty", hooks)

    async def event(request: Request) -> Response:
        signatures = request.headers.get("x-pagerduty-signature", "")

        def read(body: bytes) -> PagerEvent | None:
            if not signed(body, signatures, secrets):
                raise HTTPException(HTTPStatus.UNAUTHORIZED, "the signature is not of PAGERDUTY_WEBHOOK_SECRET")
            found = pager_events.parse(_json(body))
            if found is not None and clock.now() - found.occurred_at > OLDEST_EVENT:
                raise HTTPException(HTTPStatus.UNAUTHORIZED, "the event is too old to come from PagerDuty")
            return found

        return await gate.take(request, read, hooks.pager)

    return event


def signed(body: bytes, signatures: str, secrets: Sequence[str]) -> bool:
    """Returns whether one of the signatures (`v1=…,v1=…`) is HMAC-SHA256 of the raw body with one of the secrets."""
    given = [signature.strip().removeprefix("v1=").encode("latin-1", "replace") for signature in signatures.split(",") if signature.strip().startswith("v1=")]
    expected = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode() for secret in secrets]
    return any(hmac.compare_digest(one, other) for one in given for other in expected)


class _Gate:
    """Lets so many deliveries in at once, and turns what becomes of them into answers."""

    def __init__(self, sender: str, hooks: Hooks) -> None:
        self._sender = sender
        self._hooks = hooks
        self._inside = 0

    async def take(self, request: Request, read: Callable[[bytes], T | None], store: Callable[[T], Awaitable[None]]) -> Response:
        """Reads the delivery and stores it, unless it is of no concern (None)."""
        if self._inside >= AT_ONCE:
            return self._later(f"{AT_ONCE} deliveries are under way")
        self._inside += 1
        try:
            return await self._take(request, read, store)
        except HTTPException as error:
            # The status says it; what was refused is lost, and whoever runs this has to know.
            log.warning("A delivery of %s was refused: %s", self._sender, error.detail)
            raise
        except ClientDisconnect:
            return _answer(HTTPStatus.BAD_REQUEST, "the body ended early")
        except Exception as error:
            log.exception("A delivery of %s could not be stored", self._sender)
            await self._hooks.failed(self._sender, error)
            return self._later("it could not be stored")
        finally:
            self._inside -= 1

    async def _take(self, request: Request, read: Callable[[bytes], T | None], store: Callable[[T], Awaitable[None]]) -> Response:
        body = await request.body()
        try:
            # Thousands of alerts take a while to read, which must not hold up the loop.
            found = await asyncio.to_thread(read, body)
        except Invalid as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, error.text) from error
        if found is None:
            return _answer(HTTPStatus.OK)
        try:
            async with asyncio.timeout(STORED_WITHIN):
                await store(found)
        except TimeoutError:
            return self._later(f"it was not stored within {STORED_WITHIN:g} s")
        except AiecError as error:
            return self._later(error.text)
        return _answer(HTTPStatus.OK)

    def _later(self, why: str) -> Response:
        log.warning("%s has to send a delivery again: %s", self._sender, why)
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "not stored, send it again", {"Retry-After": RETRY_AFTER})


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not JSON.") from error


def _answer(status: HTTPStatus, error: str = "", headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": error} if error else {"ok": True}, status, headers=headers)
