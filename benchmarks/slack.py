"""Slack's side of a conversation: signed commands to an app, how long it takes to acknowledge them, and what it answers afterwards."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.entry.http import serve

SECRET = "sandbox-signing-secret"


class Typist:
    """Somebody who types commands to the app at `url`; private answers come back to `hooks`."""

    _numbers = itertools.count(1)

    def __init__(self, client: aiohttp.ClientSession, url: str, hooks: "Hooks", user: str = "U0ENGINEER") -> None:
        self._client, self._url, self._hooks, self._user = client, url, hooks, user
        self._signer = SignatureVerifier(SECRET)

    def of(self, user: str) -> "Typist":
        return Typist(self._client, self._url, self._hooks, user)

    async def acknowledged(self, text: str) -> float:
        """Types `/aiec text` and returns the seconds until it was acknowledged. Raises RuntimeError when it was refused."""
        return await self._type(text, self._hooks.new())

    async def answered(self, text: str, words: str, patience: float = 60) -> float:
        """Types `/aiec text` and returns the seconds until the private answer was there. Raises RuntimeError when it does not contain `words`."""
        number = self._hooks.new()
        started = time.perf_counter()
        await self._type(text, number)
        async with asyncio.timeout(patience):
            seconds = await self._hooks.answer(number) - started
        if words not in self._hooks.said[number]:
            raise RuntimeError(f"/aiec {text} was answered: {self._hooks.said[number]}")
        return seconds

    async def _type(self, text: str, number: int) -> float:
        body = urlencode(
            {
                "command": "/aiec", "text": text, "user_id": self._user, "user_name": self._user.lower(), "team_id": "T0BENCH", "channel_id": "C0DEVOPS",
                "channel_name": "devops", "trigger_id": f"{next(self._numbers)}.{time.time_ns()}", "response_url": f"{self._hooks.url}/{number}",
                "api_app_id": "A0APP", "token": "none",
            }
        )  # fmt: skip
        stamp = str(int(time.time()))
        signature = self._signer.generate_signature(timestamp=stamp, body=body)
        assert signature is not None
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
        started = time.perf_counter()
        async with self._client.post(f"{self._url}/slack/events", data=body, headers=headers) as response:
            answer = await response.text()
        seconds = time.perf_counter() - started
        if response.status != 200 or answer:
            raise RuntimeError(f"/aiec {text} was answered {response.status} {_text(answer)}")
        return seconds


def _text(body: str) -> str:
    try:
        return str(json.loads(body).get("text", body))
    except ValueError:
        return body


class Hooks:
    """Takes what is sent to `response_url`s, and notes when."""

    def __init__(self) -> None:
        self.url = ""
        self.said: dict[int, str] = {}
        self._arrivals: dict[int, asyncio.Future[float]] = {}

    def new(self) -> int:
        number = len(self._arrivals)
        self._arrivals[number] = asyncio.get_running_loop().create_future()
        return number

    async def answer(self, number: int) -> float:
        return await self._arrivals[number]

    async def take(self, request: Request) -> Response:
        number = int(request.path_params["number"])
        self.said[number] = (await request.json()).get("text", "")
        if not self._arrivals[number].done():
            self._arrivals[number].set_result(time.perf_counter())
        return PlainTextResponse("ok")


@asynccontextmanager
async def slack_client() -> AsyncIterator[tuple[aiohttp.ClientSession, Hooks]]:
    """Yields a client with warm connections, and the server of response URLs."""
    hooks = Hooks()
    app = Starlette(routes=[Route("/{number:int}", hooks.take, methods=["POST"])])
    # Of the clients at hand the one that takes least time itself: with httpx more than half of what is measured would be the client.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with serve(app, "127.0.0.1", 0) as port, aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as client:
        hooks.url = f"http://127.0.0.1:{port}"
        yield client, hooks
