"""The kinds of value that aiec.yaml holds, each with the words that say what it expects."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from bot.core import durations
from bot.core.suggest import quoted


def expects(what: str) -> WrapValidator:
    """Returns a validator whose only complaint is `expected WHAT, found VALUE`, whatever the type inside has to say."""

    def check(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError:
            raise PydanticCustomError("expected", "{text}", {"text": f"expected {what}, found {found(value)}"}) from None

    return WrapValidator(check)


def found(value: object) -> str:
    """Returns how a value of aiec.yaml is named to its author."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return f"'{quoted(value)}'" if isinstance(value, str) else str(value)


def _matching(pattern: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError
        return value

    return AfterValidator(check)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError from error
    return value


def _cron(value: str) -> str:
    # cronsim also reads six fields, the first being seconds, which a cron expression has not.
    if len(value.split()) != 5:
        raise ValueError
    try:
        next(CronSim(value, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError from error
    return value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError
    return value


def _moment(value: object, *, end: bool) -> datetime:
    """A day alone means its beginning; as an end, the whole day still counts. Without a zone it is UTC."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return at + timedelta(days=1) if end and len(value) <= len("2026-12-24") else at
    except OverflowError as error:
        raise ValueError from error


def moment_of(value: object) -> datetime:
    """Returns the moment that a text names, UTC unless it says otherwise. Raises ValueError."""
    at = _moment(value, end=False)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


_MOMENT = "a day or a time in UTC such as 2026-12-24 or 2026-12-24T18:00Z"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(\.{_LABEL})*"

Text = Annotated[str, Field(min_length=1), expects("a text")]
Flag = Annotated[bool, Field(strict=True), expects("true or false")]
Count = Annotated[int, Field(strict=True, ge=0), expects("a whole number ≥ 0")]
Positive = Annotated[int, Field(strict=True, ge=1), expects("a whole number ≥ 1")]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(lambda value: None if isinstance(value, bool | str) else value), expects("a number")]
Duration = Annotated[durations.Duration, expects(durations.FORM)]
PositiveDuration = Annotated[durations.Duration, AfterValidator(_positive), expects(f"{durations.FORM}, longer than 0s")]
Cron = Annotated[str, AfterValidator(_cron), expects('a cron expression of five fields in UTC, such as "0 2 * * SUN"')]
Begin = Annotated[datetime, BeforeValidator(lambda value: _moment(value, end=False)), expects(_MOMENT)]
End = Annotated[datetime, BeforeValidator(lambda value: _moment(value, end=True)), expects(_MOMENT)]

Key = Annotated[str, _matching(r"[a-z0-9][a-z0-9._-]*"), expects("a name of small letters, digits and hyphens")]
Handle = Annotated[str, _matching(r"@?[a-z0-9][a-z0-9._-]*"), expects('somebody of `people`, a Slack user group such as "@devops", or "@everyone"')]
Permission = Annotated[str, _matching(r"\*|[a-z][a-z-]*(\.[a-z-]+)*(\.\*)?"), expects('a command such as deploy, a family such as "incident.*", or "*"')]
ChannelName = Annotated[
    str,
    _matching(r"#[^\s#@<>,A-Z]{1,80}|[CG][A-Z0-9]{2,}"),
    expects('a Slack channel such as "#devops", in quotes, because YAML takes # for a comment'),
]
SlackId = Annotated[str, _matching(r"[UW][A-Z0-9]{2,}"), expects("a Slack member id such as U012AB3CD")]
Email = Annotated[str, _matching(r"[^\s@<>]+@[^\s@<>]+"), expects("an e-mail address")]
Repository = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}(?<!\.git)"), expects("a repository of GitHub such as owner/name")
]
TagForm = Annotated[str, _matching(r"([\w.@+-][\w./@+-]*)?\{version\}[\w./@+-]*"), expects('a tag with the version in it, such as "{version}"')]
Zone = Annotated[str, AfterValidator(_zone), expects("a time zone such as Europe/Lisbon or UTC")]
Url = Annotated[str, _matching(r"https?://[^\s/?#@]+(/[^\s?#]*)?"), expects("a URL such as https://api.example.com")]
UrlPath = Annotated[str, _matching(r"/\S*"), expects("a path such as /health")]
Namespace = Annotated[str, _matching(_LABEL), expects("a Kubernetes namespace: small letters, digits and hyphens")]
ObjectName = Annotated[str, _matching(_DOMAIN), expects("the name of a Kubernetes object: small letters, digits, hyphens and dots")]
Image = Annotated[
    str,
    _matching(r"([a-zA-Z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*"),
    expects("an image without its tag, such as ghcr.io/example/gateway (each deploy adds the version)"),
]
