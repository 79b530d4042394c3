"""E-mail over SMTP: a card as plain text, to everybody in one message. The standard library's client, in a thread of its own for each message."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from bot.core.card import Card, Link
from bot.core.errors import Invalid, Refused, Unauthenticated, Unavailable
from bot.core.text import plain, summary

TIME_LIMIT = 10.0
"""Seconds for each exchange with the server."""
WIDTH = 100
_PORTS = {"smtp": 587, "smtps": 465}


class SmtpMailer:
    """Implements `bot.core.ports.Mailer`. `url`: `smtp://USER:PASSWORD@HOST:PORT`, encrypted where the server can, and with a password always; or `smtps://…`."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "localhost", parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._encrypted = parts.scheme == "smtps"
        self._sender = sender

    async def send(self, to: Sequence[str], card: Card, *, key: str) -> None:
        message = _message(self._sender, to, card, key)
        try:
            async with asyncio.timeout(3 * TIME_LIMIT):
                await asyncio.to_thread(self._send, message)
        except smtplib.SMTPAuthenticationError as error:
            raise Unauthenticated(f"The mail server {self._host} refuses our credentials.", "Correct SMTP_URL.") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise Refused(f"The mail server {self._host} takes nothing for {', '.join(error.recipients)}.", "Correct the addresses in aiec.yaml.") from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _answered(self._host, error) from error
        except (smtplib.SMTPException, TimeoutError, OSError) as error:
            raise Unavailable(f"The mail server {self._host}:{self._port} cannot be used: {str(error) or type(error).__name__}.", "Check SMTP_URL.") from error

    async def reach(self) -> None:
        try:
            async with asyncio.timeout(TIME_LIMIT):
                await asyncio.to_thread(lambda: self._open().quit())
        except smtplib.SMTPAuthenticationError as error:
            raise Unauthenticated(f"The mail server {self._host} refuses our credentials.", "Correct SMTP_URL.") from error
        except (smtplib.SMTPException, TimeoutError, OSError) as error:
            raise Unavailable(f"The mail server {self._host}:{self._port} cannot be used: {str(error) or type(error).__name__}.", "Check SMTP_URL.") from error

    def _send(self, message: EmailMessage) -> None:
        with self._open() as server:
            server.send_message(message)

    def _open(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._encrypted:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIME_LIMIT, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIME_LIMIT)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
            elif self._password:
                server.close()
                raise smtplib.SMTPException("it offers no encryption, and a password is not sent without")
        if self._password:
            server.login(self._user, self._password)
        return server


def _message(sender: str, to: Sequence[str], card: Card, key: str) -> EmailMessage:
    """The message's id is made of the key, so that one that is sent twice after a crash is one to the reader's program."""
    message = EmailMessage()
    bare = card.model_copy(update={"headline": tuple(span.text if isinstance(span, Link) else span for span in card.headline)})
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), summary(bare)
    message["Date"], message["Message-ID"] = format_datetime(datetime.now(UTC)), f"<{key.replace('/', '.')}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(plain(card, WIDTH, UTC, False)) + "\n")
    return message


def _answered(host: str, error: smtplib.SMTPResponseException) -> Invalid | Unavailable:
    """Codes below 500 are for now, the others for ever."""
    said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
    text = f"The mail server {host} answered {error.smtp_code}: {said}."
    return Unavailable(text) if error.smtp_code < 500 else Invalid(text)
