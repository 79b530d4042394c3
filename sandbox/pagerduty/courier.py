"""Carries webhooks to their subscriptions over HTTP as PagerDuty does: five seconds to answer, one event of an incident after the other."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

import httpx

from sandbox import outgoing
from sandbox.pagerduty.account import PagerDuty
from sandbox.pagerduty.webhooks import Delivery

TIME_TO_ANSWER = 5.0
_POLL = 0.2


class Courier:
    """`async with Courier(account):` delivers what the account's subscriptions are to get, when it is due by the account's clock."""

    def __init__(self, account: PagerDuty) -> None:
        self.account = account
        self._client = outgoing.client(TIME_TO_ANSWER)
        self._sending: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Courier:
        self._forget = self.account.listen(self._changed.set)
        self._watching = asyncio.create_task(self._watch(), name="pagerduty webhooks")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._forget()
        for task in (self._watching, *self._sending):
            task.cancel()
        await asyncio.gather(self._watching, *self._sending, return_exceptions=True)
        await self._client.aclose()

    async def settle(self) -> None:
        """Lets happen what is due and sends all that is due, until nothing is under way."""
        self._send()
        while self._sending:
            await asyncio.gather(*self._sending)
            self._send()

    async def _watch(self) -> None:
        while True:
            self._send()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):  # the clock moves without a change
                    await self._changed.wait()

    def _send(self) -> None:
        self.account.play()
        for url, headers, body, delivery in self.account.webhooks.take():
            task = asyncio.get_running_loop().create_task(self._carry(url, headers, body, delivery))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _carry(self, url: str, headers: dict[str, str], body: bytes, delivery: Delivery) -> None:
        status = None
        with contextlib.suppress(TimeoutError, httpx.TransportError):
            async with asyncio.timeout(TIME_TO_ANSWER):
                status = (await self._client.post(url, content=body, headers=headers)).status_code
        self.account.webhooks.settle(delivery, status)
