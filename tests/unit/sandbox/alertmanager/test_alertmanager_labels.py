"""Labels: fingerprints and texts that a real Alertmanager has given."""

from __future__ import annotations

import pytest

from sandbox.alertmanager.labels import Matcher, common, fingerprint, order, quoted, written

CHECKOUT = {
    "alertname": "HighErrorRate",
    "cluster": "prod-eu",
    "instance": "127.0.0.1:19100",
    "job": "checkout",
    "service": "checkout",
    "severity": "critical",
    "status": "503",
    "team": "payments",
}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({**CHECKOUT, "path": "/api/0"}, "0558195fc589340c"),
        ({**CHECKOUT, "path": "/api/1"}, "ec0d58e9e946d8b1"),
        ({**CHECKOUT, "path": "/api/2"}, "b662ac0dc3b9f372"),
        ({**CHECKOUT, "path": "/api/3"}, "6d411b24ae4e81af"),
        ({**CHECKOUT, "path": "/api/4"}, "b84d67dbc4114e20"),
        ({"service": "s", "alertname": "A"}, "8770e5311edb2ab1"),
        ({"ok": "1"}, "8d4653b8b9db0024"),
        ({"a": "1"}, "d3b971819376d835"),
    ],
)
def test_fingerprints_are_the_real_ones(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


def test_groups_are_written_as_the_real_one_writes_them() -> None:
    assert written({"service": "checkout", "alertname": "HighErrorRate"}) == '{alertname="HighErrorRate", service="checkout"}'
    assert quoted('a"b\\c\nd\x01é\u200b') == '"a\\"b\\\\c\\nd\\x01é\\u200b"'


def test_alerts_are_sorted_by_job_and_instance_then_by_fewer_labels() -> None:
    first, second, third, fourth = {"job": "a", "x": "9"}, {"job": "b", "instance": "1"}, {"job": "b"}, {"x": "1"}
    ordered = [first, second, third, fourth]
    for place, one in enumerate(ordered):
        for later in ordered[place + 1 :]:
            assert (order(one, later), order(later, one)) == (-1, 1)
        assert order(one, one) == 0
    assert order({"x": "1"}, {"x": "1", "y": "1"}) == -1
    assert order({"x": "1", "y": "2"}, {"x": "1", "y": "1"}) == 1


def test_what_is_common_has_the_same_value_in_all() -> None:
    assert common([{"a": "1", "b": "2"}, {"b": "3", "a": "1", "c": "4"}]) == {"a": "1"}


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ('a="b"', {"a": "b"}, True),
        ("a=b", {}, False),
        ("a!=b", {}, True),
        ('a=~"b|c"', {"a": "c"}, True),
        ('a=~"b"', {"a": "bb"}, False),
        ('a!~"b.*"', {"a": "bb"}, False),
        (r'a="x\"\n\\"', {"a": 'x"\n\\'}, True),
        ('a=""', {}, True),
    ],
)
def test_matchers(text: str, labels: dict[str, str], matches: bool) -> None:
    assert Matcher.parse(text).matches(labels) is matches
