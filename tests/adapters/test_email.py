"""E-mail: what arrives, and what is said when it cannot."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bot.adapters.email import SmtpMailer
from bot.core.card import Bold, Card, Link, Person, State, Time, line
from bot.core.errors import Invalid, Refused, Unavailable
from tests.mail import Letterbox, letterbox

CARD = Card(
    state=State.NEEDS_YOU,
    headline=line(Bold(text="Without an approval: Scale gateway"), " · ", Link(url="https://slack.example/1", text="op-1")),
    lines=(line("asked by ", Person(name="engineer"), " at ", Time(at=datetime(2026, 11, 23, 14, 0, tzinfo=UTC)), ": çã 🔥"),),
)


@pytest.fixture
async def box() -> AsyncIterator[Letterbox]:
    async with letterbox() as found:
        yield found


async def test_a_card_arrives_as_text_for_everybody(box: Letterbox) -> None:
    mailer = SmtpMailer(box.url, "aiec@example.com")
    await mailer.reach()
    await mailer.send(["lead@example.com", "cto@example.com"], CARD, key="op-1/alone/mail")
    (letter,) = box.letters
    assert box.recipients == [["lead@example.com", "cto@example.com"]]
    assert (letter["From"], letter["To"], letter["Message-ID"]) == ("aiec@example.com", "lead@example.com, cto@example.com", "<op-1.alone.mail@example.com>")
    assert letter["Subject"] == "⚠️ needs you · Without an approval: Scale gateway · op-1"
    text = letter.get_content()
    assert "op-1 (https://slack.example/1)" in text
    assert "asked by @engineer at 14:00 UTC: çã 🔥" in text


async def test_what_is_typed_does_not_become_a_header(box: Letterbox) -> None:
    card = Card(headline=line("innocent\nBcc: thief@example.com"))
    await SmtpMailer(box.url, "aiec@example.com").send(["lead@example.com"], card, key="op-1")
    assert box.letters[0]["Bcc"] is None
    assert box.recipients == [["lead@example.com"]]


@pytest.mark.parametrize(("answer", "kind"), [("451 4.3.0 try later", Unavailable), ("554 5.7.1 spam", Invalid)])
async def test_a_refusal_is_for_now_or_for_ever(box: Letterbox, answer: str, kind: type[Exception]) -> None:
    box.refuses = answer
    with pytest.raises(kind, match=f"answered {answer[:3]}: "):
        await SmtpMailer(box.url, "aiec@example.com").send(["lead@example.com"], CARD, key="op-1")


async def test_addresses_that_nobody_has_are_named(box: Letterbox) -> None:
    box.unknown = "gone@example.com"
    with pytest.raises(Refused, match=r"takes nothing for gone@example\.com"):
        await SmtpMailer(box.url, "aiec@example.com").send(["gone@example.com"], CARD, key="op-1")


async def test_a_password_is_not_sent_without_encryption(box: Letterbox) -> None:
    with pytest.raises(Unavailable, match="it offers no encryption, and a password is not sent without"):
        await SmtpMailer(f"smtp://aiec:p%40ss@127.0.0.1:{box.port}", "aiec@example.com").reach()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"The mail server 127\.0\.0\.1:1 cannot be used: .*refused"):
        await SmtpMailer("smtp://127.0.0.1:1", "aiec@example.com").send(["lead@example.com"], CARD, key="op-1")
