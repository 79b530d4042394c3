"""Settings: variables, `.env`, mounted files, aiec.yaml, and the sentences for what is malformed."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bot.config_file import SettingsError, read
from bot.core.config import Channels, Config, Environment, GitHub, Grant, Health, Person, Promotion, Rollout, Service
from bot.settings import SHIPPED, load, show, variables
from bot.yaml_text import NotYaml, parse

DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
MINIMAL = """\
platform: shop
environments:
  prod:
    namespace: shop
    channel: "#ops"
    approvals: 1
services:
  gateway: {container: gateway, image: ghcr.io/shop/gateway}
channels: {incidents: "#incidents", alerts: "#alerts", digest: "#alerts"}
"""

CHANNEL = 'expected a Slack channel such as "#devops", in quotes, because YAML takes # for a comment'


def complaint(environ: dict[str, str], folder: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ, folder)
    return caught.value.text


def wrong(folder: Path, old: str, new: str) -> str:
    """Returns what is said of the smallest aiec.yaml with one text replaced."""
    assert old in MINIMAL
    (folder / "aiec.yaml").write_text(MINIMAL.replace(old, new))
    return complaint({}, folder)


def test_nothing_given_is_the_shipped_configuration_and_loopback(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert settings.config_path == SHIPPED
    assert (settings.database_url, settings.host, settings.port, settings.log_format) == ("sqlite:///aiec.db", "127.0.0.1", 3000, "text")
    assert settings.slack_bot_token is None
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.warnings == ()
    assert settings.audit_key() == b""


def test_the_shipped_configuration_has_the_guides_figures() -> None:
    config = read(SHIPPED)
    assert config.services["gateway"].name_in("prod", "gateway") == "gateway-production"
    assert config.environments["prod"].approvals == 1
    assert config.escalation is not None
    assert [level.answer_within.total_seconds() / 60 for level in config.escalation.policies["default"].levels] == [15, 30, 60, 120]
    assert config.notifications.email is not None
    assert config.notifications.email.on == ("SEV1", "SEV2")


def test_variables_win_over_dotenv_and_an_empty_one_is_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("export AIEC_PORT=4000\nAIEC_HOST='0.0.0.0'  # everywhere\nSLACK_BOT_TOKEN=xoxb-$HOME\n")
    settings = load({"AIEC_PORT": "5000", "AIEC_HOST": ""}, tmp_path)
    assert (settings.port, settings.host) == (5000, "0.0.0.0")
    assert settings.slack_bot_token is not None
    assert settings.slack_bot_token.get_secret_value() == "xoxb-$HOME"


def test_a_secret_may_be_a_mounted_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-1\n")
    settings = load({"SLACK_BOT_TOKEN_FILE": str(tmp_path / "token"), "AIEC_AUDIT_KEY_FILE": "token"}, tmp_path)
    assert settings.slack_bot_token is not None
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1"
    assert settings.audit_key() == b"xoxb-1"


def test_a_file_of_a_variable_must_be_readable_and_alone(tmp_path: Path) -> None:
    assert complaint({"SLACK_BOT_TOKEN_FILE": "nowhere"}, tmp_path) == (
        "SLACK_BOT_TOKEN_FILE: expected the path of a readable text file, found 'nowhere' (No such file or directory)"
    )
    assert complaint({"SLACK_BOT_TOKEN_FILE": "x", "SLACK_BOT_TOKEN": "xoxb-1"}, tmp_path) == (
        "SLACK_BOT_TOKEN and SLACK_BOT_TOKEN_FILE are both set; give one of them"
    )
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "it is not UTF-8 text" in complaint({"REGISTRY_PASSWORD_FILE": "binary"}, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("AIEC_PORT", "http", "AIEC_PORT: expected a port, 0 to 65535 (0: any free one), found 'http'"),
        ("AIEC_PORT", "70000", "AIEC_PORT: expected a port, 0 to 65535 (0: any free one), found '70000'"),
        ("AIEC_HOST", "any where", "AIEC_HOST: expected the address to listen on, such as 127.0.0.1 or 0.0.0.0, found 'any where'"),
        ("AIEC_LOG_FORMAT", "xml", "AIEC_LOG_FORMAT: expected text or json, found 'xml'"),
        ("SLACK_API_URL", "slack.com", "SLACK_API_URL: expected a URL such as https://slack.com/api/, found 'slack.com'"),
        ("SLACK_BOT_TOKEN", "xapp-secret", "SLACK_BOT_TOKEN: expected a bot token, which begins with xoxb-"),
        ("SLACK_APP_TOKEN", "xoxb-secret", "SLACK_APP_TOKEN: expected an app-level token, which begins with xapp-"),
        ("DATABASE_URL", "mysql://root:secret@db/aiec", "DATABASE_URL: expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"),
        (
            "GITHUB_API_URL",
            "api.github.com",
            "GITHUB_API_URL: expected a URL such as https://api.github.com or https://github.example.com/api/v3, found 'api.github.com'",
        ),
        ("GITHUB_TOKEN", "two words", "GITHUB_TOKEN: expected a token of GitHub, such as github_pat_… or ghp_…"),
        ("REGISTRY_URL", "secret@host", "REGISTRY_URL: expected a URL such as https://registry.example.com"),
        ("PAGERDUTY_FROM", "aiec", "PAGERDUTY_FROM: expected the e-mail address of a PagerDuty user, found 'aiec'"),
        ("PAGERDUTY_API_TOKEN", "Token token=secret", "PAGERDUTY_API_TOKEN: expected a REST API key of PagerDuty, a word"),
        ("PAGERDUTY_WEBHOOK_SECRET", "a b", "PAGERDUTY_WEBHOOK_SECRET: expected the webhook subscription's secret, or several with commas between them"),
        ("PAGERDUTY_API_URL", "pagerduty", "PAGERDUTY_API_URL: expected a URL such as https://api.eu.pagerduty.com, found 'pagerduty'"),
        ("ALERTMANAGER_URL", "user:secret@host", "ALERTMANAGER_URL: expected a URL such as http://alertmanager:9093"),
        ("ALERTMANAGER_TOKEN", "two words", "ALERTMANAGER_TOKEN: expected the bearer token of our webhook, a word"),
        ("AIEC_CONFIG", "nowhere.yaml", "AIEC_CONFIG: expected the path of a file such as aiec.yaml, found 'nowhere.yaml', where there is none"),
    ],
)
def test_a_malformed_variable_is_named_with_what_was_expected(tmp_path: Path, name: str, value: str, text: str) -> None:
    assert complaint({name: value}, tmp_path) == text


def test_dotenv_is_named_when_it_is_to_blame(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AIEC_HOST=a b\n")
    assert complaint({}, tmp_path).startswith(".env: AIEC_HOST: expected the address")
    (tmp_path / ".env").write_text("A=1\n=oops\n")
    assert complaint({}, tmp_path) == ".env:2: expected NAME=value"


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    assert len(complaint({"AIEC_HOST": "a b", "SLACK_BOT_TOKEN": "x", "AIEC_AUDIT_KEY_FILE": "nowhere"}, tmp_path).splitlines()) == 3


def test_an_unknown_variable_of_ours_is_a_warning(tmp_path: Path) -> None:
    settings = load({"AIEC_PROT": "1", "AIEC_AUDIT_KEYFILE": "x", "AIEC_WHATEVER": "", "AIEC_COLOUR_OF_THE_SKY": "blue", "PATH": "/bin"}, tmp_path)
    assert settings.warnings == (
        "AIEC_AUDIT_KEYFILE is not a variable of aiec; did you mean AIEC_AUDIT_KEY?",
        "AIEC_COLOUR_OF_THE_SKY is not a variable of aiec",
        "AIEC_PROT is not a variable of aiec; did you mean AIEC_PORT?",
        "AIEC_WHATEVER is not a variable of aiec",
    )


def test_secrets_are_neither_in_repr_nor_shown(tmp_path: Path) -> None:
    secret = "s3cr3t"
    environ = {
        "SLACK_BOT_TOKEN": f"xoxb-{secret}",
        "REGISTRY_PASSWORD": secret,
        "GITHUB_TOKEN": secret,
        "AIEC_AUDIT_KEY": secret,
        "DATABASE_URL": f"postgresql://aiec:{secret}@p@db/aiec?password={secret}",
        "PROMETHEUS_URL": f"https://me:{secret}@prometheus",
        "REGISTRY_URL": f"https://me:{secret}@registry",
    }
    settings = load(environ, tmp_path)
    assert secret not in repr(settings)
    assert secret not in show(settings)
    assert "# DATABASE_URL=postgresql://aiec:***@db/aiec?password=***" in show(settings)
    assert "# SLACK_BOT_TOKEN=***" in show(settings)
    assert "# SLACK_APP_TOKEN is not set" in show(settings)


def test_what_is_shown_reads_back_the_same(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert Config.model_validate(yaml.safe_load(show(settings))) == settings.config
    (tmp_path / "aiec.yaml").write_text(show(settings))
    assert load({}, tmp_path).config == settings.config


def test_aiec_yaml_is_the_named_one_else_the_one_beside(tmp_path: Path) -> None:
    (tmp_path / "aiec.yaml").write_text(MINIMAL)
    (tmp_path / "other.yaml").write_text(MINIMAL.replace("shop", "other"))
    assert load({}, tmp_path).config.platform == "shop"
    assert load({"AIEC_CONFIG": "other.yaml"}, tmp_path).config.platform == "other"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("approvals: 1", "approvals: one", "aiec.yaml:6: environments.prod.approvals: expected a whole number ≥ 0, found 'one'"),
        ("approvals: 1", "approvals: yes", "aiec.yaml:6: environments.prod.approvals: expected a whole number ≥ 0, found 'yes'"),
        ("approvals: 1", "aprovals: 1\n    approvals: 1", "aiec.yaml:6: environments.prod: there is no `aprovals`; did you mean `approvals`?"),
        ("    approvals: 1\n", "", "aiec.yaml:3: environments.prod: `approvals` is missing"),
        ("approvals: 1", "approvals: 1\n    approvals: 2", "aiec.yaml:7: 'approvals' stands here twice, first in line 6"),
        ("    namespace: shop", "\tnamespace: shop", "aiec.yaml:4: a tab stands where YAML wants spaces"),
        ('"#ops"', "#ops", f"aiec.yaml:5: environments.prod.channel: {CHANNEL}, found nothing"),
        ("{container: gateway, image: ghcr.io/shop/gateway}", "x", "aiec.yaml:8: services.gateway: expected a mapping of keys to values, found 'x'"),
        ("  gateway: {", "  Gate way: {", "aiec.yaml:8: services.Gate way: expected a name of small letters, digits and hyphens, found 'Gate way'"),
        ("services:", "permissions: [{who: [ana], may: ['*']}]\nservices:", "aiec.yaml:7: permissions[0].who[0]: no person is called 'ana'; there is none"),
        ("services:", "permissions: {who: x}\nservices:", "aiec.yaml:7: permissions: expected a list, found a mapping"),
        ("services:", "permissions: !!python/object x\nservices:", "aiec.yaml:7: the tag !!python/object has no place here"),
        ("services:", "people: &p {a: *p}\nservices:", None),
        ("platform: shop", "platform: [shop", None),
    ],
)
def test_what_is_wrong_with_aiec_yaml_is_said_with_its_line(tmp_path: Path, old: str, new: str, text: str | None) -> None:
    said = wrong(tmp_path, old, new)
    assert said == text if text else said.startswith("aiec.yaml:")


def test_an_empty_or_unreadable_aiec_yaml(tmp_path: Path) -> None:
    path = tmp_path / "aiec.yaml"
    path.write_text("# nothing\n")
    assert complaint({}, tmp_path) == "aiec.yaml:1: expected a mapping of keys to values, found nothing"
    path.write_bytes(b"\xff\xff")
    assert complaint({}, tmp_path) == f"{path} cannot be read: it is not UTF-8 text"
    path.write_text("platform: a\x01b")
    assert complaint({}, tmp_path) == "aiec.yaml:1: the character U+0001 cannot stand in YAML"


def test_many_problems_are_cut_short(tmp_path: Path) -> None:
    (tmp_path / "aiec.yaml").write_text(MINIMAL + "".join(f"x{number}: 1\n" for number in range(30)))
    lines = complaint({}, tmp_path).splitlines()
    assert len(lines) == 21
    assert lines[0] == "aiec.yaml:10: there is no `x0`"
    assert lines[-1] == "and 10 more"


def test_words_stay_words() -> None:
    text = "{on: yes, n: no, octal: 010, date: 2026-12-24, time: 10:30, half: 0.5, none: ~, hex: 0x10}"
    assert parse(text).data == {"on": "yes", "n": "no", "octal": 10, "date": "2026-12-24", "time": "10:30", "half": 0.5, "none": None, "hex": "0x10"}


@given(st.text(max_size=60) | st.lists(st.sampled_from(["a: ", "\n", "- ", "[", "}", "&x ", "*x", "!!", "'", "\t", "<<", "? ", "|"])).map("".join))
def test_no_text_breaks_the_reader(text: str) -> None:
    lines = 1
    try:
        lines = parse(text).line(("a", 0))
    except NotYaml as error:
        lines = error.line
    assert 1 <= lines <= len(text) + 1


def test_each_variable_is_one_field() -> None:
    names = [variable.name for variable in variables().values()]
    assert len(names) == len(set(names))
    assert "DATABASE_URL" in names


@pytest.mark.parametrize(("given", "read"), [("one", ("one",)), ("new , old", ("new", "old")), ("", ())])
def test_webhooks_may_be_signed_with_several_secrets(tmp_path: Path, given: str, read: tuple[str, ...]) -> None:
    assert load({"PAGERDUTY_WEBHOOK_SECRET": given}, tmp_path).webhook_secrets() == read


def test_secrets_of_paging_are_not_shown(tmp_path: Path) -> None:
    names = ("PAGERDUTY_API_TOKEN", "PAGERDUTY_ROUTING_KEY", "PAGERDUTY_WEBHOOK_SECRET", "ALERTMANAGER_TOKEN")
    settings = load(dict.fromkeys(names, "a-secret") | {"ALERTMANAGER_URL": "http://user:a-secret@alertmanager:9093"}, tmp_path)
    assert "a-secret" not in show(settings) + repr(settings)
    assert "# ALERTMANAGER_URL=http://user:***@alertmanager:9093" in show(settings)


@pytest.mark.parametrize("name", [variable.name for variable in variables().values()])
def test_each_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCUMENTATION


@pytest.mark.parametrize("model", [Config, Environment, Promotion, GitHub, Health, Rollout, Service, Person, Grant, Channels])
def test_each_key_is_documented(model: type[BaseModel]) -> None:
    keys = [info.alias or name for name, info in model.model_fields.items()]
    missing = [key for key in keys if not re.search(rf"`([\w.]+\.)?{key}[.`]", DOCUMENTATION)]
    assert missing == []
