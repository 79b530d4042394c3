"""The sandbox's Prometheus answers as a real one does: the same requests to both (the real one where TEST_PROMETHEUS names it)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.world import World


@pytest.fixture(params=["sandbox", "real"])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    if request.param == "real":
        if not os.environ.get("TEST_PROMETHEUS"):
            pytest.skip("TEST_PROMETHEUS names no Prometheus")
        yield os.environ["TEST_PROMETHEUS"]
    else:
        async with Sandbox(World.build({})) as sandbox:
            yield sandbox.urls["prometheus"]


async def ask(url: str, path: str, **parameters: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url) as client:
        return await client.get(f"/api/v1/{path}", params=parameters)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "1:1: parse error: no expression found in input"),
        ("sum(rate(", "1:10: parse error: unclosed left parenthesis"),
        ("rate(up[5m", "1:11: parse error: unclosed left parenthesis"),
        ("x[5m", "1:5: parse error: unclosed left bracket"),
        ("up{", "1:4: parse error: unexpected end of input inside braces"),
        ('foo{a="b"', "1:10: parse error: unexpected end of input inside braces"),
        ("sum(x))", "1:8: parse error: unexpected right parenthesis ')'"),
        ("x[5m]]", "1:6: parse error: unexpected right bracket ']'"),
        ("up}", "1:3: parse error: unexpected character: '}'"),
        ("foo bar", '1:5: parse error: unexpected identifier "bar"'),
        ("1.5.2", '1:4: parse error: unexpected number ".2"'),
        ("up ==", "1:6: parse error: unexpected end of input"),
        ("x and", "1:6: parse error: unexpected end of input"),
        ('foo{a="b}', "1:7: parse error: unterminated quoted string"),
        ("foo $ bar", "1:5: parse error: unexpected character: '$'"),
        ('x{é="1"}', "1:3: parse error: unexpected character inside braces: 'é'"),
        ("x,y", '1:2: parse error: unexpected ","'),
    ],
)
async def test_a_mistake_in_an_expression_is_bad_data(url: str, query: str, error: str) -> None:
    answer = await ask(url, "query", query=query)
    assert answer.status_code == 400
    # The parameter is named by Prometheus since 2.28.
    assert answer.json() == {"status": "error", "errorType": "bad_data", "error": f'invalid parameter "query": {error}'}


@pytest.mark.parametrize(
    "query",
    [
        "no_such_metric",
        'sum(rate(http_requests_total{service="gateway",status=~"5.."}[2m])) / sum(rate(http_requests_total[2m]))',
        "histogram_quantile(0.99, sum(rate(x_bucket[5m])) by (le))",
        'sum by (a) (rate(x{a!~"b", }[1h30m] offset 5m)) > bool 0.5 # says so',
        "a and on (b) c or d unless ignoring (e) f",
        "-x ^ 2 % 3",
    ],
)
async def test_an_unknown_metric_is_an_empty_vector(url: str, query: str) -> None:
    assert (await ask(url, "query", query=query)).json() == {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.mark.parametrize(("query", "value"), [("1", "1"), ("-0.5", "-0.5"), ("1e3", "1000"), ("NaN", "NaN"), ("+Inf", "+Inf")])
async def test_a_number_is_a_scalar(url: str, query: str, value: str) -> None:
    answer = (await ask(url, "query", query=query, time="1777777777.5")).json()
    assert answer == {"status": "success", "data": {"resultType": "scalar", "result": [1777777777.5, value]}}


async def test_a_range_is_a_matrix(url: str) -> None:
    answer = (await ask(url, "query_range", query="2", start="2026-05-03T03:00:00Z", end="1777777205", step="2s")).json()
    values = [[1777777200, "2"], [1777777202, "2"], [1777777204, "2"]]
    assert answer == {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}}


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"start": "", "end": "2", "step": "1"}, 'invalid parameter "start": cannot parse "" to a valid timestamp'),
        ({"start": "3", "end": "2", "step": "1"}, 'invalid parameter "end": end timestamp must not be before start time'),
        ({"start": "1", "end": "2", "step": "x"}, 'invalid parameter "step": cannot parse "x" to a valid duration'),
        ({"start": "1", "end": "2", "step": "Inf"}, 'invalid parameter "step": cannot parse "Inf" to a valid duration. It overflows int64'),
        (
            {"start": "1", "end": "2", "step": "NaN"},
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
        ),
        (
            {"start": "1", "end": "2", "step": "0"},
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
        ),
        (
            {"start": "0", "end": "11001", "step": "1"},
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ),
    ],
)
async def test_a_wrong_range_is_bad_data(url: str, parameters: dict[str, str], error: str) -> None:
    answer = await ask(url, "query_range", query="up", **parameters)
    assert (answer.status_code, answer.json()) == (400, {"status": "error", "errorType": "bad_data", "error": error})


async def test_a_wrong_time_is_bad_data(url: str) -> None:
    answer = await ask(url, "query", query="up", time="abc")
    assert answer.json()["error"] == 'invalid parameter "time": Invalid time value for \'time\': cannot parse "abc" to a valid timestamp'


async def test_health_and_methods(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/-/healthy")).text == "Prometheus Server is Healthy.\n"
        assert (await client.get("/-/ready")).text == "Prometheus Server is Ready.\n"
        assert (await client.put("/api/v1/query")).status_code == 405
        posted = await client.post("/api/v1/query", data={"query": "3", "time": "1"})
        assert posted.json()["data"] == {"resultType": "scalar", "result": [1, "3"]}
