"""The process' log: a line or a JSON object for each record, and no secret in any."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.logs import configure
from bot.settings import load, secrets

GIVEN = {
    "SLACK_BOT_TOKEN": "xoxb-1234567",
    "AIEC_AUDIT_KEY": 'a "quoted" key',
    "DATABASE_URL": "postgresql://aiec:p%40ssw%3Ard@db/aiec",
    "PROMETHEUS_URL": "https://me:hunter22@prometheus.example.com",
    "PAGERDUTY_WEBHOOK_SECRET": "the-old-one, the-new-one",
}
SECRETS = ("xoxb-1234567", 'a "quoted" key', "p%40ssw%3Ard", "p@ssw:rd", "hunter22", "the-old-one", "the-new-one")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("aiec")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    # What pytest has put there, a new configuration would close.
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_gets_into_the_log_whatever_a_library_says_in_its_exceptions(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(form, secrets(load(GIVEN, tmp_path)))  # type: ignore[arg-type]
    try:
        raise ValueError(f"cannot connect with {SECRETS}: {GIVEN['DATABASE_URL']}")
    except ValueError:
        logging.getLogger("aiec.pages").exception("it failed with %s", " and ".join(SECRETS))
    said = capsys.readouterr().err
    assert [secret for secret in SECRETS if secret in said or json.dumps(secret)[1:-1] in said] == []
    assert "it failed with *** and ***" in said
    assert "postgresql://aiec:***@db/aiec" in said
    if form == "json":
        assert "Traceback" in json.loads(said)["exception"]
