"""The only reader of the environment and of aiec.yaml. What is malformed stops the start, with its name or line and what was expected.

A variable may also be given as NAME_FILE (the path of a file that holds the value, as secrets are mounted), and each also in `.env`; the environment wins.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import yaml
from dotenv.parser import parse_stream
from pydantic import AfterValidator, Field, SecretStr, ValidationError

from bot.config_file import SettingsError, read, reason
from bot.core.config import Config, schema
from bot.core.config_types import found
from bot.core.data import Frozen
from bot.core.suggest import nearest

SHIPPED = Path(__file__).with_name("aiec.yaml")


@dataclass(frozen=True)
class Variable:
    """An environment variable. `form`: a regular expression for the whole value. `hide`: it is never quoted."""

    name: str
    expected: str
    form: str = r".+"
    hide: bool = False


_HTTP = r"https?://([^\s/?#@]+@)?([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/\S*)?"
_POSTGRES = r"postgres(ql)?://\S+"
Secret = SecretStr | None


class Settings(Frozen):
    """One line for each variable: its name, what is expected of it, and its value when it is not given."""

    config: Config = Field(repr=False)
    config_path: Path
    warnings: tuple[str, ...] = ()

    database_url: Annotated[
        str, Variable("DATABASE_URL", "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME", r"sqlite:///\S+|postgres(ql(\+psycopg)?)?://\S+", hide=True)
    ] = Field("sqlite:///aiec.db", repr=False)
    slack_bot_token: Annotated[Secret, Variable("SLACK_BOT_TOKEN", "a bot token, which begins with xoxb-", r"(xoxe\.)?xoxb-\S+", hide=True)] = None
    slack_app_token: Annotated[Secret, Variable("SLACK_APP_TOKEN", "an app-level token, which begins with xapp-", r"xapp-\S+", hide=True)] = None
    slack_signing_secret: Annotated[Secret, Variable("SLACK_SIGNING_SECRET", "the app's signing secret, a word", r"\S+", hide=True)] = None
    slack_api_url: Annotated[
        str, AfterValidator(lambda url: url.rstrip("/") + "/"), Variable("SLACK_API_URL", "a URL such as https://slack.com/api/", _HTTP)
    ] = "https://slack.com/api/"
    kubeconfig: Annotated[str | None, Variable("KUBECONFIG", "the path of a kubeconfig, or several with colons between them")] = None
    registry_url: Annotated[str | None, Variable("REGISTRY_URL", "a URL such as https://registry.example.com", _HTTP, hide=True)] = Field(None, repr=False)
    registry_username: Annotated[str | None, Variable("REGISTRY_USERNAME", "a user name", r"[^\s:]+")] = None
    registry_password: Annotated[Secret, Variable("REGISTRY_PASSWORD", "a password or token", hide=True)] = None
    prometheus_url: Annotated[str | None, Variable("PROMETHEUS_URL", "a URL such as http://prometheus:9090", _HTTP, hide=True)] = Field(None, repr=False)
    pagerduty_api_token: Annotated[Secret, Variable("PAGERDUTY_API_TOKEN", "a REST API key of PagerDuty, a word", r"[^\s:]+", hide=True)] = None
    pagerduty_from: Annotated[str | None, Variable("PAGERDUTY_FROM", "the e-mail address of a PagerDuty user", r"[^\s@,]+@[^\s@,]+")] = None
    pagerduty_routing_key: Annotated[Secret, Variable("PAGERDUTY_ROUTING_KEY", "an integration key of Events API v2, a word", r"[^\s:]+", hide=True)] = None
    pagerduty_webhook_secret: Annotated[
        Secret,
        Variable("PAGERDUTY_WEBHOOK_SECRET", "the webhook subscription's secret, or several with commas between them", r"[^\s,]+(\s*,\s*[^\s,]+)*", hide=True),
    ] = None
    pagerduty_api_url: Annotated[str, Variable("PAGERDUTY_API_URL", "a URL such as https://api.eu.pagerduty.com", _HTTP)] = "https://api.pagerduty.com"
    pagerduty_events_url: Annotated[str, Variable("PAGERDUTY_EVENTS_URL", "a URL such as https://events.eu.pagerduty.com", _HTTP)] = (
        "https://events.pagerduty.com"
    )
    alertmanager_token: Annotated[Secret, Variable("ALERTMANAGER_TOKEN", "the bearer token of our webhook, a word", r"\S+", hide=True)] = None
    alertmanager_url: Annotated[str | None, Variable("ALERTMANAGER_URL", "a URL such as http://alertmanager:9093", _HTTP, hide=True)] = Field(None, repr=False)
    grafana_url: Annotated[str | None, Variable("GRAFANA_URL", "a URL such as https://grafana.example.com", _HTTP)] = None
    github_token: Annotated[Secret, Variable("GITHUB_TOKEN", "a token of GitHub, such as github_pat_… or ghp_…", r"[\x21-\x7e]+", hide=True)] = None
    github_api_url: Annotated[str, Variable("GITHUB_API_URL", "a URL such as https://api.github.com or https://github.example.com/api/v3", _HTTP)] = (
        "https://api.github.com"
    )
    runbook_dir: Annotated[str | None, Variable("AIEC_RUNBOOK_DIR", "a folder of runbooks, or several with colons between them")] = None
    postmortem_dir: Annotated[str | None, Variable("AIEC_POSTMORTEM_DIR", "a folder in which published post-mortems are kept")] = None
    smtp_url: Annotated[
        str | None,
        Variable("SMTP_URL", "a URL such as smtp://user:password@mail.example.com:587, or smtps://…", r"smtps?://([^\s/@]*@)?[\w.-]+(:\d{1,5})?/?", hide=True),
    ] = Field(None, repr=False)
    smtp_from: Annotated[str | None, Variable("SMTP_FROM", "an e-mail address", r"[^\s@,<>]+@[^\s@,<>]+")] = None
    host: Annotated[str, Variable("AIEC_HOST", "the address to listen on, such as 127.0.0.1 or 0.0.0.0", r"[\w.:-]+")] = "127.0.0.1"
    port: Annotated[int, Field(le=65535), Variable("AIEC_PORT", "a port, 0 to 65535 (0: any free one)", r"[0-9]{1,5}")] = 3000
    log_format: Annotated[Literal["text", "json"], Variable("AIEC_LOG_FORMAT", "text or json")] = "text"
    backup_url: Annotated[str | None, Variable("AIEC_BACKUP_URL", "file:///PATH or s3://BUCKET/PREFIX", r"file:///\S+|s3://[a-z0-9][a-z0-9.-]+(/\S*)?")] = None
    backup_key: Annotated[Secret, Variable("AIEC_BACKUP_KEY", "a key of at least 32 characters", r".{32,}", hide=True)] = None
    verify_url: Secret = None
    """The value of the variable that `backup.verify.target` names."""
    audit_secret: Annotated[Secret, Variable("AIEC_AUDIT_KEY", "a key for signing the event log", hide=True)] = None

    def audit_key(self) -> bytes:
        """Returns the key that signs the event log; empty when none is given: then the log is chained, and forging it takes no secret."""
        return self.audit_secret.get_secret_value().encode() if self.audit_secret else b""

    def runbook_folders(self) -> list[Path]:
        """Returns the folders of runbooks beside those that come with aiec."""
        return [Path(folder).expanduser() for folder in (self.runbook_dir or "").split(":") if folder]

    def webhook_secrets(self) -> tuple[str, ...]:
        """Returns the secrets that PagerDuty may sign its webhooks with: several while they are rotated."""
        given = self.pagerduty_webhook_secret.get_secret_value() if self.pagerduty_webhook_secret else ""
        return tuple(secret.strip() for secret in given.split(",") if secret.strip())


_CONFIG = "AIEC_CONFIG"
_PASSWORD_IN_URL = re.compile(r"(?<=:)[^/\s]\S*(?=@)|(?<=password=)[^&\s]+")


def variables() -> dict[str, Variable]:
    """Returns the variables by the field of `Settings` that holds them."""
    return {field: each for field, info in Settings.model_fields.items() for each in info.metadata if isinstance(each, Variable)}


def load(environ: Mapping[str, str], cwd: Path | None = None) -> Settings:
    """Returns what the environment, `.env` and aiec.yaml say. Raises SettingsError.

    aiec.yaml is the file that AIEC_CONFIG names, else the one in `cwd` (None: the current folder), else the one that is shipped.
    """
    folder = cwd or Path.cwd()
    sources = [_Source(environ, folder, ""), _Source(_dotenv(folder / ".env"), folder, ".env: ")]
    values, problems = _values(sources)
    if problems:
        raise SettingsError("\n".join(problems))
    path = _config_path(sources, folder)
    try:
        config = read(path)
        return Settings(config=config, config_path=path, warnings=tuple(_unknown(sources)), verify_url=_target(config, sources), **values)
    except ValidationError as error:
        wrong = [str(detail["loc"][0]) for detail in error.errors()]
        raise SettingsError("\n".join(_sentence(variables()[field], values[field]) for field in wrong)) from None


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of aiec.yaml, for editors."""
    return schema()


