"""Alertmanager's notifications: what is read of them, whatever they hold, and the notation of matchers."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.alerting import Matcher, matcher
from bot.core.alerts import LONGEST_LABEL, MOST_LABELS, UNKNOWN_START, Alert, fingerprint, parse
from bot.core.errors import Invalid, UsageError

FIRING = {
    "status": "firing",
    "labels": {"alertname": "HighErrorRate", "service": "gateway", "severity": "critical"},
    "annotations": {"summary": "error rate 12 %"},
    "startsAt": "2026-11-23T12:42:31.704Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "0558195fc589340c",
}


def notification(*alerts: Any, **changes: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "receiver": "aiec",
        "status": "firing",
        "groupKey": '{}:{alertname="HighErrorRate"}',
        "groupLabels": {"alertname": "HighErrorRate"},
        "truncatedAlerts": 0,
        "externalURL": "http://alertmanager:9093",
        "alerts": [*alerts],
    } | changes


def only(**changes: Any) -> Alert:
    """Returns what is read of the one alert with these changes; `...` takes a field away."""
    given = {name: value for name, value in (FIRING | changes).items() if value is not ...}
    (alert,) = parse(notification(given)).alerts
    return alert


def test_a_notification_as_alertmanager_sends_it() -> None:
    parsed = parse(notification(FIRING, FIRING | {"status": "resolved", "endsAt": "2026-11-23T12:44:26.704Z"}))
    assert (parsed.receiver, parsed.group_key, parsed.status, parsed.truncated) == ("aiec", '{}:{alertname="HighErrorRate"}', "firing", 0)
    assert parsed.group_labels == {"alertname": "HighErrorRate"}
    assert parsed.external_url == "http://alertmanager:9093"
    firing, resolved = parsed.alerts
    assert (firing.fingerprint, firing.status, firing.url, firing.note) == ("0558195fc589340c", "firing", "http://prometheus/graph", "")
    assert (firing.labels, firing.annotations) == (FIRING["labels"], {"summary": "error rate 12 %"})
    assert (firing.starts_at, firing.ends_at) == (datetime(2026, 11, 23, 12, 42, 31, 704_000, UTC), None)
    assert (resolved.status, resolved.ends_at) == ("resolved", datetime(2026, 11, 23, 12, 44, 26, 704_000, UTC))


@pytest.mark.parametrize(
    "body", [None, [], "alert", 4, {}, {"version": "4"}, {"version": "4", "alerts": {}}, notification(version="3"), notification(version=None)]
)
def test_what_is_no_notification_is_refused(body: Any) -> None:
    with pytest.raises(Invalid, match="not a notification of Alertmanager's webhook, version 4"):
        parse(body)


def test_alerts_without_labels_or_fields_are_alerts() -> None:
    assert only(labels={}, fingerprint=...).fingerprint == fingerprint({}) == "cbf29ce484222325"
    bare = parse(notification({})).alerts[0]
    assert (bare.status, bare.labels, bare.annotations, bare.starts_at, bare.ends_at, bare.url) == ("firing", {}, {}, UNKNOWN_START, None, "")
    assert parse(notification(7, None, FIRING)).alerts == (only(),)
    assert only(labels=["no", "map"], annotations="none").labels == {}
    assert only(labels={"replicas": 3, "empty": None}).labels == {"replicas": "3", "empty": ""}


def test_an_alert_that_tells_no_status_has_that_of_its_group_and_an_unknown_status_is_firing() -> None:
    assert parse(notification(FIRING | {"status": None}, status="resolved")).alerts[0].status == "resolved"
    assert only(status="on fire").status == "firing"
    assert parse(notification(status="other")).status == "firing"


def test_the_fingerprint_is_alertmanagers() -> None:
    """The figure is what Alertmanager 0.25 sent with these labels."""
    labels = {"alertname": "HighErrorRate", "cluster": "prod-eu", "instance": "127.0.0.1:19100", "job": "checkout"}
    labels |= {"path": "/api/1", "service": "checkout", "severity": "critical", "status": "503", "team": "payments"}
    assert only(labels=labels, fingerprint=...).fingerprint == "ec0d58e9e946d8b1"
    assert only(labels=dict(reversed(labels.items())), fingerprint="").fingerprint == "ec0d58e9e946d8b1"


def test_a_thousand_labels_are_cut_and_it_is_said() -> None:
    labels = {f"a{number:04}": "x" for number in range(1_000)} | {"severity": "critical", "alertname": "Many", "zone": "eu"}
    (alert,) = parse(notification(FIRING | {"labels": labels, "fingerprint": None}, groupLabels={"zone": "eu"})).alerts
    assert len(alert.labels) == MOST_LABELS
    assert {"severity": "critical", "alertname": "Many", "zone": "eu"}.items() <= alert.labels.items()
    assert alert.note == "939 of 1,003 labels are left out"
    assert alert.fingerprint == fingerprint(labels)


def test_long_values_are_cut_and_it_is_said() -> None:
    alert = only(labels={"alertname": "A" * 5_000}, annotations={"description": "B" * 5_000})
    assert len(alert.labels["alertname"]) == LONGEST_LABEL
    assert alert.annotations["description"].endswith("B…")
    assert alert.note == "1 labels are shortened; 1 annotations are shortened"


def test_text_stays_as_it_was_written_but_for_what_nothing_can_store() -> None:
    alert = only(annotations={"summary": "<!channel> & *bold* `x`\n\u202e", "nul": "a\x00b", "half": "\ud800"})
    assert alert.annotations == {"summary": "<!channel> & *bold* `x`\n\u202e", "nul": "a\ufffdb", "half": "\ufffd"}
    json.dumps(alert.annotations).encode()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-23T12:42:31.704123456+02:00", datetime(2026, 11, 23, 10, 42, 31, 704_123, UTC)),
        ("2026-11-23T12:42:31", datetime(2026, 11, 23, 12, 42, 31, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", UNKNOWN_START),
        ("9999-12-31T23:59:59-14:00", UNKNOWN_START),
        ("yesterday", UNKNOWN_START),
        (1_700_000_000, UNKNOWN_START),
    ],
)
def test_times(written: Any, read: datetime) -> None:
    assert only(startsAt=written).starts_at == read


def test_a_group_without_a_key_has_that_of_its_labels() -> None:
    assert parse(notification(groupKey=None, groupLabels={"service": "gateway", "alertname": "A"})).group_key == '{}:{alertname="A", service="gateway"}'


def test_the_receivers_name_is_not_quoted() -> None:
    assert parse(notification(receiver="on\\.call \\(eu\\)")).receiver == "on.call (eu)"


@pytest.mark.parametrize(("value", "read"), [(12, 12), (-1, 0), ("3", 0), (None, 0)])
def test_how_many_alerts_were_left_out(value: Any, read: int) -> None:
    assert parse(notification(truncatedAlerts=value)).truncated == read


FLAT = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(FLAT, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3), max_leaves=5)


@given(st.lists(st.dictionaries(st.sampled_from([*FIRING]), JSON) | JSON), st.dictionaries(st.sampled_from([*notification()]), JSON))
def test_nothing_that_calls_itself_version_4_is_refused(alerts: list[Any], changes: dict[str, Any]) -> None:
    parsed = parse(notification() | changes | {"version": "4", "alerts": alerts})
    assert len(parsed.alerts) == sum(isinstance(one, dict) for one in alerts)
    assert all(alert.fingerprint and alert.starts_at.tzinfo is UTC for alert in parsed.alerts)


@pytest.mark.skipif("TEST_WEBHOOKS" not in os.environ, reason="TEST_WEBHOOKS names no folder of recorded webhooks")
def test_recorded_notifications() -> None:
    files = [*Path(os.environ["TEST_WEBHOOKS"]).glob("alertmanager/*.json")]
    for file in files:
        sent = json.loads(file.read_text())
        parsed = parse(sent)
        assert [alert.fingerprint for alert in parsed.alerts] == [fingerprint(one["labels"]) for one in sent["alerts"]]
        assert [dict(alert.labels) for alert in parsed.alerts] == [one["labels"] for one in sent["alerts"]]
        assert parsed.group_key == sent["groupKey"]
        assert all((alert.ends_at is None) is (alert.status == "firing") for alert in parsed.alerts)
    assert files


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("service=gateway", Matcher("service", "gateway")),
        (' service = "gateway" ', Matcher("service", "gateway")),
        ("service!=gateway", Matcher("service", "gateway", equal=False)),
        ('alertname=~"High.*|Low"', Matcher("alertname", "High.*|Low", regex=True)),
        ("alertname!~High.*", Matcher("alertname", "High.*", regex=True, equal=False)),
        ('path="a\\"b\\\\c\\nd"', Matcher("path", 'a"b\\c\nd')),
        ("service=", Matcher("service", "")),
    ],
)
def test_matchers_as_people_write_them(text: str, read: Matcher) -> None:
    assert matcher(text) == read
    assert matcher(str(read)) == read


@pytest.mark.parametrize("text", ["", "service", "1a=b", 'service="gateway', 'a="b" c', "=b", 'a="b"c"'])
def test_what_is_no_matcher(text: str) -> None:
    with pytest.raises(UsageError, match="does not say which alerts are meant"):
        matcher(text)


def test_a_broken_regular_expression_is_quoted() -> None:
    with pytest.raises(UsageError, match="is not a regular expression"):
        matcher("service=~(")


@given(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text(), st.booleans())
def test_a_matcher_reads_back(name: str, value: str, equal: bool) -> None:
    assert matcher(str(Matcher(name, value, equal=equal))) == Matcher(name, value, equal=equal)


def test_which_alerts_are_meant() -> None:
    labels = {"service": "gateway", "severity": "critical"}
    assert Matcher("service", "gateway").matches(labels)
    assert not Matcher("service", "gate", regex=True).matches(labels)
    assert Matcher("service", "gate.*", regex=True).matches(labels)
    assert not Matcher("service", "gateway", equal=False).matches(labels)
    assert Matcher("team", "").matches(labels)
    assert Matcher("team", "payments", equal=False).matches(labels)
