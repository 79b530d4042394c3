"""What is mailed: who changes production alone, emergencies, maintenances, and incidents as aiec.yaml says, whatever the mail server does."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlmodel import select

from bot.adapters.email import SmtpMailer
from bot.store.tables import MessageRow
from tests.harness import Stage, stage
from tests.mail import Letterbox, letterbox

ALONE = "Without an approval: "
TO = "emergency@aiecommerce.com, lead@example.com"


@pytest.fixture
async def box() -> AsyncIterator[Letterbox]:
    async with letterbox() as found:
        yield found


@pytest.fixture
async def bot(tmp_path: Path, box: Letterbox) -> AsyncIterator[Stage]:
    async with stage(tmp_path, mailer=SmtpMailer(box.url, "alerts@aiecommerce.com")) as found:
        yield found


def about(box: Letterbox, words: str) -> list[EmailMessage]:
    """The letters with these words in their subject."""
    return [letter for letter in box.letters if words in str(letter["Subject"])]


async def acts_alone(bot: Stage, text: str = "/aiec restart prod gateway") -> None:
    await bot.engineer.says("/aiec incident declare SEV2 checkout fails --service gateway")
    await bot.engineer.says("/aiec incident ack #1")
    await bot.engineer.says(text)
    await bot.forward(2)


async def test_the_lead_is_mailed_once_who_did_what_alone_and_why(bot: Stage, box: Letterbox) -> None:
    await acts_alone(bot)
    (letter,) = about(box, ALONE)
    assert (letter["To"], letter["From"]) == (TO, "alerts@aiecommerce.com")
    assert letter["Subject"] == "⚠️ needs you · Without an approval: Restart gateway v1.1.0 in prod · op-1"
    assert "asked by @engineer, who has acknowledged #1 (SEV2) on gateway" in letter.get_content()
    assert "/archives/" in letter.get_content()  # where it can be read on
    await bot.forward(minutes=1)
    assert len(about(box, ALONE)) == 1
    assert [one for one in bot.slack.messages("incidents") if "Without an approval: Restart gateway" in one.plain]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["/aiec scale prod gateway --bounds 4-10", "/aiec rollback prod gateway"])
async def test_scaling_up_and_rolling_back_alone_are_mailed_too(bot: Stage, box: Letterbox, text: str) -> None:
    found = bot.world.kubernetes.get("Deployment", "aiecommerce", "gateway-production")
    found["spec"]["template"]["metadata"]["annotations"] = {"changed": "by hand"}
    bot.world.kubernetes.apply(found)
    await bot.forward(minutes=1)
    await acts_alone(bot, text)
    assert len(about(box, ALONE)) == 1


async def test_what_is_approved_by_somebody_is_not_mailed(bot: Stage, box: Letterbox) -> None:
    await bot.engineer.says("/aiec restart prod gateway")
    await bot.lead.clicks("Approve")
    await bot.forward(minutes=1)
    assert box.letters == []


@pytest.mark.slow
async def test_a_mail_server_that_is_busy_is_asked_again(bot: Stage, box: Letterbox) -> None:
    box.refuses = "451 4.3.0 try later"
    await acts_alone(bot)
    assert box.letters == []
    box.refuses = ""
    await bot.forward(minutes=1)
    assert len(about(box, ALONE)) == 1


async def test_without_a_mail_server_it_is_recorded_that_nobody_was_mailed(tmp_path: Path) -> None:
    async with stage(tmp_path) as bot:
        await acts_alone(bot)
        row = await bot.bot.store.read(lambda tx: tx.first(select(MessageRow).where(MessageRow.key == "op-1/alone/mail")))
        assert row is not None
        assert row.gave_up == "SMTP_URL is not set, so that nothing is mailed."
        assert await bot.events("message.undeliverable") == ["aiec", "aiec"]  # that of the incident, too


async def test_incidents_of_the_severities_that_aiec_yaml_names_are_mailed_once(bot: Stage, box: Letterbox) -> None:
    await bot.engineer.says("/aiec incident declare SEV3 a slow page --service gateway")
    await bot.engineer.says("/aiec incident declare SEV2 checkout fails --service gateway")
    await bot.forward(4)
    (letter,) = box.letters
    assert "#2 SEV2 gateway: checkout fails" in letter["Subject"]
    assert letter["To"] == TO
    assert "/archives/" in letter.get_content()
    await bot.engineer.says("/aiec incident ack #2")
    await bot.engineer.says("/aiec incident severity #1 SEV1")
    await bot.forward(4)
    assert [str(one["Subject"]).partition("SEV")[2][:1] for one in box.letters] == ["2", "1"]


async def test_a_private_incident_is_mailed_to_nobody(bot: Stage, box: Letterbox) -> None:
    await bot.engineer.says("/aiec incident declare SEV1 a token leaked --private")
    await bot.forward(4)
    assert box.letters == []


async def test_a_maintenance_and_an_emergency_are_mailed(bot: Stage, box: Letterbox) -> None:
    await bot.lead.says("/aiec maintenance start prod gateway --for 1h a new disk")
    await bot.engineer.says('/aiec deploy prod v1.2.0 --emergency "checkout is down"')
    await bot.forward(4)
    assert len(about(box, "Maintenance of gateway in prod")) == 1
    assert len(about(box, "Emergency: Deploy")) == 1