def show(settings: Settings) -> str:
    """Returns what is in force, as YAML that reads back the same, with the variables in comments and secrets as `***`."""
    lines = [f"# {variable.name}{_shown(getattr(settings, field))}" for field, variable in variables().items()]
    written = yaml.safe_dump(settings.config.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True, width=120)
    return "\n".join(["# From the environment:", *lines, f"# From {settings.config_path}:", written])


def secrets(settings: Settings) -> frozenset[str]:
    """Returns every value that nobody should read: tokens, keys, and the passwords in URLs."""
    values = [getattr(settings, field) for field in (*variables(), "verify_url")]
    whole = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
    found = whole | {password for value in values if isinstance(value, str) for password in _PASSWORD_IN_URL.findall(value)}
    return frozenset(found | {*settings.webhook_secrets()} | {unquote(one) for one in found})


def _shown(value: object) -> str:
    if value is None:
        return " is not set"
    return "=***" if isinstance(value, SecretStr) else "=" + _PASSWORD_IN_URL.sub("***", str(value))


@dataclass(frozen=True)
class _Source:
    """A place that variables come from. `label` precedes what is said of it."""

    variables: Mapping[str, str]
    folder: Path
    label: str

    def get(self, name: str) -> str | None:
        """Returns the value, also from the file that NAME_FILE names; an empty one is none."""
        value, file = self.variables.get(name), self.variables.get(f"{name}_FILE")
        if value and file:
            raise SettingsError(f"{self.label}{name} and {name}_FILE are both set; give one of them")
        if not file:
            return value or None
        try:
            return (self.folder / file).read_text("utf-8").strip() or None
        except (OSError, ValueError) as error:
            raise SettingsError(f"{self.label}{name}_FILE: expected the path of a readable text file, found '{file}' ({reason(error)})") from error


