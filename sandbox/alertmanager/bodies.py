"""What clients send to API v2, read and checked in the order and the words of the real thing (go-swagger's codes and texts)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sandbox.alertmanager.alerts import Alert
from sandbox.alertmanager.labels import Matcher, quoted
from sandbox.alertmanager.silences import Silence
from sandbox.alertmanager.webhook import Receiver

REQUIRED, TYPE, TOO_FEW, UNREADABLE = 602, 601, 612, 400
_UUID = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}", re.IGNORECASE)
_GO = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}


class Refused(Exception):
    """An answer that is an error: `code` and text as an object, or the text alone where there is no code."""

    def __init__(self, status: int, code: int | None, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def _missing(where: str) -> Refused:
    return Refused(422, REQUIRED, f"{where} in body is required")


def read(sent: bytes, name: str, kind: str) -> Any:
    """The JSON that was sent, a list for alerts, an object for a silence. Raises Refused."""
    if not sent.strip():
        raise _missing(name)
    wanted = list if name == "alerts" else dict
    try:
        value = json.loads(sent)
    except ValueError as error:
        at = getattr(error, "pos", 0)
        char = sent.decode(errors="replace")[at : at + 1]
        why = f"invalid character {_char(char)} looking for beginning of value" if char else "unexpected EOF"
        raise _unreadable(name, why) from None
    if not isinstance(value, wanted):
        raise _unreadable(name, f"json: cannot unmarshal {_GO[type(value)]} into Go value of type {kind}")
    return value


def _char(char: str) -> str:
    return f"'{char}'"


def _unreadable(name: str, why: str) -> Refused:
    return Refused(400, UNREADABLE, f'parsing {name} body from "" failed, because {why}')


def alerts(sent: list[Any], now: datetime, resolve_timeout: float) -> list[Alert]:
    """The alerts as they are taken in: without empty labels, begun now, and ending when nobody has spoken of them for `resolve_timeout`, unless they say."""
    for one in sent:
        _texts("alerts", one, "labels")
        _texts("alerts", one, "annotations")
    times = [(_time("alerts", one.get("startsAt")), _time("alerts", one.get("endsAt"))) for one in sent]
    for number, one in enumerate(sent):
        if one.get("labels") is None:
            raise _missing(f"{number}.labels")
        url = one.get("generatorURL")
        if url and not _is_uri(url):
            raise Refused(422, TYPE, f"{number}.generatorURL in body must be of type uri: {quoted(url)}")
    return [_alert(one, start, end, now, resolve_timeout) for one, (start, end) in zip(sent, times, strict=True)]


def _alert(one: dict[str, Any], start: datetime | None, end: datetime | None, now: datetime, resolve_timeout: float) -> Alert:
    labels = {name: value for name, value in one["labels"].items() if value != ""}
    until = end or now + timedelta(seconds=resolve_timeout)
    return Alert(labels, one.get("annotations") or {}, start or end or now, until, now, one.get("generatorURL") or "", timeout=end is None)


def _texts(name: str, one: Any, part: str) -> None:
    values = one.get(part) if isinstance(one, dict) else None
    for value in (values or {}).values():
        if not isinstance(value, str):
            field = f"Alert.{part}" if part == "labels" else f"PostableAlert.{part}"
            raise _unreadable(name, f"json: cannot unmarshal {_GO.get(type(value), 'value')} into Go struct field {field} of type string")


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme or text.startswith("/"))
    except ValueError:
        return False


def _time(name: str, text: Any) -> datetime | None:
    """A time with its zone; None if there is none, or the zero of Go."""
    if text is None or text == "" or str(text).startswith("0001-01-01T00:00:00"):
        return None
    try:
        time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        wrong = f'parsing time "{text}" as "2006-01-02 15:04:05": cannot parse "{text}" as "2006"'
        raise _unreadable(name, wrong) from None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def silence(sent: dict[str, Any], now: datetime) -> Silence:
    """The silence that is asked for. Raises Refused."""
    start, end = _time("silence", sent.get("startsAt")), _time("silence", sent.get("endsAt"))
    for name in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if sent.get(name) is None:
            raise _missing(name)
    if not sent["matchers"]:
        raise Refused(422, TOO_FEW, "matchers in body should have at least 1 items")
    for number, one in enumerate(sent["matchers"]):
        for name in ("isRegex", "name", "value"):
            if one.get(name) is None:
                raise _missing(f"matchers.{number}.{name}")
    assert start is not None
    assert end is not None
    if start > end or start == end:
        raise Refused(400, None, "Failed to create silence: start time must be before end time")
    if end < now:
        raise Refused(400, None, "Failed to create silence: end time can't be in the past")
    matchers = tuple(_matcher(number, one) for number, one in enumerate(sent["matchers"]))
    return Silence(sent.get("id") or "", matchers, start, end, sent["createdBy"], sent["comment"])


def _matcher(number: int, one: dict[str, Any]) -> Matcher:
    try:
        return Matcher(one["name"], one["value"], one["isRegex"], one.get("isEqual", True))
    except ValueError as error:
        why = str(error).replace(f"^(?:{one['value']})$", one["value"])
        raise Refused(400, None, f"silence invalid: invalid label matcher {number}: invalid regular expression {quoted(one['value'])}: {why}") from None


def uuid(text: str) -> str:
    """The id in a path. Raises Refused if it has not the form of one."""
    if _UUID.fullmatch(text) is None:
        raise Refused(422, TYPE, f"silenceID in path must be of type uuid: {quoted(text)}")
    return text


def config(receiver: Receiver) -> str:
    """The configuration file that would make a real Alertmanager behave so."""
    lines = [
        "global:",
        f"  resolve_timeout: {_duration(receiver.resolve_timeout)}",
        "route:",
        f"  receiver: {receiver.name}",
        "  group_by:",
        *(f"  - {_yaml(name)}" for name in receiver.group_by),
        "  continue: false",
        f"  group_wait: {_duration(receiver.group_wait)}",
        f"  group_interval: {_duration(receiver.group_interval)}",
        f"  repeat_interval: {_duration(receiver.repeat_interval)}",
        "receivers:",
        f"- name: {receiver.name}",
    ]
    if receiver.url:
        lines += ["  webhook_configs:", f"  - send_resolved: {str(receiver.send_resolved).lower()}", "    http_config:"]
        if receiver.token:
            lines += ["      authorization:", "        type: Bearer", "        credentials: <secret>"]
        lines += ["      follow_redirects: true", "      enable_http2: true", f"    url: {receiver.url}", f"    max_alerts: {receiver.max_alerts}"]
    return "\n".join([*lines, "templates: []", ""])


def _yaml(name: str) -> str:
    return f"'{name}'" if name == "..." else name


def _duration(seconds: float) -> str:
    """A duration as Prometheus writes it: `1h30m`."""
    left, text = round(seconds * 1000), ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
