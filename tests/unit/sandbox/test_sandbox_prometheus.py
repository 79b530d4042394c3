"""The series that are set in the sandbox's Prometheus, and what queries make of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.prometheus import Failure, Prometheus, Series, ramp
from sandbox.prometheus.series import written
from sandbox.server import Sandbox

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)


async def ask(url: str, path: str, **parameters: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url) as client:
        return await client.get(f"/api/v1/{path}", params=parameters)


async def test_series_are_set_by_the_control_api(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    async def value(query: str) -> Any:
        answer = (await ask(sandbox.urls["prometheus"], "query", query=query)).json()
        return [(one["metric"], one["value"]) for one in answer["data"]["result"]]

    now = int(START.timestamp())
    assert await value("errors") == [({}, [now, "0.01"])]
    series = [{"labels": {"pod": "a"}, "value": "NaN"}, {"labels": {"pod": "b"}, "value": 1e-7}]
    assert (await client.post("/_sandbox/prometheus/series", json={"expression": "errors", "series": series})).status_code == 200
    assert await value("errors") == [({"pod": "a"}, [now, "NaN"]), ({"pod": "b"}, [now, "0.0000001"])]
    assert (await ask(sandbox.urls["prometheus"], "labels")).json()["data"] == ["__name__", "pod"]
    listed = (await client.get("/_sandbox/prometheus/series")).json()
    assert listed["errors"] == [{"labels": {"pod": "a"}, "value": "NaN"}, {"labels": {"pod": "b"}, "value": "0.0000001"}]
    await client.post("/_sandbox/prometheus/series", json={"expression": "errors"})
    assert await value("errors") == []
    await client.post("/_sandbox/prometheus/series", json={"expression": "rate.*", "regex": True, "series": [{"points": [[0, 0], [60, 6]]}]})
    await client.post("/_sandbox/clock", json={"advance": 30})
    assert await value("rate(x[1m])") == [({}, [now + 30, "3"])]
    await client.delete("/_sandbox/prometheus/series")
    assert await value("rate(x[1m])") == []


async def test_a_query_can_be_made_to_fail(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    error = {"status": 503, "kind": "timeout", "text": "query timed out in expression evaluation"}
    await client.post("/_sandbox/prometheus/series", json={"expression": "errors", "error": error})
    answer = await ask(sandbox.urls["prometheus"], "query", query="errors")
    assert (answer.status_code, answer.json()) == (503, {"status": "error", "errorType": "timeout", "error": error["text"]})
    assert (await client.get("/_sandbox/prometheus/series")).json()["errors"] == error


@pytest.mark.parametrize(
    "body",
    [
        {"expression": "x", "series": [{}]},
        {"expression": "x", "series": [{"value": 1, "points": [[0, 1]]}]},
        {"expression": "x", "series": [{"points": [[1, 1], [1, 2]]}]},
        {"expression": "(", "regex": True, "series": [{"value": 1}]},
        {"series": []},
    ],
)
async def test_wrong_series_are_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.post("/_sandbox/prometheus/series", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert (await client.get("/_sandbox/prometheus/series")).json().keys() == {"errors"}


def test_the_past_stays_as_it_was() -> None:
    clock = Clock.manual(START)
    prometheus = Prometheus(clock)
    prometheus.set("errors", 0.0)
    clock.advance(60)
    prometheus.set("errors", 0.5, Series(0.7, {"pod": "a"}))

    def seen(minutes: int) -> list[float | None]:
        answer = prometheus.look("errors", START + timedelta(minutes=minutes))
        assert not isinstance(answer, Failure)
        return [series.at(START) for series in answer]

    assert [seen(minutes) for minutes in (-5, 0, 1, 5)] == [[0.0], [0.0], [0.5, 0.7], [0.5, 0.7]]


def test_an_exact_expression_goes_before_a_pattern_and_the_newest_pattern_first() -> None:
    prometheus = Prometheus(Clock.manual(START))
    prometheus.set(".*", 1, regex=True)
    prometheus.set("up.*", 2, regex=True)
    prometheus.set("up", lambda now: now.hour)
    values = [prometheus.look(expression, START) for expression in ("up", "upper", "down")]
    assert [answer[0].at(START) for answer in values if not isinstance(answer, Failure)] == [3, 2, 1]


@pytest.mark.parametrize(("seconds", "value"), [(-10, 1.0), (0, 1.0), (30, 2.0), (60, 3.0), (90, 2.5), (999, 2.0)])
def test_a_ramp_is_straight_between_its_points(seconds: float, value: float) -> None:
    assert ramp([(0, 1), (60, 3), (120, 2)], START)(START + timedelta(seconds=seconds)) == value


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (0.25, "0.25"), (1e21, "1000000000000000000000"), (float("-inf"), "-Inf"), (-0.0, "-0")])
def test_samples_are_written_without_an_exponent(value: float, text: str) -> None:
    assert written(value) == text
