"""Carries Alertmanager's notifications to their receiver over HTTP, each by itself, as they become due."""

from __future__ import annotations

import asyncio
from types import TracebackType

import httpx

from sandbox import outgoing
from sandbox.alertmanager.machine import Alertmanager, Delivery

_POLL = 0.05
PATIENCE = 10.0
"""Seconds, by the machine's clock, after which there is no answer."""


class Deliverer:
    """`async with Deliverer(alertmanager):` makes time pass for it, and its notifications arrive."""

    def __init__(self, alertmanager: Alertmanager, patience: float = PATIENCE) -> None:
        self.alertmanager = alertmanager
        self._client = outgoing.client(patience)
        self._sending: set[asyncio.Task[None]] = set()
        self._living: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Deliverer:
        self._living = asyncio.create_task(self._live(), name="alertmanager")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        tasks = [*self._sending, *([self._living] if self._living else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def settle(self) -> None:
        """Returns when everything that was due has been delivered and answered."""
        self._take()
        while self._sending:
            await asyncio.wait(self._sending)
            self._take()

    async def _live(self) -> None:
        while True:
            self._take()
            await asyncio.sleep(_POLL)

    def _take(self) -> None:
        self.alertmanager.play()
        while self.alertmanager.outgoing:
            task = asyncio.create_task(self._send(self.alertmanager.outgoing.popleft()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, delivery: Delivery) -> None:
        try:
            response = await self._client.post(delivery.url, content=delivery.body, headers=dict(delivery.headers))
        except httpx.TransportError:
            self.alertmanager.answer(delivery, None)
        else:
            self.alertmanager.answer(delivery, response.status_code)