def _values(sources: Sequence[_Source]) -> tuple[dict[str, str], list[str]]:
    """Returns the values by field, and what is wrong with those that have not their form."""
    values: dict[str, str] = {}
    problems: list[str] = []
    for field, variable in variables().items():
        try:
            source, value = _first(variable.name, sources)
        except SettingsError as error:
            problems.append(error.text)
            continue
        if value is not None and not re.fullmatch(variable.form, value, re.ASCII):
            problems.append(source.label + _sentence(variable, value))
        elif value is not None:
            values[field] = value
    return values, problems


def _first(name: str, sources: Sequence[_Source]) -> tuple[_Source, str | None]:
    """Returns the value of the first source that has one."""
    for source in sources:
        value = source.get(name)
        if value is not None:
            return source, value
    return sources[-1], None


def _target(config: Config, sources: Sequence[_Source]) -> SecretStr | None:
    """Returns the URL of the server that backups are tried on."""
    name = config.backup.verify.target if config.backup.verify else None
    if name is None:
        return None
    source, value = _first(name, sources)
    if value is not None and not re.fullmatch(_POSTGRES, value):
        raise SettingsError(f"{source.label}{name}: expected postgresql://USER:PASSWORD@HOST/NAME, for it is `backup.verify.target` of aiec.yaml")
    return SecretStr(value) if value is not None else None


def _config_path(sources: Sequence[_Source], folder: Path) -> Path:
    source, named = _first(_CONFIG, sources)
    if named is None:
        beside = folder / "aiec.yaml"
        return beside if beside.exists() else SHIPPED
    path = folder / named
    if not path.is_file():
        raise SettingsError(f"{source.label}{_CONFIG}: expected the path of a file such as aiec.yaml, found '{named}', where there is none")
    return path


def _sentence(variable: Variable, value: str) -> str:
    return f"{variable.name}: expected {variable.expected}" + ("" if variable.hide else f", found {found(value)}")


def _dotenv(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path.name} cannot be read: {reason(error)}") from error
    for binding in bindings:
        if binding.error:
            raise SettingsError(f"{path.name}:{binding.original.line}: expected NAME=value")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value}


def _unknown(sources: Sequence[_Source]) -> list[str]:
    """A misspelt name would otherwise be silence."""
    names = [_CONFIG, *(variable.name for variable in variables().values())]
    ours = [name for name in names if name.startswith("AIEC_")]
    given = sorted({name for source in sources for name in source.variables if name.startswith("AIEC_")})
    unknown = [name for name in given if name.removesuffix("_FILE") not in names]
    return [f"{name} is not a variable of aiec" + (f"; did you mean {meant}?" if (meant := nearest(name, ours)) else "") for name in unknown]
