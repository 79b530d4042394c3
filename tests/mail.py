"""A mail server on loopback, and what it was sent."""

import asyncio
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope


@dataclass
class Letterbox:
    """`refuses`: what is answered to a message instead of taking it. `unknown`: an address that nobody has."""

    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refuses: str = ""
    unknown: str = ""
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]) -> str:
        if address == self.unknown:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.refuses:
            return self.refuses
        self.letters.append(cast(EmailMessage, email.message_from_bytes(cast(bytes, envelope.content), policy=policy.default)))
        self.recipients.append([*envelope.rcpt_tos])
        return "250 OK"


@asynccontextmanager
async def letterbox() -> AsyncIterator[Letterbox]:
    found = Letterbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(found, loop=loop), "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()
